import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from '@strongroom/runtime/clock';
import { httpsAgent } from '@strongroom/runtime/proxy';
import { spanOf } from './certificate.ts';

/** What one GET shows: also of a server whose certificate is not trusted. No secret is sent. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Absent without TLS. */
  readonly tls?: TlsView;
  /** How far its clock is before ours, milliseconds; absent without a Date header. */
  readonly aheadMs?: number;
}

export interface TlsView {
  /** Why it is not trusted, in OpenSSL's word; absent when it is. */
  readonly problem?: string;
  /** While all of the chain is in force. */
  readonly from: number;
  readonly to: number;
}

export interface ProbeOptions {
  readonly ca?: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** A page of nobody's is longer than what a service of ours says. */
const BODY_CHARACTERS_MAX = 256 * 1024;

/** @returns undefined when nobody answers in time */
export function probe(url: URL, options: ProbeOptions): Promise<Answer | undefined> {
  const { ca, timeoutMs, clock } = options;
  const sentAt = clock.now();
  // Whatever it presents is looked at, and what it then says is judged by whether it is trusted.
  const trust = { rejectUnauthorized: false, ...(ca === undefined ? {} : { ca }) };
  // Of its own, so that no connection of before hides what is presented.
  const isHttps = url.protocol === 'https:';
  const [request, agent] = isHttps ? [requestHttps, httpsAgent()] : [requestHttp, false as const];
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = request(url, { ...trust, signal, agent }, (response) => {
      const receivedAt = clock.now();
      const tls = response.socket instanceof TLSSocket ? tlsOf(response.socket) : undefined;
      const ahead = aheadOf(response.headers.date, sentAt, receivedAt);
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
        if (body.length > BODY_CHARACTERS_MAX) asked.destroy();
      });
      response.on('error', () => resolve(undefined));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body,
          ...(tls === undefined ? {} : { tls }),
          ...(ahead === undefined ? {} : { aheadMs: ahead }),
        }),
      );
    });
    asked.on('error', () => resolve(undefined));
    asked.on('close', () => resolve(undefined));
    asked.end();
  });
}

/** RFC 9110 §5.6.7: a Date has whole seconds, so the truth lies up to one later. */
export function aheadOf(
  date: string | undefined,
  sentAt: number,
  receivedAt: number,
): number | undefined {
  const told = Date.parse(date ?? '');
  if (Number.isNaN(told)) return undefined;
  if (told + 1_000 < sentAt) return told + 1_000 - sentAt;
  return told > receivedAt ? told - receivedAt : 0;
}

/** What a server presented. */
export function tlsOf(socket: TLSSocket): TlsView {
  const chain = chainOf(socket.getPeerCertificate(true));
  const span = spanOf(
    chain.map((each) => ({ from: Date.parse(each.valid_from), to: Date.parse(each.valid_to) })),
  );
  // Declared as an error, and a word in truth.
  const problem = socket.authorized ? undefined : String(socket.authorizationError);
  return { ...span, ...(problem === undefined ? {} : { problem }) };
}

function chainOf(first: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let each = first; each?.valid_to && !chain.includes(each); each = each.issuerCertificate) {
    chain.push(each);
  }
  return chain;
}

import http from 'node:http';
import https from 'node:https';
import { StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_BODY_BYTES_MAX, HTTP_TIMEOUT_MS } from '@strongroom/protocol/limits';
import type { Tracing } from '@strongroom/runtime/tracing';
import { type Credential, tlsOf } from './credentials.ts';

export interface JsonAnswer {
  readonly status: number;
  /** Undefined when the body is no JSON. */
  readonly body: unknown;
}

export interface PostOptions extends Credential {
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** Absent: nobody wants to know. */
  readonly tracing?: Tracing | undefined;
}

/**
 * Posts JSON.
 * @throws ERR_SERVICE_UNREACHABLE when no whole answer comes in time
 */
export async function postJson(url: URL, body: unknown, options: PostOptions): Promise<JsonAnswer> {
  const call = options.tracing?.beginCall({ side: 'client', method: 'POST', url });
  try {
    const answer = await post(url, JSON.stringify(body), options, call?.traceparent);
    call?.end(answer);
    return answer;
  } catch {
    call?.end({ code: 'ERR_SERVICE_UNREACHABLE' });
    throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { url: `${url.origin}${url.pathname}` });
  }
}

function post(
  url: URL,
  text: string,
  options: PostOptions,
  traceparent: string | undefined,
): Promise<JsonAnswer> {
  const { ca, token } = options;
  const request = url.protocol === 'https:' ? https.request : http.request;
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  const tls = { ...(ca === undefined ? {} : { ca }), ...tlsOf(options) };
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', headers, timeout: HTTP_TIMEOUT_MS, ...tls },
      (response) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        response.on('data', (piece: Buffer) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > HTTP_BODY_BYTES_MAX) sent.destroy(new RangeError('answer too long'));
        });
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: parseJson(Buffer.concat(pieces)) });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new RangeError('no answer in time')));
    sent.on('error', reject);
    sent.end(text);
  });
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** An own member of a JSON value; undefined where there is none. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}

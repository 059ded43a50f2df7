import type { RootPins } from '@strongroom/attestation/roots';
import type { ContractId } from '@strongroom/protocol/fields';
import { aggregatesTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { createHttpServer, type HttpServerOptions } from '@strongroom/runtime/http';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { PageAssets } from './page-assets.ts';
import { relayRecords } from './relay-records.ts';

export interface PageServerOptions {
  /** The signed contract, as its file has it: the page verifies it. */
  readonly signedContract: string;
  readonly contractId: ContractId;
  readonly log: RecordLog;
  readonly namespace?: string;
  /** Of a simulated platform; the page takes them for a contract that names such a one only. */
  readonly simulatedPins?: RootPins;
  readonly assets: PageAssets;
  /** Host names under which the page may be asked for, beside those of this machine. */
  readonly hostNames: readonly string[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  readonly tls?: HttpServerOptions['tls'];
}

/** Pages that are open at once; each holds a connection to the log. */
const PAGES_MAX = 16;

/**
 * Hands out a page and relays sealed records to it: no key, no plaintext, no cookie, nothing of
 * what the page does comes back. Whoever runs it decides which code the page is, and so whoever
 * reads results runs it (SECURITY.md).
 */
export function createPageServer(options: PageServerOptions): ReturnType<typeof createHttpServer> {
  const { signedContract, contractId, namespace, simulatedPins, assets, logger, metrics } = options;
  const app = createHttpServer({
    service: 'analyst',
    logger,
    metrics,
    ready: () => !options.signal.aborted,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(PAGE_HEADERS);
    const refusal = refusalOf(request.headers, options.hostNames);
    if (refusal === undefined) return undefined;
    const error = { code: 'ERR_REQUEST_INVALID', message: refusal };
    return reply.code(MISDIRECTED).send({ error });
  });
  for (const [path, { type, bytes }] of assets) {
    app.get(path, async (_request, reply) => reply.type(type).send(bytes));
  }
  app.get('/api/settings', async () => ({
    contractId,
    signedContract,
    ...(simulatedPins === undefined ? {} : { simulatedPins }),
  }));
  const open = metrics.gauge('strongroom_analyst_pages');
  let pages = 0;
  app.get<{ Querystring: { from?: string } }>('/api/records', async (request, reply) => {
    const from = Number(request.query.from ?? 0);
    if (!Number.isSafeInteger(from) || from < 0) return reply.code(400).send(BAD_OFFSET);
    if (pages >= PAGES_MAX) return reply.code(503).send(TOO_MANY_PAGES);
    pages += 1;
    open.set(pages);
    const gone = new AbortController();
    reply.raw.once('close', () => {
      pages -= 1;
      open.set(pages);
      gone.abort();
    });
    const signal = AbortSignal.any([options.signal, gone.signal]);
    const topic = aggregatesTopic(contractId, namespace);
    const lines = relayRecords({ log: options.log, topic, from, signal });
    return reply.type('application/x-ndjson').send(lines);
  });
  return app;
}

/** RFC 9110 §15.5.20. */
const MISDIRECTED = 421;
const invalid = (message: string) => ({ error: { code: 'ERR_REQUEST_INVALID', message } });
const BAD_OFFSET = invalid('from: an offset, 0 or more');
const TOO_MANY_PAGES = invalid(`more than ${PAGES_MAX} pages are open`);

/** No source but this server, no inline script or style, no text that becomes markup. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/**
 * A name that another site has pointed at this machine (DNS rebinding) arrives in `host`; a request
 * that another site makes, in `sec-fetch-site` (W3C Fetch Metadata).
 */
function refusalOf(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  hostNames: readonly string[],
): string | undefined {
  const host = /^(\[[^\]]+\]|[^:]+)(:[0-9]+)?$/.exec(String(headers['host'] ?? ''))?.[1];
  const known = [...THIS_MACHINE, ...hostNames];
  if (host === undefined || !known.includes(host.toLowerCase())) return 'another host is asked for';
  const site = headers['sec-fetch-site'] ?? 'none';
  const isNavigation = headers['sec-fetch-mode'] === 'navigate';
  const isOwn = site === 'same-origin' || site === 'none' || isNavigation;
  return isOwn ? undefined : 'another site asks';
}

const THIS_MACHINE = ['localhost', '127.0.0.1', '[::1]'];

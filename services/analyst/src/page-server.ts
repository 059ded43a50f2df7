import type { RootPins } from '@strongroom/attestation/roots';
import type { PageAssets } from '@strongroom/page/server/page-assets';
import { servePage } from '@strongroom/page/server/page-guard';
import type { ContractId } from '@strongroom/protocol/fields';
import { aggregatesTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { createHttpServer, type HttpServerOptions } from '@strongroom/runtime/http';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
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
  servePage(app, assets, options.hostNames);
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

const invalid = (message: string) => ({ error: { code: 'ERR_REQUEST_INVALID', message } });
const BAD_OFFSET = invalid('from: an offset, 0 or more');
const TOO_MANY_PAGES = invalid(`more than ${PAGES_MAX} pages are open`);

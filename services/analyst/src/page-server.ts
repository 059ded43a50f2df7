import type { RootPins } from '@strongroom/attestation/roots';
import type { Revocation, RevocationLists } from '@strongroom/attestation/verify';
import { type PageServer, type PageServing, servePage } from '@strongroom/page/server/page-guard';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { EvidenceSchema } from '@strongroom/protocol/evidence';
import type { ContractId } from '@strongroom/protocol/fields';
import { aggregatesTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import { relayRecords } from './relay-records.ts';

export interface PageServerOptions extends PageServing {
  /** The signed contract, as its file has it: the page verifies it. */
  readonly signedContract: string;
  readonly contractId: ContractId;
  readonly log: RecordLog;
  readonly namespace?: string;
  /** Of a simulated platform; the page takes them for a contract that names such a one only. */
  readonly simulatedPins?: RootPins;
  /** Whom to ask for revocation lists, which the page judges; without it there are none. */
  readonly revocation?: Revocation;
}

/** Pages that are open at once; each holds a connection to the log. */
const PAGES_MAX = 16;

/**
 * Hands out a page and relays sealed records to it: no key, no plaintext, no cookie, nothing of
 * what the page does comes back. Whoever runs it decides which code the page is, and so whoever
 * reads results runs it (SECURITY.md).
 */
export function createPageServer(options: PageServerOptions): PageServer {
  const { signedContract, contractId, namespace, simulatedPins, revocation, metrics } = options;
  const app = servePage('analyst', options);
  app.get('/api/settings', async () => ({
    contractId,
    signedContract,
    ...(simulatedPins === undefined ? {} : { simulatedPins }),
  }));
  app.post('/api/revocation-lists', async (request, reply) => {
    const evidence = EvidenceSchema.safeParse(request.body);
    if (!evidence.success) return reply.code(400).send(BAD_EVIDENCE);
    return listsText(await revocation?.listsFor(evidence.data));
  });
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

/** The page judges them; that there must be one is the word of whoever serves it, and counts. */
function listsText({ revocationLists = [], requireRevocationList = false }: RevocationLists = {}) {
  return { revocationLists: revocationLists.map(encodeBase64url), requireRevocationList };
}

const invalid = (message: string) => ({ error: { code: 'ERR_REQUEST_INVALID', message } });
const BAD_EVIDENCE = invalid('the evidence of a worker');
const BAD_OFFSET = invalid('from: an offset, 0 or more');
const TOO_MANY_PAGES = invalid(`more than ${PAGES_MAX} pages are open`);

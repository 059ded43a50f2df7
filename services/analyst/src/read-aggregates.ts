import type { RootSet } from '@strongroom/attestation/roots';
import { createTokenShelf } from '@strongroom/attestation/token-shelf';
import type { Revocation } from '@strongroom/attestation/verify';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { StopNotice } from '@strongroom/protocol/stop-notice';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import type { Clock } from '@strongroom/runtime/clock';
import type { Span, Tracing } from '@strongroom/runtime/tracing';
import type { Reader } from '@strongroom/sealing/identity-file';
import { verifyStopNotice } from '@strongroom/sealing/notice';
import { createHistory } from './history.ts';
import { type Opener, openAggregateEntry, type VerifiedResult } from './open-aggregate.ts';
import { createPartShelf } from './part-shelf.ts';
import { createReceiptShelf } from './receipt-shelf.ts';

/** All that reading asks of a log; a page in a browser has one that a server relays. */
export type ReadableLog = Pick<RecordLog, 'read' | 'endOffset'>;

export interface ReadAggregatesOptions {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly identity: Reader;
  readonly log: ReadableLog;
  readonly clock: Clock;
  /** Whose platform raw evidence has to be of, where the contract wants readers to look at it. */
  readonly roots: RootSet;
  /** Without it no revocation list is looked at. */
  readonly revocation?: Revocation;
  readonly namespace?: string;
  /** Only this query. */
  readonly query?: string;
  /** Wait for more instead of ending where the log ends now. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** Also try to open what is addressed to somebody else, to show that it cannot be done. */
  readonly tryAll?: boolean;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** A record that was set aside: nothing of it was shown, and reading goes on behind it. */
export interface RefusedRecord {
  readonly kind: 'refused';
  readonly ids?: Span['ids'];
  readonly offset: number;
  readonly error: Error;
  readonly code: ErrorCode;
}

interface OpenedResult {
  readonly kind: 'result';
  /** Of its span, for log lines. */
  readonly ids?: Span['ids'];
  readonly result: VerifiedResult;
}

/** An owner has ended the contract: a worker said so, and no result behind it is believed. */
interface EndedContract {
  readonly kind: 'ended';
  readonly notice: StopNotice;
}

type Reading = OpenedResult | RefusedRecord | EndedContract;

/**
 * Results as they are proven: log -> token -> key -> signature -> contract -> open -> history.
 * A record that is forged or damaged is reported and passed over: if it stood in for a true one,
 * the gap shows. So is a result of which a part is missing.
 * @throws ERR_NOT_A_READER before anything is read, when no query is addressed to this party;
 *   ERR_AGGREGATE_GAP when the log withholds a result or shows an old branch; ERR_LOG_*
 */
export async function* readAggregates(options: ReadAggregatesOptions): AsyncGenerator<Reading> {
  const queries = queriesOf(options);
  const tokens = createTokenShelf(options);
  const receipts = createReceiptShelf(options.contract, options.contractId);
  const parts: Opener['parts'] = createPartShelf();
  const opener: Opener = { ...options, queries, tokens, receipts, parts, history: createHistory() };
  for await (const entry of entriesOf(options)) {
    const type = entry.headers['ce_type'];
    if (type === RECORD_TYPES.token) await tokens.add(entry.value);
    if (type === RECORD_TYPES.receipt) await receipts.add(entry.value);
    const read = type === undefined ? undefined : READERS.get(type);
    if (read === undefined) continue;
    const span = beginSpan(entry, options.tracing);
    const reading = await readOrRefuse(entry, () => read(entry, opener));
    yield* incompleteOf(parts);
    if (reading) yield traced(reading, span);
  }
  // What a log that ends here has not shown whole may be shown by one that goes on.
  if (options.follow || options.signal?.aborted) return;
  parts.end();
  yield* incompleteOf(parts);
}

function incompleteOf(parts: Opener['parts']): Reading[] {
  return parts.takeIncomplete().map(({ first, error }) => {
    return { kind: 'refused', offset: first.record.offset, error, code: error.code };
  });
}

/** Only what is a reader's own ends in a span: what is somebody else's was never opened. */
function beginSpan(entry: LogEntry, tracing: Tracing | undefined): Span | undefined {
  return tracing?.begin({
    operation: 'read',
    destination: entry.topic,
    parent: entry.trace,
    attributes: {
      'messaging.kafka.offset': entry.offset,
      'messaging.message.id': entry.headers['ce_id'],
    },
  });
}

function traced(reading: Reading, span: Span | undefined): Reading {
  if (span === undefined || reading.kind === 'ended') return reading;
  span.end(reading.kind === 'refused' ? reading.code : undefined);
  return { ...reading, ids: span.ids };
}

/**
 * The queries that this party may read, in the contract's order.
 * @throws ERR_NOT_A_READER when there is none, ERR_USAGE for a query that does not exist
 */
export function queriesOf(options: {
  readonly contract: Contract;
  readonly identity: Reader;
  readonly query?: string;
  readonly tryAll?: boolean;
}): readonly Query[] {
  const { contract, identity, query, tryAll = false } = options;
  const known = contract.queries.filter((each) => query === undefined || each.id === query);
  if (known.length === 0) {
    throw new StrongroomError('ERR_USAGE', { problem: `no query ${query} in this contract` });
  }
  if (tryAll) return known;
  const mine = known.filter((each) => each.readers.some((reader) => reader === identity.party));
  if (mine.length === 0) {
    throw new StrongroomError('ERR_NOT_A_READER', { party: identity.party });
  }
  return mine;
}

/** The whole topic from its beginning: only all of it shows that nothing is missing. */
async function* entriesOf(options: ReadAggregatesOptions): AsyncGenerator<LogEntry> {
  const { contractId, namespace, follow = false, signal } = options;
  const topic = aggregatesTopic(contractId, namespace);
  const reading = { untilEnd: !follow, ...(signal === undefined ? {} : { signal }) };
  if (follow) await awaitTopic(options.log, topic, signal);
  for await (const entries of options.log.read([{ topic, offset: 0 }], reading)) yield* entries;
}

/** What a person gets to see; `undefined` for what is somebody else's, or was there before. */
const READERS: ReadonlyMap<string, (entry: LogEntry, opener: Opener) => Promise<Shown>> = new Map([
  [RECORD_TYPES.aggregate, openResult],
  [RECORD_TYPES.notice, openNotice],
]);

type Shown = OpenedResult | EndedContract | undefined;

async function openResult(entry: LogEntry, opener: Opener): Promise<Shown> {
  const result = await openAggregateEntry(entry, opener);
  return result && { kind: 'result', result };
}

/** @throws ERR_NOTICE_INVALID, and what `TokenShelf.proofOf` throws */
async function openNotice({ value }: LogEntry, opener: Opener): Promise<Shown> {
  const { tokens, history } = opener;
  const aggregateKeyOf = (token: string) => tokens.proofOf(token).aggregatesKey;
  const notice = await verifyStopNotice(value, { ...opener, aggregateKeyOf });
  return history.end(notice) === 'repeated' ? undefined : { kind: 'ended', notice };
}

async function readOrRefuse(
  entry: LogEntry,
  read: () => Promise<Shown>,
): Promise<Reading | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = codeOf(error);
    if (!(error instanceof Error) || code === undefined || endsReading(code)) throw error;
    return { kind: 'refused', offset: entry.offset, error, code };
  }
}

/** Only what is wrong with the log as a whole; a bad record or token speaks for itself alone. */
function endsReading(code: ErrorCode): boolean {
  return code === 'ERR_AGGREGATE_GAP' || code === 'ERR_NOT_A_READER';
}

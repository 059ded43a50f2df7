import type { Contract } from '@strongroom/protocol/contract';
import { codeOf, dispositionOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, DatasetId } from '@strongroom/protocol/fields';
import { MANIFEST_BYTES_MAX } from '@strongroom/protocol/limits';
import { manifestRecordShape } from '@strongroom/protocol/record';
import type { BatchSeal, Manifest } from '@strongroom/protocol/sealed-batch';
import { openBatch, recordTypeOf } from '@strongroom/sealing/open';
import { verifyManifest } from '@strongroom/sealing/verify';
import type { DoorEntry, EntryOutcome, LateCount } from './door.ts';
import { type ArrowBatch, readArrowBatch } from './engine/arrow-batch.ts';
import { eventTimeColumnOf, eventTimeRange } from './engine/event-time.ts';
import type { StoredBatch } from './engine/row-store.ts';
import type { OpenedBatch } from './held-batches.ts';
import type { VaultKeys } from './keys.ts';
import { type Judgement, mergeLate } from './late-rows.ts';
import type { DatasetStream } from './stream.ts';
import type { StreamSet } from './stream-set.ts';

/** From records of a dataset's topic to rows that may be counted: verify, open, check, order. */

export interface IntakeContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly keys: VaultKeys;
  readonly streams: StreamSet;
  /** Says what is late of a batch that is next in its stream, and counts it. */
  readonly judge: (opened: OpenedBatch, isNew: boolean) => Judgement;
}

export interface Intake {
  readonly outcomes: readonly EntryOutcome[];
  /** In the order in which they count. */
  readonly batches: readonly StoredBatch[];
}

/**
 * Takes records in the log's order. A record that is bad is an outcome with its code; what halts
 * the computation is thrown.
 */
export async function takeEntries(
  entries: readonly DoorEntry[],
  context: IntakeContext,
): Promise<Intake> {
  // Hashing and unwrapping overlap; the order is restored below.
  const opened = await Promise.all(entries.map((entry) => settle(openEntry(entry, context))));
  const outcomes: EntryOutcome[] = [];
  const batches: StoredBatch[] = [];
  for (const [index, entry] of entries.entries()) {
    const result = opened[index];
    if (!result) continue;
    const outcome = takeOne(entry, result, context, batches);
    outcomes.push(outcome);
  }
  return { outcomes, batches };
}

type Opened =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | ({ readonly kind: 'batch' } & Omit<OpenedBatch, 'offset'>);

async function openEntry(entry: DoorEntry, context: IntakeContext): Promise<Opened> {
  const { contract, contractId, keys, streams } = context;
  const { dataset } = streams;
  if (recordTypeOf(entry) === 'manifest') {
    const manifest = await readManifest(entry, context);
    return { kind: 'manifest', manifest };
  }
  const unwrapper = keys.unwrapperOf(dataset.id);
  const opened = await openBatch(entry, { contract, contractId, dataset, unwrapper });
  const { seal, jws } = opened;
  const arrowBatch = readArrowBatch(opened.plaintext, dataset, seal.rows);
  checkEventTime(arrowBatch, seal, dataset.id, context);
  return { kind: 'batch', seal, jws, arrowBatch };
}

async function readManifest(entry: DoorEntry, context: IntakeContext): Promise<Manifest> {
  const { contract, contractId, streams } = context;
  const jws = entry.headers['seal'];
  if (jws === undefined || jws.length > MANIFEST_BYTES_MAX || entry.value.length > 0) {
    throw new StrongroomError('ERR_MANIFEST_MALFORMED', { part: 'record' });
  }
  const manifest = await verifyManifest(jws, contract, contractId, streams.dataset);
  const shape = manifestRecordShape(manifest);
  const { seal: _seal, ...headers } = entry.headers;
  const names = Object.keys(headers);
  const isSame =
    entry.key === shape.key &&
    names.length === Object.keys(shape.headers).length &&
    names.every((name) => headers[name] === shape.headers[name]);
  if (!isSame) throw new StrongroomError('ERR_RECORD_HEADERS');
  return manifest;
}

/** Windows are closed by what seals say about event times, so the rows must agree with them. */
function checkEventTime(
  arrowBatch: ArrowBatch,
  seal: BatchSeal,
  dataset: DatasetId,
  { streams }: IntakeContext,
): void {
  const column = eventTimeColumnOf(streams.dataset);
  if (!column) return;
  const { min, max } = eventTimeRange(arrowBatch, column);
  if (min !== seal.eventTime?.min || max !== seal.eventTime.max) {
    throw new StrongroomError('ERR_BATCH_CONTENT', { dataset, problem: 'event times' });
  }
}

function takeOne(
  entry: DoorEntry,
  opened: Settled<Opened>,
  context: IntakeContext,
  batches: StoredBatch[],
): EntryOutcome {
  const { offset, partition = 0 } = entry;
  const { streams } = context;
  const again = streams.isKnown(partition, offset);
  try {
    const result = unsettle(opened);
    if (result.kind === 'manifest') {
      streams.streamOf(result.manifest, partition).takeManifest(result.manifest);
      return { offset, kind: 'manifest', rows: 0, lateRows: 0 };
    }
    const stream = streams.streamOf(result.seal, partition);
    return takeBatch({ ...result, offset }, stream, context, batches);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined || dispositionOf(error) === 'halt') throw error;
    const facts = error instanceof StrongroomError ? error.facts : {};
    return { offset, kind: 'refused', rows: 0, lateRows: 0, code, facts, again };
  }
}

/** Takes a batch and those that waited for it; one that comes too early waits itself. */
function takeBatch(
  opened: OpenedBatch,
  stream: DatasetStream,
  context: IntakeContext,
  batches: StoredBatch[],
): EntryOutcome {
  const counts = { rows: 0, lateRows: 0 };
  const allLate: LateCount[] = [];
  let current: OpenedBatch | undefined = opened;
  if (opened.seal.sequence > stream.sequence && stream.hold(opened)) {
    const code = 'ERR_STREAM_GAP';
    const facts = { dataset: stream.dataset.id, expected: stream.sequence };
    return { offset: opened.offset, kind: 'held', ...counts, code, facts };
  }
  while (current) {
    const isNew = stream.takeBatch(current.seal, current.jws, current.offset);
    const { late, lateBelow } = context.judge(current, isNew);
    batches.push({ arrowBatch: current.arrowBatch, stream: stream.index, lateBelow });
    allLate.push(...late);
    // What is late for one query is late for every one that has closed more.
    const lateRows = Math.max(0, ...late.map(({ rows }) => rows));
    stream.addLateRows(lateRows);
    counts.rows += isNew ? current.seal.rows : 0;
    counts.lateRows += lateRows;
    current = stream.takeHeld();
  }
  const told = allLate.length > 0 ? { late: mergeLate(allLate) } : {};
  return { offset: opened.offset, kind: 'batch', ...counts, ...told };
}

type Settled<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

function unsettle<T>(settled: Settled<T>): T {
  if (settled.ok) return settled.value;
  throw settled.error;
}

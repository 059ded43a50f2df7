import { setTimeout as delay } from 'node:timers/promises';
import {
  type AbortedTransaction,
  committedRecords,
  type FetchedRecord,
  headersOf,
  positionAfter,
  textOf,
} from './committed-records.ts';
import type { AnswerMemory, LogEntry, ReadFrom, ReadOptions } from './log.ts';
import { LogError } from './log-error.ts';
import { takeHint } from './trace-hint.ts';

/**
 * Reading: positions, read-ahead, the end, and what happens when the log fails. The client behind
 * it only fetches.
 */

export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** The next offset that is wanted. */
  offset: number;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Everything that was fetched: marks and aborted records too. */
  readonly records: readonly FetchedRecord[];
  readonly aborted: readonly AbortedTransaction[];
  /** The read_committed end when the broker answered. */
  readonly end: number;
}

/** One connection to the log for one reading; calls do not overlap. Rejects with a `LogError`. */
export interface PartitionFetcher {
  endOffset(topic: string, partition: number): Promise<number>;
  /**
   * What is there now, or after a short wait what has arrived, up to `maxBytes` in all. It may be
   * of some of the partitions only: what the others have comes with a later call.
   */
  fetch(positions: readonly Position[], maxBytes: number): Promise<FetchedPartition[]>;
  close(): Promise<void>;
}

const READ_AHEAD_BYTES = 16 * 1024 * 1024;
/** A round in the consumer's hands and one that is being fetched. */
const ROUNDS_AHEAD = 2;

export async function* readEntries(
  open: () => Promise<PartitionFetcher>,
  from: readonly ReadFrom[],
  options: ReadOptions = {},
): AsyncGenerator<LogEntry[]> {
  const { signal, untilEnd = false, maxBytes = READ_AHEAD_BYTES, views } = options;
  const source = createSource(open, Math.ceil(maxBytes / ROUNDS_AHEAD), signal);
  try {
    const positions = await startPositions(source, from);
    const isOpen = (at: Target) => !untilEnd || at.offset < at.end;
    let round = source.fetch(positions.filter(isOpen));
    while (positions.some(isOpen)) {
      const fetched = await unlessAborted(round, signal);
      if (fetched === undefined) return;
      const taken = positions.map((at) => takeEntries(at, fetched, { untilEnd, views }));
      views?.lend(taken.flat().map(({ value }) => value));
      round = source.fetch(positions.filter(isOpen));
      for (const entries of taken) {
        if (signal?.aborted) return;
        if (entries.length > 0) yield entries;
      }
    }
  } finally {
    await source.close();
  }
}

/** `end`: the read_committed end when the reading began. */
interface Target extends Position {
  readonly end: number;
}

/**
 * An offset behind the end is one that the log once had and has lost: reading on from the new end
 * would hide that.
 */
async function startPositions(source: Source, from: readonly ReadFrom[]): Promise<Target[]> {
  const positions: Target[] = [];
  for (const { topic, partition = 0, offset } of from) {
    const end = await source.endOffset(topic, partition);
    if (offset > end) {
      throw new LogError('ERR_LOG_FAILED', { reason: 'OFFSET_OUT_OF_RANGE', topic, offset, end });
    }
    positions.push({ topic, partition, offset, end });
  }
  return positions;
}

/** The entries of one partition in a round; moves its position behind all that was fetched. */
function takeEntries(
  at: Target,
  fetched: readonly FetchedPartition[],
  { untilEnd, views }: { readonly untilEnd: boolean; readonly views: AnswerMemory | undefined },
): LogEntry[] {
  const { topic, partition } = at;
  const found = fetched.find((one) => one.topic === topic && one.partition === partition);
  if (found === undefined) return [];
  const committed = committedRecords(found.records, found.aborted, at.offset);
  at.offset = positionAfter(found.records, at.offset);
  return committed
    .map((record) => entryOf(record, topic, partition, views))
    .filter(({ offset }) => !untilEnd || offset < at.end);
}

/** A value that somebody may keep is copied: it would hold the whole buffer that was fetched. */
function entryOf(
  record: FetchedRecord,
  topic: string,
  partition: number,
  views: AnswerMemory | undefined,
): LogEntry {
  const fetched = record.value ?? NO_BYTES;
  return {
    topic,
    partition,
    offset: Number(record.offset),
    key: record.key === null ? null : textOf(record.key),
    value: views ? plainView(fetched) : new Uint8Array(fetched),
    ...takeHint(headersOf(record)),
  };
}

const NO_BYTES = new Uint8Array();

/** No Buffer, whose `slice` copies nothing. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

interface Source {
  endOffset(topic: string, partition: number): Promise<number>;
  fetch(positions: readonly Target[]): Promise<readonly FetchedPartition[]>;
  close(): Promise<void>;
}

/** 0.1, 0.2 ... 1, 1 seconds, about a minute in all: the restart of a node takes less. */
const ATTEMPTS_MAX = 60;
const FIRST_PAUSE_MS = 100;
const PAUSE_MS_MAX = 1_000;

/** A fetcher that is thrown away after any error and built anew, since half a client is none. */
function createSource(
  open: () => Promise<PartitionFetcher>,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Source {
  let fetcher: PartitionFetcher | undefined;
  let closed = false;
  const stalls = createStallCheck();

  async function connected(): Promise<PartitionFetcher> {
    if (fetcher !== undefined) return fetcher;
    const opened = await open();
    if (closed) {
      await opened.close();
      throw new LogError('ERR_LOG_FAILED', { reason: 'CLOSED' });
    }
    fetcher = opened;
    return opened;
  }

  async function discard(): Promise<void> {
    const broken = fetcher;
    fetcher = undefined;
    await broken?.close();
  }

  async function fetchWithRetries(positions: readonly Target[]) {
    for (let attempt = 1; ; attempt++) {
      try {
        const fetched = await (await connected()).fetch(positions, maxBytes);
        checkOffsets(fetched);
        stalls.check(positions, fetched);
        return fetched;
      } catch (error) {
        if (closed || signal?.aborted) return [];
        await discard();
        if (attempt === ATTEMPTS_MAX || !isTransient(error)) throw error;
        await pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), PAUSE_MS_MAX), signal);
      }
    }
  }

  return {
    async endOffset(topic, partition) {
      return (await connected()).endOffset(topic, partition);
    },
    fetch(positions) {
      const round = positions.length > 0 ? fetchWithRetries(positions) : Promise.resolve([]);
      // It is awaited one round later; a failure must not count as unhandled until then.
      round.catch(() => undefined);
      return round;
    },
    async close() {
      closed = true;
      await discard();
    },
  };
}

/** No partition comes so far; what remembers an offset may rely on it. */
export const OFFSET_MAX = 2 ** 48;

function checkOffsets(fetched: readonly FetchedPartition[]): void {
  for (const { topic, partition, records } of fetched) {
    if (records.some(({ offset }) => !(Number(offset) < OFFSET_MAX))) {
      throw new LogError('ERR_LOG_FAILED', { reason: 'OFFSET_INVALID', topic, partition });
    }
  }
}

/** Reasons that pass by themselves: a leader moves, a broker restarts, a bit flips on the way. */
const TRANSIENT_REASONS: ReadonlySet<unknown> = new Set([
  'CORRUPT_MESSAGE',
  'FENCED_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'OFFSET_INVALID',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
  'UNKNOWN_LEADER_EPOCH',
  'UNREADABLE_ANSWER',
]);

function isTransient(error: unknown): boolean {
  if (!(error instanceof LogError)) return false;
  return error.code === 'ERR_LOG_UNREACHABLE' || TRANSIENT_REASONS.has(error.facts['reason']);
}

const EMPTY_ROUNDS_MAX = 20;

/**
 * A log that says that there is more and returns nothing, or only what is behind us, would
 * otherwise be waited for, or be asked again and again.
 */
function createStallCheck() {
  let empty = 0;
  return {
    check(positions: readonly Position[], fetched: readonly FetchedPartition[]): void {
      const answers = fetched.flatMap(({ topic, partition, records, end }) => {
        const at = positions.find((one) => one.topic === topic && one.partition === partition);
        return at === undefined ? [] : [{ at, records, end }];
      });
      const moved = answers.some(
        ({ at, records }) => positionAfter(records, at.offset) > at.offset,
      );
      const stalled = answers.some(({ at, records, end }) => at.offset < end || records.length > 0);
      // Of those that were not answered nothing is known.
      if (moved || (!stalled && answers.length >= positions.length)) empty = 0;
      else if (stalled) empty += 1;
      if (empty > EMPTY_ROUNDS_MAX) throw new LogError('ERR_LOG_FAILED', { reason: 'NO_PROGRESS' });
    },
  };
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  await delay(milliseconds, undefined, options).catch(() => undefined);
}

/** The value, or undefined as soon as the signal aborts. No listener is left behind. */
function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value | undefined> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

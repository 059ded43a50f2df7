import { EventEmitter, once } from 'node:events';
import type {
  LogEntry,
  LogRecord,
  ReadFrom,
  ReadOptions,
  RecordLog,
  TransactionalWriter,
} from '@strongroom/record-log/log';
import { LogError } from '@strongroom/record-log/log-error';
import { splitByTopic, splitIntoRequests } from '@strongroom/record-log/record-requests';
import { headersWithHint, takeHint } from '@strongroom/record-log/trace-hint';

/**
 * The port of record-log in memory, with Kafka's habits: marks of transactions take offsets, an
 * open transaction hides everything after it, a newer writer aborts what an older one left open.
 * One suite holds this and the Kafka adapter to the same behaviour.
 */

export interface MemoryLog extends RecordLog {
  /** Everything that a reader could see now. */
  entries(topic: string, partition?: number): LogEntry[];
  /** Everything that was ever written: what a reader with isolation level read_uncommitted sees. */
  uncommitted(topic: string, partition?: number): LogRecord[];
  /** Lets go of what lies before an offset, as retention does. */
  forget(topic: string, before: number): void;
  /**
   * The next such call of this connection fails with ERR_LOG_FAILED: `before` anything is settled
   * (a transaction stays open), or `after` (all is written, only the answer is lost).
   */
  failNext(call: 'append' | 'commit', when: 'before' | 'after'): void;
}

type Fate = 'open' | 'committed' | 'aborted';
interface Slot {
  /** Undefined: a mark. */
  readonly record?: LogRecord;
  fate: Fate;
}

/** What several connections share: a cluster. */
export interface MemoryStore {
  readonly topics: Map<string, Slot[][]>;
  /** Transactional id -> its newest writer's epoch, and what that one has left open. */
  readonly writers: Map<string, { epoch: number; open: { slots: Slot[]; partition: Slot[] }[] }>;
  /** By topic: the first offset that is still there, in its first partition. */
  readonly starts: Map<string, number>;
  readonly changes: EventEmitter<{ change: [] }>;
}

export function createMemoryStore(): MemoryStore {
  const changes = new EventEmitter<{ change: [] }>();
  changes.setMaxListeners(0);
  return { topics: new Map(), writers: new Map(), starts: new Map(), changes };
}

/** A connection to `store`; its own when none is given. */
export function createMemoryLog(store: MemoryStore = createMemoryStore()): MemoryLog {
  const closing = new AbortController();
  const failures = createFailures();
  let queue: Promise<unknown> = Promise.resolve();
  return {
    hasTransactions: true,
    async createTopics(topics) {
      for (const { topic, partitions = 1 } of topics) {
        if (store.topics.has(topic)) continue;
        store.topics.set(
          topic,
          Array.from({ length: partitions }, () => []),
        );
      }
    },
    append(topic, records, partition = 0) {
      const sent = queue.then(() => append(store, failures, topic, records, partition));
      queue = sent.catch(() => undefined);
      return sent;
    },
    read: (from, options = {}) => read(store, closing.signal, from, options),
    async startOffset(topic, partition = 0) {
      partitionOf(store, topic, partition);
      return startOf(store, topic, partition);
    },
    async endOffset(topic, partition = 0) {
      return stableEnd(partitionOf(store, topic, partition));
    },
    transaction: async (transactionalId) => openWriter(store, failures, transactionalId),
    entries: (topic, partition = 0) => {
      const slots = partitionOf(store, topic, partition);
      return entriesBetween(slots, topic, partition, 0, stableEnd(slots));
    },
    uncommitted: (topic, partition = 0) =>
      partitionOf(store, topic, partition).flatMap(({ record }) => record ?? []),
    forget: (topic, before) => {
      store.starts.set(topic, before);
    },
    failNext: failures.next,
    async close() {
      closing.abort();
    },
  };
}

async function append(
  store: MemoryStore,
  failures: Failures,
  topic: string,
  records: readonly LogRecord[],
  partition: number,
): Promise<void> {
  // For the limit only: what is written does not show in how many requests it came.
  splitIntoRequests(records);
  const slots = partitionOf(store, topic, partition);
  failures.throwIf('append', 'before');
  slots.push(...records.map((record) => ({ record: copyOf(record), fate: 'committed' as const })));
  store.changes.emit('change');
  failures.throwIf('append', 'after');
}

async function* read(
  store: MemoryStore,
  closed: AbortSignal,
  from: readonly ReadFrom[],
  { signal, untilEnd = false }: ReadOptions,
): AsyncGenerator<LogEntry[]> {
  const ending = AbortSignal.any([closed, ...(signal === undefined ? [] : [signal])]);
  const targets = from.map((at) => targetOf(store, at));
  const isOpen = (at: Target) => !untilEnd || at.position < at.end;
  while (targets.some(isOpen) && !ending.aborted) {
    let found = false;
    for (const target of targets.filter(isOpen)) {
      const until = untilEnd ? target.end : stableEnd(target.slots);
      const { topic, partition, position } = target;
      const entries = entriesBetween(target.slots, topic, partition, position, until);
      found ||= target.position < until;
      target.position = until;
      if (entries.length > 0) yield entries;
      if (ending.aborted) return;
    }
    if (!found) await nextChange(store, ending);
  }
}

interface Target {
  readonly topic: string;
  readonly partition: number;
  readonly slots: readonly Slot[];
  readonly end: number;
  position: number;
}

function targetOf(store: MemoryStore, { topic, partition = 0, offset }: ReadFrom): Target {
  const slots = partitionOf(store, topic, partition);
  const end = stableEnd(slots);
  if (offset > end || offset < startOf(store, topic, partition)) {
    throw new LogError('ERR_LOG_FAILED', { reason: 'OFFSET_OUT_OF_RANGE', topic, offset, end });
  }
  return { topic, partition, slots, end, position: offset };
}

function startOf(store: MemoryStore, topic: string, partition: number): number {
  return partition === 0 ? (store.starts.get(topic) ?? 0) : 0;
}

async function nextChange(store: MemoryStore, signal: AbortSignal): Promise<void> {
  await once(store.changes, 'change', { signal }).catch(() => undefined);
}

function openWriter(
  store: MemoryStore,
  failures: Failures,
  transactionalId: string,
): TransactionalWriter {
  const older = store.writers.get(transactionalId);
  const mine = { epoch: (older?.epoch ?? 0) + 1, open: [] };
  store.writers.set(transactionalId, mine);
  for (const { slots, partition } of older?.open ?? []) settle(store, slots, partition, 'aborted');
  return createWriter(store, failures, transactionalId, mine);
}

function createWriter(
  store: MemoryStore,
  failures: Failures,
  transactionalId: string,
  mine: { epoch: number; open: { slots: Slot[]; partition: Slot[] }[] },
): TransactionalWriter {
  let closed = false;
  return {
    async commit(topic, records, beside = []) {
      const parts = [{ topic, records }, ...beside];
      // For what it refuses.
      splitByTopic(parts);
      if (closed) throw new LogError('ERR_LOG_FAILED', { reason: 'CLOSED_OR_BUSY' });
      closed = true;
      if (store.writers.get(transactionalId) !== mine) {
        throw new LogError('ERR_LOG_FENCED', { reason: 'INVALID_PRODUCER_EPOCH', topic });
      }
      const firstOffset = partitionOf(store, topic, 0).length;
      for (const part of parts) {
        const partition = partitionOf(store, part.topic, 0);
        const slots = part.records.map((each): Slot => ({ record: copyOf(each), fate: 'open' }));
        partition.push(...slots);
        mine.open.push({ slots, partition });
      }
      failures.throwIf('commit', 'before');
      for (const { slots, partition } of mine.open) settle(store, slots, partition, 'committed');
      mine.open.length = 0;
      failures.throwIf('commit', 'after');
      closed = false;
      return { firstOffset };
    },
    async close() {
      closed = true;
    },
  };
}

function settle(store: MemoryStore, slots: readonly Slot[], partition: Slot[], fate: Fate): void {
  for (const slot of slots) slot.fate = fate;
  partition.push({ fate: 'committed' });
  store.changes.emit('change');
}

function partitionOf(store: MemoryStore, topic: string, partition: number): Slot[] {
  const slots = store.topics.get(topic)?.[partition];
  if (slots !== undefined) return slots;
  throw new LogError('ERR_LOG_FAILED', { reason: 'UNKNOWN_TOPIC_OR_PARTITION', topic, partition });
}

/** Kafka's last stable offset: nothing behind an open transaction is shown. */
function stableEnd(slots: readonly Slot[]): number {
  const firstOpen = slots.findIndex(({ fate }) => fate === 'open');
  return firstOpen === -1 ? slots.length : firstOpen;
}

function entriesBetween(
  slots: readonly Slot[],
  topic: string,
  partition: number,
  start: number,
  end: number,
): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const [index, { record, fate }] of slots.slice(start, end).entries()) {
    if (record === undefined || fate !== 'committed') continue;
    const { key, value, headers } = copyOf(record);
    entries.push({ topic, partition, offset: start + index, key, value, ...takeHint(headers) });
  }
  return entries;
}

/** Nobody may change what lies in the log, or what another reader got. */
function copyOf({ key, value, ...rest }: LogRecord): LogRecord {
  return { key, value: new Uint8Array(value), headers: headersWithHint(rest) };
}

type Failures = ReturnType<typeof createFailures>;

function createFailures() {
  const armed = new Set<string>();
  return {
    next(call: 'append' | 'commit', when: 'before' | 'after'): void {
      armed.add(`${call}-${when}`);
    },
    throwIf(call: 'append' | 'commit', when: 'before' | 'after'): void {
      if (armed.delete(`${call}-${when}`)) {
        throw new LogError('ERR_LOG_FAILED', { reason: 'INJECTED' });
      }
    },
  };
}

import { once } from 'node:events';
import type {
  LogEntry,
  LogRecord,
  ReadFrom,
  ReadOptions,
  RecordLog,
  TopicRecords,
  TransactionalWriter,
} from '@strongroom/record-log/log';
import { LogError } from '@strongroom/record-log/log-error';
import type { SeededRandom } from './seeded-random.ts';

/**
 * A log whose operator lies, over the memory log or over Kafka. A lie is what the operator makes of
 * one connection; several can be told at once. It has no key of anybody: what it shows was in some
 * log before, or is noise.
 */
export type Lie = (log: RecordLog) => RecordLog;

export function lyingLog<Log extends RecordLog>(log: Log, ...lies: readonly Lie[]): RecordLog {
  return lies.reduce<RecordLog>((told, lie) => lie(told), log);
}

/** What becomes of the entries of a partition during one reading, as they come. */
type Teller = (entries: readonly LogEntry[]) => readonly LogEntry[];

/** A lie about what lies on a topic. `begin` is called for each partition of each reading. */
export function telling(topic: string, begin: () => Teller): Lie {
  return (log) => ({
    ...log,
    read: (from, options) => tellAll(log.read(from, options), topic, begin),
  });
}

async function* tellAll(
  read: AsyncIterable<LogEntry[]>,
  topic: string,
  begin: () => Teller,
): AsyncGenerator<LogEntry[]> {
  const tellers = new Map<number, Teller>();
  for await (const entries of read) {
    const [first] = entries;
    if (first?.topic !== topic) {
      yield entries;
      continue;
    }
    const teller = tellers.get(first.partition) ?? begin();
    tellers.set(first.partition, teller);
    const shown = teller(entries);
    if (shown.length > 0) yield [...shown];
  }
}

/** Shows entries again, somewhere behind where they were; offsets are counted anew. */
export function repeating(topic: string, random: SeededRandom, chance = 0.3): Lie {
  return telling(topic, () => {
    const seen: LogEntry[] = [];
    let offset: number | undefined;
    return (entries) => {
      offset ??= entries[0]?.offset ?? 0;
      const shown = entries.flatMap((entry) => {
        seen.push(entry);
        return random.chance(chance) ? [entry, random.pick(seen)] : [entry];
      });
      const first = offset;
      offset += shown.length;
      return shown.map((entry, index) => ({ ...entry, offset: first + index }));
    };
  });
}

/** Moves entries of one fetch, none of them farther back than `distance` places. */
export function reordering(topic: string, random: SeededRandom, distance: number): Lie {
  return telling(topic, () => (entries) => {
    const places = entries.map((entry, index) => ({
      entry,
      place: index + random.below(distance),
    }));
    return places.sort((left, right) => left.place - right.place).map(({ entry }) => entry);
  });
}

/** Shows the first of one fetch as its last. */
export function sendingToTheEnd(topic: string): Lie {
  return telling(
    topic,
    () =>
      ([first, ...others]) =>
        first ? [...others, first] : [],
  );
}

/** Leaves out what does not pass. `index` counts what the reading has come to. */
export function showingOnly(
  topic: string,
  passes: (entry: LogEntry, index: number) => boolean,
): Lie {
  return telling(topic, () => {
    let index = 0;
    return (entries) => entries.filter((entry) => passes(entry, index++));
  });
}

/** Holds the newest entries back until others come behind them. */
export function withholdingNewest(topic: string, count: number): Lie {
  return telling(topic, () => {
    let held: LogEntry[] = [];
    return (entries) => {
      const known = [...held, ...entries];
      held = known.slice(-count);
      return known.slice(0, -count);
    };
  });
}

/** Puts other records between those of a topic, under offsets that are taken. */
export function mixingIn(topic: string, records: readonly LogRecord[], random: SeededRandom): Lie {
  return telling(topic, () => {
    let left = [...records];
    return (entries) => {
      const shown = [...entries];
      for (const record of left) {
        const at = random.below(shown.length + 1);
        const offset = shown[at]?.offset ?? shown.at(-1)?.offset ?? 0;
        shown.splice(at, 0, { ...record, topic, partition: entries[0]?.partition ?? 0, offset });
      }
      left = [];
      return shown;
    };
  });
}

/** Shows each entry as something else. */
export function changing(topic: string, change: (entry: LogEntry, index: number) => LogEntry): Lie {
  return telling(topic, () => {
    let index = 0;
    return (entries) => entries.map((entry) => change(entry, index++));
  });
}

/** The topic was deleted and made anew, with these records. */
export function recreated(topic: string, records: readonly LogRecord[]): Lie {
  const entries = records.map((each, offset) => ({ ...each, topic, partition: 0, offset }));
  return (log) => ({
    ...log,
    endOffset: async (name, partition) =>
      name === topic ? entries.length : log.endOffset(name, partition),
    read: (from, options = {}) => readBeside(log, topic, entries, from, options),
  });
}

async function* readBeside(
  log: RecordLog,
  topic: string,
  entries: readonly LogEntry[],
  from: readonly ReadFrom[],
  options: ReadOptions,
): AsyncGenerator<LogEntry[]> {
  for (const at of from.filter((each) => each.topic === topic)) {
    const end = entries.length;
    if (at.offset > end) {
      const { offset } = at;
      throw new LogError('ERR_LOG_FAILED', { reason: 'OFFSET_OUT_OF_RANGE', topic, offset, end });
    }
    const shown = entries.slice(at.offset);
    if (shown.length > 0) yield shown;
  }
  const others = from.filter((each) => each.topic !== topic);
  if (others.length > 0) yield* log.read(others, options);
  else if (!options.untilEnd) await ended(options.signal);
}

async function ended(signal: AbortSignal | undefined): Promise<void> {
  if (signal && !signal.aborted) await once(signal, 'abort');
}

/**
 * Another end of the topic than the true one. Where it is too early, a bounded reading leaves out
 * what is behind it; where it is too late, it comes to no end, which the client gives up.
 */
export function endingAt(topic: string, endOf: (end: number) => number): Lie {
  return (log) => ({
    ...log,
    endOffset: async (name, partition) => {
      const end = await log.endOffset(name, partition);
      return name === topic ? endOf(end) : end;
    },
    read: (from, options = {}) => {
      const isBounded = options.untilEnd && from.some((each) => each.topic === topic);
      return isBounded ? readToEnd(log, topic, endOf, from, options) : log.read(from, options);
    },
  });
}

async function* readToEnd(
  log: RecordLog,
  topic: string,
  endOf: (end: number) => number,
  from: readonly ReadFrom[],
  options: ReadOptions,
): AsyncGenerator<LogEntry[]> {
  const end = await log.endOffset(topic);
  for await (const entries of log.read(from, options)) {
    const shown = entries.filter((each) => each.topic !== topic || each.offset < endOf(end));
    if (shown.length > 0) yield shown;
  }
  if (endOf(end) > end) throw new LogError('ERR_LOG_FAILED', { reason: 'NO_PROGRESS', topic });
}

/** What transactions that failed would have made readable. */
export interface Undecided {
  /** For who writes: their records are kept. */
  readonly keeping: Lie;
  /** For who reads: they are shown behind the others, as if they had been committed. */
  showing(topic: string): Lie;
}

export function undecided(): Undecided {
  const kept: TopicRecords[] = [];
  const entriesOf = (topic: string, offset: number) =>
    kept
      .filter((part) => part.topic === topic)
      .flatMap(({ records }) => records)
      .map((each, index) => ({ ...each, topic, partition: 0, offset: offset + index }));
  return {
    keeping: (log) => ({
      ...log,
      transaction: async (id) => keepingWriter(await log.transaction(id), kept),
    }),
    showing: (topic) =>
      telling(topic, () => {
        let isFirst = true;
        return (entries) => {
          const shown = isFirst ? entriesOf(topic, (entries.at(-1)?.offset ?? 0) + 1) : [];
          isFirst = false;
          return [...entries, ...shown];
        };
      }),
  };
}

function keepingWriter(writer: TransactionalWriter, kept: TopicRecords[]): TransactionalWriter {
  return {
    close: () => writer.close(),
    async commit(topic, records, beside = []) {
      try {
        return await writer.commit(topic, records, beside);
      } catch (error) {
        kept.push({ topic, records }, ...beside);
        throw error;
      }
    },
  };
}

/** Acknowledges what it throws away. */
export function forgetting(topic: string, isForgotten: (call: number) => boolean): Lie {
  let calls = 0;
  return (log) => ({
    ...log,
    append: async (name, records, partition) => {
      if (name === topic && isForgotten(calls++)) return;
      await log.append(name, records, partition);
    },
  });
}

/** Writes, and then says that it has failed. */
export function denying(topic: string, isDenied: (call: number) => boolean): Lie {
  let calls = 0;
  return (log) => ({
    ...log,
    append: async (name, records, partition) => {
      await log.append(name, records, partition);
      if (name === topic && isDenied(calls++)) {
        throw new LogError('ERR_LOG_FAILED', { reason: 'REQUEST_TIMED_OUT', topic });
      }
    },
  });
}

/** Tells the truth at first, on whatever connection, and the lie after so many readings of it. */
export function afterReadings(count: number, topic: string, lie: Lie): Lie {
  let readings = 0;
  return (log) => {
    const lying = lie(log);
    return {
      ...log,
      read: (from, options) => {
        const isOurs = from.some((each) => each.topic === topic);
        const lies = isOurs && readings >= count;
        if (isOurs) readings += 1;
        return lies ? lying.read(from, options) : log.read(from, options);
      },
      endOffset: (name, partition) => (readings >= count ? lying : log).endOffset(name, partition),
    };
  };
}

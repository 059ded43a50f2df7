import type { Json } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CountSchema } from '@strongroom/protocol/fields';
import { SOURCE_PARTITIONS_MAX } from '@strongroom/protocol/limits';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { LogError } from '@strongroom/record-log/log-error';
import { z } from 'zod';
import type { GrowingInput, Portion, Standing } from './source-input.ts';
import { corruptState } from './stream-state.ts';

/** Makes a line of JSON of a record's value. @throws ERR_SOURCE_* without where it stands */
export type ValueDecoder = (value: Uint8Array) => Promise<string> | string;

export interface TopicOptions {
  /** Connects when the reading begins. */
  readonly connect: () => Promise<RecordLog>;
  readonly topic: string;
  /** How values are written, for the state. */
  readonly values: string;
  readonly decode: ValueDecoder;
  readonly follow: boolean;
}

/** The next offset of each partition. */
const PositionSchema = z.strictObject({ offsets: z.array(CountSchema) });

/** Kafka's name for a partition that is not there. */
const NO_PARTITION = 'UNKNOWN_TOPIC_OR_PARTITION';

/**
 * The records of a topic that is not ours, from its first one on. A portion goes as far as the
 * topic does when it begins; the position is the offsets behind the last row of each group that is
 * in the stream, so that whatever breaks, each record is published once.
 */
export function openTopic(options: TopicOptions): GrowingInput {
  const { topic, values, follow } = options;
  let log: RecordLog | undefined;
  return {
    type: 'growing',
    knownBy: { kind: 'kafka', topic, values },
    follow,
    async next(before) {
      log ??= await options.connect();
      return portionOf(log, options, before);
    },
    close: async () => log?.close(),
  };
}

async function portionOf(
  log: RecordLog,
  options: TopicOptions,
  before: Standing | undefined,
): Promise<Portion | undefined> {
  const { topic } = options;
  const from = before ? positionIn(before.position) : [];
  const ends = await endsOf(log, topic);
  const starts = await Promise.all(ends.map((_, at) => log.startOffset(topic, at)));
  const lost = from.findIndex((offset, at) => offset < (starts[at] ?? 0));
  if (lost >= 0 || from.length > ends.length) {
    const problem = 'the topic no longer has records that were not published yet';
    throw new StrongroomError('ERR_SOURCE_CHANGED', { topic, problem });
  }
  // A partition that was added begins where it begins.
  const offsets = ends.map((_, at) => from[at] ?? starts[at] ?? 0);
  if (before && ends.every((end, at) => end <= (offsets[at] ?? 0))) return undefined;
  let passed = new PassedRecords(offsets);
  return {
    input: {
      type: 'replayable',
      async *bytes() {
        const rows = new PassedRecords(offsets);
        passed = rows;
        for await (const entry of entriesOf(log, topic, offsets, ends)) {
          yield Buffer.from(`${await lineOf(entry, options.decode)}\n`);
          rows.add(entry);
        }
        rows.end(ends);
      },
      knownBy: async () => ({ offsets }),
    },
    format: 'ndjson',
    start: new Uint8Array(0),
    cursor: 0,
    position: { offsets },
    positionAt: (rows) => ({ offsets: passed.behind(rows) }),
    placeOf: (row) => {
      const place = passed.at(row);
      return place && { topic, ...place };
    },
  };
}

/** The end of every partition there is. @throws ERR_SOURCE_REFUSED for a topic that is not there */
async function endsOf(log: RecordLog, topic: string): Promise<number[]> {
  const ends: number[] = [];
  while (ends.length < SOURCE_PARTITIONS_MAX) {
    try {
      ends.push(await log.endOffset(topic, ends.length));
    } catch (error) {
      if (!(error instanceof LogError) || error.facts['reason'] !== NO_PARTITION) throw error;
      if (ends.length > 0) return ends;
      throw new StrongroomError('ERR_SOURCE_REFUSED', { topic, problem: 'there is no such topic' });
    }
  }
  throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'SOURCE_PARTITIONS_MAX' });
}

async function* entriesOf(
  log: RecordLog,
  topic: string,
  offsets: readonly number[],
  ends: readonly number[],
): AsyncGenerator<LogEntry> {
  const from = offsets
    .map((offset, partition) => ({ topic, partition, offset }))
    .filter(({ offset, partition }) => offset < (ends[partition] ?? 0));
  for await (const entries of log.read(from, { untilEnd: true })) {
    for (const entry of entries) {
      if (entry.offset < (ends[entry.partition] ?? 0)) yield entry;
    }
  }
}

/** Records that stood one behind the other. */
interface Run {
  readonly partition: number;
  readonly first: number;
  readonly count: number;
}

/** Which records the rows came from, until the stream's state has passed them. */
export class PassedRecords {
  readonly #offsets: number[];
  #runs: Run[] = [];
  #rows = 0;
  #ends: readonly number[] | undefined;

  constructor(offsets: readonly number[]) {
    this.#offsets = [...offsets];
  }

  add({ partition, offset }: Pick<LogEntry, 'partition' | 'offset'>): void {
    const last = this.#runs.at(-1);
    const goesOn = last?.partition === partition && last.first + last.count === offset;
    if (goesOn) this.#runs.splice(-1, 1, { ...last, count: last.count + 1 });
    else this.#runs.push({ partition, first: offset, count: 1 });
  }

  /** What stands behind the last record: marks of transactions. */
  end(ends: readonly number[]): void {
    this.#ends = ends;
  }

  behind(rows: number): number[] {
    let rest = rows - this.#rows;
    let passed = 0;
    for (const { partition, first, count } of this.#runs) {
      const taken = Math.min(count, rest);
      if (taken === 0) break;
      rest -= taken;
      this.#offsets[partition] = first + taken;
      if (taken === count) passed += 1;
      else this.#runs[passed] = { partition, first: first + taken, count: count - taken };
    }
    this.#runs = this.#runs.slice(passed);
    this.#rows = rows;
    if (this.#runs.length > 0 || !this.#ends) return [...this.#offsets];
    return [...this.#ends];
  }

  /** The record that a row came from, counted from 1; undefined where the state has passed it. */
  at(row: number): { partition: number; offset: number } | undefined {
    let rest = row - 1 - this.#rows;
    if (rest < 0) return undefined;
    for (const { partition, first, count } of this.#runs) {
      if (rest < count) return { partition, offset: first + rest };
      rest -= count;
    }
    return undefined;
  }
}

async function lineOf({ topic, partition, offset, value }: LogEntry, decode: ValueDecoder) {
  try {
    return await decode(value);
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    throw new StrongroomError(error.code, { ...error.facts, topic, partition, offset });
  }
}

/** A value that is one JSON object, whatever white space it holds. */
export function decodeJson(value: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value);
    const parsed: unknown = JSON.parse(text);
    // Raw line ends stand between the members only: within a text JSON has them escaped.
    if (typeof parsed === 'object' && parsed !== null) return text.replaceAll(/[\r\n]/g, ' ');
  } catch {
    // Said below, without what the parser quotes.
  }
  throw new StrongroomError('ERR_SOURCE_MALFORMED', { problem: 'a value that is no JSON object' });
}

function positionIn(value: Json): number[] {
  const parsed = PositionSchema.safeParse(value);
  if (parsed.success) return parsed.data.offsets;
  throw corruptState('state.json', 'its position is none of a topic');
}

import assert from 'node:assert/strict';
import { type Dataset, demandEventTimes } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Field } from 'apache-arrow';
import { arrowFields, encodeArrow } from './arrow-encoding.ts';
import type { FormOptions } from './canonical-texts.ts';
import { type BuiltColumn, ColumnBuilder, sliceColumn } from './column-builder.ts';
import type { SourceColumn, SourceRows } from './source-vector.ts';

/** Plain rows that will be sealed together. */
export interface ArrowBatch {
  readonly rows: number;
  /** Milliseconds since 1970, rounded down; null for a dataset without event time. */
  readonly eventTime: { readonly min: number; readonly max: number } | null;
  /** Source rows consumed so far, with those of this batch. */
  readonly cursor: number;
  /** Where rows between those of the batch belong to other streams: the number of its first. */
  readonly firstRow?: number;
  /** One Arrow IPC stream: one set of fields, one record batch, no compression. */
  readonly bytes: Uint8Array;
}

export interface BatchLimits {
  /** Rows of one batch at most. */
  readonly rows: number;
  /** Bytes of one batch's Arrow stream at most; its ciphertext is as long. */
  readonly bytes: number;
  /** Rows of the first batches, to cut them as they were cut before. */
  readonly cut?: readonly number[];
}

/** Arrow's metadata: an estimate that decides when to look, not whether a batch fits. */
const STREAM_OVERHEAD_BYTES = 1_024;
const COLUMN_OVERHEAD_BYTES = 512;

/** Cuts the rows of a source into Arrow batches of the dataset's columns. */
export class ArrowBatchCutter {
  readonly #dataset: Dataset;
  readonly #limits: BatchLimits;
  readonly #fields: readonly Field[];
  readonly #builders: readonly ColumnBuilder[];
  readonly #eventTimeColumn: number;
  /** Source rows of the batches that were cut so far. */
  #cursor: number;
  /** How many source rows stand before each row that waits; absent where none is left out. */
  #numbers: Float64Array | undefined;
  readonly #rowsMax: number;
  #filled = 0;
  /** Batches so far. */
  #batches = 0;
  /** Rows to append before the size is looked at again: small when rows are large. */
  #step: number;

  /** @throws ERR_JOIN_KEY_MISSING, ERR_COLUMN_TYPE when a column never fits the contract's */
  constructor(
    dataset: Dataset,
    columns: readonly SourceColumn[],
    limits: BatchLimits,
    cursor: number,
    forms: FormOptions = {},
  ) {
    this.#dataset = dataset;
    this.#limits = limits;
    this.#cursor = cursor;
    this.#step = limits.rows;
    this.#fields = arrowFields(dataset.columns);
    this.#eventTimeColumn = dataset.columns.findIndex(({ name }) => name === dataset.eventTime);
    const rowsMax = Math.max(limits.rows, ...(limits.cut ?? []));
    this.#rowsMax = rowsMax;
    this.#builders = dataset.columns.map((contract, index) => {
      const source = columns[index];
      assert(source !== undefined);
      return new ColumnBuilder(contract, source, rowsMax, index === this.#eventTimeColumn, forms);
    });
  }

  /** Values so far that are published as missing, because they had no canonical form. */
  get unformed(): number {
    return this.#builders.reduce((sum, { unformed }) => sum + unformed, 0);
  }

  /** @throws ERR_COLUMN_*, ERR_SOURCE_MALFORMED, ERR_EVENT_TIME_MISSING, ERR_BATCH_TOO_LARGE */
  *add(source: SourceRows): Generator<ArrowBatch> {
    // What stands before row 0 of the vectors: rows that were skipped in them count too.
    const before = this.#cursor + this.#filled - source.from;
    const { numbers } = source;
    const numberOf = numbers ? (row: number) => numbers[row] ?? 0 : (row: number) => before + row;
    let { from } = source;
    while (from < source.to) {
      const { rows, isGiven } = this.#next();
      const room = isGiven ? rows - this.#filled : Math.min(this.#step, rows - this.#filled);
      const count = Math.min(source.to - from, room);
      const range = { from, count, at: this.#filled };
      for (const [index, builder] of this.#builders.entries()) {
        const vector = source.vectors[index];
        assert(vector !== undefined);
        builder.append(vector, range, numberOf);
      }
      if (numbers) this.#note(numbers.subarray(from, from + count));
      this.#filled += count;
      from += count;
      const isFull = !isGiven && this.#bodyBytes() >= this.#limits.bytes;
      if (this.#filled === rows || isFull) yield* this.rest();
    }
  }

  /** What is left when the source has ended. */
  *rest(): Generator<ArrowBatch> {
    if (this.#filled === 0) return;
    const columns = this.#builders.map((builder) => builder.build(this.#filled));
    const { isGiven } = this.#next();
    const bytesMax = isGiven ? Number.POSITIVE_INFINITY : this.#limits.bytes;
    const cut = [...this.#encode(columns, this.#filled, bytesMax)];
    this.#batches += 1;
    this.#step =
      cut.length > 1 ? Math.max(1, this.#step >> 2) : Math.min(this.#limits.rows, 2 * this.#step);
    this.#filled = 0;
    for (const builder of this.#builders) builder.clear();
    let first = 0;
    for (const arrowBatch of cut) {
      yield { ...arrowBatch, ...this.#advance(first, arrowBatch.rows) };
      first += arrowBatch.rows;
    }
  }

  /** Behind so many rows of those that waited. */
  #advance(first: number, rows: number): Pick<ArrowBatch, 'cursor' | 'firstRow'> {
    const numbers = this.#numbers;
    this.#cursor = numbers ? (numbers[first + rows - 1] ?? 0) + 1 : this.#cursor + rows;
    const firstRow = numbers ? { firstRow: (numbers[first] ?? 0) + 1 } : {};
    return { cursor: this.#cursor, ...firstRow };
  }

  #note(numbers: Float64Array): void {
    this.#numbers ??= new Float64Array(this.#rowsMax);
    this.#numbers.set(numbers, this.#filled);
  }

  /** One batch, or halves of it until each fits. */
  *#encode(
    columns: readonly BuiltColumn[],
    rows: number,
    bytesMax: number,
  ): Generator<Omit<ArrowBatch, 'cursor'>> {
    const bytes = encodeArrow(this.#fields, columns, rows);
    if (bytes.length <= bytesMax) {
      yield { rows, eventTime: this.#eventTime(columns), bytes };
      return;
    }
    if (rows === 1) {
      throw new StrongroomError('ERR_BATCH_TOO_LARGE', {
        dataset: this.#dataset.id,
        rows,
        bytes: bytes.length,
        limitBytes: this.#limits.bytes,
      });
    }
    const middle = rows >> 1;
    const half = (from: number, to: number) =>
      columns.map((column) => sliceColumn(column, from, to));
    yield* this.#encode(half(0, middle), middle, bytesMax);
    yield* this.#encode(half(middle, rows), rows - middle, bytesMax);
  }

  /** Rows of the batch that is being filled, and whether it has to have exactly so many. */
  #next(): { rows: number; isGiven: boolean } {
    const given = this.#limits.cut?.[this.#batches];
    return given === undefined
      ? { rows: this.#limits.rows, isGiven: false }
      : { rows: given, isGiven: true };
  }

  #bodyBytes(): number {
    let bytes = STREAM_OVERHEAD_BYTES;
    for (const builder of this.#builders) {
      bytes += COLUMN_OVERHEAD_BYTES + builder.bodyBytes(this.#filled);
    }
    return bytes;
  }

  #eventTime(columns: readonly BuiltColumn[]): ArrowBatch['eventTime'] {
    const column = columns[this.#eventTimeColumn];
    if (column === undefined) return null;
    const found = eventTimeRange(column);
    demandEventTimes(this.#dataset, found);
    return found;
  }
}

const WORD = 2 ** 32;

/** A day is so many milliseconds, a microsecond one in so many. */
const EVENT_TIME_STEPS: Record<string, { times: number; per: number }> = {
  date32: { times: 86_400_000, per: 1 },
  'timestamp-ms': { times: 1, per: 1 },
  'timestamp-us': { times: 1, per: 1_000 },
  'timestamp-us-utc': { times: 1, per: 1_000 },
};

/** @throws ERR_COLUMN_TYPE for a time that no number of milliseconds tells exactly */
function eventTimeRange(column: BuiltColumn): { min: number; max: number } {
  const { contract } = column;
  const [least, most] = rangeOf(column);
  const { times, per } = EVENT_TIME_STEPS[contract.type] ?? { times: 1, per: 1 };
  if (!Number.isSafeInteger(least * times) || !Number.isSafeInteger(most * times)) {
    throw new StrongroomError('ERR_COLUMN_TYPE', {
      column: contract.name,
      expectedType: contract.type,
      foundType: 'a time beyond all calendars',
    });
  }
  return { min: Math.floor((least * times) / per), max: Math.floor((most * times) / per) };
}

function rangeOf({ values, words }: BuiltColumn): [least: number, most: number] {
  assert(values instanceof Int32Array);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < values.length; at += words) {
    const low = values[at] ?? 0;
    const value = words === 1 ? low : (values[at + 1] ?? 0) * WORD + (low >>> 0);
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

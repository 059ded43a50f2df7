import assert from 'node:assert/strict';
import type { Dataset } from '@strongroom/protocol/contract';
import type { StreamId } from '@strongroom/protocol/fields';
import { ROWS_PER_BATCH_DEFAULT } from '@strongroom/protocol/limits';
import { streamIndex, streamOfInteger, streamOfText } from '@strongroom/protocol/partitioning';
import type { FormOptions } from './canonical-texts.ts';
import { type BuiltColumn, ColumnBuilder } from './column-builder.ts';
import {
  isValid,
  type SourceColumn,
  type SourceRows,
  type SourceVector,
  wordsOf,
} from './source-vector.ts';

interface ShareOptions extends FormOptions {
  readonly stream?: StreamId | undefined;
}

/**
 * Picks the rows of one stream, where the contract shares them out by a column. What counts is the
 * value as it will be sealed, in its canonical form and hashed, if the contract has it so.
 */
class StreamShare {
  readonly #dataset: Dataset;
  readonly #stream: StreamId;
  readonly #place: number;
  readonly #column: ColumnBuilder;
  /** Rows of the source that were looked at, with those that were skipped. */
  #passed: number;

  constructor(
    dataset: Dataset,
    stream: StreamId,
    columns: readonly SourceColumn[],
    skipped: number,
    forms: FormOptions,
  ) {
    this.#dataset = dataset;
    this.#stream = stream;
    this.#passed = skipped;
    this.#place = dataset.columns.findIndex(({ name }) => name === dataset.partitionBy);
    const contract = dataset.columns[this.#place];
    const source = columns[this.#place];
    assert(contract !== undefined && source !== undefined, 'checked with the contract');
    this.#column = new ColumnBuilder(contract, source, ROWS_PER_BATCH_DEFAULT, false, forms);
  }

  get passed(): number {
    return this.#passed;
  }

  /** @throws ERR_COLUMN_*, ERR_SOURCE_MALFORMED of the column that rows are shared out by */
  *rowsIn({ from, to, vectors }: SourceRows): Generator<SourceRows> {
    const vector = vectors[this.#place];
    assert(vector !== undefined);
    for (let at = from; at < to; at += ROWS_PER_BATCH_DEFAULT) {
      const count = Math.min(ROWS_PER_BATCH_DEFAULT, to - at);
      const before = this.#passed - at;
      this.#column.append(vector, { from: at, count, at: 0 }, (row) => before + row);
      const own = ownRows(this.#column.build(count), count, this.#dataset, this.#stream);
      this.#column.clear();
      const numbers = Float64Array.from(own, (row) => this.#passed + row);
      const rows = own.map((row) => at + row);
      this.#passed += count;
      const picked = vectors.map((each) => pick(each, rows));
      if (rows.length > 0) yield { from: 0, to: rows.length, vectors: picked, numbers };
    }
  }
}

/** Undefined where all rows of the source go to one stream. */
export function streamShareOf(
  dataset: Dataset,
  columns: readonly SourceColumn[],
  skipped: number,
  { stream, ...forms }: ShareOptions,
): StreamShare | undefined {
  if (dataset.partitionBy === undefined || stream === undefined) return undefined;
  return new StreamShare(dataset, stream, columns, skipped, forms);
}

function ownRows(column: BuiltColumn, count: number, dataset: Dataset, stream: StreamId) {
  const streamOf = streamsOfRows(column, dataset.streams?.length ?? 1);
  const own = streamIndex(dataset, stream);
  const rows = new Int32Array(count);
  let found = 0;
  for (let row = 0; row < count; row += 1) {
    if (streamOf(row) !== own) continue;
    rows[found] = row;
    found += 1;
  }
  return rows.subarray(0, found);
}

function streamsOfRows(column: BuiltColumn, streams: number): (row: number) => number {
  const { values, words, contract, dictionary } = column;
  if (dictionary !== null) {
    const { offsets, bytes } = dictionary;
    const ofTexts = Int32Array.from({ length: dictionary.count }, (_none, at) =>
      streamOfText(bytes.subarray(offsets[at], offsets[at + 1]), streams),
    );
    return (row) => ofTexts[values[row] ?? 0] ?? 0;
  }
  if (words === 2) {
    return (row) => streamOfInteger(values[2 * row] ?? 0, values[2 * row + 1] ?? 0, streams);
  }
  const isSigned = !contract.type.startsWith('u');
  return (row) => {
    const low = (values[row] ?? 0) | 0;
    return streamOfInteger(low, isSigned ? low >> 31 : 0, streams);
  };
}

/** Rows of a vector, next to each other. */
function pick(vector: SourceVector, rows: Int32Array): SourceVector {
  const validity = vector.validity && pickBits(vector.validity, rows);
  if (vector.kind === 'text') {
    return { ...vector, validity, intern: (row, into) => vector.intern(rows[row] ?? 0, into) };
  }
  const { kind } = vector;
  const words = wordsOf(kind);
  const values = vector.values.slice(0, rows.length * words);
  for (let at = 0; at < rows.length; at += 1) {
    const first = (rows[at] ?? 0) * words;
    for (let word = 0; word < words; word += 1) {
      values[at * words + word] = vector.values[first + word] ?? 0;
    }
  }
  return { kind, values, validity };
}

function pickBits(validity: Uint8Array, rows: Int32Array): Uint8Array {
  const bits = new Uint8Array((rows.length + 7) >> 3);
  for (let at = 0; at < rows.length; at += 1) {
    if (isValid(validity, rows[at] ?? 0)) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return bits;
}

import assert from 'node:assert/strict';
import {
  type DuckDBDataChunk,
  DuckDBDecimalType,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api';
import type { ResultChunks } from '@strongroom/analysis/locked-engine';
import { type ResultType, resultTypeOf } from '@strongroom/analysis/sql-types';
import {
  Bool,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  TimestampMicrosecond,
  TimestampMillisecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow';
import type { ArrowColumn, TypedColumn } from './result-types.ts';
import {
  type CellBytes,
  type Taken,
  takeBits,
  takeCells,
  takeDecimals,
  takeRows,
  takeTexts,
  type Validity,
  withOneNan,
} from './vector-cells.ts';

/**
 * Columns of a result as the engine holds them, and their way to Arrow without a JavaScript value a
 * cell. `encodeColumn` makes the same bytes of values, slowly, and a test compares the two.
 */
export class ResultColumn implements TypedColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly #index: number;
  readonly #chunks: readonly DuckDBDataChunk[];
  #values: readonly DuckDBValue[] | undefined;

  private constructor({ names, types, chunks }: ResultChunks, index: number) {
    const [name, type] = [names[index], types[index]];
    assert(name !== undefined && type, 'every result column has a name and a type');
    this.name = name;
    this.type = type;
    this.#index = index;
    this.#chunks = chunks;
  }

  static allOf(result: ResultChunks): ResultColumn[] {
    return result.names.map((_name, index) => new ResultColumn(result, index));
  }

  /** Cell by cell, for what decides about a row. */
  get values(): readonly DuckDBValue[] {
    this.#values ??= this.#chunks.flatMap((chunk) => chunk.getColumnValues(this.#index));
    return this.#values;
  }

  /**
   * A copy of these rows, and of nothing else that the engine holds.
   * @param rows in rising order
   */
  take(rows: readonly number[]): ArrowColumn {
    const name = resultTypeOf(this.type);
    assert(name, 'the gate lets only types with an Arrow form through');
    const taken = takeRows(this.#chunks, this.#index, rows);
    return { name: this.name, data: TAKERS[name](taken, this.type) };
  }
}

type Taker = (taken: Taken, type: DuckDBType) => ArrowColumn['data'];

const TAKERS: Readonly<Record<ResultType, Taker>> = {
  BOOLEAN: (taken) => makeData({ ...common(taken), type: new Bool(), data: takeBits(taken) }),
  TINYINT: cells(1, (data, rest) =>
    makeData({ ...rest, type: new Int8(), data: new Int8Array(data) }),
  ),
  SMALLINT: cells(2, (data, rest) =>
    makeData({ ...rest, type: new Int16(), data: new Int16Array(data) }),
  ),
  INTEGER: cells(4, (data, rest) =>
    makeData({ ...rest, type: new Int32(), data: new Int32Array(data) }),
  ),
  UTINYINT: cells(1, (data, rest) =>
    makeData({ ...rest, type: new Uint8(), data: new Uint8Array(data) }),
  ),
  USMALLINT: cells(2, (data, rest) =>
    makeData({ ...rest, type: new Uint16(), data: new Uint16Array(data) }),
  ),
  UINTEGER: cells(4, (data, rest) =>
    makeData({ ...rest, type: new Uint32(), data: new Uint32Array(data) }),
  ),
  UBIGINT: cells(8, (data, rest) =>
    makeData({ ...rest, type: new Uint64(), data: new BigUint64Array(data) }),
  ),
  BIGINT: cells(8, (data, rest) =>
    makeData({ ...rest, type: new Int64(), data: new BigInt64Array(data) }),
  ),
  FLOAT: cells(4, (data, rest) =>
    makeData({ ...rest, type: new Float32(), data: withOneNan(new Float32Array(data)) }),
  ),
  DOUBLE: cells(8, (data, rest) =>
    makeData({ ...rest, type: new Float64(), data: withOneNan(new Float64Array(data)) }),
  ),
  DATE: cells(4, (data, rest) =>
    makeData({ ...rest, type: new DateDay(), data: new Int32Array(data) }),
  ),
  TIMESTAMP: cells(8, (data, rest) =>
    makeData({ ...rest, type: new TimestampMicrosecond(), data: new BigInt64Array(data) }),
  ),
  TIMESTAMP_MS: cells(8, (data, rest) =>
    makeData({ ...rest, type: new TimestampMillisecond(), data: new BigInt64Array(data) }),
  ),
  TIMESTAMP_TZ: cells(8, (data, rest) =>
    makeData({ ...rest, type: new TimestampMicrosecond('UTC'), data: new BigInt64Array(data) }),
  ),
  // DuckDB's own Arrow export writes HUGEINT as decimal128(38, 0) too.
  HUGEINT: cells(16, (data, rest) =>
    makeData({ ...rest, type: new Decimal(0, 38, 128), data: new Uint32Array(data) }),
  ),
  DECIMAL: (taken, type) => {
    assert(type instanceof DuckDBDecimalType, 'a decimal has a scale');
    const { width, scale } = type;
    return makeData({
      ...common(taken),
      type: new Decimal(scale, width, 128),
      data: takeDecimals(taken, width),
    });
  },
  VARCHAR: (taken) => makeData({ ...common(taken), type: new Utf8(), ...takeTexts(taken) }),
  SQLNULL: ({ length }) => {
    const nullBitmap = length === 0 ? null : new Uint8Array(Math.ceil(length / 8));
    const none = { valueOffsets: new Int32Array(length + 1), data: new Uint8Array(0) };
    return makeData({ ...{ length, nullCount: length, nullBitmap }, type: new Utf8(), ...none });
  },
};

type Common = Validity & { readonly length: number };

function common({ length, nullCount, nullBitmap }: Taken): Common {
  return { length, nullCount, nullBitmap };
}

/** Types that the engine and Arrow write alike. */
function cells(
  width: CellBytes,
  make: (data: ArrayBuffer, rest: Common) => ArrowColumn['data'],
): Taker {
  return (taken) => make(takeCells(taken, width), common(taken));
}

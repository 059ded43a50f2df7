import assert from 'node:assert/strict';
import {
  DuckDBDateValue,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api';
import { type ResultType, resultTypeOf } from '@strongroom/analysis/sql-types';
import {
  Bool,
  type Data,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  TimestampMillisecond,
  tableToIPC,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow';

/** Result columns in Arrow form, exactly: integers stay integers, decimals stay decimals. */

export interface TypedColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly values: readonly DuckDBValue[];
}

/** Its own memory: nothing else that the engine knows is in it. */
export interface ArrowColumn {
  readonly name: string;
  readonly data: Data;
}

/** One Arrow IPC stream of one record batch. */
export function encodeResult(columns: readonly ArrowColumn[], rows: number): Uint8Array {
  const data = columns.map((column) => column.data);
  const fields = columns.map(({ name, data: { type } }) => new Field(name, type, true));
  const arrowSchema = new Schema(fields);
  const struct = makeData({
    type: new Struct(fields),
    length: rows,
    nullCount: 0,
    children: data,
  });
  return tableToIPC(new Table(arrowSchema, [new RecordBatch(arrowSchema, struct)]), 'stream');
}

/** Value by value: for columns that were made of values, and to compare others with. */
export function encodeColumn({ name, type, values }: TypedColumn): ArrowColumn {
  const resultType = resultTypeOf(type);
  assert(resultType, 'the gate lets only types with an Arrow form through');
  return { name, data: ENCODERS[resultType](values, type) };
}

type Encoder = (values: readonly DuckDBValue[], type: DuckDBType) => Data;

const ENCODERS: Readonly<Record<ResultType, Encoder>> = {
  BOOLEAN: (values) =>
    makeData({
      ...common(values),
      type: new Bool(),
      data: bitsOf(values.map((value) => value === true)),
    }),
  TINYINT: numbers((data, rest) =>
    makeData({ ...rest, type: new Int8(), data: Int8Array.from(data) }),
  ),
  SMALLINT: numbers((data, rest) =>
    makeData({ ...rest, type: new Int16(), data: Int16Array.from(data) }),
  ),
  INTEGER: numbers((data, rest) =>
    makeData({ ...rest, type: new Int32(), data: Int32Array.from(data) }),
  ),
  UTINYINT: numbers((data, rest) =>
    makeData({ ...rest, type: new Uint8(), data: Uint8Array.from(data) }),
  ),
  USMALLINT: numbers((data, rest) =>
    makeData({ ...rest, type: new Uint16(), data: Uint16Array.from(data) }),
  ),
  UINTEGER: numbers((data, rest) =>
    makeData({ ...rest, type: new Uint32(), data: Uint32Array.from(data) }),
  ),
  UBIGINT: bigints((data, rest) =>
    makeData({ ...rest, type: new Uint64(), data: BigUint64Array.from(data) }),
  ),
  TIMESTAMP_TZ: bigints((data, rest) =>
    makeData({ ...rest, type: new TimestampMicrosecond('UTC'), data: BigInt64Array.from(data) }),
  ),
  FLOAT: numbers((data, rest) =>
    makeData({ ...rest, type: new Float32(), data: Float32Array.from(data) }),
  ),
  DOUBLE: numbers((data, rest) =>
    makeData({ ...rest, type: new Float64(), data: Float64Array.from(data) }),
  ),
  DATE: numbers((data, rest) =>
    makeData({ ...rest, type: new DateDay(), data: Int32Array.from(data) }),
  ),
  BIGINT: bigints((data, rest) =>
    makeData({ ...rest, type: new Int64(), data: BigInt64Array.from(data) }),
  ),
  TIMESTAMP: bigints((data, rest) =>
    makeData({ ...rest, type: new TimestampMicrosecond(), data: BigInt64Array.from(data) }),
  ),
  TIMESTAMP_MS: bigints((data, rest) =>
    makeData({ ...rest, type: new TimestampMillisecond(), data: BigInt64Array.from(data) }),
  ),
  // DuckDB's own Arrow export writes HUGEINT as decimal128(38, 0) too.
  HUGEINT: (values) => decimals(values, 38, 0),
  DECIMAL: (values, type) => {
    assert(type instanceof DuckDBDecimalType, 'a decimal has a scale');
    return decimals(values, type.width, type.scale);
  },
  VARCHAR: (values) => texts(values),
  // The type of a NULL that nothing gives another type.
  SQLNULL: (values) => texts(values),
};

interface Common {
  readonly length: number;
  readonly nullCount: number;
  readonly nullBitmap: Uint8Array | null;
}

function common(values: readonly DuckDBValue[]): Common {
  const nullCount = values.filter((value) => value === null).length;
  const nullBitmap = nullCount === 0 ? null : bitsOf(values.map((value) => value !== null));
  return { length: values.length, nullCount, nullBitmap };
}

function numbers(make: (data: number[], rest: Common) => Data): Encoder {
  return (values) => make(values.map(numberOf), common(values));
}

function bigints(make: (data: bigint[], rest: Common) => Data): Encoder {
  return (values) => make(values.map(bigintOf), common(values));
}

function numberOf(value: DuckDBValue): number {
  if (value === null) return 0;
  if (typeof value === 'number') return Number.isNaN(value) ? Number.NaN : value;
  if (value instanceof DuckDBDateValue) return value.days;
  assert.fail('a value of another type than its column');
}

function bigintOf(value: DuckDBValue): bigint {
  if (value === null) return 0n;
  if (typeof value === 'bigint') return value;
  if (value instanceof DuckDBTimestampValue) return value.micros;
  if (value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis;
  if (value instanceof DuckDBDecimalValue) return value.value;
  assert.fail('a value of another type than its column');
}

/** By hand: Arrow's builders make their code from strings, which the vault's process forbids. */
function texts(values: readonly DuckDBValue[]): Data {
  const parts = values.map((value) => Buffer.from(typeof value === 'string' ? value : ''));
  const valueOffsets = new Int32Array(values.length + 1);
  for (const [row, part] of parts.entries()) {
    valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + part.length;
  }
  const data = new Uint8Array(Buffer.concat(parts));
  return makeData({ ...common(values), type: new Utf8(), valueOffsets, data });
}

/** 128-bit two's complement, little-endian (Arrow's Decimal128). */
function decimals(values: readonly DuckDBValue[], precision: number, scale: number): Data {
  const words = new Uint32Array(values.length * 4);
  for (const [row, value] of values.entries()) {
    const bits = BigInt.asUintN(128, bigintOf(value));
    for (let word = 0; word < 4; word++) {
      words[row * 4 + word] = Number((bits >> BigInt(word * 32)) & 0xffff_ffffn);
    }
  }
  return makeData({ ...common(values), type: new Decimal(scale, precision, 128), data: words });
}

function bitsOf(values: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  for (const [index, value] of values.entries()) {
    if (value) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bytes;
}

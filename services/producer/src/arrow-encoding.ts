import assert from 'node:assert/strict';
import type { ColumnContract } from '@strongroom/protocol/contract';
import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  TimestampMillisecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  Vector,
} from 'apache-arrow';
import type { BuiltColumn } from './column-builder.ts';

/** The Arrow fields of a dataset, as the contract has them: names, order, types, nullability. */
export function arrowFields(columns: readonly ColumnContract[]): Field[] {
  return columns.map(
    (column, index) => new Field(column.name, arrowType(column, index), column.nullable),
  );
}

function arrowType(column: ColumnContract, index: number): DataType {
  switch (column.type) {
    case 'bool':
      return new Bool();
    case 'int8':
      return new Int8();
    case 'decimal128':
      return new Decimal(column.scale ?? 0, column.precision ?? 0, 128);
    case 'uint8':
      return new Uint8();
    case 'uint16':
      return new Uint16();
    case 'uint32':
      return new Uint32();
    case 'uint64':
      return new Uint64();
    case 'float32':
      return new Float32();
    case 'timestamp-us-utc':
      return new TimestampMicrosecond('UTC');
    case 'int16':
      return new Int16();
    case 'int32':
      return new Int32();
    case 'int64':
      return new Int64();
    case 'float64':
      return new Float64();
    case 'date32':
      return new DateDay();
    case 'timestamp-ms':
      return new TimestampMillisecond();
    case 'timestamp-us':
      return new TimestampMicrosecond();
    case 'utf8':
      // The dictionary's id is the column's place, so that equal rows give equal bytes.
      return new Dictionary(new Utf8(), new Int32(), index);
  }
}

/** One Arrow IPC stream: the fields, the dictionaries, one record batch, the end marker. */
export function encodeArrow(
  fields: readonly Field[],
  columns: readonly BuiltColumn[],
  rows: number,
): Uint8Array {
  const children = columns.map((column, index) => {
    const type = fields[index]?.type;
    assert(type !== undefined);
    return arrowData(type, column, rows);
  });
  const type = new Struct([...fields]);
  const rowsOfFields = makeData({ type, length: rows, nullCount: 0, children });
  const writer = new RecordBatchStreamWriter();
  writer.write(new RecordBatch(new Schema([...fields]), rowsOfFields));
  writer.finish();
  return writer.toUint8Array(true);
}

function arrowData(type: DataType, column: BuiltColumn, rows: number): Data {
  const nulls = column.valid === null ? 0 : rows - column.valid.reduce((sum, bit) => sum + bit, 0);
  const props = {
    type,
    length: rows,
    nullCount: nulls,
    nullBitmap: column.valid === null || nulls === 0 ? undefined : packBits(column.valid),
    data: arrowValues(column, rows),
    dictionary: column.dictionary === null ? undefined : dictionaryVector(column.dictionary),
  };
  // makeData chooses by the type at run time; its overloads want the type known when compiling.
  return makeData(props as Parameters<typeof makeData>[0]);
}

function arrowValues(column: BuiltColumn, rows: number) {
  const { values, words, contract } = column;
  if (contract.type === 'bool') return packBits(values);
  if (words === 1) return values;
  if (words === 4) return new Uint32Array(values.buffer, values.byteOffset, rows * words);
  if (contract.type === 'uint64') {
    return new BigUint64Array(values.buffer, values.byteOffset, rows);
  }
  return new BigInt64Array(values.buffer, values.byteOffset, rows);
}

function dictionaryVector(dictionary: NonNullable<BuiltColumn['dictionary']>): Vector {
  const text = makeData({
    type: new Utf8(),
    length: dictionary.count,
    nullCount: 0,
    valueOffsets: dictionary.offsets,
    data: dictionary.bytes,
  });
  return new Vector([text]);
}

/** One bit a row, lowest bit first. */
function packBits(flags: ArrayLike<number>): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  for (let row = 0; row < flags.length; row += 1) {
    if (flags[row] === 1) bits[row >> 3] = (bits[row >> 3] ?? 0) | (1 << (row & 7));
  }
  return bits;
}

import type {
  ColumnContract,
  ColumnType,
  Dataset,
  DecimalDigits,
} from '@strongroom/protocol/contract';
import type { DatasetId, PartyId } from '@strongroom/protocol/fields';
import {
  Bool,
  type Data,
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
  vectorFromArray,
} from 'apache-arrow';

/** Builds the Arrow streams that tests feed to the vault, with apache-arrow as a producer would. */

export type CellValue = bigint | number | string | boolean | null;

export interface TestColumn {
  readonly contract: ColumnContract;
  readonly values: readonly CellValue[];
}

export function datasetWith(
  columns: readonly ColumnContract[],
  more: Partial<Dataset> = {},
): Dataset {
  return {
    id: 'set' as DatasetId,
    owner: 'owner' as PartyId,
    relation: 'rows',
    columns: [...columns],
    keyId: 'kek',
    wrappingKey: { kty: 'RSA', n: 'x', e: 'AQAB' },
    ...more,
  };
}

/** A column of the type, with digits where it needs some. */
export function columnOf(
  name: string,
  type: ColumnType,
  nullable: boolean,
  digits: DecimalDigits = DIGITS,
): ColumnContract {
  return { name, type, nullable, ...(type === 'decimal128' ? digits : {}) };
}

const DIGITS: DecimalDigits = { precision: 20, scale: 3 };

export function encodeColumns(columns: readonly TestColumn[]): Uint8Array {
  const rows = columns[0]?.values.length ?? 0;
  const data = columns.map((column) => dataOf(column.contract, column.values));
  const fields = columns.map(({ contract }, index) => {
    const type = data[index]?.type ?? new Bool();
    return new Field(contract.name, type, contract.nullable);
  });
  const arrowSchema = new Schema(fields);
  const struct = makeData({
    type: new Struct(fields),
    length: rows,
    nullCount: 0,
    children: data,
  });
  return tableToIPC(new Table(arrowSchema, [new RecordBatch(arrowSchema, struct)]), 'stream');
}

function dataOf(contract: ColumnContract, values: readonly CellValue[]): Data {
  const { type, precision = 0, scale = 0 } = contract;
  if (type === 'utf8') {
    const [data] = vectorFromArray(values, new Dictionary(new Utf8(), new Int32())).data;
    if (!data) throw new Error('no data');
    return data;
  }
  const length = values.length;
  const nullCount = values.filter((value) => value === null).length;
  const nullBitmap = nullCount === 0 ? null : bits(values.map((value) => value !== null));
  const numbers = values.map((value) => Number(value ?? 0));
  const bigints = () => BigInt64Array.from(values, (value) => BigInt(value ?? 0));
  const common = { length, nullCount, nullBitmap };
  switch (type) {
    case 'bool':
      return makeData({ ...common, type: new Bool(), data: bits(values.map((v) => v === true)) });
    case 'decimal128':
      return makeData({
        ...common,
        type: new Decimal(scale, precision, 128),
        data: Uint32Array.from(values.flatMap((value) => wordsOf(BigInt(value ?? 0)))),
      });
    case 'int8':
      return makeData({ ...common, type: new Int8(), data: Int8Array.from(numbers) });
    case 'uint8':
      return makeData({ ...common, type: new Uint8(), data: Uint8Array.from(numbers) });
    case 'uint16':
      return makeData({ ...common, type: new Uint16(), data: Uint16Array.from(numbers) });
    case 'uint32':
      return makeData({ ...common, type: new Uint32(), data: Uint32Array.from(numbers) });
    case 'uint64':
      return makeData({
        ...common,
        type: new Uint64(),
        data: BigUint64Array.from(values, (value) => BigInt(value ?? 0)),
      });
    case 'float32':
      return makeData({ ...common, type: new Float32(), data: Float32Array.from(numbers) });
    case 'timestamp-us-utc':
      return makeData({ ...common, type: new TimestampMicrosecond('UTC'), data: bigints() });
    case 'int16':
      return makeData({ ...common, type: new Int16(), data: Int16Array.from(numbers) });
    case 'int32':
      return makeData({ ...common, type: new Int32(), data: Int32Array.from(numbers) });
    case 'date32':
      return makeData({ ...common, type: new DateDay(), data: Int32Array.from(numbers) });
    case 'float64':
      return makeData({ ...common, type: new Float64(), data: Float64Array.from(numbers) });
    case 'int64':
      return makeData({ ...common, type: new Int64(), data: bigints() });
    case 'timestamp-ms':
      return makeData({
        ...common,
        type: new TimestampMillisecond(),
        data: bigints(),
      });
    case 'timestamp-us':
      return makeData({
        ...common,
        type: new TimestampMicrosecond(),
        data: bigints(),
      });
  }
}

/** 128-bit two's complement in four words, the low one first. */
function wordsOf(value: bigint): number[] {
  return [0n, 32n, 64n, 96n].map((shift) => Number((value >> shift) & 0xffff_ffffn));
}

function bits(values: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  });
  return bytes;
}

import assert from 'node:assert/strict';
import { type DuckDBType, DuckDBTypeId } from '@duckdb/node-api';
import { type ColumnContract, type ColumnType, digitsOf } from '@strongroom/protocol/contract';
import { NUMBER_TYPES, NUMBERS } from './sql-lists.ts';
import { nodeOf, textOf } from './sql-tree.ts';

/** What the engine's types can and cannot do without failing, as measured over their extremes. */

export interface TypeName {
  readonly id: string;
  /** Of a DECIMAL. */
  readonly width?: number;
  readonly scale?: number;
}

/** A contract's columns as the engine holds them. */
export function typeNameOf(column: ColumnContract): TypeName {
  const digits = digitsOf(column);
  if (digits) return { id: 'DECIMAL', width: digits.precision, scale: digits.scale };
  assert(column.type !== 'decimal128', 'a decimal has digits');
  return { id: SQL_TYPES[column.type] };
}

export function sqlTypeOf(column: ColumnContract): string {
  const { id, width, scale } = typeNameOf(column);
  return id === 'DECIMAL' ? `DECIMAL(${width}, ${scale})` : id;
}

const SQL_TYPES: Readonly<Record<Exclude<ColumnType, 'decimal128'>, string>> = {
  bool: 'BOOLEAN',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  utf8: 'VARCHAR',
  date32: 'DATE',
  'timestamp-ms': 'TIMESTAMP_MS',
  'timestamp-us': 'TIMESTAMP',
  'timestamp-us-utc': 'TIMESTAMP WITH TIME ZONE',
};

export function typeFrom(value: unknown): TypeName {
  const { id, type_info: info } = nodeOf(value);
  if (id !== 'DECIMAL') return { id: textOf(id) };
  const { width, scale } = nodeOf(info);
  return { id, width: Number(width), scale: Number(scale) };
}

/** Types of result columns that have an exact Arrow form, as the engine's binding calls them. */
export const RESULT_TYPES = [
  'BOOLEAN',
  ...NUMBERS,
  'VARCHAR',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMP_MS',
  'TIMESTAMP_TZ',
  // The type of a NULL that nothing gives another type.
  'SQLNULL',
] as const;
export type ResultType = (typeof RESULT_TYPES)[number];

/** Undefined for a type whose values cannot leave as a result. */
export function resultTypeOf({ typeId }: DuckDBType): ResultType | undefined {
  return RESULT_TYPES.find((name) => DuckDBTypeId[name] === typeId);
}

/** Bits of a value without its sign, and decimal digits of the largest. */
const WIDTHS: ReadonlyMap<string, { readonly bits: number; readonly digits: number }> = new Map([
  ['TINYINT', { bits: 7, digits: 3 }],
  ['UTINYINT', { bits: 8, digits: 3 }],
  ['SMALLINT', { bits: 15, digits: 5 }],
  ['USMALLINT', { bits: 16, digits: 5 }],
  ['INTEGER', { bits: 31, digits: 10 }],
  ['UINTEGER', { bits: 32, digits: 10 }],
  ['BIGINT', { bits: 63, digits: 19 }],
  ['UBIGINT', { bits: 64, digits: 20 }],
  ['HUGEINT', { bits: 127, digits: 39 }],
]);

/** Whether every value of one type is, or is near to, one of the other. */
export function isTotalCast(from: TypeName, to: TypeName): boolean {
  if (from.id === 'NULL' || from.id === 'SQLNULL' || to.id === 'VARCHAR') return true;
  if (to.id === 'DECIMAL') return fitsDecimal(from, to);
  if (from.id === to.id) return true;
  if (from.id === 'BOOLEAN') return NUMBER_TYPES.has(to.id);
  if (NUMBER_TYPES.has(from.id)) return fitsNumber(from, to);
  return (from.id === 'TIMESTAMP' || from.id === 'TIMESTAMP_MS') && to.id === 'DATE';
}

function fitsDecimal(from: TypeName, { width = 0, scale = 0 }: TypeName): boolean {
  if (from.id === 'BOOLEAN') return width > scale;
  if (from.id !== 'DECIMAL') return (WIDTHS.get(from.id)?.digits ?? 99) <= width - scale;
  const { width: fromWidth = 38, scale: fromScale = 0 } = from;
  return fromScale <= scale && fromWidth - fromScale <= width - scale;
}

function fitsNumber(from: TypeName, to: TypeName): boolean {
  if (to.id === 'BOOLEAN' || to.id === 'DOUBLE') return true;
  if (to.id === 'FLOAT') return from.id !== 'DOUBLE';
  const [bits, more] = [WIDTHS.get(from.id)?.bits ?? 999, WIDTHS.get(to.id)?.bits ?? 0];
  const losesSign = to.id.startsWith('U') && !from.id.startsWith('U');
  return bits <= more && !losesSign;
}

const FLOATING: ReadonlySet<string> = new Set(['FLOAT', 'DOUBLE']);
const WITH_DECIMAL: ReadonlySet<string> = new Set(['FLOAT', 'DOUBLE', 'DECIMAL']);
const TIMES: ReadonlySet<string> = new Set(['VARCHAR', 'TIMESTAMP']);

/** Those that give a result for all values of these types; null: of all that they are for. */
const TOTAL_FUNCTIONS: ReadonlyMap<string, ReadonlySet<string> | null> = new Map([
  ...['+', '-', '*'].map((name) => [name, FLOATING] as const),
  ...['//', '%', 'abs'].map((name) => [name, WITH_DECIMAL] as const),
  ...['last_day', 'isoyear', 'week', 'yearweek'].map((name) => [name, TIMES] as const),
  // Their first argument, the part, is text; of dates, some parts fail at the end of time.
  ...['date_part', 'date_diff'].map((name) => [name, TIMES] as const),
  ...[
    ...['/', 'ceil', 'ceiling', 'floor', 'round', 'trunc', 'sign'],
    ...['~~', '!~~', 'lower', 'upper', 'length', 'trim', 'starts_with', 'contains'],
    ...['prefix', 'suffix', 'nullif', 'greatest', 'least', 'monthname', 'dayname', 'year'],
    ...['quarter', 'month', 'day', 'dayofweek', 'dayofyear', 'isodow', 'hour', 'minute'],
    ...['second', 'epoch'],
  ].map((name) => [name, null] as const),
]);

export const ZONED = 'TIMESTAMP WITH TIME ZONE';
const COMPARING: ReadonlySet<string> = new Set(['nullif', 'greatest', 'least']);

export function isTotalFunction(name: string, types: readonly TypeName[]): boolean {
  const held = TOTAL_FUNCTIONS.get(name);
  if (held === undefined) return false;
  // What a calendar does at the end of time, with its zone, nobody has measured.
  if (types.some(({ id }) => id === ZONED) && !COMPARING.has(name)) return false;
  return held === null || types.every(({ id }) => held.has(id));
}

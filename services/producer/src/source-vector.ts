import type { ColumnType } from '@strongroom/protocol/contract';
import type { TextInterner } from './text-interner.ts';

/**
 * What a format hands over: some rows of one column in typed arrays, not yet in the contract's
 * type. `validity` has one bit a row, lowest bit first (Arrow's and DuckDB's layout); null when
 * every row has a value.
 */
export type SourceVector = ValueVector | TextVector;

/** One array element a row; bool is 0 or 1, date counts days since 1970. */
type NumberKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'float32'
  | 'float64'
  | 'date';

/** Two 32-bit words a row, the low one first: as fast as numbers, as exact as BigInt. */
type WordPairKind =
  | 'int64'
  | 'uint64'
  | 'timestamp-s'
  | 'timestamp-ms'
  | 'timestamp-us'
  | 'timestamp-ns';

/** Four words a row, the low one first, in two's complement; the column says the scale. */
type DecimalKind = 'decimal';

export type SourceKind = NumberKind | WordPairKind | DecimalKind | 'text';

export type ValueArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array;

interface ValueVector {
  readonly kind: NumberKind | WordPairKind | DecimalKind;
  readonly values: ValueArray;
  readonly validity: Uint8Array | null;
}

export interface TextVector {
  readonly kind: 'text';
  readonly validity: Uint8Array | null;
  /** The number of the row's text, -1 when its bytes are not UTF-8. Not called for a null. */
  intern(row: number, interner: TextInterner): number;
}

/** A column of a source as its format declares it. */
export interface SourceColumn {
  readonly name: string;
  /** Undefined for a type that no contract can name (a list, a blob, …). */
  readonly kind: SourceKind | undefined;
  /** Of a decimal: its digits behind the point. */
  readonly scale?: number;
  /** Of times: moments and not readings of somebody's clock. */
  readonly instants?: boolean;
  /** The format's word for the type, for error messages. */
  readonly type: string;
  /** Why its values cannot be read, where the type's name does not say it. */
  readonly problem?: string;
}

/** A time without a zone is none in UTC: it would be moved by as much as its clock is ahead. */
export function lacksZone({ kind, instants = false }: SourceColumn, wanted: ColumnType): boolean {
  const isTime = kind === 'date' || kind?.startsWith('timestamp') === true;
  return wanted === 'timestamp-us-utc' && isTime && !instants;
}

/** Why a column does not fit, where the name of its type does not say it. */
export function problemOf(column: SourceColumn, wanted: ColumnType): { problem?: string } {
  if (lacksZone(column, wanted)) return { problem: 'a time without a zone is none in UTC' };
  return column.problem === undefined ? {} : { problem: column.problem };
}

/** Rows [from, to) of some vectors, one vector a column in the order of the contract. */
export interface SourceRows {
  readonly from: number;
  readonly to: number;
  readonly vectors: readonly SourceVector[];
  /** Of each row, how many stand before it in the source; absent: they follow one another. */
  readonly numbers?: Float64Array;
}

export function isValid(validity: Uint8Array | null, row: number): boolean {
  return validity === null || (((validity[row >> 3] ?? 0) >> (row & 7)) & 1) === 1;
}

/** The first row in [from, to) without a value; -1 when there is none. */
export function firstNull(validity: Uint8Array | null, from: number, to: number): number {
  if (validity === null) return -1;
  let row = from;
  while (row < to) {
    // Eight rows at once: nulls are rare.
    if ((row & 7) === 0 && row + 8 <= to && validity[row >> 3] === 0xff) {
      row += 8;
    } else if (isValid(validity, row)) {
      row += 1;
    } else {
      return row;
    }
  }
  return -1;
}

/** 32-bit words, or elements, of a row's value. */
export function wordsOf(kind: Exclude<SourceKind, 'text'>): 1 | 2 | 4 {
  if (kind === 'decimal') return 4;
  return /64$|^timestamp/.test(kind) && kind !== 'float64' ? 2 : 1;
}

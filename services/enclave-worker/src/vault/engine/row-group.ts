import assert from 'node:assert/strict';
import {
  BIGINT,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  type DuckDBType,
  ENUM8,
  ENUM16,
  FLOAT,
  INTEGER,
  SMALLINT,
  TIMESTAMP,
  TIMESTAMP_MS,
  TIMESTAMPTZ,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import { type ColumnContract, type ColumnType, digitsOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type ArrowBatch,
  type BoolColumn,
  type FixedColumn,
  isValid,
  type TextColumn,
} from './arrow-batch.ts';

/**
 * Several batches of one dataset made ready for one scan: for every column one DuckDB type, and for
 * every batch the bytes to copy. Each batch has dictionaries of its own, so the labels of
 * the group are interned once and the indices are mapped to them; a scan therefore has one ENUM per
 * column. It must never be prepared and run again: the labels belong to this group alone.
 */
export interface RowGroup {
  readonly columns: readonly GroupColumn[];
  /** Rows of each batch, in order. */
  readonly batchRows: readonly number[];
}

export interface LabelledRows extends RowGroup {
  /** Of text columns that are an ENUM, in the order of their numbers. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

export interface GroupColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly parts: readonly ColumnPart[];
}

export interface ColumnPart {
  /** Fixed width: copied. Labels: assigned value by value (`values` holds int32 indices). */
  readonly values: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly labels?: readonly Uint8Array[];
  readonly validity: Uint8Array<ArrayBuffer> | null;
}

/** An ENUM's index has one byte up to this many labels, then two (DuckDB's EnumTypeInfo). */
const ENUM8_LABELS_MAX = 255;
const ENUM16_LABELS_MAX = 65_535;

export function makeRowGroup(
  columns: readonly ColumnContract[],
  batches: readonly ArrowBatch[],
  { more = [], known, isKept = () => true }: RowGroupOptions = {},
): LabelledRows {
  const labels = new Map<string, readonly string[]>();
  const held = columns.flatMap((column, index) => {
    if (!isKept(column.name)) return [];
    if (column.type !== 'utf8') return makeFixedColumn(column, batches, index);
    const first = known?.get(column.name) ?? [];
    const { of, ...made } = makeTextColumn(column.name, textColumns(batches, index), first);
    if (of) labels.set(column.name, of);
    return made;
  });
  return {
    batchRows: batches.map((arrowBatch) => arrowBatch.rows),
    columns: [...held, ...more],
    labels,
  };
}

interface RowGroupOptions {
  /** Columns that no batch holds. */
  readonly more?: readonly GroupColumn[];
  /** By column: labels that come first, whether they are in the batches or not. */
  readonly known?: ReadonlyMap<string, readonly string[]> | undefined;
  /** By name: which of the batches' columns the group has; all if absent. */
  readonly isKept?: (name: string) => boolean;
}

export function duckdbType(column: Parameters<typeof digitsOf>[0]): DuckDBType {
  const digits = digitsOf(column);
  if (digits) return DECIMAL(digits.precision, digits.scale);
  assert(column.type !== 'decimal128', 'a decimal has digits');
  return TYPES[column.type];
}

const TYPES: Readonly<Record<Exclude<ColumnType, 'decimal128'>, DuckDBType>> = {
  bool: BOOLEAN,
  int8: TINYINT,
  int16: SMALLINT,
  int32: INTEGER,
  int64: BIGINT,
  uint8: UTINYINT,
  uint16: USMALLINT,
  uint32: UINTEGER,
  uint64: UBIGINT,
  float32: FLOAT,
  float64: DOUBLE,
  utf8: VARCHAR,
  date32: DATE,
  'timestamp-ms': TIMESTAMP_MS,
  'timestamp-us': TIMESTAMP,
  'timestamp-us-utc': TIMESTAMPTZ,
};

function makeFixedColumn(
  column: ColumnContract,
  batches: readonly ArrowBatch[],
  index: number,
): GroupColumn {
  const parts = batches.map((arrowBatch): ColumnPart => {
    const part = arrowBatch.columns[index];
    if (!part || part.kind === 'text') throw new StrongroomError('ERR_BATCH_CONTENT');
    const validity = plainOrNull(part.validity);
    if (part.kind === 'bool')
      return { values: expandBits(part, arrowBatch.rows), width: 1, validity };
    const digits = digitsOf(column);
    if (digits) return { ...narrowDecimals(part, arrowBatch.rows, digits.precision), validity };
    return { values: plain(part.values), width: part.width, validity };
  });
  return { name: column.name, type: duckdbType(column), parts };
}

/** Bytes of a DECIMAL of so many digits in DuckDB (its DecimalType). */
export function decimalWidth(precision: number): number {
  return precision <= 4 ? 2 : precision <= 9 ? 4 : precision <= 18 ? 8 : 16;
}

/** Arrow has 16 bytes for each, DuckDB as few as hold so many digits. */
function narrowDecimals(
  { values, validity }: FixedColumn,
  rows: number,
  precision: number,
): { values: Uint8Array<ArrayBuffer>; width: number } {
  const width = decimalWidth(precision);
  if (width === 16) return { values: plain(values), width };
  const narrow = new Uint8Array(rows * width);
  for (let row = 0; row < rows; row++) {
    // Below a null may lie anything; it becomes 0.
    if (isValid(validity, row)) {
      narrow.set(values.subarray(row * 16, row * 16 + width), row * width);
    }
  }
  return { values: narrow, width };
}

/** Arrow packs eight booleans into a byte, DuckDB gives each a byte. */
function expandBits(column: BoolColumn, rows: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    bytes[row] = ((column.bits[row >> 3] ?? 0) >> (row & 7)) & 1;
  }
  return bytes;
}

function textColumns(batches: readonly ArrowBatch[], index: number): TextColumn[] {
  return batches.map((arrowBatch) => {
    const column = arrowBatch.columns[index];
    if (column?.kind !== 'text') throw new StrongroomError('ERR_BATCH_CONTENT');
    return column;
  });
}

function makeTextColumn(
  name: string,
  columns: readonly TextColumn[],
  known: readonly string[],
): GroupColumn & { readonly of?: readonly string[] } {
  const interned = new Map(known.map((label, index) => [label, index]));
  const mappings = columns.map((column) =>
    Int32Array.from(column.labels, (label) => {
      const index = interned.get(label) ?? interned.size;
      interned.set(label, index);
      return index;
    }),
  );
  const labels = [...interned.keys()];
  const parts = (width: 1 | 2 | 4, bytes?: readonly Uint8Array[]) =>
    columns.map((column, index): ColumnPart => {
      const values = mapIndices(column, mappings[index] ?? new Int32Array(0), width);
      const part = { values, width, validity: plainOrNull(column.validity) };
      return bytes ? { ...part, labels: bytes } : part;
    });
  if (!fitsEnum(labels)) {
    const encoder = new TextEncoder();
    const bytes = labels.map((label) => encoder.encode(label));
    return { name, type: VARCHAR, parts: parts(4, bytes) };
  }
  // DuckDB wants at least one label.
  if (labels.length === 0) labels.push('');
  return labels.length <= ENUM8_LABELS_MAX
    ? { name, type: ENUM8(labels), parts: parts(1), of: labels }
    : { name, type: ENUM16(labels), parts: parts(2), of: labels };
}

/**
 * A label with U+0000 would be cut at it by the C interface that takes an ENUM's labels; two labels
 * that are equal up to it end the process.
 */
function fitsEnum(labels: readonly string[]): boolean {
  return labels.length <= ENUM16_LABELS_MAX && !labels.some((label) => label.includes('\0'));
}

function mapIndices(
  column: TextColumn,
  mapping: Int32Array,
  width: 1 | 2 | 4,
): Uint8Array<ArrayBuffer> {
  const rows = column.indices.length;
  const mapped =
    width === 1
      ? new Uint8Array(rows)
      : width === 2
        ? new Uint16Array(rows)
        : new Uint32Array(rows);
  for (let row = 0; row < rows; row++) {
    // The index of a null row may be anything; it becomes 0, which every ENUM has.
    mapped[row] = isValid(column.validity, row) ? (mapping[column.indices[row] ?? 0] ?? 0) : 0;
  }
  return new Uint8Array(mapped.buffer);
}

/** The native copy takes an ArrayBuffer; shared memory could change under it. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

function plainOrNull(bytes: Uint8Array | null): Uint8Array<ArrayBuffer> | null {
  return bytes === null ? null : plain(bytes);
}

import assert from 'node:assert/strict';
import { type ColumnContract, type Dataset, digitsOf } from '@strongroom/protocol/contract';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import { firstDayOutside, firstTimeOutside, TIME_RANGE } from '@strongroom/protocol/times';
import { refused } from './arrow-refusal.ts';
import {
  type ArrowField,
  type ArrowStream,
  readArrowStream,
  type StreamPart,
} from './arrow-stream.ts';

/**
 * The plain rows of one batch as typed buffers: views into the opened bytes, nothing decoded but
 * the labels of dictionaries. What is returned satisfies the contract's columns, so that the table
 * function can copy it without another check.
 */
export interface ArrowBatch {
  readonly rows: number;
  readonly columns: readonly ArrowColumn[];
}

export type ArrowColumn = FixedColumn | BoolColumn | TextColumn;

/** Bit i set = row i has a value; null when every row has one. */
type Validity = Uint8Array | null;

type Width = 1 | 2 | 4 | 8 | 16;

export interface FixedColumn {
  readonly kind: 'fixed';
  readonly width: Width;
  /** rows × width bytes, little-endian, as DuckDB lays them out too. */
  readonly values: Uint8Array;
  readonly validity: Validity;
}

export interface BoolColumn {
  readonly kind: 'bool';
  readonly bits: Uint8Array;
  readonly validity: Validity;
}

export interface TextColumn {
  readonly kind: 'text';
  /** Row -> label; only meaningful where the row has a value, and then within the labels. */
  readonly indices: Int32Array;
  readonly labels: readonly string[];
  readonly validity: Validity;
}

/**
 * Reads one Arrow IPC stream that must hold exactly the columns of the dataset and `rows` rows.
 * @throws ERR_BATCH_CONTENT for everything that is wrong with it
 */
export function readArrowBatch(bytes: Uint8Array, dataset: Dataset, rows: number): ArrowBatch {
  try {
    const stream = readArrowStream(aligned(bytes), dataset.columns.length);
    checkColumns(stream.fields, dataset.columns);
    if (stream.batch.rows !== rows) throw refused('rows', 'record batch', 'as the seal says');
    return { rows, columns: readColumns(stream, dataset.columns) };
  } catch (error) {
    throw new StrongroomError('ERR_BATCH_CONTENT', { ...factsOf(error), dataset: dataset.id });
  }
}

/** A foreign error's message could quote the owner's bytes: only what kind it is goes on. */
function factsOf(error: unknown): ErrorFacts {
  if (error instanceof StrongroomError) return error.facts;
  if (error instanceof RangeError) return refused('metadata leaves its bounds', 'metadata').facts;
  const isText = error instanceof TypeError && 'code' in error && error.code === BAD_UTF8;
  return isText ? refused('not UTF-8', 'metadata').facts : {};
}

/** What Node's TextDecoder throws. */
const BAD_UTF8 = 'ERR_ENCODING_INVALID_ENCODED_DATA';

/** Arrow aligns its buffers to 8 bytes within the stream; typed arrays need it within memory. */
function aligned(bytes: Uint8Array): Uint8Array {
  // A Buffer's own `slice` would be a view of the same bytes.
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

function checkColumns(fields: readonly ArrowField[], columns: readonly ColumnContract[]): void {
  if (fields.length !== columns.length) {
    throw refused('columns', 'schema', `${columns.length} columns`);
  }
  for (const [index, column] of columns.entries()) {
    const { name, nullable } = column;
    const field = fields[index];
    if (field?.name !== name) throw refused('name', `column ${index + 1}`, name);
    const type = typeOf(column);
    if (field.type !== type) throw refused('type', name, type);
    if (field.nullable !== nullable) {
      throw refused('nullable', name, nullable ? 'nullable' : 'not nullable');
    }
  }
}

function typeOf(column: ColumnContract): string {
  const digits = digitsOf(column);
  return digits ? `${column.type}(${digits.precision},${digits.scale})` : column.type;
}

function readColumns(stream: ArrowStream, columns: readonly ColumnContract[]): ArrowColumn[] {
  const { nodes, regions } = stream.batch;
  if (nodes.length !== columns.length) throw refused('number of nodes', 'record batch');
  // A bitmap and the values, of every type.
  if (regions.length !== columns.length * 2) throw refused('number of buffers', 'record batch');
  return columns.map((column, index) => {
    const [node, bitmap, values] = [nodes[index], regions[index * 2], regions[index * 2 + 1]];
    assert(node && bitmap && values, 'counted above');
    if (node.length !== stream.batch.rows) throw refused('rows', column.name);
    if (!column.nullable && node.nulls !== 0) throw refused('null', column.name);
    const validity = readValidity(bitmap, node, column.name);
    const part = { name: column.name, values, node, validity };
    if (column.type === 'utf8') return readText(part, labelsOf(stream, index, column.name));
    if (column.type === 'bool') return readBool(part);
    const fixed = readFixed(part, WIDTHS[column.type]);
    const digits = digitsOf(column);
    if (digits) checkDigits(fixed, part, digits.precision);
    if (/^date|^timestamp/.test(column.type)) checkTimes(fixed, part, column.type);
    return fixed;
  });
}

/** One column's part of the record batch. */
interface Part {
  readonly name: string;
  readonly values: Uint8Array;
  readonly node: Node;
  readonly validity: Validity;
}

const WIDTHS = {
  decimal128: 16,
  int8: 1,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  float32: 4,
  'timestamp-us-utc': 8,
  int16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  date32: 4,
  'timestamp-ms': 8,
  'timestamp-us': 8,
} as const;

interface Node {
  readonly length: number;
  readonly nulls: number;
}

/** An absent bitmap means that every row has a value; a present one must agree with its count. */
function readValidity(bitmap: Uint8Array, { length, nulls }: Node, place: string): Validity {
  if (bitmap.length === 0 && nulls === 0) return null;
  if (bitmap.length < Math.ceil(length / 8)) throw refused('validity length', place);
  if (length - countBits(bitmap, length) !== nulls) throw refused('null count', place);
  return nulls === 0 ? null : bitmap;
}

function countBits(bitmap: Uint8Array, bits: number): number {
  let count = 0;
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) count += BITS_IN_BYTE[bitmap[index] ?? 0] ?? 0;
  const rest = bits & 7;
  const last = (bitmap[whole] ?? 0) & ((1 << rest) - 1);
  return count + (BITS_IN_BYTE[last] ?? 0);
}

const BITS_IN_BYTE = Uint8Array.from({ length: 256 }, (_none, byte) => {
  let bits = 0;
  for (let rest = byte; rest !== 0; rest >>= 1) bits += rest & 1;
  return bits;
});

function readFixed(part: Part, width: Width): FixedColumn {
  const values = valuesOf(part, part.node.length * width);
  return { kind: 'fixed', width, values, validity: part.validity };
}

/** The engine keeps a decimal in as few bytes as its digits need: one with more is none. */
function checkDigits(
  { values, validity }: FixedColumn,
  { name, node }: Part,
  digits: number,
): void {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const limit = 10n ** BigInt(digits);
  for (let row = 0; row < node.length; row++) {
    if (!isValid(validity, row)) continue;
    const value = decimalAt(view, row);
    if (value >= limit || value <= -limit) throw refused('digits', name, `${digits} at most`);
  }
}

/** Below a null may lie anything. */
function checkTimes({ values, validity }: FixedColumn, { name, node }: Part, type: string): void {
  const words = new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4);
  const unit = type === 'timestamp-ms' ? 'ms' : 'us';
  const next = (from: number) =>
    type === 'date32'
      ? firstDayOutside(words, from, node.length)
      : firstTimeOutside(words, unit, from, node.length);
  for (let row = next(0); row >= 0; row = next(row + 1)) {
    if (isValid(validity, row)) throw refused('time', name, TIME_RANGE);
  }
}

/** 128-bit two's complement, little-endian. */
function decimalAt(view: DataView, row: number): bigint {
  return (view.getBigInt64(row * 16 + 8, true) << 64n) | view.getBigUint64(row * 16, true);
}

function readBool(part: Part): BoolColumn {
  const bits = valuesOf(part, Math.ceil(part.node.length / 8));
  return { kind: 'bool', bits, validity: part.validity };
}

/** Some writers leave the values out when every row is null (apache/arrow-js#392). */
function valuesOf({ name, values, node }: Part, bytes: number): Uint8Array {
  if (values.length === 0 && node.nulls === node.length) return new Uint8Array(bytes);
  if (values.length < bytes) throw refused('values length', name);
  return values.subarray(0, bytes);
}

function readText(part: Part, labels: readonly string[]): TextColumn {
  const { name, node, validity } = part;
  const bytes = valuesOf(part, node.length * 4);
  const indices = new Int32Array(bytes.buffer, bytes.byteOffset, node.length);
  for (let row = 0; row < node.length; row++) {
    const index = indices[row] ?? -1;
    const isLabel = index >= 0 && index < labels.length;
    if (!isLabel && isValid(validity, row)) throw refused('index', name, 'within the dictionary');
  }
  return { kind: 'text', indices, labels, validity };
}

export function isValid(validity: Validity, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

/** A dictionary of one utf8 column: no nulls, offsets that rise and stay within the bytes. */
function labelsOf(stream: ArrowStream, index: number, name: string): string[] {
  // A writer may leave out the dictionary of a column whose rows are all null.
  const part = stream.dictionaries.get(stream.fields[index]?.dictionary ?? -1);
  return part ? readLabels(part, `dictionary of ${name}`) : [];
}

function readLabels({ rows, nodes, regions }: StreamPart, place: string): string[] {
  const [node] = nodes;
  const [bitmap, offsetBytes, letters] = regions;
  if (!node || nodes.length !== 1) throw refused('number of nodes', place);
  if (!bitmap || !offsetBytes || !letters || regions.length !== 3) {
    throw refused('number of buffers', place);
  }
  if (node.length !== rows) throw refused('rows', place);
  if (node.nulls !== 0) throw refused('null', place);
  readValidity(bitmap, node, place);
  if (node.length === 0) return [];
  if (offsetBytes.length < (node.length + 1) * 4) throw refused('offsets', place);
  const offsets = new Int32Array(offsetBytes.buffer, offsetBytes.byteOffset, node.length + 1);
  return readTexts(offsets, letters, place);
}

function readTexts(offsets: Int32Array, letters: Uint8Array, place: string): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  let start = 0;
  if (offsets[0] !== 0) throw refused('offsets', place);
  for (let index = 1; index < offsets.length; index++) {
    const end = offsets[index] ?? -1;
    if (end < start || end > letters.length) throw refused('offsets', place);
    try {
      texts.push(decoder.decode(letters.subarray(start, end)));
    } catch {
      throw refused('not UTF-8', place);
    }
    start = end;
  }
  return texts;
}

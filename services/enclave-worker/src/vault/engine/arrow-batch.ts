import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
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

interface FixedColumn {
  readonly kind: 'fixed';
  readonly width: 2 | 4 | 8;
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
    if (stream.batch.rows !== rows) throw refused('rows');
    return { rows, columns: readColumns(stream, dataset.columns) };
  } catch (error) {
    // A foreign error's message could quote the owner's bytes: only the code goes on.
    const facts = error instanceof StrongroomError ? error.facts : {};
    throw new StrongroomError('ERR_BATCH_CONTENT', { ...facts, dataset: dataset.id });
  }
}

/** Arrow aligns its buffers to 8 bytes within the stream; typed arrays need it within memory. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
}

function checkColumns(fields: readonly ArrowField[], columns: readonly ColumnContract[]): void {
  if (fields.length !== columns.length) throw refused('columns');
  for (const [index, column] of columns.entries()) {
    const field = fields[index];
    if (field?.name !== column.name) throw refused('name');
    if (field.type !== column.type) throw refused('type');
    if (field.nullable !== column.nullable) throw refused('nullable');
  }
}

function readColumns(stream: ArrowStream, columns: readonly ColumnContract[]): ArrowColumn[] {
  const regions = stream.batch.regions[Symbol.iterator]();
  const read = columns.map((column, index) => {
    const node = stream.batch.nodes[index];
    if (!node || node.length !== stream.batch.rows) throw refused('node');
    const validity = readValidity(next(regions), node.length, node.nulls, column.nullable);
    const values = next(regions);
    if (column.type === 'utf8') {
      return readText(values, node.length, validity, labelsOf(stream, stream.fields[index]));
    }
    if (column.type === 'bool') return readBool(values, node, validity);
    return readFixed(values, node, validity, WIDTHS[column.type]);
  });
  if (regions.next().done !== true || stream.batch.nodes.length !== columns.length) {
    throw refused('buffers');
  }
  return read;
}

const WIDTHS = {
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
function readValidity(
  bitmap: Uint8Array,
  rows: number,
  nulls: number,
  nullable: boolean,
): Validity {
  if (!nullable && nulls !== 0) throw refused('null');
  if (bitmap.length === 0) {
    if (nulls !== 0) throw refused('validity');
    return null;
  }
  if (bitmap.length < Math.ceil(rows / 8)) throw refused('validity');
  if (rows - countBits(bitmap, rows) !== nulls) throw refused('null count');
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

function readFixed(
  values: Uint8Array,
  node: Node,
  validity: Validity,
  width: 2 | 4 | 8,
): FixedColumn {
  const bytes = valuesOf(values, node, node.length * width);
  return { kind: 'fixed', width, values: bytes, validity };
}

function readBool(values: Uint8Array, node: Node, validity: Validity): BoolColumn {
  return { kind: 'bool', bits: valuesOf(values, node, Math.ceil(node.length / 8)), validity };
}

/** Some writers leave the values out when every row is null (apache/arrow-js#392). */
function valuesOf(values: Uint8Array, node: Node, bytes: number): Uint8Array {
  if (values.length === 0 && node.nulls === node.length) return new Uint8Array(bytes);
  if (values.length < bytes) throw refused('values');
  return values.subarray(0, bytes);
}

function readText(
  values: Uint8Array,
  rows: number,
  validity: Validity,
  labels: readonly string[],
): TextColumn {
  const missing = labels.length === 0 && values.length === 0;
  const bytes = missing ? new Uint8Array(rows * 4) : values;
  if (bytes.length < rows * 4) throw refused('values');
  const indices = new Int32Array(bytes.buffer, bytes.byteOffset, rows);
  for (let row = 0; row < rows; row++) {
    const index = indices[row] ?? -1;
    if ((index < 0 || index >= labels.length) && isValid(validity, row)) throw refused('index');
  }
  return { kind: 'text', indices, labels, validity };
}

export function isValid(validity: Validity, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

/** A dictionary of one utf8 column: no nulls, offsets that rise and stay within the bytes. */
function labelsOf(stream: ArrowStream, field: ArrowField | undefined): string[] {
  // A writer may leave out the dictionary of a column whose rows are all null.
  const part = stream.dictionaries.get(field?.dictionary ?? -1);
  return part ? readLabels(part) : [];
}

function readLabels(part: StreamPart): string[] {
  const [node] = part.nodes;
  const [validity, offsetBytes, letters] = part.regions;
  if (!node || !validity || !offsetBytes || !letters) throw refused('dictionary');
  if (part.nodes.length !== 1 || part.regions.length !== 3) throw refused('dictionary');
  if (node.length !== part.rows || node.nulls !== 0) throw refused('dictionary');
  if (node.length === 0) return [];
  if (offsetBytes.length < (node.length + 1) * 4) throw refused('offsets');
  const offsets = new Int32Array(offsetBytes.buffer, offsetBytes.byteOffset, node.length + 1);
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const labels: string[] = [];
  let start = offsets[0] ?? -1;
  if (start !== 0) throw refused('offsets');
  for (let index = 1; index <= node.length; index++) {
    const end = offsets[index] ?? -1;
    if (end < start || end > letters.length) throw refused('offsets');
    labels.push(decoder.decode(letters.subarray(start, end)));
    start = end;
  }
  return labels;
}

function next(regions: Iterator<Uint8Array>): Uint8Array {
  const region = regions.next();
  if (region.done === true) throw refused('buffers');
  return region.value;
}

function refused(problem: string): StrongroomError {
  return new StrongroomError('ERR_BATCH_CONTENT', { problem });
}

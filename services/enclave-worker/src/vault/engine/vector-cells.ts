import assert from 'node:assert/strict';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';

/**
 * Cells of some rows, copied from the engine's vectors in Arrow's layout. The native reads check
 * nothing: how much there is to read follows from a chunk's rows and the width of its type.
 */
export interface Taken extends Validity {
  readonly parts: readonly Part[];
  readonly length: number;
}

export interface Validity {
  readonly nullCount: number;
  readonly nullBitmap: Uint8Array | null;
}

/** @param rows of the result, in rising order */
export function takeRows(
  chunks: readonly DuckDBDataChunk[],
  index: number,
  rows: readonly number[],
): Taken {
  const parts = partsOf(chunks, index, rows);
  return { parts, length: rows.length, ...validityOf(parts, rows.length) };
}

/** What is taken of one chunk. */
interface Part {
  readonly vector: duckdb.Vector;
  readonly vectorRows: number;
  /** Of the vector's rows. */
  readonly rows: readonly number[];
  /** A bit for each of the vector's rows; null where none is null. */
  readonly validity: Uint8Array | null;
}

function partsOf(chunks: readonly DuckDBDataChunk[], index: number, rows: readonly number[]) {
  const parts: Part[] = [];
  let [first, next, last] = [0, 0, -1];
  for (const { chunk, rowCount } of chunks) {
    const own: number[] = [];
    const end = first + rowCount;
    for (let row = rows[next]; row !== undefined && row < end; row = rows[next]) {
      assert(row > last, 'rows in rising order');
      own.push(row - first);
      last = row;
      next += 1;
    }
    first = end;
    if (own.length === 0) continue;
    const vector = duckdb.data_chunk_get_vector(chunk, index);
    // Nothing, where no row is null: the binding's types do not say so.
    const validity: Uint8Array | null | undefined = duckdb.vector_get_validity(
      vector,
      8 * Math.ceil(rowCount / 64),
    );
    parts.push({ vector, vectorRows: rowCount, rows: own, validity: validity ?? null });
  }
  assert(next === rows.length, 'rows of the result');
  return parts;
}

function validityOf(parts: readonly Part[], length: number): Validity {
  if (parts.every(({ validity }) => validity === null)) return { nullCount: 0, nullBitmap: null };
  const bits = new Uint8Array(Math.ceil(length / 8));
  let [at, valid] = [0, 0];
  for (const part of parts) {
    for (const row of part.rows) {
      if (isValid(part, row)) {
        bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
        valid += 1;
      }
      at += 1;
    }
  }
  return { nullCount: length - valid, nullBitmap: valid === length ? null : bits };
}

function isValid({ validity }: Part, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

export type CellBytes = 1 | 2 | 4 | 8 | 16;

/** Zeros where a row is null: what the engine has below a null may be of anybody's row. */
export function takeCells({ parts, length, nullCount }: Taken, width: CellBytes): ArrayBuffer {
  const buffer = new ArrayBuffer(length * width);
  const Units = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Uint32Array;
  const perCell = width / Units.BYTES_PER_ELEMENT;
  const target = new Units(buffer);
  let at = 0;
  for (const part of parts) {
    const { buffer: from, byteOffset } = cellsOf(part, width);
    const source = new Units(from, byteOffset, part.vectorRows * perCell);
    if (nullCount === 0 && part.rows.length === part.vectorRows) {
      target.set(source, at);
      at += source.length;
      continue;
    }
    for (const row of part.rows) {
      const isNull = !isValid(part, row);
      for (let unit = 0; unit < perCell; unit += 1) {
        target[at] = isNull ? 0 : (source[row * perCell + unit] ?? 0);
        at += 1;
      }
    }
  }
  return buffer;
}

/** The memory of a vector, which lives as long as its chunk does. */
function cellsOf({ vector, vectorRows }: Part, width: CellBytes): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = duckdb.vector_get_data(vector, vectorRows * width);
  assert(buffer instanceof ArrayBuffer && length === vectorRows * width, 'a cell for each row');
  return new Uint8Array(buffer, byteOffset, length);
}

/** There are many numbers that are none, and the bits between them could carry a message. */
export function withOneNan<Values extends Float32Array | Float64Array>(values: Values): Values {
  for (const [at, value] of values.entries()) if (Number.isNaN(value)) values[at] = Number.NaN;
  return values;
}

export function takeBits(taken: Taken): Uint8Array {
  const bytes = new Uint8Array(takeCells(taken, 1));
  const bits = new Uint8Array(Math.ceil(bytes.length / 8));
  for (const [at, byte] of bytes.entries()) {
    if (byte !== 0) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return bits;
}

/** From as many bytes as the engine gives so many digits to 128 bits in two's complement. */
export function takeDecimals(taken: Taken, digits: number): Uint32Array {
  if (digits > 18) return new Uint32Array(takeCells(taken, 16));
  const words = new Uint32Array(taken.length * 4);
  if (digits > 9) {
    const pairs = new Int32Array(takeCells(taken, 8));
    for (let row = 0; row < taken.length; row += 1) {
      const high = pairs[2 * row + 1] ?? 0;
      words[4 * row] = pairs[2 * row] ?? 0;
      words[4 * row + 1] = high;
      words.fill(high >> 31, 4 * row + 2, 4 * row + 4);
    }
    return words;
  }
  const low =
    digits > 4 ? new Int32Array(takeCells(taken, 4)) : new Int16Array(takeCells(taken, 2));
  for (const [row, value] of low.entries()) {
    words[4 * row] = value;
    words.fill(value >> 31, 4 * row + 1, 4 * row + 4);
  }
  return words;
}

/** DuckDB's string: uint32 bytes, and these bytes where they have room, or where they are. */
const TEXT_BYTES = 16;
const TEXT_BYTES_WITHIN = 12;

export function takeTexts({ parts, length }: Taken) {
  const valueOffsets = new Int32Array(length + 1);
  let data = new Uint8Array(length * TEXT_BYTES_WITHIN);
  let [at, end] = [0, 0];
  for (const part of parts) {
    const texts = cellsOf(part, TEXT_BYTES);
    const view = new DataView(texts.buffer, texts.byteOffset, texts.byteLength);
    for (const row of part.rows) {
      const start = row * TEXT_BYTES;
      const bytes = isValid(part, row) ? view.getUint32(start, true) : 0;
      data = withRoom(data, end + bytes);
      if (bytes > TEXT_BYTES_WITHIN) {
        const pointer = texts.byteOffset + start + 8;
        data.set(duckdb.get_data_from_pointer(texts.buffer, pointer, bytes), end);
      } else {
        for (let byte = 0; byte < bytes; byte += 1) data[end + byte] = texts[start + 4 + byte] ?? 0;
      }
      end += bytes;
      at += 1;
      valueOffsets[at] = end;
    }
  }
  return { valueOffsets, data: data.slice(0, end) };
}

function withRoom(data: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes <= data.length) return data;
  const larger = new Uint8Array(2 * bytes);
  larger.set(data);
  return larger;
}

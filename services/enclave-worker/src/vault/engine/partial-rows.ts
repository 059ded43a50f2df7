import assert from 'node:assert/strict';
import { DuckDBDecimalType, type DuckDBType } from '@duckdb/node-api';
import { resultTypeOf } from '@strongroom/analysis/sql-types';
import { type Data, DataType, tableFromIPC, type Vector } from 'apache-arrow';
import { type ColumnPart, decimalWidth, type GroupColumn, type RowGroup } from './row-group.ts';

/**
 * What other vaults of the contract have counted, made ready for one scan: the mirror image of
 * `encodeResult`, which wrote it. Its seal was verified, so its form is an invariant here.
 */

/** @param columns with the types that partials have in this engine */
export function partialRows(
  columns: readonly { readonly name: string; readonly type: DuckDBType }[],
  arrows: readonly Uint8Array[],
): RowGroup {
  const tables = arrows.map((arrow) => tableFromIPC(arrow));
  return {
    batchRows: tables.map(({ numRows }) => numRows),
    columns: columns.map(({ name, type }, index): GroupColumn => {
      const parts = tables.map((table) => partOf(table.getChildAt(index), type, table.numRows));
      return { name, type, parts };
    }),
  };
}

function partOf(vector: Vector | null, type: DuckDBType, rows: number): ColumnPart {
  const data = vector?.data[0];
  assert(data?.length === rows && vector?.data.length === 1, 'a partial has one batch');
  const validity = data.nullCount === 0 ? null : bytesOf(data.nullBitmap);
  return { ...valuesOf(data, type, rows), validity };
}

function valuesOf(data: Data, type: DuckDBType, rows: number): Omit<ColumnPart, 'validity'> {
  const name = resultTypeOf(type);
  if (name === 'VARCHAR') return textsOf(data, rows);
  // A key that is nothing but NULL has no type of its own, and Arrow calls it a text.
  if (DataType.isUtf8(data.type)) return { values: new Uint8Array(rows * 4), width: 4 };
  const bytes = bytesOf(data.values);
  if (name === 'BOOLEAN') return { values: unpackBits(bytes, rows), width: 1 };
  const width = rows === 0 ? 1 : Math.trunc(bytes.length / rows);
  if (!(type instanceof DuckDBDecimalType)) return { values: bytes, width };
  const narrow = decimalWidth(type.width);
  if (narrow === width) return { values: bytes, width };
  const values = new Uint8Array(rows * narrow);
  for (let row = 0; row < rows; row++) {
    values.set(bytes.subarray(row * width, row * width + narrow), row * narrow);
  }
  return { values, width: narrow };
}

/** Each row has a label of its own. */
function textsOf({ valueOffsets, values }: Data, rows: number): Omit<ColumnPart, 'validity'> {
  const bytes = bytesOf(values);
  const labels = Array.from({ length: rows }, (_none, row) =>
    bytes.subarray(valueOffsets[row], valueOffsets[row + 1]),
  );
  const indices = Int32Array.from({ length: rows }, (_none, row) => row);
  return { values: new Uint8Array(indices.buffer), width: 4, labels };
}

function unpackBits(bits: Uint8Array, rows: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length: rows },
    (_none, row) => ((bits[row >> 3] ?? 0) >> (row & 7)) & 1,
  );
}

/** A view in memory of its own kind: the native copy takes no other. */
function bytesOf(values: ArrayBufferView | undefined): Uint8Array<ArrayBuffer> {
  assert(values, 'a column has values');
  const { buffer, byteOffset, byteLength } = values;
  assert(buffer instanceof ArrayBuffer, 'memory that nobody else writes to');
  return new Uint8Array(buffer, byteOffset, byteLength);
}

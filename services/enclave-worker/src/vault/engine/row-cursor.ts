import assert from 'node:assert/strict';
import duckdb from '@duckdb/node-bindings';
import type { ColumnPart, RowGroup } from './row-group.ts';

/**
 * The one gate through which rows enter DuckDB: typed buffers of a row group are copied into the
 * engine's vectors, chunk by chunk. The native copies check nothing, so the bounds are checked
 * here, before each of them.
 */
export class RowCursor {
  readonly #group: RowGroup;
  readonly #columns: readonly number[];
  #batch = 0;
  #row = 0;

  /** `columns` are those of the group that are copied, in the order of the chunk's vectors. */
  constructor(group: RowGroup, columns: readonly number[] = [...group.columns.keys()]) {
    this.#group = group;
    this.#columns = columns;
  }

  /**
   * Copies the next rows into the chunk and returns how many they are, 0 at the end. A chunk never
   * spans two batches, so its first row is a multiple of 8.
   */
  fill(chunk: duckdb.DataChunk): number {
    const { batchRows, columns } = this.#group;
    while (this.#row >= (batchRows[this.#batch] ?? Number.POSITIVE_INFINITY)) {
      this.#batch += 1;
      this.#row = 0;
    }
    const left = (batchRows[this.#batch] ?? 0) - this.#row;
    const count = Math.min(VECTOR_ROWS, left);
    duckdb.data_chunk_set_size(chunk, count);
    if (count <= 0) return 0;
    for (const [position, index] of this.#columns.entries()) {
      const part = columns[index]?.parts[this.#batch];
      assert(part, 'the group has a part for every column and batch');
      fillVector(duckdb.data_chunk_get_vector(chunk, position), part, this.#row, count);
    }
    this.#row += count;
    return count;
  }
}

const VECTOR_ROWS = duckdb.vector_size();

function fillVector(
  vector: duckdb.Vector,
  part: ColumnPart,
  firstRow: number,
  count: number,
): void {
  const { values, width, validity } = part;
  const start = firstRow * width;
  const bytes = count * width;
  assert(start + bytes <= values.byteLength && count <= VECTOR_ROWS, 'values within bounds');
  if (part.labels) assignLabels(vector, part, part.labels, firstRow, count);
  else duckdb.copy_data_to_vector(vector, 0, values.buffer, values.byteOffset + start, bytes);
  if (!validity) return;
  const validityBytes = Math.ceil(count / 8);
  const validityStart = firstRow / 8;
  assert(Number.isInteger(validityStart), 'a vector begins at a byte of the bitmap');
  assert(validityStart + validityBytes <= validity.byteLength, 'validity within bounds');
  duckdb.vector_ensure_validity_writable(vector);
  const from = validity.byteOffset + validityStart;
  duckdb.copy_data_to_vector_validity(vector, 0, validity.buffer, from, validityBytes);
}

function assignLabels(
  vector: duckdb.Vector,
  part: ColumnPart,
  labels: readonly Uint8Array[],
  firstRow: number,
  count: number,
): void {
  const view = new DataView(part.values.buffer, part.values.byteOffset, part.values.byteLength);
  for (let row = 0; row < count; row++) {
    const label = labels[view.getUint32((firstRow + row) * 4, true)];
    // Without labels every row is null, and what stands below a null is not read.
    if (label) duckdb.vector_assign_string_element_len(vector, row, label);
  }
}

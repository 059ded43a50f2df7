import assert from 'node:assert/strict';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBTableFunction,
  type DuckDBTableFunctionBindInfo,
  type DuckDBTableFunctionInfo,
  type DuckDBTableFunctionInitInfo,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { ColumnPart, RowGroup } from './row-group.ts';

/**
 * The one gate through which rows enter DuckDB: a table function that copies the typed buffers of a
 * row group, vector by vector. The native copies check nothing, so the bounds are checked here,
 * before each of them.
 */
export class ArrowTableFunction {
  static readonly functionName = 'strongroom_rows';
  #scan: Scan | undefined;

  static register(connection: DuckDBConnection): ArrowTableFunction {
    const rows = new ArrowTableFunction();
    connection.registerTableFunction(
      DuckDBTableFunction.create({
        name: ArrowTableFunction.functionName,
        bindFunction: (info) => rows.#bind(info),
        initFunction: (info) => rows.#init(info),
        mainFunction: (info, chunk) => rows.#main(info, chunk),
        supportsProjectionPushdown: true,
      }),
    );
    return rows;
  }

  /**
   * Makes the group the content of `strongroom_rows()` while `query` runs. The statement must be
   * run as text: a prepared one would keep the labels of the group that it was prepared with.
   */
  async scan<T>(group: RowGroup, query: () => Promise<T>): Promise<T> {
    assert(!this.#scan, 'one scan at a time');
    this.#scan = { group, batch: 0, row: 0, projected: [] };
    try {
      return await query();
    } finally {
      this.#scan = undefined;
    }
  }

  #bind(info: DuckDBTableFunctionBindInfo): void {
    const batchRows = this.#scan?.group.batchRows ?? [];
    for (const { name, type } of this.#scan?.group.columns ?? []) info.addResultColumn(name, type);
    info.setCardinality(
      batchRows.reduce((sum, rows) => sum + rows, 0),
      true,
    );
    if (!this.#scan) info.setError('no rows');
  }

  #init(info: DuckDBTableFunctionInitInfo): void {
    if (this.#scan) {
      this.#scan.projected = info.getColumnIndexes();
      this.#scan.batch = 0;
      this.#scan.row = 0;
    } else {
      info.setError('no rows');
    }
    // One thread reads in order: the order of rows, and so of floating-point sums, is fixed.
    info.setMaxThreads(1);
  }

  #main(info: DuckDBTableFunctionInfo, chunk: DuckDBDataChunk): void {
    try {
      if (this.#scan) fillChunk(this.#scan, chunk.chunk);
      else info.setError('no rows');
    } catch {
      // An exception's text would travel through the engine.
      info.setError('rows');
    }
  }
}

interface Scan {
  readonly group: RowGroup;
  projected: readonly number[];
  batch: number;
  row: number;
}

const VECTOR_ROWS = duckdb.vector_size();

/** Copies the next rows; a chunk never spans two batches, so its first row is a multiple of 8. */
function fillChunk(scan: Scan, chunk: duckdb.DataChunk): void {
  while (scan.row >= (scan.group.batchRows[scan.batch] ?? Number.POSITIVE_INFINITY)) {
    scan.batch += 1;
    scan.row = 0;
  }
  const left = (scan.group.batchRows[scan.batch] ?? 0) - scan.row;
  const count = Math.min(VECTOR_ROWS, left);
  duckdb.data_chunk_set_size(chunk, count);
  if (count <= 0) return;
  for (const [position, index] of scan.projected.entries()) {
    const part = scan.group.columns[index]?.parts[scan.batch];
    assert(part, 'the scan has a part for every column and batch');
    fillVector(duckdb.data_chunk_get_vector(chunk, position), part, scan.row, count);
  }
  scan.row += count;
}

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

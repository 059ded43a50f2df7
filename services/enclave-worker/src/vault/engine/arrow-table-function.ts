import assert from 'node:assert/strict';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBTableFunction,
  type DuckDBTableFunctionBindInfo,
  type DuckDBTableFunctionInfo,
  type DuckDBTableFunctionInitInfo,
} from '@duckdb/node-api';
import { RowCursor } from './row-cursor.ts';
import type { RowGroup } from './row-group.ts';

/** A row group as a relation of SQL: the engine asks for its rows, chunk by chunk. */
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
    this.#scan = { group, cursor: new RowCursor(group) };
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
      this.#scan.cursor = new RowCursor(this.#scan.group, info.getColumnIndexes());
    } else {
      info.setError('no rows');
    }
    // One thread reads in order: the order of rows, and so of floating-point sums, is fixed.
    info.setMaxThreads(1);
  }

  #main(info: DuckDBTableFunctionInfo, chunk: DuckDBDataChunk): void {
    try {
      if (this.#scan) this.#scan.cursor.fill(chunk.chunk);
      else info.setError('no rows');
    } catch {
      // An exception's text would travel through the engine.
      info.setError('rows');
    }
  }
}

interface Scan {
  readonly group: RowGroup;
  cursor: RowCursor;
}

import assert from 'node:assert/strict';
import type { DuckDBResultReader, DuckDBType } from '@duckdb/node-api';
import { type CheckedQuery, checkQuery } from '@strongroom/analysis/sql-gate';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId } from '@strongroom/protocol/fields';
import { AGGREGATE_ROWS_MAX } from '@strongroom/protocol/limits';
import { Engine } from './engine.ts';
import { isResultType, type TypedColumn } from './result-types.ts';
import { RowStore, type StoredBatch } from './row-store.ts';
import { isSessionQuery } from './sessions.ts';
import type { TimeWindow } from './window.ts';

/** The groups of one query in one window: not yet fit to leave. */
export interface Aggregate {
  readonly query: Query;
  readonly columns: readonly TypedColumn[];
  /** Which column holds the number of rows of each group. */
  readonly groupRowsIndex: number;
}

/** All SQL of a contract over its open rows. */
export class Aggregator {
  readonly #engine: Engine;
  readonly #rows: RowStore;
  readonly #queries: ReadonlyMap<string, CheckedQuery>;

  private constructor(engine: Engine, rows: RowStore, queries: Map<string, CheckedQuery>) {
    this.#engine = engine;
    this.#rows = rows;
    this.#queries = queries;
  }

  /**
   * Starts the engine and checks every query of the contract before any row is there.
   * @throws ERR_ENGINE_OPEN, ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
   */
  static async open(contract: Contract, options: { memoryMb?: number } = {}): Promise<Aggregator> {
    const engine = await Engine.open(options);
    const queries = new Map<string, CheckedQuery>();
    for (const query of contract.queries) {
      queries.set(query.id, await checkQuery(engine, contract, query));
    }
    const rows = await RowStore.create(engine, contract, columnNamesOf([...queries.values()]));
    for (const checked of queries.values()) await checkTypes(engine, rows, checked);
    return new Aggregator(engine, rows, queries);
  }

  get rows(): Pick<RowStore, 'count' | 'countByStream' | 'remove' | 'dropBefore' | 'clear'> {
    return this.#rows;
  }

  append(dataset: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    return this.#rows.append(dataset, batches, keepFrom);
  }

  /**
   * What windows of a query that follow one another have in common, before the first is aggregated.
   * @throws ERR_VAULT_MEMORY
   */
  async prepare(query: Query, windows: readonly (TimeWindow | null)[]): Promise<void> {
    const [first, last] = [windows[0], windows.at(-1)];
    if (!isSessionQuery(query) || !first || !last) return;
    await this.#rows.cutSessions(query, { start: first.start, end: last.end });
  }

  /** @throws ERR_QUERY_FAILED, ERR_VAULT_MEMORY, ERR_LIMIT_EXCEEDED */
  async aggregate(query: Query, window: TimeWindow | null): Promise<Aggregate> {
    const checked = this.#queries.get(query.id);
    if (!checked) throw new StrongroomError('ERR_QUERY_REFUSED', { query: query.id });
    await this.#rows.showWindow(query, window);
    const reader = await this.#engine.readUntil(checked.sql, AGGREGATE_ROWS_MAX + 1, {
      query: query.id,
    });
    if (reader.currentRowCount > AGGREGATE_ROWS_MAX) {
      throw new StrongroomError('ERR_LIMIT_EXCEEDED', {
        limit: 'AGGREGATE_ROWS_MAX',
        query: query.id,
      });
    }
    return { query, columns: columnsOf(reader), groupRowsIndex: checked.groupRowsIndex };
  }

  close(): void {
    this.#engine.close();
  }
}

function columnsOf(reader: DuckDBResultReader): TypedColumn[] {
  const types = reader.columnTypes();
  const values = reader.getColumns();
  return reader.columnNames().map((name, index) => {
    const type = types[index];
    assert(type, 'every result column has a type');
    return { name, type, values: values[index] ?? [] };
  });
}

function columnNamesOf(queries: readonly CheckedQuery[]): ReadonlySet<string> | null {
  const all = new Set<string>();
  for (const { columnNames } of queries) {
    if (columnNames === null) return null;
    for (const name of columnNames) all.add(name);
  }
  return all;
}

const ANY_WINDOW = { start: 0, end: 1 };

/** Binds the query to empty tables: an unknown column or a result type without Arrow form shows. */
async function checkTypes(engine: Engine, rows: RowStore, checked: CheckedQuery): Promise<void> {
  const { query } = checked;
  let types: readonly DuckDBType[] | undefined;
  try {
    if (isSessionQuery(query)) await rows.cutSessions(query, ANY_WINDOW);
    await rows.showWindow(query, isSessionQuery(query) ? ANY_WINDOW : null);
    types = (await engine.read(checked.sql)).columnTypes();
  } catch (error) {
    if (codeOf(error) === 'ERR_VAULT_MEMORY') throw error;
    types = undefined;
  }
  if (!types?.every(isResultType)) {
    throw new StrongroomError('ERR_QUERY_REFUSED', {
      query: query.id,
      place: 'its columns and their types',
    });
  }
}

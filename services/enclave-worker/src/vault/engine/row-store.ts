import assert from 'node:assert/strict';
import { UTINYINT } from '@duckdb/node-api';
import type { ColumnContract, Contract, Dataset } from '@strongroom/protocol/contract';
import { datasetOf, datasetsOf } from '@strongroom/protocol/contract';
import type { DatasetId } from '@strongroom/protocol/fields';
import type { ArrowBatch } from './arrow-batch.ts';
import { ArrowTableFunction } from './arrow-table-function.ts';
import type { Engine } from './engine.ts';
import { eventTimeColumnOf, timeLiteral } from './event-time.ts';
import { DUCKDB_TYPES, type GroupColumn, makeRowGroup } from './row-group.ts';
import type { TimeWindow } from './window.ts';

/**
 * The rows of open windows: one table a dataset, and for a query a view of each relation over the
 * tables of its datasets, cut to the window. The only place that knows these tables' names.
 */
export class RowStore {
  readonly #engine: Engine;
  readonly #contract: Contract;
  readonly #tables: ReadonlyMap<DatasetId, StoredTable>;

  private constructor(engine: Engine, contract: Contract, tables: Map<DatasetId, StoredTable>) {
    this.#engine = engine;
    this.#contract = contract;
    this.#tables = tables;
  }

  /** `columnNames`: the columns that any query names; null keeps all. */
  static async create(
    engine: Engine,
    contract: Contract,
    columnNames: ReadonlySet<string> | null,
  ): Promise<RowStore> {
    const tables = new Map<DatasetId, StoredTable>();
    for (const dataset of contract.datasets) {
      const columns = keptColumns(dataset, columnNames);
      await engine.run(`CREATE TABLE ${tableName(dataset.id)} (${declarations(columns)})`);
      tables.set(dataset.id, { columns, rows: 0 });
    }
    return new RowStore(engine, contract, tables);
  }

  /** Adds the batches' rows; those with an event time below `keepFrom` are needed by no query. */
  async append(id: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    const table = this.#table(id);
    const dataset = datasetOf(this.#contract, id);
    const time = eventTimeColumnOf(dataset);
    const filter =
      time && keepFrom > Number.NEGATIVE_INFINITY
        ? `WHERE ${quote(time.name)} >= ${timeLiteral(time, keepFrom)}`
        : '';
    await this.#engine.insert(
      `INSERT INTO ${tableName(id)} SELECT ${names(table.columns)}, ${STREAM}
       FROM ${ArrowTableFunction.functionName}() ${filter}`,
      makeRowGroup(
        dataset.columns,
        batches.map(({ arrowBatch }) => arrowBatch),
        [streamColumn(batches)],
      ),
      { dataset: id },
    );
    table.rows += batches.reduce((sum, { arrowBatch }) => sum + arrowBatch.rows, 0);
  }

  /** Rows of a dataset in a window. */
  async count(id: DatasetId, window: TimeWindow | null): Promise<number> {
    const sql = `SELECT count(*) FROM ${tableName(id)} ${this.#restriction(id, window)}`;
    const [row] = (await this.#engine.read(sql, { dataset: id })).getRows();
    return Number(row?.[0]);
  }

  /** The same, by the index of the stream among those of the dataset. */
  async countByStream(id: DatasetId, window: TimeWindow | null): Promise<Map<number, number>> {
    const rows = `FROM ${tableName(id)} ${this.#restriction(id, window)}`;
    const sql = `SELECT ${STREAM}, count(*) ${rows} GROUP BY ${STREAM}`;
    const found = (await this.#engine.read(sql, { dataset: id })).getRows();
    return new Map(found.map(([stream, count]) => [Number(stream), Number(count)]));
  }

  /** Makes each relation the rows of its datasets that lie in the window. */
  async showWindow(relations: readonly string[], window: TimeWindow | null): Promise<void> {
    for (const relation of relations) {
      const parts = datasetsOf(this.#contract, relation).map(({ id }) => {
        const columns = names(this.#table(id).columns);
        return `SELECT ${columns} FROM ${tableName(id)} ${this.#restriction(id, window)}`;
      });
      const view = `CREATE OR REPLACE VIEW ${quote(relation)} AS ${parts.join(' UNION ALL ')}`;
      await this.#engine.run(view);
    }
  }

  /**
   * Forgets rows with an event time below `ms`. Deleted rows would keep their memory, so the rest
   * is copied to a new table, once half of the table or more has expired: each row is copied a
   * bounded number of times.
   */
  async dropBefore(id: DatasetId, ms: number): Promise<void> {
    const table = this.#table(id);
    const time = eventTimeColumnOf(datasetOf(this.#contract, id));
    if (!time || table.rows < ROWS_BEFORE_COPY) return;
    const live = await this.count(id, { start: ms, end: Number.MAX_SAFE_INTEGER });
    if (live > table.rows / 2) return;
    const next = quote(`next ${id}`);
    const condition = `${quote(time.name)} >= ${timeLiteral(time, ms)}`;
    await this.#engine.run(`DROP VIEW IF EXISTS ${quote(datasetOf(this.#contract, id).relation)}`);
    await this.#engine.run(
      `CREATE TABLE ${next} AS SELECT * FROM ${tableName(id)} WHERE ${condition}`,
    );
    await this.#engine.run(`DROP TABLE ${tableName(id)}`);
    await this.#engine.run(`ALTER TABLE ${next} RENAME TO ${tableName(id)}`);
    table.rows = live;
  }

  /** Forgets all rows of a dataset that no query needs any more. */
  async clear(id: DatasetId): Promise<void> {
    const table = this.#table(id);
    if (table.rows === 0) return;
    await this.#engine.run(`DROP TABLE ${tableName(id)}`);
    await this.#engine.run(`CREATE TABLE ${tableName(id)} (${declarations(table.columns)})`);
    table.rows = 0;
  }

  #restriction(id: DatasetId, window: TimeWindow | null): string {
    const time = eventTimeColumnOf(datasetOf(this.#contract, id));
    if (!time || window === null) return '';
    const column = quote(time.name);
    const start = timeLiteral(time, window.start);
    return `WHERE ${column} >= ${start} AND ${column} < ${timeLiteral(time, window.end)}`;
  }

  #table(id: DatasetId): StoredTable {
    const table = this.#tables.get(id);
    assert(table, 'a dataset of the contract has a table');
    return table;
  }
}

/** A batch and where it came from. */
export interface StoredBatch {
  readonly arrowBatch: ArrowBatch;
  /** Index of its stream among those of the dataset. */
  readonly stream: number;
}

interface StoredTable {
  readonly columns: readonly ColumnContract[];
  /** Rows in the table, or a little more: some were not needed when they came. */
  rows: number;
}

/** DuckDB's row groups hold 122,880 rows: below that, copying frees little. */
const ROWS_BEFORE_COPY = 122_880;

function keptColumns(dataset: Dataset, wanted: ReadonlySet<string> | null): ColumnContract[] {
  const kept = dataset.columns.filter(
    ({ name }) => wanted === null || wanted.has(name) || name === dataset.eventTime,
  );
  // A table needs a column, also for `count(*)` alone.
  return kept.length > 0 ? kept : dataset.columns.slice(0, 1);
}

/** No relation, column or CTE of a contract can have a name with a space. */
function tableName(id: DatasetId): string {
  return quote(`dataset ${id}`);
}

function declarations(columns: readonly ColumnContract[]): string {
  const declared = columns.map(({ name, type }) => `${quote(name)} ${DUCKDB_TYPES[type]}`);
  return [...declared, `${STREAM} UTINYINT`].join(', ');
}

/** A column of our own: views of a relation leave it out, and no contract can spell its name. */
const STREAM = quote('stream index');

function streamColumn(batches: readonly StoredBatch[]): GroupColumn {
  return {
    name: 'stream index',
    type: UTINYINT,
    parts: batches.map(({ arrowBatch, stream }) => ({
      values: new Uint8Array(arrowBatch.rows).fill(stream),
      width: 1,
      validity: null,
    })),
  };
}

function names(columns: readonly ColumnContract[]): string {
  return columns.map(({ name }) => quote(name)).join(', ');
}

/** Identifiers come from the contract's closed spellings; none holds a quotation mark. */
function quote(name: string): string {
  return `"${name}"`;
}

import assert from 'node:assert/strict';
import { BOOLEAN, UINTEGER, UTINYINT } from '@duckdb/node-api';
import { leavesLateRowsOut, querySetOf } from '@strongroom/analysis/query-sets';
import { quoted } from '@strongroom/analysis/rule-scope';
import { OWNER_BIT_COLUMN, ownerIndexOf } from '@strongroom/analysis/rules';
import type { BoundedKey } from '@strongroom/analysis/sql-gate';
import type { ColumnContract, Contract, Dataset, Query } from '@strongroom/protocol/contract';
import { datasetOf, datasetsOf } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import type { ArrowBatch } from './arrow-batch.ts';
import type { Engine } from './engine.ts';
import { eventTimeColumnOf, flagsBelow, timeLiteral } from './event-time.ts';
import type { GroupColumn } from './row-group.ts';
import { RowTable } from './row-table.ts';
import {
  isSessionQuery,
  SESSION_SELECTION,
  type SessionInput,
  type SessionQuery,
  sessionRowsSql,
  sessionsSql,
} from './sessions.ts';
import type { TimeWindow } from './window.ts';

/**
 * The rows of open windows: one table a dataset, and for a query a view of each relation over the
 * tables of its datasets, cut to the window. The only place that knows the columns of our own.
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
      const flagged = flaggedQueriesOf(contract, dataset);
      const columns = keptColumns(dataset, columnNames, flagged.filter(isSessionQuery));
      const own = ownColumns(flagged);
      const time = eventTimeColumnOf(dataset);
      const rows = new RowTable(engine, { dataset, columns, own, time });
      tables.set(dataset.id, { columns, flagged, rows });
    }
    return new RowStore(engine, contract, tables);
  }

  /** Adds the batches' rows; those with an event time below `keepFrom` are needed by no query. */
  async append(id: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    const { flagged, rows } = this.#table(id);
    const dataset = datasetOf(this.#contract, id);
    const late = flagged.map((query) => lateColumn(batches, dataset, query));
    await rows.append(batches, [streamColumn(batches), numberColumn(batches), ...late], keepFrom);
  }

  /** Rows of a dataset in a window. */
  async count(id: DatasetId, window: TimeWindow | null): Promise<number> {
    const { rows } = this.#table(id);
    const sql = `SELECT count(*) FROM ${rows.relation(window)} ${this.#restriction(id, window)}`;
    const [row] = (await this.#engine.read(sql, { dataset: id })).getRows();
    return Number(row?.[0]);
  }

  /** Those that a query counts in a window, by the stream's index among those of the dataset. */
  async countByStream(
    query: Query,
    id: DatasetId,
    window: TimeWindow | null,
  ): Promise<Map<number, number>> {
    const rows = this.#rowsOf(query, id, window);
    const sql = `SELECT r.${STREAM}, count(*) ${rows} GROUP BY r.${STREAM}`;
    const found = (await this.#engine.read(sql, { dataset: id })).getRows();
    return new Map(found.map(([stream, count]) => [Number(stream), Number(count)]));
  }

  /** Forgets the rows of these batches, as if they had not come. */
  async remove(id: DatasetId, batches: readonly number[]): Promise<void> {
    await this.#table(id).rows.delete(`${BATCH} IN (${batches.map(Math.trunc).join(', ')})`);
  }

  /** Cuts the sessions that end in consecutive windows, before these are shown. */
  async cutSessions(query: SessionQuery, span: TimeWindow): Promise<void> {
    const datasets = query.relations.flatMap((relation) => datasetsOf(this.#contract, relation));
    const inputs = datasets.flatMap(({ id }) => this.#sessionInput(query, id) ?? []);
    const sql = sessionsSql(query, inputs, span);
    const facts = { query: query.id };
    await this.#engine.run(`CREATE OR REPLACE TABLE ${sessionsName(query)} AS ${sql}`, facts);
  }

  /** Makes each relation of a query the rows of its datasets that lie in the window. */
  async showWindow(
    query: Query,
    window: TimeWindow | null,
    { orderKey, keys }: KeyBounds = NO_BOUNDS,
  ): Promise<void> {
    for (const relation of query.relations) {
      const bounded = keys.filter((each) => each.relation === relation);
      const parts = datasetsOf(this.#contract, relation).map(({ id }) => {
        const columns = this.#table(id).columns.map(({ name }) => `r.${quoted(name)}`);
        const sessions = this.#sessionInput(query, id) ? [SESSION_SELECTION] : [];
        const all = [...columns, ...sessions, ...this.#ownerBit(id)];
        const rows = `SELECT ${all.join(', ')} ${this.#rowsOf(query, id, window)}`;
        return bounded.reduce((sql, each) => boundedRows(sql, each, orderKey), rows);
      });
      const view = `CREATE OR REPLACE VIEW ${quoted(relation)} AS ${parts.join(' UNION ALL ')}`;
      await this.#engine.run(view);
    }
  }

  /** Forgets rows with an event time below `ms`, most of them. */
  async dropBefore(id: DatasetId, ms: number): Promise<void> {
    await this.#table(id).rows.dropBefore(ms);
  }

  /** Forgets all rows of a dataset that no query needs any more. */
  async clear(id: DatasetId): Promise<void> {
    await this.#table(id).rows.clear();
  }

  /** FROM and WHERE for a dataset's rows, called `r`, that a query counts in a window. */
  #rowsOf(query: Query, id: DatasetId, window: TimeWindow | null): string {
    const input = this.#sessionInput(query, id);
    if (input && isSessionQuery(query) && window) {
      return sessionRowsSql(query, sessionsName(query), input, window);
    }
    const { rows } = this.#table(id);
    const from = `FROM ${rows.relation(window)} r ${this.#restriction(id, window)}`;
    const isFlagged =
      window !== null && this.#table(id).flagged.some((each) => each.id === query.id);
    return isFlagged ? `${from} AND NOT r.${quoted(lateName(query))}` : from;
  }

  /** Marks the rows of an owner, where rules count whom they are about. */
  #ownerBit(id: DatasetId): string[] {
    if (this.#contract.datasets.every(({ rules }) => rules === undefined)) return [];
    const index = ownerIndexOf(this.#contract, datasetOf(this.#contract, id).owner);
    return [`${1n << BigInt(index)}::UBIGINT AS ${quoted(OWNER_BIT_COLUMN)}`];
  }

  /** Undefined for what has no sessions: another kind of window, a table without event time. */
  #sessionInput(query: Query, id: DatasetId): SessionInput | undefined {
    const time = eventTimeColumnOf(datasetOf(this.#contract, id));
    if (!time || !isSessionQuery(query)) return undefined;
    return { table: this.#table(id).rows.relation(), time, late: quoted(lateName(query)) };
  }

  #restriction(id: DatasetId, window: TimeWindow | null): string {
    const time = eventTimeColumnOf(datasetOf(this.#contract, id));
    if (!time || window === null) return '';
    const column = quoted(time.name);
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
  /** No other batch of the dataset has it. */
  readonly batchNumber: number;
  readonly lateBelow?: LateBelow;
  /** Of its rows, where that is known. */
  readonly eventTime?: { readonly min: number; readonly max: number } | null;
}

/** By query, for those that leave late rows out: the batch's rows with an earlier time. */
export type LateBelow = ReadonlyMap<QueryId, number>;

/** Rows of each key that are shown, those first that a secret order says. */
export interface KeyBounds {
  /** In hex. */
  readonly orderKey: string;
  readonly keys: readonly BoundedKey[];
}

const NO_BOUNDS: KeyBounds = { orderKey: '', keys: [] };

/** A whole row; no column has a name with a space. */
const ROW = quoted('bounded row');

/** Of each owner's rows by themselves: nobody's keys crowd out another's. No key has no partner. */
function boundedRows(rows: string, { column, rows: most }: BoundedKey, orderKey: string): string {
  const key = quoted(column);
  const hash = `sha256(concat_ws(chr(31), '${orderKey}', ${ROW}::VARCHAR))`;
  return `SELECT * EXCLUDE ("row rank") FROM (
    SELECT *, row_number() OVER (PARTITION BY ${key} ORDER BY ${hash}, ${ROW}) AS "row rank"
    FROM (${rows}) ${ROW}) WHERE "row rank" <= ${most} OR ${key} IS NULL`;
}

interface StoredTable {
  readonly columns: readonly ColumnContract[];
  /** Queries that leave late rows out: those with sessions, and those that are compared. */
  readonly flagged: readonly Query[];
  readonly rows: RowTable;
}

function flaggedQueriesOf(contract: Contract, { eventTime, relation }: Dataset): Query[] {
  if (eventTime === undefined) return [];
  return contract.queries.filter(
    (query) =>
      query.relations.some((each) => each === relation) &&
      (isSessionQuery(query) || leavesLateRowsOut(querySetOf(contract, query))),
  );
}

function keptColumns(
  dataset: Dataset,
  wanted: ReadonlySet<string> | null,
  sessions: readonly SessionQuery[],
): ColumnContract[] {
  const own = new Set([dataset.eventTime, ...sessions.map(({ window }) => window.key)]);
  const kept = dataset.columns.filter(
    ({ name }) => wanted === null || wanted.has(name) || own.has(name),
  );
  // A table needs a column, also for `count(*)` alone.
  return kept.length > 0 ? kept : dataset.columns.slice(0, 1);
}

/** No relation, column or CTE of a contract can have a name with a space. */
function sessionsName(query: Query): string {
  return quoted(`sessions ${query.id}`);
}

/** Columns of our own: views of a relation leave them out, and no contract can spell them. */
const STREAM_NAME = 'stream index';
const BATCH_NAME = 'batch number';
const STREAM = quoted(STREAM_NAME);
const BATCH = quoted(BATCH_NAME);

/** Another one, for each query that leaves late rows out: the row is one. */
function lateName(query: Query): string {
  return `late ${query.id}`;
}

function ownColumns(flagged: readonly Query[]) {
  const late = flagged.map((query) => ({ name: lateName(query), type: 'BOOLEAN' }));
  return [{ name: STREAM_NAME, type: 'UTINYINT' }, { name: BATCH_NAME, type: 'UINTEGER' }, ...late];
}

function lateColumn(batches: readonly StoredBatch[], dataset: Dataset, query: Query): GroupColumn {
  const time = eventTimeColumnOf(dataset);
  assert(time, 'what can be late has an event time');
  return ownColumn(lateName(query), BOOLEAN, 1, batches, ({ arrowBatch, lateBelow }) =>
    flagsBelow(arrowBatch, time, lateBelow?.get(query.id) ?? Number.NEGATIVE_INFINITY),
  );
}

function streamColumn(batches: readonly StoredBatch[]): GroupColumn {
  return ownColumn(STREAM_NAME, UTINYINT, 1, batches, ({ arrowBatch, stream }) =>
    new Uint8Array(arrowBatch.rows).fill(stream),
  );
}

function numberColumn(batches: readonly StoredBatch[]): GroupColumn {
  return ownColumn(
    BATCH_NAME,
    UINTEGER,
    4,
    batches,
    ({ arrowBatch, batchNumber }) =>
      new Uint8Array(new Uint32Array(arrowBatch.rows).fill(batchNumber).buffer),
  );
}

/** Values of fixed width, without nulls. */
function ownColumn(
  name: string,
  type: GroupColumn['type'],
  width: number,
  batches: readonly StoredBatch[],
  valuesOf: (storedBatch: StoredBatch) => Uint8Array<ArrayBuffer>,
): GroupColumn {
  const parts = batches.map((each) => ({ values: valuesOf(each), width, validity: null }));
  return { name, type, parts };
}

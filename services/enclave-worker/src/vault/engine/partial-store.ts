// More than 300 lines, because one file alone knows the tables of partials and their columns.
import { UTINYINT } from '@duckdb/node-api';
import { type PartialPlan, planPartials } from '@strongroom/analysis/partial-plan';
import { OWNER_BIT_COLUMN, ownerIndexOf } from '@strongroom/analysis/rules';
import type { CheckedQuery } from '@strongroom/analysis/sql-gate';
import {
  type Contract,
  type Dataset,
  datasetOf,
  datasetsOf,
  type Query,
} from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId } from '@strongroom/protocol/fields';
import { WINDOW_PANES_MAX } from '@strongroom/protocol/limits';
import { ArrowTableFunction } from './arrow-table-function.ts';
import type { Engine } from './engine.ts';
import {
  type EventTimeColumn,
  eventTimeColumnOf,
  millisecondsOf,
  timeLiteral,
} from './event-time.ts';
import { PaneCounts } from './pane-counts.ts';
import { type GroupColumn, makeRowGroup, type RowGroup } from './row-group.ts';
import type { StoredBatch } from './row-store.ts';
import { multipleBelow } from './sessions.ts';
import { type TimeWindow, windowRuleOf } from './window.ts';

/**
 * Open windows as partial aggregates: for each query one table of them, by pane. A relation is kept
 * so if every query that names it allows it, which the contract alone decides; its rows are folded
 * when they come and are gone. What is asked of a window is answered from its panes.
 */
export class PartialStore {
  readonly #engine: Engine;
  readonly #contract: Contract;
  readonly #relations: ReadonlyMap<string, FoldedRelation>;

  private constructor(
    engine: Engine,
    contract: Contract,
    relations: ReadonlyMap<string, FoldedRelation>,
  ) {
    this.#engine = engine;
    this.#contract = contract;
    this.#relations = relations;
  }

  /** @throws ERR_VAULT_MEMORY */
  static async create(
    engine: Engine,
    contract: Contract,
    queries: readonly CheckedQuery[],
  ): Promise<PartialStore> {
    const relations = new Map<string, FoldedRelation>();
    for (const { relation } of contract.datasets) {
      const reading = queries.filter(({ query }) => query.relations.some((r) => r === relation));
      const folded: FoldedQuery[] = [];
      for (const checked of reading) {
        const found = await foldOf(engine, contract, relation, checked);
        if (found) folded.push(found);
      }
      if (reading.length === 0 || folded.length < reading.length) continue;
      const sizes = folded.flatMap(({ paneMs }) => paneMs ?? []);
      const paneMs = sizes.length === 0 ? null : sizes.reduce(greatestDivisor);
      relations.set(relation, { queries: folded, counts: new PaneCounts(paneMs) });
      for (const each of folded) await engine.run(createTable(each));
    }
    return new PartialStore(engine, contract, relations);
  }

  /** Whether the rows of a dataset are folded. */
  holds(id: DatasetId): boolean {
    return this.#relationOf(id) !== undefined;
  }

  /** Folds the batches' rows; those with an event time below `keepFrom` are needed by no query. */
  async append(id: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    const relation = this.#relationOf(id);
    if (!relation) return;
    const dataset = datasetOf(this.#contract, id);
    const group = groupOf(dataset, batches);
    await this.#count(relation, dataset, { batches, group, keepFrom });
    for (const query of relation.queries) await this.#fold(query, dataset, group, keepFrom);
  }

  /** @returns where a query's partials of the window are; undefined where it needs rows */
  async show(query: Query, window: TimeWindow | null): Promise<ShownPartials | undefined> {
    const folded = this.#foldedOf(query);
    if (!folded) return undefined;
    if (folded.hasFailed) throw new StrongroomError('ERR_QUERY_FAILED', { query: query.id });
    const { table, view, plan } = folded;
    const within = window ? ` WHERE ${PANE} >= ${window.start} AND ${PANE} < ${window.end}` : '';
    await this.#engine.run(`CREATE OR REPLACE VIEW ${view} AS SELECT * FROM ${table}${within}`);
    return { view: viewNameOf(query), mergeSql: plan.mergeSql };
  }

  /** Rows of a dataset in a window, by the stream's index among those of the dataset. */
  countByStream(id: DatasetId, window: TimeWindow | null): Map<number, number> {
    return this.#relationOf(id)?.counts.byStream(id, window) ?? new Map();
  }

  /** Forgets all rows of all datasets of a relation, as if none had come. */
  async clear(id: DatasetId): Promise<void> {
    const relation = this.#relationOf(id);
    if (!relation) return;
    const isEmpty = relation.queries.every(({ partials }) => partials === 0);
    if (isEmpty && relation.counts.isEmpty) return;
    relation.counts.clear();
    for (const query of relation.queries) {
      await this.#engine.run(createTable(query));
      Object.assign(query, EMPTY);
    }
  }

  /** Forgets panes that end at `ms` or before, once they are half of a table or more. */
  async dropBefore(id: DatasetId, ms: number): Promise<void> {
    const relation = this.#relationOf(id);
    if (!relation) return;
    relation.counts.dropBefore(ms);
    for (const query of relation.queries) {
      if (query.paneMs === null || query.partials < PARTIALS_BEFORE_COPY) continue;
      const until = `${PANE} <= ${ms - query.paneMs}`;
      const sql = `SELECT count(*) FROM ${query.table} WHERE ${until}`;
      const [row] = (await this.#engine.read(sql)).getRows();
      if (Number(row?.[0]) >= query.partials / 2) await this.#combine(query, `NOT (${until})`);
    }
  }

  /** By stream and pane; only where a batch lies in several panes the engine is asked. */
  async #count(
    { counts }: FoldedRelation,
    dataset: Dataset,
    { batches, group, keepFrom }: Appended,
  ): Promise<void> {
    const isKnown = batches.every((each) => counts.paneOf(each, keepFrom) !== undefined);
    if (isKnown) {
      for (const stored of batches) {
        counts.add(
          dataset.id,
          stored.stream,
          counts.paneOf(stored, keepFrom) ?? 0,
          stored.arrowBatch.rows,
        );
      }
      return;
    }
    const time = eventTimeColumnOf(dataset);
    const sql = `SELECT ${paneSql(time, counts.paneMs)}, ${STREAM}, count(*)
      FROM ${ArrowTableFunction.functionName}() ${since(time, keepFrom)} GROUP BY 1, 2`;
    const found = await this.#engine.readInserted(sql, group, { dataset: dataset.id });
    for (const [pane, stream, rows] of found.getRows()) {
      counts.add(dataset.id, Number(stream), Number(pane), Number(rows));
    }
  }

  async #fold(
    query: FoldedQuery,
    dataset: Dataset,
    group: RowGroup,
    keepFrom: number,
  ): Promise<void> {
    const time = eventTimeColumnOf(dataset);
    const columns = dataset.columns.map(({ name, type }) =>
      // A label is one of its batch alone.
      type === 'utf8' ? `"${name}"::VARCHAR AS "${name}"` : `"${name}"`,
    );
    const owner = ownerIndexOf(this.#contract, dataset.owner);
    columns.push(`${1n << BigInt(owner)}::UBIGINT AS "${OWNER_BIT_COLUMN}"`);
    columns.push(`${paneSql(time, query.paneMs)} AS ${PANE}`);
    const sql = `INSERT INTO ${query.table}
      WITH "${dataset.relation}" AS NOT MATERIALIZED (
        SELECT ${columns.join(', ')}
        FROM ${ArrowTableFunction.functionName}() ${since(time, keepFrom)})
      ${query.plan.partialSql}`;
    try {
      await this.#engine.insert(sql, group, { dataset: dataset.id });
    } catch (error) {
      // What a row can make fail withholds results and stops nothing.
      if (codeOf(error) !== 'ERR_QUERY_FAILED') throw error;
      query.hasFailed = true;
    }
    query.partials = await this.#partialsIn(query);
    const isGrown = query.partials >= Math.max(PARTIALS_BEFORE_COPY, 2 * query.combined);
    if (isGrown) await this.#combine(query, 'true');
  }

  /** Makes the partials of a group one, of those panes that are still needed. */
  async #combine(query: FoldedQuery, condition: string): Promise<void> {
    const { table, view, plan } = query;
    const next = `"next ${query.id}"`;
    await this.#engine.run(`DROP VIEW IF EXISTS ${view}`);
    await this.#engine.run(`CREATE TABLE ${next} AS
      WITH ${view} AS NOT MATERIALIZED (SELECT * FROM ${table} WHERE ${condition})
      ${plan.combineSql}`);
    await this.#engine.run(`DROP TABLE ${table}`);
    await this.#engine.run(`ALTER TABLE ${next} RENAME TO ${table}`);
    query.partials = await this.#partialsIn(query);
    query.combined = query.partials;
  }

  async #partialsIn({ table }: FoldedQuery): Promise<number> {
    const [row] = (await this.#engine.read(`SELECT count(*) FROM ${table}`)).getRows();
    return Number(row?.[0]);
  }

  #relationOf(id: DatasetId): FoldedRelation | undefined {
    return this.#relations.get(datasetOf(this.#contract, id).relation);
  }

  #foldedOf({ id, relations }: Query): FoldedQuery | undefined {
    const [relation = ''] = relations;
    return this.#relations.get(relation)?.queries.find((each) => each.id === id);
  }
}

export interface ShownPartials {
  readonly view: string;
  /** Over them: the query's result. */
  readonly mergeSql: string;
}

interface FoldedRelation {
  readonly queries: readonly FoldedQuery[];
  readonly counts: PaneCounts;
}

interface FoldedQuery {
  readonly id: string;
  readonly plan: PartialPlan;
  /** Null for the whole data, which is one pane. */
  readonly paneMs: number | null;
  readonly table: string;
  /** What `mergeSql` and `combineSql` read. */
  readonly view: string;
  /** Rows of the table, now and when each group had one. */
  partials: number;
  combined: number;
  hasFailed: boolean;
}

const EMPTY = { partials: 0, combined: 0, hasFailed: false };

interface Appended {
  readonly batches: readonly StoredBatch[];
  readonly group: RowGroup;
  readonly keepFrom: number;
}

/** DuckDB's row groups hold so many rows: below that, copying frees little. */
const PARTIALS_BEFORE_COPY = 122_880;

const PANE_NAME = 'pane start';
const PANE = `"${PANE_NAME}"`;
const STREAM_NAME = 'stream index';
const STREAM = `"${STREAM_NAME}"`;

async function foldOf(
  engine: Engine,
  contract: Contract,
  relation: string,
  checked: CheckedQuery,
): Promise<FoldedQuery | undefined> {
  const { query } = checked;
  const rule = windowRuleOf(query);
  const isTimed = datasetsOf(contract, relation).every((each) => eventTimeColumnOf(each));
  const paneMs = rule && greatestDivisor(rule.sizeMs, rule.advanceMs);
  if (rule && paneMs !== null && (!isTimed || rule.sizeMs / paneMs > WINDOW_PANES_MAX)) {
    return undefined;
  }
  const table = viewNameOf(query);
  const moreKeys = [{ name: PANE_NAME, type: 'BIGINT' }];
  const plan = await planPartials(engine, contract, checked, { table, moreKeys });
  if (plan.kind === 'rows') return undefined;
  return {
    id: query.id,
    plan,
    paneMs,
    table: `"partials ${query.id}"`,
    view: `"${table}"`,
    ...EMPTY,
  };
}

function viewNameOf({ id }: Pick<Query, 'id'>): string {
  return `window of ${id}`;
}

function createTable({ table, plan }: FoldedQuery): string {
  const columns = plan.columns.map(({ name, type }) => `"${name}" ${type}`);
  return `CREATE OR REPLACE TABLE ${table} (${columns.join(', ')})`;
}

function groupOf(dataset: Dataset, batches: readonly StoredBatch[]): RowGroup {
  const stream: GroupColumn = {
    name: STREAM_NAME,
    type: UTINYINT,
    parts: batches.map((each) => ({
      values: new Uint8Array(each.arrowBatch.rows).fill(each.stream),
      width: 1,
      validity: null,
    })),
  };
  const arrowBatches = batches.map(({ arrowBatch }) => arrowBatch);
  return makeRowGroup(dataset.columns, arrowBatches, { more: [stream] });
}

function paneSql(time: EventTimeColumn | undefined, paneMs: number | null): string {
  if (!time || paneMs === null) return '0::BIGINT';
  return `(${multipleBelow(`(${millisecondsOf(time)})`, paneMs)})::BIGINT`;
}

function since(time: EventTimeColumn | undefined, keepFrom: number): string {
  if (!time || keepFrom === Number.NEGATIVE_INFINITY) return '';
  return `WHERE "${time.name}" >= ${timeLiteral(time, keepFrom)}`;
}

function greatestDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestDivisor(other, one % other);
}

// More than 300 lines, because all SQL of a contract over its open rows begins here.
import assert from 'node:assert/strict';
import type { DuckDBType } from '@duckdb/node-api';
import type { Controls } from '@strongroom/analysis/control-columns';
import { type PrivatePlan, planPrivateQuery } from '@strongroom/analysis/private-plan';
import { planSharedRows, type SharedRows } from '@strongroom/analysis/shared-rows';
import { planSlices } from '@strongroom/analysis/slice-plan';
import { type CheckedQuery, checkQuery } from '@strongroom/analysis/sql-gate';
import { resultTypeOf } from '@strongroom/analysis/sql-types';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId } from '@strongroom/protocol/fields';
import {
  AGGREGATE_ROWS_MAX,
  CELL_ATOMS_MAX,
  PRIVATE_GROUPS_MAX,
} from '@strongroom/protocol/limits';
import { contributorOf } from '@strongroom/protocol/privacy';
import { atomsSql, readAtoms, SharedAtoms, type ToldApart, toldApartBy } from './atoms.ts';
import { Engine } from './engine.ts';
import { PartialStore } from './partial-store.ts';
import { statisticsSql } from './private-sql.ts';
import { ResultColumn } from './result-columns.ts';
import { type ArrowColumn, encodeResult, type TypedColumn } from './result-types.ts';
import { type KeyBounds, RowStore, type StoredBatch } from './row-store.ts';
import { isSessionQuery } from './sessions.ts';
import { SlicedQuery } from './sliced-query.ts';
import type { TimeWindow } from './window.ts';
import { WindowState } from './window-state.ts';

/** The groups of one query in one window: not yet fit to leave. */
export interface Aggregate {
  readonly query: Query;
  readonly columns: readonly ResultColumn[];
  /** Which column holds the number of rows of each group. */
  readonly groupRowsIndex: number;
  /** What the owners' rules demand of each group, and the columns that count for them. */
  readonly controls: Controls;
  /**
   * Its rows as this query and others tell them apart: absent where nothing is compared with its
   * results, null where there is too much to compare.
   */
  readonly toldApart?: ToldApart | null;
}

/** Exact numbers of each group, before noise: not yet fit to leave. */
export interface Statistics {
  readonly plan: PrivatePlan;
  /** The groups' values, one column a dimension. */
  readonly dimensions: readonly TypedColumn[];
  /** For each group the integers of all statistics, in the plan's order. */
  readonly groups: readonly (readonly bigint[])[];
}

/** All SQL of a contract over its open rows. */
export class Aggregator {
  readonly #engine: Engine;
  readonly #rows: RowStore;
  readonly #partials: PartialStore;
  readonly #queries: ReadonlyMap<string, Runnable>;
  readonly #contract: Contract;
  /** What is kept of open windows. */
  readonly rows: WindowState;

  private constructor(
    engine: Engine,
    rows: RowStore,
    partials: PartialStore,
    queries: Map<string, Runnable>,
    contract: Contract,
  ) {
    this.#engine = engine;
    this.#rows = rows;
    this.#partials = partials;
    this.rows = new WindowState(rows, partials);
    this.#queries = queries;
    this.#contract = contract;
  }

  /**
   * Starts the engine and checks every query of the contract before any row is there.
   * @throws ERR_ENGINE_OPEN, ERR_QUERY_REFUSED, ERR_QUERY_AGAINST_RULES, ERR_QUERY_DIFFERENCE,
   *   ERR_VAULT_MEMORY
   */
  static async open(contract: Contract, options: EngineChoice = {}): Promise<Aggregator> {
    const engine = await Engine.open(options);
    const queries = new Map<string, Runnable>();
    for (const query of contract.queries) {
      const checked = await checkQuery(engine, contract, query);
      const plan = query.privacy && (await planPrivateQuery(engine, contract, query));
      const shared = await planSharedRows(engine, contract, query);
      const exact = plan && { plan, sql: (orderKey: string) => statisticsSql(plan, orderKey) };
      const slices = await planSlices(engine, contract, checked, exact);
      const sliced = slices && (await SlicedQuery.open(engine, slices));
      queries.set(query.id, {
        ...checked,
        ...(plan ? { plan } : {}),
        ...(shared && { shared }),
        ...(sliced && { sliced }),
      });
    }
    const names = columnNamesOf([...queries.values()], contract);
    const rows = await RowStore.create(engine, contract, names);
    for (const each of queries.values()) await checkTypes(engine, rows, each, contract);
    const foldable = options.keepsRows ? [] : [...queries.values()];
    const partials = await PartialStore.create(engine, contract, foldable);
    return new Aggregator(engine, rows, partials, queries, contract);
  }

  /** Of a query with noise. */
  planOf(query: Query): PrivatePlan | undefined {
    return this.#queries.get(query.id)?.plan;
  }

  append(dataset: DatasetId, batches: readonly StoredBatch[], keepFrom: number): Promise<void> {
    return this.rows.append(dataset, batches, keepFrom);
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

  /**
   * @param orderKey in hex: decides which rows of a join key count, where it has too many
   * @param atoms of windows that were closed since rows were last stored or removed
   * @throws ERR_QUERY_FAILED, ERR_VAULT_MEMORY, ERR_LIMIT_EXCEEDED
   */
  async aggregate(
    query: Query,
    window: TimeWindow | null,
    orderKey = '',
    atoms = new SharedAtoms(),
  ): Promise<Aggregate> {
    const checked = this.#queries.get(query.id);
    if (!checked || checked.plan) {
      throw new StrongroomError('ERR_QUERY_REFUSED', { query: query.id });
    }
    const limits = { AGGREGATE_ROWS_MAX };
    const folded = await this.#partials.show(query, window);
    const bounds = { orderKey, keys: checked.boundedKeys };
    const result =
      folded === undefined
        ? await this.#readWindow(query, window, checked.sql, limits, bounds)
        : await this.#readUpTo(folded.mergeSql, limits, { query: query.id });
    const { groupRowsIndex, controls, shared } = checked;
    const aggregate = { query, columns: ResultColumn.allOf(result), groupRowsIndex, controls };
    if (!shared) return aggregate;
    // Whose rows of a key are bounded sees others than the next query does.
    const find = { window, bounds: bounds.keys.length > 0 ? orderKey : '', atoms };
    return { ...aggregate, toldApart: await this.#tellApart(query, shared, find) };
  }

  /**
   * Of a contract with slices: what one of them counts.
   * @param orderKey as `aggregate` takes it, or `statistics` of a query with noise
   * @throws as `aggregate`
   */
  async partial(
    query: Query,
    window: TimeWindow | null,
    orderKey = '',
  ): Promise<{ columns: readonly ArrowColumn[]; groups: number }> {
    const { sliced, boundedKeys } = this.#slicedOf(query);
    const limits = { AGGREGATE_ROWS_MAX };
    const bounds = { orderKey, keys: boundedKeys };
    const folded = await this.#partials.show(query, window);
    const result =
      folded === undefined
        ? await this.#readWindow(query, window, sliced.partialSql(orderKey), limits, bounds)
        : await this.#readUpTo(sliced.foldedSql(folded.view), limits, { query: query.id });
    const all = Array.from({ length: result.rows }, (_none, row) => row);
    const columns = ResultColumn.allOf(result).map((column) => column.take(all));
    return { columns, groups: result.rows };
  }

  /**
   * Of a contract with slices: the groups over all rows, from what each slice has counted.
   * @param arrows as `partial` gave them, encoded
   * @throws as `aggregate`
   */
  async merge(query: Query, arrows: readonly Uint8Array[]): Promise<Aggregate> {
    const { sliced, groupRowsIndex, controls } = this.#slicedOf(query);
    const facts = { query: query.id };
    await sliced.fill(arrows, facts);
    const result = await this.#readUpTo(sliced.mergeSql, { AGGREGATE_ROWS_MAX }, facts);
    return { query, columns: ResultColumn.allOf(result), groupRowsIndex, controls };
  }

  /**
   * The same of a query with noise: each slice has bounded its contributors' rows, which no other
   * one has.
   * @throws as `statistics`
   */
  async mergeStatistics(query: Query, arrows: readonly Uint8Array[]): Promise<Statistics> {
    const { sliced, plan } = this.#slicedOf(query);
    assert(plan, 'a query with noise has a plan');
    const facts = { query: query.id };
    // Of no rows at all, for a public domain has all of its groups in every window.
    const none = await this.partial(query, null);
    await sliced.fill([...arrows, encodeResult(none.columns, none.groups)], facts);
    return statisticsOf(plan, await this.#readUpTo(sliced.mergeSql, { PRIVATE_GROUPS_MAX }, facts));
  }

  #slicedOf(query: Query): Runnable & { readonly sliced: SlicedQuery } {
    const runnable = this.#queries.get(query.id);
    assert(runnable?.sliced, 'a contract with slices has a plan of each query');
    return { ...runnable, sliced: runnable.sliced };
  }

  /** Of the window that is shown. */
  async #tellApart(
    query: Query,
    shared: SharedRows,
    { window, bounds, atoms }: { window: TimeWindow | null; bounds: string; atoms: SharedAtoms },
  ): Promise<ToldApart | null> {
    const sql = atomsSql(shared, this.#contract);
    const rows = [sql, shared.minimumRows, query.relations, query.window, window, bounds];
    const panes = await atoms.panesOf(rows, async () => {
      const facts = { query: query.id };
      const result = await this.#engine.readUntil(sql, CELL_ATOMS_MAX + 1, facts);
      if (result.rows > CELL_ATOMS_MAX) return null;
      return readAtoms(result.chunks, shared, this.#contract);
    });
    return panes && toldApartBy(query, shared, panes);
  }

  /**
   * The exact numbers of a query with noise, each contributor's rows bounded.
   * @param orderKey in hex: decides which rows of a contributor count, where it has too many
   * @throws ERR_QUERY_FAILED, ERR_VAULT_MEMORY, ERR_LIMIT_EXCEEDED
   */
  async statistics(query: Query, window: TimeWindow | null, orderKey: string): Promise<Statistics> {
    const plan = this.planOf(query);
    if (!plan) throw new StrongroomError('ERR_QUERY_REFUSED', { query: query.id });
    const sql = statisticsSql(plan, orderKey);
    return statisticsOf(plan, await this.#readWindow(query, window, sql, { PRIVATE_GROUPS_MAX }));
  }

  /** @param limits one, by its name */
  async #readWindow(
    query: Query,
    window: TimeWindow | null,
    sql: string,
    limits: Readonly<Record<string, number>>,
    bounds?: KeyBounds,
  ) {
    await this.#rows.showWindow(query, window, bounds);
    return await this.#readUpTo(sql, limits, { query: query.id });
  }

  async #readUpTo(sql: string, limits: Readonly<Record<string, number>>, facts: ErrorFacts) {
    const [[limit, maximum] = ['', 0]] = Object.entries(limits);
    const result = await this.#engine.readUntil(sql, maximum + 1, facts);
    if (result.rows <= maximum) return result;
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit, ...facts });
  }

  /** Whether the engine still does, after one query has failed: what broke it broke all. */
  async answers(): Promise<boolean> {
    return await this.#engine.read('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  close(): void {
    this.#engine.close();
  }
}

function statisticsOf(
  plan: PrivatePlan,
  result: Parameters<typeof ResultColumn.allOf>[0] & { readonly rows: number },
): Statistics {
  const columns = ResultColumn.allOf(result);
  const numbers = columns.slice(plan.dimensions.length);
  const groups = Array.from({ length: result.rows }, (_none, row) =>
    numbers.map(({ values }) => BigInt(String(values[row]))),
  );
  return { plan, dimensions: columns.slice(0, plan.dimensions.length), groups };
}

interface EngineChoice {
  readonly memoryMb?: number;
  /** Also of what could be folded, for comparison. */
  readonly keepsRows?: boolean;
}

/** A query that may run; with noise by its plan, never as its text says. */
type Runnable = CheckedQuery & {
  readonly plan?: PrivatePlan;
  readonly shared?: SharedRows;
  readonly sliced?: SlicedQuery;
};

function columnNamesOf(
  queries: readonly CheckedQuery[],
  contract: Contract,
): ReadonlySet<string> | null {
  // What is not named in a text may be counted all the same.
  const all = new Set<string>(contract.datasets.flatMap((each) => contributorOf(each) ?? []));
  for (const { columnNames } of queries) {
    if (columnNames === null) return null;
    for (const name of columnNames) all.add(name);
  }
  return all;
}

const ANY_WINDOW = { start: 0, end: 1 };

/** Binds the query to empty tables: an unknown column or a result type without Arrow form shows. */
async function checkTypes(
  engine: Engine,
  rows: RowStore,
  checked: Runnable,
  contract: Contract,
): Promise<void> {
  const { query } = checked;
  let types: readonly DuckDBType[] | undefined;
  try {
    if (isSessionQuery(query)) await rows.cutSessions(query, ANY_WINDOW);
    const bounds = { orderKey: '', keys: checked.boundedKeys };
    await rows.showWindow(query, isSessionQuery(query) ? ANY_WINDOW : null, bounds);
    const sql = checked.plan ? statisticsSql(checked.plan, '') : checked.sql;
    types = (await engine.read(sql)).columnTypes();
    if (checked.shared) await engine.read(atomsSql(checked.shared, contract));
  } catch (error) {
    if (codeOf(error) === 'ERR_VAULT_MEMORY') throw error;
    types = undefined;
  }
  if (!types?.every((type) => resultTypeOf(type) !== undefined)) {
    throw new StrongroomError('ERR_QUERY_REFUSED', {
      query: query.id,
      place: 'its columns and their types',
    });
  }
}

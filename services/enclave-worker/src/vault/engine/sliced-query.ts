import assert from 'node:assert/strict';
import type { DuckDBType } from '@duckdb/node-api';
import type { SlicePlan } from '@strongroom/analysis/slice-plan';
import type { ErrorFacts } from '@strongroom/protocol/errors';
import { ArrowTableFunction } from './arrow-table-function.ts';
import type { Engine } from './engine.ts';
import { partialRows } from './partial-rows.ts';

/** A query of a contract with slices: what each counts, and the table where that is merged. */
export class SlicedQuery {
  readonly #engine: Engine;
  readonly #plan: SlicePlan;
  readonly #columns: readonly { readonly name: string; readonly type: DuckDBType }[];

  private constructor(engine: Engine, plan: SlicePlan, types: readonly DuckDBType[]) {
    this.#engine = engine;
    this.#plan = plan;
    this.#columns = plan.columns.flatMap(({ name }, at) => {
      const type = types[at];
      return type ? [{ name, type }] : [];
    });
  }

  static async open(engine: Engine, plan: SlicePlan): Promise<SlicedQuery> {
    const declared = plan.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
    await engine.run(`CREATE TABLE "${plan.table}" (${declared})`);
    const types = (await engine.read(`SELECT * FROM "${plan.table}"`)).columnTypes();
    return new SlicedQuery(engine, plan, types);
  }

  /**
   * Over the rows of a slice.
   * @param orderKey of a query with noise: decides which rows of a contributor count
   */
  partialSql(orderKey: string): string {
    return this.#plan.partialSql(orderKey);
  }

  /** Over what the rows of a slice were folded into. */
  foldedSql(table: string): string {
    const sql = this.#plan.foldedSql?.(table);
    assert(sql, 'rows of a query with noise are not folded');
    return sql;
  }

  /** Over what `fill` has brought in. */
  get mergeSql(): string {
    return this.#plan.mergeSql;
  }

  /** @param arrows what each slice has counted, in Arrow; nothing of one that has no group */
  async fill(arrows: readonly Uint8Array[], facts: ErrorFacts): Promise<void> {
    const table = `"${this.#plan.table}"`;
    await this.#engine.run(`TRUNCATE ${table}`, facts);
    if (arrows.length === 0) return;
    const insert = `INSERT INTO ${table} SELECT * FROM ${ArrowTableFunction.functionName}()`;
    await this.#engine.insert(insert, partialRows(this.#columns, arrows), facts);
  }
}

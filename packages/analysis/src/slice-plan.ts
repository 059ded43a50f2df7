import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { NeedsRows } from './partial-names.ts';
import { combineOf, type PartialColumn, type PartialPlan, planPartials } from './partial-plan.ts';
import { planPrivatePartials, privateNeed } from './private-partials.ts';
import type { PrivatePlan } from './private-plan.ts';
import { quoted } from './rule-scope.ts';
import type { SqlParser } from './sql-bound.ts';
import type { CheckedQuery } from './sql-gate.ts';

/** How a query of a contract with slices is counted in each of them, and merged. */
export interface SlicePlan extends Pick<PartialPlan, 'columns' | 'mergeSql'> {
  /** In which partials are merged; no contract can spell it. */
  readonly table: string;
  /** @param orderKey of a query with noise: which rows of a contributor count */
  readonly partialSql: (orderKey: string) => string;
  /** The same of rows that were folded into `table`. Absent with noise, which needs the rows. */
  readonly foldedSql?: (table: string) => string;
}

/** What a query with noise counts, before any is added. */
interface PrivateStatistics {
  readonly plan: PrivatePlan;
  readonly sql: (orderKey: string) => string;
}

/**
 * @returns undefined in a contract without slices
 * @throws ERR_QUERY_NOT_SLICED with the reason, ERR_VAULT_MEMORY
 */
export async function planSlices(
  parser: SqlParser,
  contract: Contract,
  checked: CheckedQuery,
  statistics?: PrivateStatistics,
): Promise<SlicePlan | undefined> {
  if (contract.slices === undefined) return undefined;
  const { id: query } = checked.query;
  const table = `merged ${query}`;
  if (statistics) {
    const { plan, sql } = statistics;
    const merged = await planPrivatePartials(parser, contract, plan, sql(''), table);
    if (merged.kind === 'rows') throw notSliced(query, merged);
    return { ...merged, table, partialSql: sql };
  }
  const plan = await planPartials(parser, contract, checked, { table, isOfSlices: true });
  if (plan.kind === 'rows') throw notSliced(query, plan);
  const { columns, mergeSql } = plan;
  const partialSql = inOrder(plan.partialSql, columns);
  const foldedSql = (folded: string) => inOrder(combineOf(columns, folded), columns);
  return { columns, mergeSql, table, partialSql: () => partialSql, foldedSql };
}

/** Groups in an order of their own, so that a partial does not show how its rows came. */
function inOrder(sql: string, columns: readonly PartialColumn[]): string {
  const items = columns.map(({ name, type }) => `${quoted(name)}::${type} AS ${quoted(name)}`);
  const keys = columns.flatMap(({ name, role }) => (role === 'key' ? [quoted(name)] : []));
  const order = keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`;
  return `SELECT ${items.join(', ')} FROM (${sql})${order}`;
}

/**
 * The same of a query with noise, of which only a vault knows how it counts.
 * @throws ERR_QUERY_NOT_SLICED with the reason, ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
 */
export async function demandSliced(
  parser: SqlParser,
  contract: Contract,
  plan: PrivatePlan,
): Promise<void> {
  const need =
    contract.slices === undefined ? undefined : await privateNeed(parser, contract, plan);
  if (need) throw notSliced(plan.query.id, need);
}

function notSliced(query: string, { reason, facts }: NeedsRows): StrongroomError {
  return new StrongroomError('ERR_QUERY_NOT_SLICED', { query, reason, ...facts });
}

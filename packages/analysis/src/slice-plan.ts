import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type PartialPlan, planPartials } from './partial-plan.ts';
import type { SqlParser } from './sql-bound.ts';
import type { CheckedQuery } from './sql-gate.ts';

/** How a query of a contract with slices is counted in each of them, and merged. */
export interface SlicePlan extends PartialPlan {
  /** In which partials are merged; no contract can spell it. */
  readonly table: string;
}

/**
 * @returns undefined in a contract without slices
 * @throws ERR_QUERY_NOT_SLICED with the reason, ERR_VAULT_MEMORY
 */
export async function planSlices(
  parser: SqlParser,
  contract: Contract,
  checked: CheckedQuery,
): Promise<SlicePlan | undefined> {
  if (contract.slices === undefined) return undefined;
  const { id: query } = checked.query;
  const table = `merged ${query}`;
  const plan = await planPartials(parser, contract, checked, { table });
  if (plan.kind === 'partials') return { ...plan, table };
  throw new StrongroomError('ERR_QUERY_NOT_SLICED', { query, reason: plan.reason });
}

import type { QueryExplanation } from '@strongroom/analysis/explain';
import type { Contract } from '@strongroom/protocol/contract';

/**
 * Asks the vault's own gate and rules about every query of a contract. The engine is loaded with
 * the first contract that is asked about: most commands need none and begin in half the time.
 */
export async function checkQueries(contract: Contract): Promise<QueryExplanation[]> {
  const { explainQueries } = await import('./explain-queries.ts');
  return explainQueries(contract);
}

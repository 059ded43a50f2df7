import { explainQuery, type QueryExplanation } from '@strongroom/analysis/explain';
import { LockedEngine } from '@strongroom/analysis/locked-engine';
import type { Contract } from '@strongroom/protocol/contract';

/** Asks the vault's own gate and rules about every query of a contract. */
export async function explainQueries(contract: Contract): Promise<QueryExplanation[]> {
  const engine = await LockedEngine.open();
  try {
    const found: QueryExplanation[] = [];
    for (const query of contract.queries) found.push(await explainQuery(engine, contract, query));
    return found;
  } finally {
    engine.close();
  }
}

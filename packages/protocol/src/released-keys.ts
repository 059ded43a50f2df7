import { type Contract, type Dataset, ownersOf } from './contract.ts';

/** A key that a party's service releases under a contract. */
export interface ReleasedKey {
  /** In whose service it is: an owner's, or that of a holder of a share. */
  readonly party: string;
  /** `NAME/VERSION`, or `NAME` alone. */
  readonly keyId: string;
  /** It is a share of this dataset's key: enough others do as well. */
  readonly shareOf?: Dataset;
}

/**
 * Every key that a computation needs, each once: one for each dataset, or its shares, and a state
 * share of each owner.
 * @param opened datasets whose batches are opened
 */
export function releasedKeys(
  contract: Contract,
  opened: readonly Dataset[] = contract.datasets,
): ReleasedKey[] {
  const shares = opened.flatMap((dataset) =>
    (dataset.keyShares?.holders ?? []).map(({ party, keyId }) => ({
      party,
      keyId,
      shareOf: dataset,
    })),
  );
  return [...wholeKeys(contract, opened), ...shares];
}

function wholeKeys(contract: Contract, opened: readonly Dataset[]): ReleasedKey[] {
  const whole = opened.filter(({ keyShares }) => keyShares === undefined);
  return ownersOf(contract).flatMap((owner) => {
    const datasets = whole.filter((dataset) => dataset.owner === owner.id);
    const names = new Set(datasets.map((dataset) => dataset.keyId));
    if (owner.keyRelease) names.add(owner.keyRelease.stateShareKeyId);
    return [...names].map((keyId) => ({ party: owner.id, keyId }));
  });
}

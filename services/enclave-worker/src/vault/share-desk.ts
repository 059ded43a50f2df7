import type { Contract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId, PartyId } from '@strongroom/protocol/fields';
import type { KeyShares } from '@strongroom/protocol/key-shares';
import { isAgreedShare, joinPrivateKey, type PointedShare } from '@strongroom/sealing/key-shares';

/** A private key that enough holders have released, as PKCS#8. */
export interface JoinedKey {
  readonly dataset: Dataset;
  readonly privateKey: Uint8Array;
}

interface Pile {
  readonly dataset: Dataset;
  readonly agreed: KeyShares;
  readonly shares: Map<PartyId, PointedShare>;
}

/** Where the shares of datasets' keys lie until there are enough of them. */
export class ShareDesk {
  readonly #piles: ReadonlyMap<DatasetId, Pile>;

  constructor(contract: Contract) {
    this.#piles = new Map(
      contract.datasets.flatMap((dataset) => {
        const { id, keyShares: agreed } = dataset;
        return agreed ? [[id, { dataset, agreed, shares: new Map() }]] : [];
      }),
    );
  }

  /**
   * Takes what a party released, if it is a share, and erases it as soon as it is not needed.
   * @returns undefined when it is none; with the share that completes a key, that key
   * @throws ERR_RELEASE_INVALID for another share than agreed, ERR_KEY_SHARES_INVALID
   */
  async accept(
    party: string,
    keyId: string,
    share: Uint8Array,
  ): Promise<{ readonly joined?: JoinedKey } | undefined> {
    for (const { dataset, agreed, shares } of this.#piles.values()) {
      const holder = agreed.holders.find((each) => each.party === party && each.keyId === keyId);
      if (!holder) continue;
      if (!isAgreedShare(share, holder)) {
        share.fill(0);
        const problem = 'another share than agreed';
        throw new StrongroomError('ERR_RELEASE_INVALID', { party, dataset: dataset.id, problem });
      }
      if (shares.size >= agreed.threshold) {
        share.fill(0);
        return {};
      }
      shares.set(holder.party, { point: holder.point, share });
      if (shares.size < agreed.threshold) return {};
      return { joined: { dataset, privateKey: await join(agreed, [...shares.values()]) } };
    }
    return undefined;
  }

  /** Whose share of a dataset's key has not come; undefined where the key has no shares. */
  missing(dataset: DatasetId): string | undefined {
    const pile = this.#piles.get(dataset);
    const missing = pile?.agreed.holders.filter(({ party }) => !pile.shares.has(party));
    return missing?.map(({ party }) => party).join(', ');
  }

  destroy(): void {
    for (const { shares } of this.#piles.values()) erase([...shares.values()]);
  }
}

async function join(agreed: KeyShares, shares: readonly PointedShare[]): Promise<Uint8Array> {
  try {
    return await joinPrivateKey(agreed, shares);
  } finally {
    erase(shares);
  }
}

function erase(shares: readonly PointedShare[]): void {
  for (const { share } of shares) share.fill(0);
}

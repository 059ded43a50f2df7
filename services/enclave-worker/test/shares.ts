import type { KeyObject } from 'node:crypto';
import type { KeyShares } from '@strongroom/protocol/key-shares';
import { splitPrivateKey } from '@strongroom/sealing/key-shares';

export interface SharedKey {
  readonly keyShares: KeyShares;
  /** By party: what each holder keeps, and a test may exchange. */
  readonly shares: Map<string, Uint8Array>;
}

/** Puts a dataset's key under shares of all holders, who call theirs `share-of-<dataset>`. */
export async function share(
  dataset: string,
  privateKey: KeyObject,
  threshold: number,
  holders: readonly string[],
): Promise<SharedKey> {
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const split = await splitPrivateKey(pkcs8, { threshold, count: holders.length });
  const kept = holders.flatMap((party, index) => {
    const found = split.shares[index];
    return found ? [{ ...found, party, keyId: `share-of-${dataset}` }] : [];
  });
  const agreed = kept.map(({ share: _kept, ...holder }) => holder);
  return {
    keyShares: { threshold, wrappedKey: split.wrappedKey, holders: agreed } as KeyShares,
    shares: new Map(kept.map((each) => [each.party, each.share])),
  };
}

import { generateKeyPairSync } from 'node:crypto';
import type { KeyClient } from '@azure/keyvault-keys';
import { splitPrivateKey } from '@strongroom/sealing/key-shares';
import type { DeploymentPlan, VaultParts } from './plan.ts';

export const KEY_SHARE_ID = 'wrapping-key-share';

type Vaults<Vault> = Readonly<Record<string, Vault>>;

/** Puts one owner's wrapping key under shares: each holder imports its own, released to nobody. */
export async function shareKey<Vault extends VaultParts & { readonly client: KeyClient }>(
  vaults: Vaults<Vault>,
  { sharedKey }: DeploymentPlan,
  nobody: object,
): Promise<Vaults<Vault>> {
  if (!sharedKey) return vaults;
  const { owner, threshold, holders } = sharedKey;
  const pair = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const pkcs8 = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  const split = await splitPrivateKey(pkcs8, { threshold, count: holders.length });
  const agreed = [];
  for (const [index, party] of holders.entries()) {
    const { share, ...known } = split.shares[index] ?? {};
    const jwk = { kty: 'oct', ...(share ? { k: share } : {}) };
    await vaults[party]?.client.importKey(KEY_SHARE_ID, jwk, nobody);
    agreed.push({ party, keyId: KEY_SHARE_ID, ...known });
  }
  const keyShares = { threshold, holders: agreed, wrappedKey: split.wrappedKey };
  const wrappingKey = pair.publicKey.export({ format: 'jwk' });
  const vault = vaults[owner];
  if (!vault) throw new Error(`${owner} owns nothing`);
  return { ...vaults, [owner]: { ...vault, keyId: 'under-shares', wrappingKey, keyShares } };
}

/** The last holders never allow it: the others are enough. */
export function allowsShare({ sharedKey }: DeploymentPlan, party: string): boolean {
  return sharedKey?.holders.slice(0, sharedKey.threshold).includes(party) === true;
}

import { z } from 'zod';
import { KeyIdSchema, PartyIdSchema, Sha256HexSchema } from './fields.ts';
import { KEY_HOLDERS_MAX, WRAPPED_KEY_CHARACTERS_MAX } from './limits.ts';

/**
 * A dataset's private key that nobody has: it is wrapped under a random secret of 32 bytes, of
 * which each holder keeps a share (Shamir's scheme over GF(256)); any `threshold` shares make it.
 */
export const KeySharesSchema = z.strictObject({
  /** A threshold of one would be no sharing: each holder would have the whole secret. */
  threshold: z.int().min(2).max(KEY_HOLDERS_MAX),
  holders: z
    .array(
      z.strictObject({
        party: PartyIdSchema,
        /** The symmetric key in this party's key release: the 32 bytes of its share. */
        keyId: KeyIdSchema,
        /** Where the polynomials have the value that the share is; public. */
        point: z.int().min(1).max(255),
        /** Of the share. A wrong one is known by it before it spoils the secret. */
        sha256: Sha256HexSchema,
      }),
    )
    .min(2)
    .max(KEY_HOLDERS_MAX),
  /** PKCS#8 of the private key under the secret, by AES key wrap with padding (RFC 5649). */
  wrappedKey: z
    .string()
    .regex(/^[\w-]+$/)
    .max(WRAPPED_KEY_CHARACTERS_MAX),
});
export type KeyShares = z.infer<typeof KeySharesSchema>;

interface SharedContract {
  readonly parties: readonly {
    readonly id: string;
    readonly keyRelease?: { readonly stateShareKeyId: string };
  }[];
  readonly datasets: readonly {
    readonly id: string;
    readonly owner: string;
    readonly keyId: string;
    readonly wrappingKey: object;
    readonly keyShares?: KeyShares;
  }[];
}

/**
 * What would let fewer than the threshold open a dataset, or make a share that nobody can release.
 * Undefined when nothing does.
 */
export function keySharesProblemIn(contract: SharedContract, datasetId: string) {
  const dataset = contract.datasets.find(({ id }) => id === datasetId);
  if (!dataset?.keyShares) return undefined;
  const { threshold, holders } = dataset.keyShares;
  if (threshold > holders.length) return 'threshold is at most the number of holders';
  for (const member of ['party', 'point', 'sha256'] as const) {
    const values = new Set(holders.map((holder) => holder[member]));
    if (values.size !== holders.length) return `two holders have one ${member}`;
  }
  const others = contract.datasets.filter((each) => each !== dataset);
  const wrappingKey = JSON.stringify(dataset.wrappingKey);
  if (others.some((each) => JSON.stringify(each.wrappingKey) === wrappingKey)) {
    return 'a key under shares is the key of one dataset';
  }
  for (const { party, keyId } of holders) {
    const found = contract.parties.find(({ id }) => id === party);
    if (!found?.keyRelease) return `${party} has no key release service`;
    const taken = [
      found.keyRelease.stateShareKeyId,
      ...contract.datasets.filter(({ owner }) => owner === party).map((each) => each.keyId),
      ...others
        .flatMap(({ keyShares }) => keyShares?.holders ?? [])
        .flatMap((each) => (each.party === party ? [each.keyId] : [])),
    ];
    if (taken.includes(keyId)) return `${keyId} of ${party} is another key already`;
  }
  return undefined;
}

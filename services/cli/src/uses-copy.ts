import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type UsesCopy, UsesCopySchema } from '@strongroom/protocol/proof-bundle';
import { ownersWithUses } from '@strongroom/protocol/use-entry';
import { claimedUse, verifyUseSeal } from '@strongroom/sealing/open-use';
import { UseChain } from '@strongroom/sealing/use-chain';
import { KnownWorkers } from './known-workers.ts';
import type { WorkerTrust } from './owner-log.ts';
import type { ReadUses } from './read-uses.ts';

/**
 * What an owner shows to others: the seals of its ledger and the proofs that they name, and nothing
 * of what is sealed. Whoever gets it verifies it like the log itself.
 */
export function copyOf(
  { chain, entries, proofs }: ReadUses,
  { contractId }: WorkerTrust,
): UsesCopy {
  return {
    contract: contractId,
    owner: chain.owner,
    proofs: proofs.map(encodeBase64url),
    seals: entries.map(({ jws }) => jws),
  };
}

/**
 * @throws ERR_USE_INVALID for a seal that no attested worker signed, ERR_USES_BROKEN for what is no
 *   chain, ERR_CONTRACT_MISMATCH, ERR_PARTY_UNKNOWN, what is wrong with a proof
 */
export async function readCopy(value: unknown, authors: WorkerTrust): Promise<UseChain> {
  const { contract, contractId } = authors;
  const parsed = UsesCopySchema.safeParse(value);
  if (!parsed.success) throw new StrongroomError('ERR_USE_INVALID', { part: 'copy' });
  const { owner, proofs, seals } = parsed.data;
  if (parsed.data.contract !== contractId) {
    throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: contractId });
  }
  if (!ownersWithUses(contract).some(({ id }) => id === owner)) {
    throw new StrongroomError('ERR_PARTY_UNKNOWN', { party: owner });
  }
  const workers = new KnownWorkers(authors);
  for (const proof of proofs) await workers.add(decodeBase64url(proof) ?? new Uint8Array(0));
  const chain = new UseChain(contract, contractId, owner);
  for (const jws of seals) {
    const { aggregatesKey: aggregateKey, token } = workers.of(claimedUse(jws).token);
    const place = { contractId, owner, aggregateKey, tokenSha256: token };
    chain.admit(await verifyUseSeal(jws, place), jws);
  }
  return chain;
}

import { parseContract, type SignedContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';

export interface Version {
  readonly signed: SignedContract;
  readonly contractId: ContractId;
}

/** What all parties sign after a version, with other members: a title alone is another contract. */
export async function amend(
  before: Version,
  identityJsons: readonly string[],
  members: object,
): Promise<Version> {
  const { contract } = await verifyContract(before.signed);
  const next = { version: contract.version + 1, previous: before.contractId };
  const identities: PartyIdentity[] = identityJsons.map(parseIdentity);
  let signed: Parameters<typeof signContract>[0] = parseContract({
    ...contract,
    ...next,
    ...members,
  });
  for (const identity of identities) signed = await signContract(signed, identity);
  const { contractId } = await verifyContract(signed);
  return { signed: signed as SignedContract, contractId };
}

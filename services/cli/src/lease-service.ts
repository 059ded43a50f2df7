import { type Contract, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { readJsonFile } from '@strongroom/runtime/files';
import { type VerifiedContract, verifyContract } from '@strongroom/sealing/verify';
import type { VaultOptions } from './vault-client.ts';

/** The contract, which owner it is about, and the token for that owner's service. */
export interface LeaseOptions {
  readonly contract: string;
  readonly party: string;
  readonly tokenFile: string;
  readonly caFile?: string;
}

export interface LeaseService {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly owner: string;
  /** Where this owner keeps its lease, as the contract names it, or its keys. */
  readonly service: VaultOptions;
  /** Whether the contract has it keep one. */
  readonly keepsLease: boolean;
}

/**
 * @throws ERR_PARTY_UNKNOWN, ERR_USAGE for a party that keeps no lease, what reading and verifying
 *   the contract throws
 */
export async function leaseServiceOf(options: LeaseOptions): Promise<LeaseService> {
  const at = await ownServiceOf(options);
  if (at.keepsLease) return at;
  const problem = `${at.owner} keeps no lease of this contract`;
  throw new StrongroomError('ERR_USAGE', { problem });
}

/** @throws ERR_PARTY_UNKNOWN, ERR_USAGE, what reading and verifying the contract throws */
export async function ownServiceOf(options: LeaseOptions): Promise<LeaseService> {
  return ownServiceIn(await verifyContract(await readJsonFile(options.contract)), options);
}

/** @throws ERR_PARTY_UNKNOWN, ERR_USAGE for a party that owns nothing */
export function ownServiceIn(
  verified: VerifiedContract,
  { party, tokenFile, caFile }: Omit<LeaseOptions, 'contract'>,
): LeaseService {
  const { contract, contractId } = verified;
  const { id: owner, keyRelease } = partyOf(contract, party);
  const network = caFile === undefined ? {} : { caFile };
  return {
    contract,
    contractId,
    owner,
    service: { vault: serviceUrlOf(verified, party), tokenFile, ...network },
    keepsLease: keyRelease?.lease !== undefined,
  };
}

/** The service that keeps the lease keeps the log; where there is none, the one with the keys. */
export function serviceUrlOf({ contract }: VerifiedContract, party: string): string {
  const { keyRelease } = partyOf(contract, party);
  const url = keyRelease?.lease?.url ?? keyRelease?.url;
  if (url !== undefined) return url;
  throw new StrongroomError('ERR_USAGE', { problem: `${party} owns no dataset of this contract` });
}

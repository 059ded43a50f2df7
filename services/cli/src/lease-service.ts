import { type Contract, partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { readJsonFile } from '@strongroom/runtime/files';
import { type VerifiedContract, verifyContract } from '@strongroom/sealing/verify';
import type { VaultOptions } from './vault-client.ts';

/** The contract, whose owner's lease it is about, and the token for that owner's service. */
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
  /** Where this owner keeps its lease, as the contract names it. */
  readonly service: VaultOptions;
}

/**
 * @throws ERR_PARTY_UNKNOWN, ERR_USAGE for a party that keeps no lease, what reading and verifying
 *   the contract throws
 */
export async function leaseServiceOf(options: LeaseOptions): Promise<LeaseService> {
  return leaseServiceIn(await verifyContract(await readJsonFile(options.contract)), options);
}

/** @throws ERR_PARTY_UNKNOWN, ERR_USAGE for a party that keeps no lease */
export function leaseServiceIn(
  { contract, contractId }: VerifiedContract,
  { party, tokenFile, caFile }: Omit<LeaseOptions, 'contract'>,
): LeaseService {
  const { id: owner, keyRelease } = partyOf(contract, party);
  if (!keyRelease?.lease) {
    const problem = `${owner} keeps no lease of this contract: it can disable its keys`;
    throw new StrongroomError('ERR_USAGE', { problem });
  }
  const network = caFile === undefined ? {} : { caFile };
  return {
    contract,
    contractId,
    owner,
    service: { vault: keyRelease.lease.url, tokenFile, ...network },
  };
}

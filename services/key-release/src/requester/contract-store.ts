import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import {
  type Contract,
  type Party,
  parseContractBytes,
  partyOf,
  type SignedContract,
  SignedContractSchema,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { CONTRACTS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit-log.ts';
import { transaction } from '../storage/database.ts';
import type { Versions } from './versions.ts';

/**
 * Contracts that raw evidence is held to, by their id, which is the hash of what they say: an
 * edited row is no longer the contract that a release policy names.
 */
export interface ContractStore {
  /**
   * Storing an amendment is this owner's approval: from now on nothing is given under the version
   * before. Storing it again changes nothing.
   * @param signed a file whose signatures were verified, as an amendment with its predecessor
   * @throws ERR_CONTRACT_FORKED where another amendment of the same version is here
   */
  add(contractId: ContractId, signed: SignedContract, caller: string | undefined): void;
  readonly versions: Versions;
  /** @throws ERR_CONTRACT_SUPERSEDED */
  demandNewest(contractId: ContractId): void;
  /** @throws ERR_CONTRACT_UNKNOWN */
  find(contractId: ContractId): SignedContract;
  /** @throws ERR_CONTRACT_UNKNOWN, ERR_STORE_SEALED for an edited row */
  contractOf(contractId: ContractId): Contract;
  /** Undefined for a contract that is not here. @throws ERR_STORE_SEALED, ERR_PARTY_UNKNOWN */
  partyOf(contractId: ContractId, party: PartyId): Party | undefined;
}

const RowSchema = z.strictObject({ signed: z.string() });

export function createContractStore(
  database: DatabaseSync,
  auditLog: AuditLog,
  clock: Clock,
  versions: Versions,
): ContractStore {
  const get = database.prepare('SELECT signed FROM contracts WHERE id = ?');
  const insert = database.prepare('INSERT INTO contracts (id, signed, stored) VALUES (?, ?, ?)');
  const find = (contractId: ContractId): SignedContract => {
    const row = RowSchema.optional().parse(get.get(contractId));
    if (!row) throw new StrongroomError('ERR_CONTRACT_UNKNOWN', { contract: contractId });
    return SignedContractSchema.parse(JSON.parse(row.signed));
  };
  const contractOf = remembering((contractId) => readContract(contractId, find(contractId)));
  const isStored = (contractId: ContractId) => get.get(contractId) !== undefined;
  return {
    find,
    contractOf,
    partyOf: (contractId, party) =>
      isStored(contractId) ? partyOf(contractOf(contractId), party) : undefined,
    versions,
    demandNewest: (contract) => {
      const successor = versions.successorOf(contract);
      if (successor === undefined) return;
      throw new StrongroomError('ERR_CONTRACT_SUPERSEDED', { contract, successor });
    },
    add: (contractId, signed, caller) => {
      if (isStored(contractId)) return;
      const { previous } = readContract(contractId, signed);
      if (previous !== undefined) versions.demandOnly(previous, contractId);
      transaction(database, () => {
        insert.run(contractId, JSON.stringify(signed), Math.floor(clock.now() / 1_000));
        const who = caller === undefined ? {} : { caller };
        auditLog.append({ event: 'contract-stored', ...who, contract: contractId });
        if (previous === undefined) return;
        const facts = { contract: previous, successor: contractId };
        auditLog.append({ event: 'contract-superseded', ...who, ...facts });
      });
      if (previous !== undefined) versions.follow(previous, contractId);
    },
  };
}

function readContract(contractId: ContractId, { payload }: SignedContract): Contract {
  const bytes = decodeBase64url(payload) ?? new Uint8Array(0);
  if (createHash('sha256').update(bytes).digest('hex') === contractId) {
    return parseContractBytes(bytes);
  }
  throw new StrongroomError('ERR_STORE_SEALED', { contract: contractId });
}

/** An id is the hash of what the contract says, so what was read once under it stays true. */
function remembering(readAgain: (contractId: ContractId) => Contract) {
  const known = new Map<ContractId, Contract>();
  return (contractId: ContractId): Contract => {
    const before = known.get(contractId);
    if (before) return before;
    const contract = readAgain(contractId);
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size >= CONTRACTS_REMEMBERED_MAX) known.delete(oldest);
    known.set(contractId, contract);
    return contract;
  };
}

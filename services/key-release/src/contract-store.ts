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
import type { Clock } from '@strongroom/runtime/clock';
import { z } from 'zod';
import type { AuditLog } from './audit-log.ts';
import { transaction } from './database.ts';

/**
 * Contracts that raw evidence is held to, by their id, which is the hash of what they say: an
 * edited row is no longer the contract that a release policy names.
 */
export interface ContractStore {
  /** @param signed a file whose signatures were verified; storing it again changes nothing */
  add(contractId: ContractId, signed: SignedContract, caller: string | undefined): void;
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
): ContractStore {
  const get = database.prepare('SELECT signed FROM contracts WHERE id = ?');
  const insert = database.prepare('INSERT INTO contracts (id, signed, stored) VALUES (?, ?, ?)');
  const read = (contractId: ContractId): SignedContract | undefined => {
    const row = RowSchema.optional().parse(get.get(contractId));
    return row && SignedContractSchema.parse(JSON.parse(row.signed));
  };
  const find = (contractId: ContractId): SignedContract => {
    const signed = read(contractId);
    if (!signed) throw new StrongroomError('ERR_CONTRACT_UNKNOWN', { contract: contractId });
    return signed;
  };
  const contractOf = (contractId: ContractId): Contract => {
    const bytes = decodeBase64url(find(contractId).payload) ?? new Uint8Array(0);
    if (createHash('sha256').update(bytes).digest('hex') === contractId) {
      return parseContractBytes(bytes);
    }
    throw new StrongroomError('ERR_STORE_SEALED', { contract: contractId });
  };
  return {
    find,
    contractOf,
    partyOf: (contractId, party) =>
      read(contractId) === undefined ? undefined : partyOf(contractOf(contractId), party),
    add: (contractId, signed, caller) =>
      transaction(database, () => {
        if (read(contractId)) return;
        insert.run(contractId, JSON.stringify(signed), Math.floor(clock.now() / 1_000));
        const who = caller === undefined ? {} : { caller };
        auditLog.append({ event: 'contract-stored', ...who, contract: contractId });
      }),
  };
}

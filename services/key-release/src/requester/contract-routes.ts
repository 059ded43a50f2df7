import { SignedContractSchema } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { SIGNED_CONTRACT_BYTES_MAX } from '@strongroom/protocol/limits';
import { verifyAmendment } from '@strongroom/sealing/amendment';
import { type VerifiedContract, verifyContract } from '@strongroom/sealing/verify';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Guards } from '../access/guard.ts';
import { readRequest } from '../keys/key-requests.ts';
import type { ContractStore } from './contract-store.ts';

const PathSchema = z.strictObject({ id: ContractIdSchema });

/**
 * Not Azure's: what raw evidence is held to where a contract asks for own verification, and which
 * version this owner has approved. Versions come one after the other; those before this owner was
 * a party, or after it left, are stored as well, and give nobody anything.
 */
export function addContractRoutes(
  scope: FastifyInstance,
  contracts: ContractStore,
  guards: Guards,
): void {
  const guard = guards.demand('administer');
  const bodyLimit = SIGNED_CONTRACT_BYTES_MAX;
  scope.put('/contracts/:id', { ...guard, bodyLimit }, async (request) => {
    const { id } = readRequest(PathSchema, request.params);
    const verified = await verifyContract(request.body);
    const { contractId } = verified;
    if (contractId !== id) {
      throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: id, found: contractId });
    }
    await demandPredecessor(request.body, verified, contracts);
    contracts.add(contractId, SignedContractSchema.parse(request.body), guards.callerOf(request));
    return { id };
  });
  scope.get('/contracts/:id', guard, async (request) => {
    const { id } = readRequest(PathSchema, request.params);
    return contracts.find(id);
  });
}

/** @throws ERR_CONTRACT_PREDECESSOR where it is not here, and what verifying throws */
async function demandPredecessor(
  signed: unknown,
  { contract, contractId }: VerifiedContract,
  contracts: ContractStore,
): Promise<void> {
  const { previous } = contract;
  if (previous === undefined) return;
  const before = await verifyContract(predecessorOf(contractId, previous, contracts));
  // An edited row is no longer the contract that the amendment names.
  if (before.contractId !== previous)
    throw new StrongroomError('ERR_STORE_SEALED', { contract: previous });
  await verifyAmendment(signed, before);
}

function predecessorOf(contract: ContractId, previous: ContractId, contracts: ContractStore) {
  try {
    return contracts.find(previous);
  } catch (error) {
    if (codeOf(error) !== 'ERR_CONTRACT_UNKNOWN') throw error;
    throw new StrongroomError('ERR_CONTRACT_PREDECESSOR', { contract, expected: previous });
  }
}

import { partyOf, SignedContractSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { SIGNED_CONTRACT_BYTES_MAX } from '@strongroom/protocol/limits';
import { verifyContract } from '@strongroom/sealing/verify';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Guards } from '../access/guard.ts';
import { readRequest } from '../keys/key-requests.ts';
import type { ContractStore } from './contract-store.ts';

const PathSchema = z.strictObject({ id: ContractIdSchema });

/** Not Azure's: what raw evidence is held to where a contract asks for own verification. */
export function addContractRoutes(
  scope: FastifyInstance,
  owner: string,
  contracts: ContractStore,
  guards: Guards,
): void {
  const guard = guards.demand('administer');
  const bodyLimit = SIGNED_CONTRACT_BYTES_MAX;
  scope.put('/contracts/:id', { ...guard, bodyLimit }, async (request) => {
    const { id } = readRequest(PathSchema, request.params);
    const { contract, contractId } = await verifyContract(request.body);
    if (contractId !== id) {
      throw new StrongroomError('ERR_CONTRACT_MISMATCH', { expected: id, found: contractId });
    }
    partyOf(contract, owner);
    contracts.add(contractId, SignedContractSchema.parse(request.body), guards.callerOf(request));
    return { id };
  });
  scope.get('/contracts/:id', guard, async (request) => {
    const { id } = readRequest(PathSchema, request.params);
    return contracts.find(id);
  });
}

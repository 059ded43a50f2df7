import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import {
  Bytes32Schema,
  CompactJwsSchema,
  type ContractId,
  ContractIdSchema,
} from '@strongroom/protocol/fields';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Guards } from '../access/guard.ts';
import { readRequest, TargetSchema } from '../keys/key-requests.ts';
import { acquireLease, type LeaseService, stateLease, takeStep } from './leases.ts';

const PathSchema = z.strictObject({ contract: ContractIdSchema });
export const AcquireSchema = z.strictObject({ target: TargetSchema });
export const StepSchema = z.strictObject({ step: CompactJwsSchema });
export const HolderSchema = z.strictObject({ holder: Bytes32Schema });

/**
 * Routes of a contract's lease. A worker needs the right to release; to end the contract, and to
 * look, needs other ones. Who renews or ends a lease names the holder and proves nothing: whoever
 * runs the worker can stop it anyway, and no result leaves by it.
 */
export function addLeaseRoutes(
  scope: FastifyInstance,
  service: LeaseService,
  guards: Guards,
): void {
  const { leases, nonces } = service;
  const worker = guards.demand('release');
  scope.post('/leases/:contract/nonces', worker, async (request) => {
    const { contract } = readRequest(PathSchema, request.params);
    return { nonce: nonces.issue(), state: leases.find(contract).state };
  });
  const answer = async (
    request: FastifyRequest,
    act: (contract: ContractId) => Promise<string>,
  ) => {
    const { contract } = readRequest(PathSchema, request.params);
    return { statement: await withStatement(contract, service, () => act(contract)) };
  };
  scope.post('/leases/:contract/', worker, (request) => {
    const { target } = readRequest(AcquireSchema, request.body);
    return answer(request, (contract) => acquireLease(contract, target, service));
  });
  scope.post('/leases/:contract/steps', worker, (request) => {
    const { step } = readRequest(StepSchema, request.body);
    return answer(request, (contract) => takeStep(contract, step, service));
  });
  for (const [path, act] of [
    ['renewals', leases.renew],
    ['end', leases.end],
  ] as const) {
    scope.post(`/leases/:contract/${path}`, worker, (request) => {
      const { holder } = readRequest(HolderSchema, request.body);
      return answer(request, (contract) => stateLease(act(contract, holder), service));
    });
  }
  scope.post('/leases/:contract/revocation', guards.demand('administer'), (request) =>
    answer(request, (contract) => stateLease(leases.revoke(contract), service)),
  );
  scope.get('/leases/:contract', guards.demand('audit'), async (request) => {
    const { contract } = readRequest(PathSchema, request.params);
    return leases.find(contract);
  });
}

/** That an owner has ended or amended the contract is told signed, for the vault to believe. */
async function withStatement<Answer>(
  contract: ContractId,
  service: LeaseService,
  act: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await act();
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ERR_CONTRACT_REVOKED' && code !== 'ERR_CONTRACT_SUPERSEDED') throw error;
    const lease = service.leases.find(contract);
    const { successor } = lease;
    const follows = successor === undefined ? {} : { successor };
    const statement = await stateLease(lease, service);
    throw new StrongroomError(code, { contract, ...follows, statement });
  }
}

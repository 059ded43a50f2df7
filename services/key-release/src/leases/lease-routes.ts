import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { Bytes32Schema, CompactJwsSchema, ContractIdSchema } from '@strongroom/protocol/fields';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Guards } from '../access/guard.ts';
import { readRequest, TargetSchema } from '../keys/key-requests.ts';
import {
  acquireLease,
  type LeasePlace,
  type LeaseService,
  stateLease,
  takeStep,
} from './leases.ts';

const PathSchema = z.strictObject({
  contract: ContractIdSchema,
  slice: z.exactOptional(z.stringFormat('slice', /^(0|[1-9]\d?)$/).transform(Number)),
});
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
  const { leases } = service;
  for (const at of ['/leases/:contract', '/leases/:contract/slices/:slice']) {
    addWorkerRoutes(scope, at, service, guards);
    scope.get(at, guards.demand('audit'), async (request) => {
      const { contract, slice } = readRequest(PathSchema, request.params);
      return leases.find(contract, slice);
    });
  }
  scope.post('/leases/:contract/revocation', guards.demand('administer'), (request) =>
    answerTo(request, service, ({ contract }) => stateLease(leases.revoke(contract), service)),
  );
}

/** What a worker asks for, of a contract's one lease or of a slice's. */
function addWorkerRoutes(
  scope: FastifyInstance,
  at: string,
  service: LeaseService,
  guards: Guards,
): void {
  const { leases, nonces } = service;
  const worker = guards.demand('release');
  scope.post(`${at}/nonces`, worker, async (request) => {
    const { contract, slice } = readRequest(PathSchema, request.params);
    return { nonce: nonces.issue(), state: leases.find(contract, slice).state };
  });
  scope.post(`${at}/`, worker, (request) => {
    const { target } = readRequest(AcquireSchema, request.body);
    return answerTo(request, service, (place) => acquireLease(place, target, service));
  });
  scope.post(`${at}/steps`, worker, (request) => {
    const { step } = readRequest(StepSchema, request.body);
    return answerTo(request, service, (place) => takeStep(place, step, service));
  });
  for (const [path, act] of [
    ['renewals', leases.renew],
    ['end', leases.end],
  ] as const) {
    scope.post(`${at}/${path}`, worker, (request) => {
      const { holder } = readRequest(HolderSchema, request.body);
      return answerTo(request, service, ({ contract, slice }) =>
        stateLease(act(contract, holder, slice), service),
      );
    });
  }
}

async function answerTo(
  request: FastifyRequest,
  service: LeaseService,
  act: (place: LeasePlace) => Promise<string>,
) {
  const place = readRequest(PathSchema, request.params);
  return { statement: await withStatement(place, service, () => act(place)) };
}

/** That an owner has ended or amended the contract is told signed, for the vault to believe. */
async function withStatement<Answer>(
  { contract, slice }: LeasePlace,
  service: LeaseService,
  act: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await act();
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ERR_CONTRACT_REVOKED' && code !== 'ERR_CONTRACT_SUPERSEDED') throw error;
    const lease = service.leases.find(contract, slice);
    const { successor } = lease;
    const follows = successor === undefined ? {} : { successor };
    const statement = await stateLease(lease, service);
    throw new StrongroomError(code, { contract, ...follows, statement });
  }
}

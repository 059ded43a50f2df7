import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import type { FastifyRequest } from 'fastify';
import { type Access, type Caller, demandRight, type Right } from './access.ts';
import { clientCertificateOf } from './client-certificate.ts';
import type { RateLimit } from './rate-limit.ts';

/** What a route asks for before anything else happens: before the body is read. */
export interface Guard {
  readonly onRequest: (request: FastifyRequest) => Promise<void>;
}

export interface Guards {
  demand(right: Right): Guard;
  /** The name of who asked; undefined until it is known. */
  callerOf(request: FastifyRequest): string | undefined;
}

export interface GuardOptions {
  readonly access: Access;
  readonly rateLimit: RateLimit;
  readonly clock: Clock;
}

export function createGuards({ access, rateLimit, clock }: GuardOptions): Guards {
  const callers = new WeakMap<FastifyRequest, Caller>();
  const identify = async (request: FastifyRequest): Promise<Caller> => {
    const { authorization } = request.headers;
    const certificate = clientCertificateOf(request, clock);
    if (authorization === undefined && waitsForChallenge(request)) {
      throw new StrongroomError('ERR_UNAUTHENTICATED');
    }
    return access.identify({ authorization, certificate });
  };
  return {
    callerOf: (request) => callers.get(request)?.name,
    demand: (right) => ({
      onRequest: async (request) => {
        const caller = await identify(request);
        callers.set(request, caller);
        const retryAfterSeconds = rateLimit.take(caller.name);
        if (retryAfterSeconds > 0) {
          throw new StrongroomError('ERR_RATE_LIMITED', { caller: caller.name, retryAfterSeconds });
        }
        demandRight(caller, right);
      },
    }),
  };
}

/**
 * Azure's client sends every request once without body and token and repeats it after a challenge;
 * for one that is known by its certificate this would be a question without its body.
 */
function waitsForChallenge({ method, headers }: FastifyRequest): boolean {
  const empty = headers['content-length'] === undefined || headers['content-length'] === '0';
  return TAKES_A_BODY.has(method) && empty && headers['transfer-encoding'] === undefined;
}

const TAKES_A_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** Whether a request presented anything to be known by: one that did leaves an audit entry. */
export function presentsCredentials(request: FastifyRequest, clock: Clock): boolean {
  if (request.headers.authorization !== undefined) return true;
  return !waitsForChallenge(request) && clientCertificateOf(request, clock) !== undefined;
}

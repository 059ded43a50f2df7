import type { StrongroomError } from '@strongroom/protocol/errors';
import { ATTEMPTS_RECORDED_BURST, ATTEMPTS_RECORDED_PER_SECOND } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';
import type { FastifyRequest } from 'fastify';
import type { AuditLog } from '../audit/audit-log.ts';
import { KeyPathSchema } from '../keys/key-requests.ts';
import { type Guards, presentsCredentials } from './guard.ts';
import { createRateLimit } from './rate-limit.ts';

export interface AttemptsOptions {
  readonly auditLog: AuditLog;
  readonly guards: Guards;
  readonly clock: Clock;
}

export interface Attempts {
  /** Writes the entry of a refusal, unless whoever refused has written it (`alreadyRecorded`). */
  record(refusal: StrongroomError | undefined, request: FastifyRequest): void;
  alreadyRecorded(error: unknown): void;
  /** Writes what was only counted. */
  flush(): void;
}

/**
 * Every request that presented credentials and was refused is in the audit log. Strangers and
 * callers above their rate cost a durable write each, so beyond a rate they are counted, and the
 * count is written: nobody fills the disk from outside.
 */
export function createAttempts({ auditLog, guards, clock }: AttemptsOptions): Attempts {
  const recorded = new WeakSet();
  let counted = 0;
  const rate = createRateLimit({
    requestsPerSecond: ATTEMPTS_RECORDED_PER_SECOND,
    burst: ATTEMPTS_RECORDED_BURST,
    clock,
  });
  const flush = () => {
    if (counted === 0) return;
    auditLog.append({ event: 'request-refused', count: counted });
    counted = 0;
  };
  return {
    flush,
    alreadyRecorded: (error) => {
      if (error instanceof Error) recorded.add(error);
    },
    record: (refusal, request) => {
      if (refusal && recorded.has(refusal)) return;
      if (!presentsCredentials(request, clock)) return;
      const cheap = refusal && CHEAP.has(refusal.code);
      if (cheap && rate.take('all') > 0) {
        counted += 1;
        return;
      }
      flush();
      auditLog.append({ event: 'request-refused', ...factsOf(request, guards, refusal) });
    },
  };
}

/** What costs the sender nothing to be refused for. */
const CHEAP: ReadonlySet<string> = new Set(['ERR_UNAUTHENTICATED', 'ERR_RATE_LIMITED']);

function factsOf(request: FastifyRequest, guards: Guards, refusal: StrongroomError | undefined) {
  const caller = guards.callerOf(request);
  const route = request.routeOptions.url;
  // A name that could be no key's is some text of the sender.
  const path = KeyPathSchema.safeParse(request.params).data;
  return {
    ...(caller === undefined ? {} : { caller }),
    ...(route === undefined ? {} : { route }),
    ...(refusal === undefined ? {} : { code: refusal.code }),
    ...(path === undefined ? {} : { key: path.name }),
  };
}

import { codeOf } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { challengeOf } from './access/access.ts';
import type { Attempts } from './access/attempts.ts';
import type { Guards } from './access/guard.ts';
import { addAuditRoutes, signHeadsAfterAnswers } from './audit/audit-routes.ts';
import { addErrorAnswers } from './error-answers.ts';
import type { KeyService } from './keys/admin-route.ts';
import {
  ApiVersionSchema,
  KeyPathSchema,
  ReleaseSchema,
  readRequest,
} from './keys/key-requests.ts';
import { addKeyRoutes } from './keys/key-routes.ts';
import { addLeaseRoutes } from './leases/lease-routes.ts';
import type { LeaseService } from './leases/leases.ts';
import { addLedgerRoutes, type LedgerService } from './ledger/ledger-routes.ts';
import { type ReleaseService, releaseKey } from './release-key.ts';
import { warningsOf } from './requester/authorities.ts';
import { addContractRoutes } from './requester/contract-routes.ts';

export interface HttpOptions {
  readonly owner: string;
  /** The keys are in another vault: there are no routes for any. */
  readonly withoutKeys: boolean;
  readonly service: ReleaseService & KeyService & LeaseService & LedgerService;
  readonly guards: Guards;
  readonly attempts: Attempts;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * The routes of Azure Key Vault that a key's life needs, so that Azure's own client is ours.
 * README.md lists them.
 */
export function addRoutes(app: FastifyInstance, options: HttpOptions): void {
  const { owner, service, guards, attempts, logger } = options;
  app.get('/.well-known/strongroom', async () => ({
    owner,
    releaseKey: service.identity.publicKey,
    warnings: warningsOf(service.authorities),
  }));
  app.register((scope, _options, done) => {
    const challenge = () => challengeOf(service.baseUrl(), owner);
    addErrorAnswers(scope, { challenge, logger, record: attempts.record });
    if (!options.withoutKeys) {
      addReleaseRoutes(scope, options);
      addKeyRoutes(scope, service, guards);
    }
    addContractRoutes(scope, service.contracts, guards);
    addLeaseRoutes(scope, service, guards);
    addLedgerRoutes(scope, owner, service, guards);
    addAuditRoutes(scope, service, guards.demand('audit'));
    recordReads(scope, service, guards);
    signHeadsAfterAnswers(scope, service, logger);
    done();
  });
}

/**
 * What is read is in the audit log before it is answered; what changes something has written its
 * own entry. Reading the log itself is none: nobody would ever come to its end.
 */
function recordReads(scope: FastifyInstance, { auditLog }: KeyService, guards: Guards): void {
  scope.addHook('preSerialization', async (request, reply, payload) => {
    const route = request.routeOptions.url ?? '';
    const read = request.method === 'GET' || request.method === 'HEAD';
    if (read && reply.statusCode === 200 && !route.startsWith('/audit/')) {
      const caller = guards.callerOf(request);
      auditLog.append({ event: 'keys-read', route, ...(caller === undefined ? {} : { caller }) });
    }
    return payload;
  });
}

function addReleaseRoutes(scope: FastifyInstance, options: HttpOptions): void {
  const { service, guards, attempts, metrics, logger } = options;
  const guard = guards.demand('release');
  const outcomes = metrics.counter('strongroom_key_release_requests_total');
  const release = async (request: FastifyRequest) => {
    const { name, version } = readRequest(KeyPathSchema, request.params);
    const { target, enc, nonce } = readRequest(ReleaseSchema, request.body);
    const apiVersion = readRequest(ApiVersionSchema, request.query);
    const caller = guards.callerOf(request);
    const wanted = { name, version, target, algorithm: enc, nonce, apiVersion, caller };
    try {
      const released = await releaseKey(wanted, service);
      outcomes.inc({ outcome: 'released' });
      logger.info('key-released', { name });
      // Azure's clients read `value` and pass over the rest.
      return released;
    } catch (error) {
      attempts.alreadyRecorded(error);
      outcomes.inc({ outcome: codeOf(error) ?? 'ERR_INTERNAL' });
      throw error;
    }
  };
  scope.post('/keys/:name/release', guard, release);
  scope.post('/keys/:name/:version/release', guard, release);
}

import { codeOf } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Access, challengeOf, type Guard, type Right } from './access.ts';
import { warningsOf } from './authorities.ts';
import { addErrorAnswers } from './error-answers.ts';
import { ApiVersionSchema, KeyPathSchema, ReleaseSchema, readRequest } from './key-requests.ts';
import { addKeyRoutes } from './key-routes.ts';
import { type ReleaseService, releaseKey } from './release-key.ts';

export interface HttpOptions {
  readonly owner: string;
  readonly service: ReleaseService;
  readonly access: Access;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * The routes of Azure Key Vault that a key's life needs, so that Azure's own client is ours.
 * README.md lists them.
 */
export function addRoutes(app: FastifyInstance, options: HttpOptions): void {
  const { owner, service, access, logger } = options;
  app.get('/.well-known/strongroom', async () => ({
    owner,
    releaseKey: service.identity.publicKey,
    warnings: warningsOf(service.authorities),
  }));
  app.register((scope, _options, done) => {
    addErrorAnswers(scope, () => challengeOf(service.baseUrl(), owner), logger);
    // The right is demanded before the body is read: clients send an empty one to be challenged.
    const guard = (right: Right): Guard => ({
      onRequest: async (request: FastifyRequest) =>
        access.demand(right, request.headers.authorization),
    });
    addReleaseRoutes(scope, options, guard('release'));
    addKeyRoutes(scope, service, guard('administer'));
    done();
  });
}

function addReleaseRoutes(scope: FastifyInstance, options: HttpOptions, guard: Guard): void {
  const { service, metrics, logger } = options;
  const outcomes = metrics.counter(
    'strongroom_key_releases_total',
    'Requests for a key, by outcome.',
    ['outcome'],
  );
  const release = async (request: FastifyRequest) => {
    const { name, version } = readRequest(KeyPathSchema, request.params);
    const { target, enc, nonce } = readRequest(ReleaseSchema, request.body);
    const apiVersion = readRequest(ApiVersionSchema, request.query);
    const wanted = { name, version, token: target, algorithm: enc, nonce, apiVersion };
    try {
      const value = await releaseKey(wanted, service);
      outcomes.inc({ outcome: 'released' });
      logger.info('key-released', { name });
      return { value };
    } catch (error) {
      outcomes.inc({ outcome: codeOf(error) ?? 'ERR_INTERNAL' });
      throw error;
    }
  };
  scope.post('/keys/:name/release', guard, release);
  scope.post('/keys/:name/:version/release', guard, release);
}

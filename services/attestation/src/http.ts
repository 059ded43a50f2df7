import { HTTP_BODY_BYTES_MAX } from '@strongroom/protocol/limits';
import { createHttpServer } from '@strongroom/runtime/http';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { Tracing } from '@strongroom/runtime/tracing';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Admin } from './admin.ts';
import { type AttestContext, attest } from './attest.ts';
import { attestGuest } from './attest-guest.ts';
import { addErrorAnswers } from './error-answers.ts';
import { addPolicyRoutes } from './policy-routes.ts';
import { parseRequestText } from './request.ts';
import { attestationTypeOf, demandApiVersion, parameterOf } from './request-parts.ts';

export interface HttpOptions extends AttestContext {
  /** Who may change policies and signing keys. */
  readonly admin: Admin;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Shown by /healthz of a service whose tokens prove nothing. */
  readonly warning?: string;
}

/** Microsoft Azure Attestation's REST shape for SEV-SNP. */
export function createAttestationServer(options: HttpOptions): FastifyInstance {
  const { roots, warning } = options;
  const app = createHttpServer({
    service: 'attestation',
    logger: options.logger,
    metrics: options.metrics,
    tracing: options.tracing,
    ready: () => true,
    health: { platform: roots.kind, ...(warning === undefined ? {} : { warning }) },
    bodyLimit: HTTP_BODY_BYTES_MAX,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  app.register((routes, _options, done) => {
    addRoutes(routes, options);
    done();
  });
  app.register((routes, _options, done) => {
    addAdministration(routes, options);
    done();
  });
  return app;
}

function addRoutes(app: FastifyInstance, options: HttpOptions): void {
  const answers = options.metrics.counter('strongroom_attestation_requests_total');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parseBody);
  addErrorAnswers(app, (outcome) => {
    answers.inc({ outcome });
    options.logger.warn('evidence-refused', { code: outcome });
  });
  app.post('/attest/:platform', async (request) => {
    demandApiVersion(request);
    const type = attestationTypeOf(parameterOf(request, 'platform'));
    const token = await ATTESTATIONS[type](request.body, options);
    answers.inc({ outcome: 'token' });
    options.logger.info('token-issued', { platform: options.roots.kind });
    return { token };
  });
  app.get('/certs', async () => ({ keys: options.signer.published() }));
  app.get('/.well-known/openid-configuration', async () => openidConfiguration(options.issuer()));
}

const ATTESTATIONS = { SevSnpVm: attest, AzureGuest: attestGuest };

function addAdministration(app: FastifyInstance, options: HttpOptions): void {
  addErrorAnswers(app, (code) => options.logger.warn('request-refused', { code }));
  addPolicyRoutes(app, options);
  const onRequest = async ({ headers }: FastifyRequest) =>
    options.admin.demand(headers.authorization);
  // Two colons are one in the path.
  app.post('/certs::rotate', { onRequest }, async () => {
    const { kid, signsFrom } = await options.signer.rotate();
    options.logger.info('signing-key-published');
    return { kid, signsFrom: new Date(signsFrom).toISOString() };
  });
}

async function parseBody(_request: FastifyRequest, text: string | Buffer): Promise<unknown> {
  return parseRequestText(String(text));
}

function openidConfiguration(issuer: string) {
  return {
    issuer,
    jwks_uri: `${issuer}/certs`,
    response_types_supported: ['token', 'none'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: CLAIMS,
  };
}

const CLAIMS = [
  ...['iss', 'iat', 'nbf', 'exp', 'jti', 'nonce'],
  ...['x-ms-ver', 'x-ms-attestation-type', 'x-ms-runtime', 'x-ms-isolation-tee'],
  ...['x-ms-policy', 'x-ms-policy-hash', 'x-ms-policy-signer'],
  ...[
    'authorkeydigest',
    'bootloader-svn',
    'familyId',
    'guestsvn',
    'hostdata',
    'idkeydigest',
    'imageId',
    'is-debuggable',
    'launchmeasurement',
    'microcode-svn',
    'migration-allowed',
    'reportdata',
    'reportid',
    'smt-allowed',
    'snpfw-svn',
    'tee-svn',
    'vmpl',
  ].map((name) => `x-ms-sevsnpvm-${name}`),
  ...['platform', 'product', 'signing-key'].map((name) => `x-strongroom-${name}`),
];

import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_BODY_BYTES_MAX } from '@strongroom/protocol/limits';
import { createHttpServer } from '@strongroom/runtime/http';
import type { Logger } from '@strongroom/runtime/logger';
import type { Metrics } from '@strongroom/runtime/metrics';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppraisalRefused } from './appraisal.ts';
import { type AttestContext, attest } from './attest.ts';
import { attestGuest } from './attest-guest.ts';
import { parseRequestText } from './request.ts';

export interface HttpOptions extends AttestContext {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Shown by /healthz of a service whose tokens prove nothing. */
  readonly warning?: string;
}

/** Of Microsoft Azure Attestation; all have the same request and answer for SEV-SNP. */
const API_VERSIONS = ['2020-10-01', '2022-08-01', '2025-06-01'];

/** Microsoft Azure Attestation's REST shape for SEV-SNP. */
export function createAttestationServer(options: HttpOptions): FastifyInstance {
  const { roots, warning } = options;
  const app = createHttpServer({
    service: 'attestation',
    logger: options.logger,
    metrics: options.metrics,
    ready: () => true,
    health: { platform: roots.kind, ...(warning === undefined ? {} : { warning }) },
    bodyLimit: HTTP_BODY_BYTES_MAX,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  app.register((routes, _options, done) => {
    addRoutes(routes, options);
    done();
  });
  return app;
}

function addRoutes(app: FastifyInstance, options: HttpOptions): void {
  const answers = options.metrics.counter(
    'strongroom_attestation_answers_total',
    'Evidence judged, by outcome.',
    ['outcome'],
  );
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parseBody);
  app.setErrorHandler((error, _request, reply) => {
    const outcome = codeOf(error);
    if (outcome === undefined) throw error;
    answers.inc({ outcome });
    options.logger.warn('evidence-refused', { code: outcome });
    return refuse(reply, error);
  });
  app.post('/attest/:platform', async (request) => {
    const attestation = attestationOf(request);
    const token = await attestation(request.body, options);
    answers.inc({ outcome: 'token' });
    options.logger.info('token-issued', { platform: options.roots.kind });
    return { token };
  });
  app.get('/certs', async () => ({ keys: [options.signer.publicJwk] }));
  app.get('/.well-known/openid-configuration', async () => openidConfiguration(options.issuer()));
}

async function parseBody(_request: FastifyRequest, text: string | Buffer): Promise<unknown> {
  return parseRequestText(String(text));
}

/** Azure's clients write SevSnpVm and SevSnpVM; the service has never cared. */
function attestationOf(request: FastifyRequest): typeof attest {
  const platform = parameterOf(request.params, 'platform')?.toLowerCase();
  checkApiVersion(request);
  if (platform === 'sevsnpvm') return attest;
  if (platform === 'azureguest') return attestGuest;
  throw new StrongroomError('ERR_REQUEST_INVALID', {
    expected: '/attest/SevSnpVm or /attest/AzureGuest',
  });
}

function checkApiVersion(request: FastifyRequest): void {
  const version = parameterOf(request.query, 'api-version');
  if (version === undefined || !API_VERSIONS.includes(version)) {
    throw new StrongroomError('ERR_REQUEST_INVALID', {
      expected: `api-version=${API_VERSIONS.join(' or ')}`,
    });
  }
}

function parameterOf(parameters: unknown, name: string): string | undefined {
  if (typeof parameters !== 'object' || parameters === null) return undefined;
  const value: unknown = Reflect.get(parameters, name);
  return typeof value === 'string' ? value : undefined;
}

/** Azure's error shape: what is wrong with the evidence is the sender's fault, so always 400. */
function refuse(reply: FastifyReply, error: unknown): FastifyReply {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  const check = error instanceof StrongroomError ? error.facts['check'] : undefined;
  const innererror = typeof check === 'string' ? { innererror: { code: check } } : {};
  const details = error instanceof AppraisalRefused ? { details: error.mismatches } : {};
  return reply.code(400).send({ error: { code, message, ...innererror, ...details } });
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
  ...['x-ms-ver', 'x-ms-attestation-type', 'x-ms-runtime'],
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

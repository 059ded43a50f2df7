import { type PageServer, type PageServing, servePage } from '@strongroom/page/server/page-guard';
import { EXIT_CODE_USAGE, StrongroomError } from '@strongroom/protocol/errors';
import { STATUS_BY_EXIT_CODE } from '@strongroom/runtime/http';
import { z } from 'zod';
import { errorFacts } from './error-facts.ts';
import { REQUEST_KINDS } from './facts.ts';
import type { OwnerDesk } from './owner-desk.ts';
import type { OwnerSession } from './session.ts';

export interface OwnerServerOptions extends PageServing {
  readonly desk: OwnerDesk;
  readonly session: OwnerSession;
}

/**
 * Hands out the owner's page, and answers it by the owner's authority. The page itself is nobody's
 * secret; every answer needs the session's, which no other site and no other user of this machine
 * has. What cannot be taken back needs a nonce and a typed name besides.
 */
export function createOwnerServer(options: OwnerServerOptions): PageServer {
  const { logger } = options;
  const app = servePage('owner', options);
  app.register((scope, _options, done) => {
    scope.addHook('onRequest', async (request) => {
      options.session.demand(request.headers.authorization);
    });
    scope.setErrorHandler((error, _request, reply) => {
      const facts = errorFacts(error);
      const status = statusOf(error);
      if (status === 500) logger.error('request-failed', { name: nameOf(error) });
      else logger.warn('request-refused', { code: facts.code });
      return reply.code(status).send({ error: facts });
    });
    addReadingRoutes(scope, options);
    addRevocationRoutes(scope, options);
    done();
  });
  return app;
}

const RequestsQuerySchema = z.strictObject({
  kind: z.enum(REQUEST_KINDS).default('keys'),
  before: z.exactOptional(
    z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number),
  ),
});

function addReadingRoutes(scope: PageServer, { desk }: OwnerServerOptions): void {
  scope.get('/api/overview', async () => desk.overview());
  scope.get('/api/service', () => desk.service());
  scope.get('/api/data', () => desk.data());
  scope.get('/api/agreement', () => desk.agreement());
  scope.get('/api/requests', (request) => {
    const { kind, before } = read(RequestsQuerySchema, request.query);
    return desk.requests(kind, before);
  });
  scope.get('/api/bundle', () => desk.bundle());
  // It makes the worker work and leaves a record on the log: no link and no picture starts it.
  scope.post('/api/evidence', () => desk.askEvidence());
}

const RevocationSchema = z.strictObject({ nonce: z.string().max(64), typed: z.string().max(64) });

function addRevocationRoutes(
  scope: PageServer,
  { desk, session, logger }: OwnerServerOptions,
): void {
  scope.post('/api/revocation/intent', async () => ({ nonce: session.issueIntent() }));
  scope.post('/api/revocation', async (request) => {
    const { nonce, typed } = read(RevocationSchema, request.body);
    const { party, contractId } = desk.overview();
    if (typed !== party.id) {
      throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'typed', expected: party.id });
    }
    session.spendIntent(nonce);
    const revoked = await desk.revoke();
    logger.warn('contract-ended', { contract: contractId, party: party.id });
    return revoked;
  });
}

function read<Value>(shape: z.ZodType<Value>, value: unknown): Value {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const member = parsed.error.issues[0]?.path.join('.') || '(document)';
  throw new StrongroomError('ERR_REQUEST_INVALID', { member });
}

const STATUSES: Readonly<Record<number, number>> = {
  ...STATUS_BY_EXIT_CODE,
  [EXIT_CODE_USAGE]: 400,
};

function statusOf(error: unknown): number {
  if (!(error instanceof Error)) return 500;
  if ('code' in error && error.code === 'ERR_UNAUTHENTICATED') return 401;
  const exitCode = 'exitCode' in error ? Number(error.exitCode) : 0;
  const own = 'statusCode' in error ? Number(error.statusCode) : 500;
  return STATUSES[exitCode] ?? own;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

import { createHash } from 'node:crypto';
import type { AttestationClaims } from '@strongroom/attestation/claims';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Logger } from '@strongroom/runtime/logger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Admin } from './admin.ts';
import { signerClaim } from './issue-token.ts';
import type { PolicyStore } from './policy-store.ts';
import { attestationTypeOf, demandApiVersion, parameterOf } from './request-parts.ts';
import { signToken, type TokenContext } from './token.ts';

export interface PolicyRouteOptions extends TokenContext {
  readonly policies: PolicyStore;
  readonly admin: Admin;
  readonly logger: Logger;
}

const RESET = ':reset';

/**
 * Azure's `GET` and `PUT /policies/{type}` and `POST /policies/{type}:reset`: a JWS in, a token of
 * the service about it out. Anybody may read a policy, since it says what a token is worth.
 */
export function addPolicyRoutes(app: FastifyInstance, options: PolicyRouteOptions): void {
  const { policies, admin, logger } = options;
  // Before the body is read: who may not change a policy cannot make us parse one.
  const onRequest = async ({ headers }: FastifyRequest) => admin.demand(headers.authorization);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, bodyText);
  app.get('/policies/:type', async (request) => {
    const { jws } = policies.current(typeOf(request));
    return { token: await signToken({ 'x-ms-policy': jws }, options) };
  });
  app.put('/policies/:type', { onRequest }, async (request) => {
    const type = typeOf(request);
    const { jws, signer } = await policies.set(type, bodyOf(request));
    logger.info('policy-updated', { platform: type });
    const claims = { ...resultOf('Updated', jws), ...signerClaim(signer) };
    return { token: await signToken(claims, options) };
  });
  app.post('/policies/:type', { onRequest }, async (request) => {
    const type = typeOf(request, RESET);
    const jws = bodyOf(request);
    await policies.reset(type, jws);
    logger.info('policy-removed', { platform: type });
    return { token: await signToken(resultOf('Removed', jws), options) };
  });
}

async function bodyText(_request: FastifyRequest, text: string | Buffer): Promise<string> {
  return String(text);
}

function typeOf(request: FastifyRequest, ending = '') {
  demandApiVersion(request);
  const name = parameterOf(request, 'type') ?? '';
  if (!name.endsWith(ending)) throw invalid(`/policies/{type}${ending}`);
  return attestationTypeOf(name.slice(0, name.length - ending.length));
}

function bodyOf({ body }: FastifyRequest): string {
  if (typeof body === 'string') return body;
  throw invalid('a JWS as text/plain');
}

/** The hash is that of the JWS that was sent, so that its sender finds its own bytes. */
function resultOf(result: 'Updated' | 'Removed', jws: string): AttestationClaims {
  return {
    'x-ms-policy-result': result,
    'x-ms-policy-token-hash': createHash('sha256').update(jws).digest('base64url'),
  };
}

function invalid(expected: string): StrongroomError {
  return new StrongroomError('ERR_REQUEST_INVALID', { expected });
}

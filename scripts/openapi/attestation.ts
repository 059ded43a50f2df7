import { CompactJwsSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';
import { AttestRequestSchema } from '../../services/attestation/src/request.ts';
import { COMMON_ROUTES } from './every-service.ts';
import type { ServiceDescription } from './routes.ts';

const ApiVersionSchema = z.looseObject({ 'api-version': z.string() });
const TokenSchema = z.strictObject({ token: CompactJwsSchema });
const administer = { right: 'administer', query: ApiVersionSchema } as const;
const jws = { body: z.string(), bodyType: 'text/plain', answer: TokenSchema } as const;

export const ATTESTATION: ServiceDescription = {
  title: 'Strongroom attestation',
  text: "Verifies evidence and signs what it says, in Microsoft Azure Attestation's shape.",
  security: { bearer: { type: 'http', scheme: 'bearer' } },
  error: z.strictObject({
    error: z.looseObject({
      code: z.string().describe('The stable code: docs/errors.md.'),
      message: z.string(),
    }),
  }),
  routes: [
    {
      ...{ method: 'POST', path: '/attest/{platform}', query: ApiVersionSchema },
      does: 'Evidence in, a token out; of SevSnpVm, or of AzureGuest with evidence of its TPM.',
      ...{ body: z.union([AttestRequestSchema, z.looseObject({})]), answer: TokenSchema },
    },
    {
      ...{ method: 'GET', path: '/certs' },
      does: 'Gives the keys that sign tokens (RFC 7517).',
      answer: z.strictObject({ keys: z.array(z.looseObject({ kty: z.string() })) }),
    },
    {
      ...{ method: 'GET', path: '/.well-known/openid-configuration' },
      does: 'Names the issuer and where its keys are.',
      answer: z.looseObject({ issuer: z.string(), jwks_uri: z.string() }),
    },
    {
      ...{ method: 'GET', path: '/policies/{type}', query: ApiVersionSchema },
      does: 'Gives the attestation policy, signed.',
      answer: TokenSchema,
    },
    {
      ...{ method: 'PUT', path: '/policies/{type}', ...administer },
      does: 'Sets the attestation policy.',
      ...jws,
    },
    {
      ...{ method: 'POST', path: '/policies/{type}:reset', route: '/policies/{type}' },
      ...administer,
      does: 'Takes the attestation policy back to none.',
      ...jws,
    },
    {
      ...{ method: 'POST', path: '/certs:rotate', right: 'administer' },
      does: 'Publishes the next signing key.',
      answer: z.strictObject({ kid: z.string(), signsFrom: z.string() }),
    },
    ...COMMON_ROUTES,
  ],
};

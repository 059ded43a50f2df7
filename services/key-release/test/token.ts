import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { type ReleasePolicy, releasePolicyFor } from '@strongroom/attestation/release-policy';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { EnclaveSchema } from '@strongroom/protocol/contract';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { type IssuerKey, IssuerKeySchema } from '@strongroom/protocol/public-key';
import { SignJWT } from 'jose';

export const ISSUER = 'https://attest.example';
const CONTRACT = ContractIdSchema.parse('c0'.repeat(32));
export const MEASUREMENT = 'a1'.repeat(48);

/** Signs attestation tokens; what they say is up to the test. */
export interface Authority {
  readonly publicKey: IssuerKey;
  token(claims: Readonly<Record<string, unknown>>): Promise<string>;
}

export function createAuthority(): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  return {
    publicKey: IssuerKeySchema.parse({ kty, n, e }),
    token: (claims) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(privateKey),
  };
}

/** What a worker on the simulated platform gets from its attestation service. */
export function workerClaims(
  transportKey: KeyObject,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1_000);
  const runtime = runtimeClaims(transportKey);
  return {
    ...{ iss: ISSUER, iat: now, nbf: now, exp: now + 600, jti: randomBytes(8).toString('hex') },
    'x-ms-attestation-type': 'sevsnpvm-simulated',
    'x-ms-ver': '1.0',
    'x-strongroom-platform': 'simulated',
    'x-ms-sevsnpvm-is-debuggable': true,
    'x-ms-sevsnpvm-migration-allowed': false,
    'x-ms-sevsnpvm-vmpl': 0,
    'x-ms-sevsnpvm-launchmeasurement': MEASUREMENT,
    'x-ms-sevsnpvm-hostdata': CONTRACT,
    'x-ms-sevsnpvm-reportdata': reportDataOf(runtime),
    'x-ms-runtime': runtime,
    ...changes,
  };
}

export function runtimeClaims(transportKey: KeyObject, contract: string = CONTRACT) {
  const { kty, n, e } = transportKey.export({ format: 'jwk' });
  const x = randomBytes(32).toString('base64url');
  return {
    contract,
    keys: [
      { kty, n, e, kid: 'transport', key_ops: ['encrypt'] },
      { kty: 'OKP', crv: 'Ed25519', x, kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: randomBytes(32).toString('base64url'),
    purpose: 'strongroom/worker/v1',
  };
}

export function reportDataOf(runtime: object): string {
  return createHash('sha256').update(canonicalBytes(runtime)).digest('hex') + '00'.repeat(32);
}

export function policyFor(platform: 'amd' | 'simulated'): ReleasePolicy {
  const enclave = EnclaveSchema.parse({
    platform,
    measurements: [{ name: 'build 1', sha384: MEASUREMENT }],
    minimumTcb: {},
    authorities: [{ issuer: ISSUER, keys: [{ kty: 'RSA', n: 'n'.repeat(512), e: 'AQAB' }] }],
  });
  return releasePolicyFor({ enclave }, CONTRACT);
}

/** As Azure's client takes it. */
export function encoded(policy: object, immutable?: boolean) {
  const encodedPolicy = Buffer.from(JSON.stringify(policy));
  return { encodedPolicy, ...(immutable === undefined ? {} : { immutable }) };
}

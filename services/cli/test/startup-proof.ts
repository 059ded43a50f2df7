import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { reportDataOf } from '@strongroom/attestation/binding';
import { createProof, proofBytes } from '@strongroom/protocol/attestation-proof';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { ContractId } from '@strongroom/protocol/fields';
import { SignJWT } from 'jose';

/** What an authority says of a simulated worker at its start. */

export const ISSUER = 'https://attest.example';
export const ISSUED_AT = 1_750_000_000;

/** Public members of an RSA key. */
export function rsaOf(pair: { publicKey: KeyObject }) {
  const { kty, n, e } = pair.publicKey.export({ format: 'jwk' });
  return { kty, n, e };
}

const transport = { ...rsaOf(generateKeyPairSync('rsa', { modulusLength: 3072 })) };

/** Claims of a worker's start whose results this key signs. */
export function startClaims(contract: ContractId, aggregatesKey: KeyObject) {
  const { crv, kty, x } = aggregatesKey.export({ format: 'jwk' });
  const aggregates = { crv, key_ops: ['verify'], kid: 'aggregates', kty, x };
  const keys = [{ ...transport, key_ops: ['encrypt'], kid: 'transport' }, aggregates] as const;
  const nonce = Buffer.alloc(32).toString('base64url');
  return { contract, keys, nonce, purpose: 'strongroom/worker/v1' };
}

export interface StartupProofOptions {
  readonly runtime: ReturnType<typeof startClaims>;
  readonly measurement: string;
  readonly authority: KeyObject;
  /** Claims of the token that are others. */
  readonly change?: object;
}

/** The value of a token record. */
export async function startupProof(options: StartupProofOptions): Promise<string> {
  const { runtime, measurement, authority, change = {} } = options;
  const reportData = Buffer.from(reportDataOf(canonicalBytes(runtime))).toString('hex');
  const payload = {
    ...{ iss: ISSUER, iat: ISSUED_AT, nbf: ISSUED_AT, exp: ISSUED_AT + 600, jti: 'a1' },
    'x-ms-attestation-type': 'sevsnpvm-simulated',
    'x-strongroom-platform': 'simulated',
    'x-ms-sevsnpvm-hostdata': runtime.contract,
    'x-ms-sevsnpvm-launchmeasurement': measurement,
    'x-ms-runtime': runtime,
    'x-ms-sevsnpvm-reportdata': reportData,
    ...change,
  };
  const jwt = await new SignJWT(payload)
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(authority);
  return new TextDecoder().decode(proofBytes(createProof([jwt])));
}

import { randomBytes } from 'node:crypto';
import type { AttestationClaims } from '@strongroom/attestation/claims';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import type { Clock } from '@strongroom/runtime/clock';
import { SignJWT } from 'jose';
import type { TokenSigner } from './signing-key.ts';

export interface TokenContext {
  readonly signer: TokenSigner;
  readonly clock: Clock;
  /** The service's own name in its tokens. */
  readonly issuer: () => string;
}

/** Long enough for the key requests that follow, short enough to be worth nothing when stolen. */
const TOKEN_VALIDITY_SECONDS = 600;

export function nonceClaim(nonce: string | undefined): AttestationClaims {
  return nonce === undefined ? {} : { nonce };
}

/** A JWT with Azure's header; the registered claims are ours whatever `claims` holds. */
export async function signToken(
  claims: AttestationClaims,
  context: TokenContext,
  validitySeconds?: number,
): Promise<string> {
  const { kid, privateKey } = context.signer;
  const header = { alg: 'RS256', jku: `${context.issuer()}/certs`, kid, typ: 'JWT' };
  return new SignJWT({ ...claims, ...registeredClaims(context, validitySeconds) })
    .setProtectedHeader(header)
    .sign(privateKey);
}

/** RFC 7519 §6: `alg` none. No verifier of ours or of anybody's takes it for a token. */
export function unsignedToken(
  claims: AttestationClaims,
  context: TokenContext,
  validitySeconds?: number,
): string {
  const encode = (value: object) =>
    encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
  const header = encode({ alg: 'none', typ: 'JWT' });
  return `${header}.${encode({ ...claims, ...registeredClaims(context, validitySeconds) })}.`;
}

function registeredClaims(
  { clock, issuer }: TokenContext,
  validitySeconds = TOKEN_VALIDITY_SECONDS,
) {
  const now = Math.floor(clock.now() / 1_000);
  return {
    iss: issuer(),
    iat: now,
    nbf: now,
    exp: now + validitySeconds,
    jti: randomBytes(32).toString('hex'),
  };
}

import { randomBytes } from 'node:crypto';
import type { AttestationClaims } from '@strongroom/attestation/claims';
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
export async function signToken(claims: AttestationClaims, context: TokenContext): Promise<string> {
  const now = Math.floor(context.clock.now() / 1_000);
  const issuer = context.issuer();
  return new SignJWT({ ...claims })
    .setProtectedHeader({
      alg: 'RS256',
      jku: `${issuer}/certs`,
      kid: context.signer.kid,
      typ: 'JWT',
    })
    .setIssuer(issuer)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + TOKEN_VALIDITY_SECONDS)
    .setJti(randomBytes(32).toString('hex'))
    .sign(context.signer.privateKey);
}

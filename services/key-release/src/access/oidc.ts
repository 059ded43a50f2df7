import type { JwksSource } from '@strongroom/attestation/platforms/jwks-source';
import type { AuthorityKey } from '@strongroom/attestation/token';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { CLOCK_SKEW_SECONDS_MAX, OIDC_TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';
import { decodeJwt, decodeProtectedHeader, errors, importJWK, jwtVerify } from 'jose';

/** An identity provider whose access tokens are believed, for one audience. */
interface OidcIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly keys?: readonly AuthorityKey[];
  /** Instead of `keys`: where this issuer, and no other, publishes them. */
  readonly jwks?: string;
}

interface OidcIdentity {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** @throws ERR_UNAUTHENTICATED with the check that failed; ERR_SERVICE_UNREACHABLE */
export type BearerVerifier = (token: string) => Promise<OidcIdentity>;

export interface OidcOptions {
  readonly issuers: readonly OidcIssuer[];
  readonly jwks: JwksSource;
  readonly clock: Clock;
}

/** A key signs in its own ways only: no header makes an HMAC key of a public one. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
};

/**
 * Verifies access tokens that are JWTs (RFC 7519, RFC 9068), by the keys that the configuration
 * pins or fetches from its pinned URL; `jku`, `jwk` and `x5c` of a header are never followed.
 */
export function createBearerVerifier(options: OidcOptions): BearerVerifier {
  return async (token) => {
    const { issuer, kid, alg } = claimedBy(token);
    const trusted = options.issuers.find((each) => each.issuer === issuer);
    if (!trusted) throw unauthenticated('issuer');
    const keys = trusted.keys ?? (await fetchedKeys(options.jwks, issuer, kid));
    const candidates = keys.filter(
      (each) => (each.kid === undefined || each.kid === kid) && algorithmsOf(each).includes(alg),
    );
    for (const candidate of candidates) {
      const claims = await verifyWith(token, candidate, alg, trusted, options.clock);
      if (claims) return { issuer, claims };
    }
    throw unauthenticated(candidates.length === 0 ? 'algorithm' : 'signature');
  };
}

/** Read before anything is verified: good for choosing keys, and for nothing else. */
function claimedBy(token: string): { issuer: string; kid: string | undefined; alg: string } {
  if (token.length > OIDC_TOKEN_BYTES_MAX) throw unauthenticated('size');
  try {
    const { alg = '', kid } = decodeProtectedHeader(token);
    return { issuer: decodeJwt(token).iss ?? '', kid, alg };
  } catch {
    // Any text that is no token of a file ends here.
    throw unauthenticated('token');
  }
}

async function fetchedKeys(jwks: JwksSource, issuer: string, kid: string | undefined) {
  try {
    return await jwks.keysOf(issuer, kid);
  } catch (error) {
    throw codeOf(error) === 'ERR_TOKEN_INVALID' ? unauthenticated('key-set') : error;
  }
}

/** One that its key set names for one algorithm (RFC 7517 §4.4) is used with no other. */
function algorithmsOf(publicKey: AuthorityKey): readonly string[] {
  const { alg } = publicKey;
  const all = ALGORITHMS[publicKey.kty === 'RSA' ? 'RSA' : publicKey.crv] ?? [];
  return alg === undefined ? all : all.filter((each) => each === alg);
}

/** @returns undefined when another key may have signed it */
async function verifyWith(
  token: string,
  publicKey: AuthorityKey,
  alg: string,
  { issuer, audience }: OidcIssuer,
  clock: Clock,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, await importJWK(publicKey, alg), {
      issuer,
      audience,
      algorithms: [alg],
      clockTolerance: CLOCK_SKEW_SECONDS_MAX,
      currentDate: new Date(clock.now()),
      requiredClaims: ['sub', 'iat', 'exp'],
    });
    // RFC 9068 §2.1 and what providers write today: an id token is not for us, nor is a logout.
    if (!/^(?:application\/)?(?:at\+)?jwt$/i.test(protectedHeader.typ ?? 'JWT')) {
      throw unauthenticated('typ');
    }
    return payload;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return undefined;
    throw error instanceof StrongroomError ? error : unauthenticated(checkOf(error));
  }
}

function checkOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim;
  return 'token';
}

function unauthenticated(check: string): StrongroomError {
  return new StrongroomError('ERR_UNAUTHENTICATED', { check });
}

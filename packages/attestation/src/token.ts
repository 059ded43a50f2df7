import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type RuntimeClaims, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import {
  CLOCK_SKEW_SECONDS_MAX,
  TOKEN_AGE_SECONDS_MAX,
  TOKEN_BYTES_MAX,
} from '@strongroom/protocol/limits';
import { type IssuerKey, signatureAlgorithmOf } from '@strongroom/protocol/public-key';
import { compactVerify, importJWK } from 'jose';
import { z } from 'zod';
import { reportDataOf } from './binding.ts';
import type { VerificationClock } from './verify.ts';

/** Whose tokens are believed: the value of `iss` and the keys, both from the contract. */
export interface TokenAuthority {
  readonly issuer: string;
  readonly keys: readonly IssuerKey[];
}

export interface TokenOptions {
  readonly authorities: readonly TokenAuthority[];
  readonly clock: VerificationClock;
  /**
   * `accepted` for a token that proves a past event, such as the one beside results on the log:
   * everything but its end of validity and its age is checked. Refused unless said otherwise.
   */
  readonly expired?: 'refused' | 'accepted';
}

const seconds = z.int().min(0);

/** The four claims that every token needs; the others are read by a policy. */
const TokenClaimsSchema = z.looseObject({
  iss: z.string(),
  exp: seconds,
  nbf: seconds,
  iat: seconds,
});
export type TokenClaims = z.infer<typeof TokenClaimsSchema>;

const HeaderSchema = z.looseObject({ alg: z.string(), typ: z.literal('JWT').optional() });

/**
 * Verifies a compact JWT (RFC 7519). The keys are the caller's: `jku`, `jwk`, `x5u`, `x5c` and
 * `kid` of the header are never followed. The algorithm is the key's, never the header's choice.
 * @throws ERR_TOKEN_INVALID; the fact `check` names the step
 */
export async function verifyToken(jwt: string, options: TokenOptions): Promise<TokenClaims> {
  if (jwt.length > TOKEN_BYTES_MAX) throw invalid('size');
  const { algorithm, issuer } = peek(jwt);
  const authority = options.authorities.find((each) => each.issuer === issuer);
  if (!authority) throw invalid('issuer');
  const payload = await verifySignature(jwt, algorithm, authority.keys);
  const claims = TokenClaimsSchema.safeParse(parseJson(payload));
  if (!claims.success) throw invalid('claims');
  checkTimes(claims.data, options);
  return claims.data;
}

/** Reads what is needed to choose a key; nothing of it is believed before the signature. */
function peek(jwt: string): { algorithm: string; issuer: string } {
  const parts = jwt.split('.');
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) throw invalid('form');
  const [header = '', payload = ''] = parts.map((part) => Buffer.from(part, 'base64url'));
  const fields = HeaderSchema.safeParse(parseJson(header));
  const claims = TokenClaimsSchema.pick({ iss: true }).safeParse(parseJson(payload));
  if (!fields.success) throw invalid('header');
  // RFC 7515 §4.1.11: what is critical must be understood, and we know no extension.
  if ('crit' in fields.data || 'b64' in fields.data) throw invalid('critical-header');
  if (!claims.success) throw invalid('issuer');
  return { algorithm: fields.data.alg, issuer: claims.data.iss };
}

/** Keys carry no id in a contract: each with the algorithm is tried, of at most 8. */
async function verifySignature(
  jwt: string,
  algorithm: string,
  keys: readonly IssuerKey[],
): Promise<Uint8Array> {
  const candidates = keys.filter((key) => signatureAlgorithmOf(key) === algorithm);
  if (candidates.length === 0) throw invalid('algorithm');
  for (const candidate of candidates) {
    const payload = await tryKey(jwt, candidate, algorithm);
    if (payload) return payload;
  }
  throw invalid('signature');
}

/** A key that cannot be used (an RSA modulus under 2048 bits, say) is one that does not verify. */
async function tryKey(
  jwt: string,
  jwk: IssuerKey,
  algorithm: string,
): Promise<Uint8Array | undefined> {
  try {
    const publicKey = await importJWK(jwk, algorithm);
    const { payload } = await compactVerify(jwt, publicKey, { algorithms: [algorithm] });
    return payload;
  } catch {
    return undefined;
  }
}

function checkTimes(claims: TokenClaims, options: TokenOptions): void {
  const now = options.clock.now() / 1_000;
  if (claims.exp <= claims.nbf || claims.exp <= claims.iat) throw invalid('times');
  if (claims.nbf > now + CLOCK_SKEW_SECONDS_MAX) throw invalid('not-before');
  if (claims.iat > now + CLOCK_SKEW_SECONDS_MAX) throw invalid('issued-at');
  if (options.expired === 'accepted') return;
  if (claims.exp <= now - CLOCK_SKEW_SECONDS_MAX) throw invalid('expired');
  if (now - claims.iat > TOKEN_AGE_SECONDS_MAX + CLOCK_SKEW_SECONDS_MAX) throw invalid('age');
}

/**
 * The claims of the worker inside a verified token. The binding to the report is checked once more:
 * an authority that copies claims without looking at REPORT_DATA must not be enough.
 * @throws ERR_TOKEN_INVALID, ERR_REPORT_DATA_MISMATCH
 */
export function runtimeClaimsOf(claims: TokenClaims): RuntimeClaims {
  const runtime = RuntimeClaimsSchema.safeParse(claims['x-ms-runtime']);
  if (!runtime.success) throw invalid('runtime-claims');
  const expected = Buffer.from(reportDataOf(canonicalBytes(runtime.data))).toString('hex');
  if (claims['x-ms-sevsnpvm-reportdata'] !== expected) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH');
  }
  return runtime.data;
}

function parseJson(bytes: Uint8Array | string): unknown {
  try {
    const text =
      typeof bytes === 'string' ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text);
  } catch {
    throw invalid('json');
  }
}

function invalid(check: string): StrongroomError {
  return new StrongroomError('ERR_TOKEN_INVALID', { check });
}

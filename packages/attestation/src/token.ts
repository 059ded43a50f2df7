import { decodeBase64url } from '@strongroom/protocol/base64url';
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
import { repeatedMember } from './release-policy/repeated-member.ts';
import type { VerificationClock } from './verify.ts';

/** What an authority may sign with. Nothing else verifies, whatever a header says. */
export const TOKEN_ALGORITHMS = ['RS256', 'PS256', 'PS384', 'ES256', 'ES384'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/**
 * A key of an authority. One with a `kid` (from a key set) verifies only tokens that name it; one
 * without (pinned in a contract) is tried for every token. One with an `alg` verifies nothing else
 * (RFC 7517 §4.4).
 */
export type AuthorityKey = IssuerKey & { readonly kid?: string; readonly alg?: TokenAlgorithm };

/** Whose tokens are believed: the value of `iss` and the keys, pinned or fetched by the caller. */
export interface TokenAuthority {
  readonly issuer: string;
  readonly keys: readonly AuthorityKey[];
  /** The only ones of this authority; without it a key's `alg`, or RS256, ES256, ES384 by kind. */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** A lower maximum age than TOKEN_AGE_SECONDS_MAX; a higher one changes nothing. */
  readonly maximumAgeSeconds?: number;
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

const JTI_CHARACTERS_MAX = 256;

/** The five claims that every token needs; the others are read by a policy. */
const TokenClaimsSchema = z.looseObject({
  iss: z.string(),
  exp: seconds,
  nbf: seconds,
  iat: seconds,
  jti: z.string().min(1).max(JTI_CHARACTERS_MAX),
});
export type TokenClaims = z.infer<typeof TokenClaimsSchema>;

const HeaderSchema = z.looseObject({
  alg: z.string(),
  typ: z.exactOptional(z.literal('JWT')),
  kid: z.exactOptional(z.string()),
});
type TokenHeader = z.infer<typeof HeaderSchema>;

/**
 * Verifies a compact JWT (RFC 7519). The keys are the caller's: `jku`, `jwk`, `x5u` and `x5c` of
 * the header are never followed, and `kid` only chooses among the caller's keys. The algorithm is
 * one that the authority may use, never the header's choice.
 * @throws ERR_TOKEN_INVALID; the fact `check` names the step
 */
export async function verifyToken(jwt: string, options: TokenOptions): Promise<TokenClaims> {
  if (jwt.length > TOKEN_BYTES_MAX) throw invalid('size');
  const { header, issuer } = peek(jwt);
  const authority = options.authorities.find((each) => each.issuer === issuer);
  if (!authority) throw invalid('issuer');
  const payload = await verifySignature(jwt, header, authority);
  const claims = TokenClaimsSchema.safeParse(parseJson(payload));
  if (!claims.success) throw invalid('claims');
  // RFC 7519 §4.1.3: no authority addresses us by a name, so one who is named is somebody else.
  if ('aud' in claims.data) throw invalid('audience');
  checkTimes(claims.data, authority, options);
  return claims.data;
}

/**
 * Whom a token claims to be from: good for fetching that authority's keys, and for nothing else.
 * @throws ERR_TOKEN_INVALID
 */
export function claimedSigner(jwt: string): { issuer: string; kid: string | undefined } {
  if (jwt.length > TOKEN_BYTES_MAX) throw invalid('size');
  const { header, issuer } = peek(jwt);
  return { issuer, kid: header.kid };
}

/** Reads what is needed to choose a key; nothing of it is believed before the signature. */
function peek(jwt: string): { header: TokenHeader; issuer: string } {
  const [header, payload, signature, ...more] = jwt.split('.').map(decodeBase64url);
  if (!header || !payload || !signature?.length || more.length > 0) throw invalid('form');
  const fields = HeaderSchema.safeParse(parseJson(header));
  const claims = TokenClaimsSchema.pick({ iss: true }).safeParse(parseJson(payload));
  if (!fields.success) throw invalid('header');
  // RFC 7515 §4.1.11: what is critical must be understood, and we know no extension.
  if ('crit' in fields.data || 'b64' in fields.data) throw invalid('critical-header');
  if (!claims.success) throw invalid('issuer');
  return { header: fields.data, issuer: claims.data.iss };
}

async function verifySignature(
  jwt: string,
  { alg, kid }: TokenHeader,
  authority: TokenAuthority,
): Promise<Uint8Array> {
  const named = authority.keys.filter((each) => each.kid === undefined || each.kid === kid);
  if (named.length === 0) throw invalid('key-id');
  const candidates = named.filter((each) => algorithmsOf(each, authority).includes(alg));
  if (candidates.length === 0) throw invalid('algorithm');
  for (const candidate of candidates) {
    const payload = await tryKey(jwt, candidate, alg);
    if (payload) return payload;
  }
  throw invalid('signature');
}

/** What the authority may use with this key, and what the key itself is for. */
function algorithmsOf(publicKey: AuthorityKey, { algorithms }: TokenAuthority): readonly string[] {
  const { alg } = publicKey;
  const allowed: readonly string[] = algorithms ?? [alg ?? signatureAlgorithmOf(publicKey)];
  const own = algorithmsOfKey(publicKey).filter((each) => alg === undefined || alg === each);
  return own.filter((each) => allowed.includes(each));
}

/** Every algorithm that can be used with a key of this kind: one with a curve, three with RSA. */
export function algorithmsOfKey(publicKey: IssuerKey): readonly string[] {
  const own = signatureAlgorithmOf(publicKey);
  return TOKEN_ALGORITHMS.filter((each) =>
    publicKey.kty === 'RSA' ? /^[RP]S/.test(each) : each === own,
  );
}

/** A key that cannot be used (an RSA modulus under 2048 bits, say) is one that does not verify. */
async function tryKey(
  jwt: string,
  jwk: AuthorityKey,
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

function checkTimes(
  claims: TokenClaims,
  { maximumAgeSeconds = TOKEN_AGE_SECONDS_MAX }: TokenAuthority,
  options: TokenOptions,
): void {
  const now = options.clock.now() / 1_000;
  if (claims.exp <= claims.nbf || claims.exp <= claims.iat) throw invalid('times');
  if (claims.nbf > now + CLOCK_SKEW_SECONDS_MAX) throw invalid('not-before');
  if (claims.iat > now + CLOCK_SKEW_SECONDS_MAX) throw invalid('issued-at');
  if (options.expired === 'accepted') return;
  if (claims.exp <= now - CLOCK_SKEW_SECONDS_MAX) throw invalid('expired');
  const ageMax = Math.min(maximumAgeSeconds, TOKEN_AGE_SECONDS_MAX);
  if (now - claims.iat > ageMax + CLOCK_SKEW_SECONDS_MAX) throw invalid('age');
}

/**
 * The claims of the worker inside a verified token. The binding to the report is checked once more:
 * an authority that copies claims without looking at REPORT_DATA must not be enough. In the token
 * of an Azure confidential VM the bound bytes stand in the paravisor's runtime data.
 * @throws ERR_TOKEN_INVALID, ERR_REPORT_DATA_MISMATCH
 */
export function runtimeClaimsOf(claims: TokenClaims): RuntimeClaims {
  const runtime = RuntimeClaimsSchema.safeParse(claims['x-ms-runtime']);
  if (!runtime.success) throw invalid('runtime-claims');
  const expected = Buffer.from(reportDataOf(canonicalBytes(runtime.data))).toString('hex');
  if (boundDataOf(claims) !== expected) throw new StrongroomError('ERR_REPORT_DATA_MISMATCH');
  return runtime.data;
}

const UserDataSchema = z.looseObject({
  'x-ms-runtime': z.looseObject({ 'user-data': z.string().regex(/^[0-9A-F]{128}$/) }),
});

function boundDataOf(claims: TokenClaims): unknown {
  const tee = claims['x-ms-isolation-tee'];
  if (tee === undefined) return claims['x-ms-sevsnpvm-reportdata'];
  return UserDataSchema.safeParse(tee).data?.['x-ms-runtime']['user-data'].toLowerCase();
}

/** A member that occurs twice has two values for two readers: such JSON is refused. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (repeatedMember(text) === undefined) return value;
  } catch {
    throw invalid('json');
  }
  throw invalid('repeated-member');
}

function invalid(check: string): StrongroomError {
  return new StrongroomError('ERR_TOKEN_INVALID', { check });
}

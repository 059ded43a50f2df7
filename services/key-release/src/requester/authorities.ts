import { platformKindOf } from '@strongroom/attestation/token-facts';
import { AuthoritySchema, PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';

/**
 * Whose attestation tokens this owner believes, and for which kind of platform. A simulated one has
 * to be named: tokens of an authority for `amd` that speak of a simulated platform are refused
 * whatever a policy says.
 */
const TrustedAuthoritySchema = z
  .strictObject({
    issuer: AuthoritySchema.shape.issuer,
    keys: z.exactOptional(AuthoritySchema.shape.keys),
    /** Instead of `keys`: where this authority, and no other, publishes them. */
    jwks: z.exactOptional(z.url({ protocol: /^https$/ })),
    platform: z.enum(PLATFORM_KINDS).default('amd'),
  })
  .refine(({ keys, jwks }) => (keys === undefined) !== (jwks === undefined), {
    error: 'either keys or jwks',
  });
export type TrustedAuthority = z.infer<typeof TrustedAuthoritySchema>;

/** The pinned URLs of those whose keys are fetched: authorities, and issuers of access tokens. */
export function jwksUrlsOf(
  authorities: readonly { readonly issuer: string; readonly jwks?: string }[],
): Record<string, string> {
  return Object.fromEntries(
    authorities.flatMap(({ issuer, jwks }) => (jwks === undefined ? [] : [[issuer, jwks]])),
  );
}

const AUTHORITIES_MAX = 8;

/** @throws ERR_CONFIG_INVALID with the place */
export function parseAuthorities(text: string): TrustedAuthority[] {
  const parsed = z.array(TrustedAuthoritySchema).min(1).max(AUTHORITIES_MAX).safeParse(parse(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(issue?.path.join('.') || '(file)', issue?.message ?? 'invalid');
  }
  const issuers = parsed.data.map((authority) => authority.issuer);
  if (new Set(issuers).size !== issuers.length) throw invalid('issuer', 'each issuer once');
  return parsed.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('(file)', 'valid JSON');
  }
}

function invalid(place: string, expected: string): StrongroomError {
  return new StrongroomError('ERR_CONFIG_INVALID', { setting: 'authorities', place, expected });
}

export function warningsOf(authorities: readonly TrustedAuthority[]): string[] {
  return authorities
    .filter((authority) => authority.platform === 'simulated')
    .map(({ issuer }) => `${issuer} attests a simulated platform, which protects nothing`);
}

/**
 * A token has to be of the kind that its authority was named for, in every claim that tells: one
 * that mixes the two is neither.
 * @throws ERR_ROOT_KIND
 */
export function demandPlatform(
  authority: TrustedAuthority,
  claims: Readonly<Record<string, unknown>>,
): void {
  const { issuer, platform } = authority;
  if (platformKindOf(claims) !== platform) {
    throw new StrongroomError('ERR_ROOT_KIND', { authority: issuer, expected: platform });
  }
}

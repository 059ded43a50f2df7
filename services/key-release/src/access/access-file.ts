import { AuthoritySchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CALLER_REQUESTS_BURST, CALLER_REQUESTS_PER_SECOND } from '@strongroom/protocol/limits';
import { z } from 'zod';
import { type CallerRule, RIGHTS, type Right, sha256 } from './access.ts';

/** The file of `--access`: who may call, beside the holders of the tokens of the token files. */

const text = z.string().min(1).max(1_024);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const IssuerSchema = z
  .strictObject({
    issuer: AuthoritySchema.shape.issuer,
    audience: text,
    keys: z.exactOptional(AuthoritySchema.shape.keys),
    jwks: z.exactOptional(z.url({ protocol: /^https$/ })),
  })
  .refine(({ keys, jwks }) => (keys === undefined) !== (jwks === undefined), 'either keys or jwks');

const CallerSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
    rights: z.array(z.enum(RIGHTS)).min(1).max(RIGHTS.length),
    tokenSha256: z.exactOptional(digest),
    oidc: z.exactOptional(
      z.strictObject({
        issuer: AuthoritySchema.shape.issuer,
        subject: text,
        claims: z.exactOptional(z.record(text, text)),
      }),
    ),
    certificate: z.exactOptional(
      z.union([
        z.strictObject({ spkiSha256: digest }),
        z.strictObject({ subject: z.record(text, text) }),
      ]),
    ),
  })
  .refine(
    ({ tokenSha256, oidc, certificate }) =>
      [tokenSha256, oidc, certificate].filter((each) => each !== undefined).length === 1,
    'one of tokenSha256, oidc and certificate',
  );

const AccessFileSchema = z
  .strictObject({
    issuers: z.array(IssuerSchema).max(8).default([]),
    /** PEM certificates; a certificate's subject counts only below one of these. */
    certificateAuthorities: z.exactOptional(z.string().min(1).max(65_536)),
    callers: z.array(CallerSchema).min(1).max(256),
    /** Of each caller: a bucket that holds `burst` requests and fills again at this rate. */
    rate: z
      .strictObject({
        requestsPerSecond: z.number().positive().max(1_000_000),
        burst: z.int().positive().max(1_000_000),
      })
      .default({
        requestsPerSecond: CALLER_REQUESTS_PER_SECOND,
        burst: CALLER_REQUESTS_BURST,
      }),
  })
  .refine(
    ({ callers }) => new Set(callers.map(({ name }) => name)).size === callers.length,
    'each name once',
  )
  .refine(
    ({ issuers, callers }) =>
      callers.every(({ oidc }) => !oidc || issuers.some(({ issuer }) => issuer === oidc.issuer)),
    'every issuer that a caller names',
  )
  .refine(
    ({ certificateAuthorities, callers }) =>
      certificateAuthorities !== undefined ||
      callers.every(({ certificate }) => !certificate || !('subject' in certificate)),
    'certificateAuthorities, since a caller is known by its subject',
  );
export type AccessFile = z.infer<typeof AccessFileSchema>;

/** What holds without a file: nobody but the holders of the tokens of the token files. */
export const NO_ACCESS_FILE: AccessFile = {
  issuers: [],
  callers: [],
  rate: { requestsPerSecond: CALLER_REQUESTS_PER_SECOND, burst: CALLER_REQUESTS_BURST },
};

/** @throws ERR_CONFIG_INVALID with the place */
export function parseAccessFile(json: string): AccessFile {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid('access', 'valid JSON', '(file)');
  }
  const parsed = AccessFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid('access', issue?.message ?? 'invalid', issue?.path.join('.') || '(file)');
}

/** 128 bits in base64url. */
const TOKEN_CHARACTERS_MIN = 22;

/**
 * One token a line, so that an old and a new one can be valid side by side.
 * @throws ERR_CONFIG_INVALID
 */
export function parseTokenFile(content: string, setting: string, right: Right): CallerRule[] {
  const lines = content.split('\n').map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '');
  const usable = tokens.every(
    (token) => token.length >= TOKEN_CHARACTERS_MIN && /^[\w.~+/=-]+$/.test(token),
  );
  if (tokens.length === 0 || !usable) {
    throw invalid(setting, `tokens of ${TOKEN_CHARACTERS_MIN} characters or more, one a line`);
  }
  return tokens.map((token, index) => ({
    name: `${setting}-${index + 1}`,
    rights: [right],
    tokenSha256: sha256(token),
  }));
}

function invalid(setting: string, expected: string, place?: string): StrongroomError {
  const facts = { setting, expected, ...(place === undefined ? {} : { place }) };
  return new StrongroomError('ERR_CONFIG_INVALID', facts);
}

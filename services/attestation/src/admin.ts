import { createHash, timingSafeEqual } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';

/** Who may change policies and keys: the holders of the tokens of one file. */
export interface Admin {
  /** @throws ERR_UNAUTHENTICATED; always when the service was started without a token file */
  demand(authorization: string | undefined): void;
}

/** 128 bits in base64url. */
const TOKEN_CHARACTERS_MIN = 22;

export function createAdmin(tokens: readonly string[]): Admin {
  const digests = tokens.map(digestOf);
  return {
    demand: (authorization) => {
      // RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1).
      const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new StrongroomError('ERR_UNAUTHENTICATED');
      const given = digestOf(token);
      // Every digest is compared, so that the time tells neither whether nor which one matched.
      const matching = digests.filter((digest) => timingSafeEqual(digest, given));
      if (matching.length === 0) throw new StrongroomError('ERR_UNAUTHENTICATED');
    },
  };
}

/** One token a line, so that an old and a new one can be valid side by side. */
export function parseAdminTokens(text: string): string[] {
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const usable = tokens.every(
    (token) => token.length >= TOKEN_CHARACTERS_MIN && /^[\w.~+/=-]+$/.test(token),
  );
  if (tokens.length > 0 && usable) return tokens;
  const expected = `tokens of ${TOKEN_CHARACTERS_MIN} characters or more, one a line`;
  throw new StrongroomError('ERR_CONFIG_INVALID', { setting: 'admin-token-file', expected });
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

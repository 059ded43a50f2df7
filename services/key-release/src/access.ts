import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { FastifyRequest } from 'fastify';

/**
 * Who may do what. Two rights, two sets of bearer tokens: a worker that may release can change
 * nothing, an administrator releases nothing. No right reads a private key.
 */
export type Right = 'release' | 'administer';

export interface AccessTokens {
  readonly release: readonly string[];
  readonly administer: readonly string[];
}

export interface Access {
  /** @throws ERR_UNAUTHENTICATED without a known token, ERR_RIGHT_MISSING without the right */
  demand(right: Right, authorization: string | undefined): void;
}

export function createAccess(tokens: AccessTokens): Access {
  const known = (['release', 'administer'] as const).flatMap((right) =>
    tokens[right].map((token) => ({ right, digest: digestOf(token) })),
  );
  return {
    demand: (right, authorization) => {
      // RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1).
      const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new StrongroomError('ERR_UNAUTHENTICATED');
      const digest = digestOf(token);
      // Every digest is compared, so that the time tells neither whether nor which one matched.
      const rights = known.filter((each) => timingSafeEqual(each.digest, digest));
      if (rights.length === 0) throw new StrongroomError('ERR_UNAUTHENTICATED');
      if (!rights.some((each) => each.right === right)) {
        throw new StrongroomError('ERR_RIGHT_MISSING', { right });
      }
    },
  };
}

/** What a route asks for before anything else happens. */
export interface Guard {
  readonly onRequest: (request: FastifyRequest) => Promise<void>;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** 128 bits in base64url. */
const TOKEN_CHARACTERS_MIN = 22;

/**
 * One token a line, so that an old and a new one can be valid side by side.
 * @throws ERR_CONFIG_INVALID
 */
export function parseTokenFile(text: string, setting: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '');
  const usable = tokens.every(
    (token) => token.length >= TOKEN_CHARACTERS_MIN && /^[\w.~+/=-]+$/.test(token),
  );
  if (tokens.length === 0 || !usable) {
    const expected = `tokens of ${TOKEN_CHARACTERS_MIN} characters or more, one a line`;
    throw new StrongroomError('ERR_CONFIG_INVALID', { setting, expected });
  }
  return tokens;
}

/**
 * The challenge that Azure's clients wait for before they send a body or a token. They accept a
 * resource whose host is a parent of the vault's host; a name without a parent answers with itself,
 * and its clients must turn that check off.
 */
export function challengeOf(baseUrl: string, owner: string): string {
  const { host, hostname, protocol } = new URL(baseUrl);
  const labels = hostname.split('.');
  const hasParent = labels.length > 2 && isIP(hostname.replace(/[[\]]/g, '')) === 0;
  const resource = hasParent ? labels.slice(1).join('.') : host;
  return `Bearer authorization="${baseUrl}/${owner}", resource="${protocol}//${resource}"`;
}

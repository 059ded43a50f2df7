import {
  constants,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  sign,
} from 'node:crypto';
import type { AuthorityKey, TokenAuthority, TokenOptions } from '@strongroom/attestation/token';
import { verifyToken } from '@strongroom/attestation/token';
import { StrongroomError } from '@strongroom/protocol/errors';
import { IssuerKeySchema } from '@strongroom/protocol/public-key';

/**
 * Tokens put together byte by byte on node:crypto alone: the library that verifies them has no part
 * in their making, and they may be as wrong as no library would make them.
 */

export const NOW_S = Date.parse('2026-03-01T00:00:00Z') / 1_000;
export const ISSUER = 'https://attest.example';
export const CLAIMS = { iss: ISSUER, iat: NOW_S, nbf: NOW_S, exp: NOW_S + 600, jti: 'a1' };

const rsaPair = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
const curvePair = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });

/** `rsa`, `p256` and `p384` are the authority's; the others are whoever's. */
export const KEYS = {
  rsa: rsaPair(2_048),
  p256: curvePair('P-256'),
  p384: curvePair('P-384'),
  otherRsa: rsaPair(2_048),
  shortRsa: rsaPair(1_024),
  otherP256: curvePair('P-256'),
  p521: curvePair('P-521'),
  k256: curvePair('secp256k1'),
  ed25519: generateKeyPairSync('ed25519'),
};
export type KeyName = keyof typeof KEYS;

export function publicJwk({ publicKey }: KeyPairKeyObjectResult): AuthorityKey {
  const { kty, n, e, crv, x, y } = publicKey.export({ format: 'jwk' });
  return IssuerKeySchema.parse(kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y });
}

export const AUTHORITY: TokenAuthority = {
  issuer: ISSUER,
  keys: [
    { ...publicJwk(KEYS.rsa), kid: 'rsa' },
    { ...publicJwk(KEYS.p256), kid: 'p256' },
    { ...publicJwk(KEYS.p384), kid: 'p384' },
  ],
};

const PSS = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
};
const P1363 = { dsaEncoding: 'ieee-p1363' } as const;

/** RFC 7518 §3.1, each as its name says, with whatever key is given. */
export const SIGNERS = {
  RS256: (data: Buffer, key: KeyObject) => sign('sha256', data, key),
  RS384: (data: Buffer, key: KeyObject) => sign('sha384', data, key),
  RS512: (data: Buffer, key: KeyObject) => sign('sha512', data, key),
  PS256: (data: Buffer, key: KeyObject) => sign('sha256', data, { key, ...PSS }),
  PS384: (data: Buffer, key: KeyObject) => sign('sha384', data, { key, ...PSS }),
  PS512: (data: Buffer, key: KeyObject) => sign('sha512', data, { key, ...PSS }),
  ES256: (data: Buffer, key: KeyObject) => sign('sha256', data, { key, ...P1363 }),
  ES384: (data: Buffer, key: KeyObject) => sign('sha384', data, { key, ...P1363 }),
  ES512: (data: Buffer, key: KeyObject) => sign('sha512', data, { key, ...P1363 }),
  DER: (data: Buffer, key: KeyObject) => sign('sha256', data, key),
  EdDSA: (data: Buffer, key: KeyObject) => sign(null, data, key),
};
export type SignerName = keyof typeof SIGNERS;

export const encode = (part: string | Uint8Array | object): string =>
  (part instanceof Uint8Array
    ? Buffer.from(part)
    : Buffer.from(typeof part === 'string' ? part : JSON.stringify(part))
  ).toString('base64url');

export interface Wish {
  /** A text or bytes stand as they are; an object as JSON, beside alg, kid and typ. */
  readonly header?: string | Uint8Array | object;
  readonly payload?: string | Uint8Array | object;
  readonly by?: KeyName;
  /** How it is really signed, whatever the header says. */
  readonly as?: SignerName;
  /** Another text of the signed part, before it is signed. */
  readonly spelled?: (signed: string) => string;
}

/** A token that is right in everything but what is wished for. */
export function craft(wish: Wish = {}): string {
  const { payload = CLAIMS, by = 'rsa', as = 'RS256', spelled = (text: string) => text } = wish;
  const given = wish.header ?? {};
  const whole =
    typeof given === 'string' || given instanceof Uint8Array
      ? given
      : { alg: as, kid: by, typ: 'JWT', ...given };
  const signed = spelled(`${encode(whole)}.${encode(payload)}`);
  const signature = SIGNERS[as](Buffer.from(signed), KEYS[by].privateKey);
  return `${signed}.${encode(signature)}`;
}

/** The claims with others in their place; `undefined` leaves one out. */
export const claims = (change: object) => craft({ payload: { ...CLAIMS, ...change } });

/** A token whose signature is a MAC under what everybody knows of the authority. */
export function macWith(secret: string | Uint8Array, alg: 'HS256' | 'HS384' | 'HS512'): string {
  const signed = `${encode({ alg, kid: 'rsa', typ: 'JWT' })}.${encode(CLAIMS)}`;
  const mac = createHmac(`sha${alg.slice(2)}`, secret)
    .update(signed)
    .digest();
  return `${signed}.${encode(mac)}`;
}

/** `accepted`, or the step that refused it. */
export async function checkOf(jwt: string, more: Partial<TokenOptions> = {}): Promise<string> {
  const clock = { now: () => NOW_S * 1_000 };
  try {
    await verifyToken(jwt, { authorities: [AUTHORITY], clock, ...more });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    const { check } = error.facts;
    return error.code === 'ERR_TOKEN_INVALID' ? String(check) : `${error.code} ${check}`;
  }
}

/** A token and the step that must refuse it. */
export type TokenCase = readonly [name: string, jwt: () => string, check: string];

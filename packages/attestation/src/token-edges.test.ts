import { StrongroomError } from '@strongroom/protocol/errors';
import { TOKEN_AGE_SECONDS_MAX, TOKEN_BYTES_MAX } from '@strongroom/protocol/limits';
import { type IssuerKey, IssuerKeySchema } from '@strongroom/protocol/public-key';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { claimedSigner, type TokenAuthority, type TokenOptions, verifyToken } from './token.ts';

/** The last value that passes and the first that does not, of each limit of a token. */

const NOW_S = Date.parse('2026-03-01T00:00:00Z') / 1_000;
const ISSUER = 'https://attest.example';
const CLAIMS = { iss: ISSUER, iat: NOW_S, nbf: NOW_S, exp: NOW_S + 600, jti: 'a1' };

let privateKey: CryptoKey;
let publicKey: IssuerKey;
let p256: { privateKey: CryptoKey; publicKey: IssuerKey };

beforeAll(async () => {
  const made = await generateKeyPair('RS256', { modulusLength: 2_048 });
  const { kty, n, e } = await exportJWK(made.publicKey);
  privateKey = made.privateKey;
  publicKey = IssuerKeySchema.parse({ kty, n, e });
  const curve = await generateKeyPair('ES256');
  const { crv, x, y } = await exportJWK(curve.publicKey);
  p256 = {
    privateKey: curve.privateKey,
    publicKey: IssuerKeySchema.parse({ kty: 'EC', crv, x, y }),
  };
});

const sign = (claims: object, header: object = {}) =>
  new SignJWT(Object.fromEntries(Object.entries(claims)))
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header })
    .sign(privateKey);

async function checkOf(
  jwt: string,
  authority: Partial<TokenAuthority> = {},
  more: Partial<TokenOptions> = {},
): Promise<unknown> {
  const authorities = [{ issuer: ISSUER, keys: [publicKey], ...authority }];
  try {
    await verifyToken(jwt, { authorities, clock: { now: () => NOW_S * 1_000 }, ...more });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return error.facts['check'];
  }
}

describe('the edge of', () => {
  test('the size of a token', async () => {
    // A letter more of a claim makes one or two letters more of base64url: padded from both ends.
    const exactly = async (length: number) => {
      for (let kid = 1; kid < 9; kid += 1) {
        const bare = await sign({ ...CLAIMS, pad: '' }, { kid: 'k'.repeat(kid) });
        const room = Math.floor(((length - bare.length) * 3) / 4);
        for (const pad of [room - 1, room, room + 1]) {
          const made = await sign({ ...CLAIMS, pad: 'p'.repeat(pad) }, { kid: 'k'.repeat(kid) });
          if (made.length === length) return made;
        }
      }
      throw new RangeError(`no token of ${length} characters`);
    };
    const [largest, larger] = [await exactly(TOKEN_BYTES_MAX), await exactly(TOKEN_BYTES_MAX + 1)];
    expect([await checkOf(largest), await checkOf(larger)]).toEqual(['accepted', 'size']);
    expect(claimedSigner(largest).issuer).toBe(ISSUER);
    expect(() => claimedSigner(larger)).toThrow(
      expect.objectContaining({ facts: { check: 'size' } }),
    );
  });

  test('the length of an id', async () => {
    const of = async (jti: string) => checkOf(await sign({ ...CLAIMS, jti }));
    expect(await of('')).toBe('claims');
    expect(await of('j')).toBe('accepted');
    expect(await of('j'.repeat(256))).toBe('accepted');
    expect(await of('j'.repeat(257))).toBe('claims');
  });

  test('the age of a token, also where an authority has a lower one', async () => {
    const of = async (age: number, maximumAgeSeconds?: number) => {
      const claims = { ...CLAIMS, iat: NOW_S - age, nbf: NOW_S - age };
      const own = maximumAgeSeconds === undefined ? {} : { maximumAgeSeconds };
      return checkOf(await sign(claims), own);
    };
    expect(await of(TOKEN_AGE_SECONDS_MAX + 30)).toBe('accepted');
    expect(await of(TOKEN_AGE_SECONDS_MAX + 31)).toBe('age');
    expect(await of(90, 60)).toBe('accepted');
    expect(await of(91, 60)).toBe('age');
    expect(await of(TOKEN_AGE_SECONDS_MAX + 31, 10 * TOKEN_AGE_SECONDS_MAX)).toBe('age');
  });

  test('the times of a token', async () => {
    const of = async (change: object) => checkOf(await sign({ ...CLAIMS, ...change }));
    const earlier = { iat: NOW_S - 600, nbf: NOW_S - 600 };
    expect(await of({ ...earlier, exp: NOW_S - 29 })).toBe('accepted');
    expect(await of({ ...earlier, exp: NOW_S - 30 })).toBe('expired');
    expect(await of({ nbf: NOW_S + 30 })).toBe('accepted');
    expect(await of({ nbf: NOW_S + 31 })).toBe('not-before');
    expect(await of({ iat: NOW_S + 30 })).toBe('accepted');
    expect(await of({ iat: NOW_S + 31 })).toBe('issued-at');
    expect(await of({ ...earlier, exp: NOW_S - 600 })).toBe('times');
    expect(await of({ nbf: 0 })).toBe('accepted');
    expect(await of({ nbf: -1 })).toBe('claims');
    expect(await of({ nbf: 0.5 })).toBe('claims');
    expect(await of({ iat: NOW_S - 5, nbf: NOW_S, exp: NOW_S })).toBe('times');
    expect(await of({ iat: NOW_S, nbf: NOW_S - 5, exp: NOW_S })).toBe('times');
  });
});

describe('a key', () => {
  test('with an id is used for a token that names it, and for no other', async () => {
    const keys = [{ ...publicKey, kid: 'a' }];
    expect(await checkOf(await sign(CLAIMS, { kid: 'a' }), { keys })).toBe('accepted');
    expect(await checkOf(await sign(CLAIMS, { kid: 'b' }), { keys })).toBe('key-id');
    expect(await checkOf(await sign(CLAIMS), { keys })).toBe('key-id');
    expect(await checkOf(await sign(CLAIMS, { kid: 'b' }))).toBe('accepted');
  });

  test('is used with the algorithms of its authority alone', async () => {
    const jwt = await sign(CLAIMS);
    expect(await checkOf(jwt, { algorithms: ['RS256'] })).toBe('accepted');
    expect(await checkOf(jwt, { algorithms: ['PS256'] })).toBe('algorithm');
    expect(await checkOf(jwt, { algorithms: ['ES256'] })).toBe('algorithm');
    const keys = [p256.publicKey];
    const ec = await new SignJWT({ ...CLAIMS })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(p256.privateKey);
    expect(await checkOf(ec, { keys, algorithms: ['ES256'] })).toBe('accepted');
    expect(await checkOf(ec, { keys, algorithms: ['RS256', 'ES384'] })).toBe('algorithm');
  });
});

test('JSON that is none, or says a member twice, is refused by what it is', async () => {
  const raw = (header: string) =>
    [header, '{}'].map((each) => Buffer.from(each).toString('base64url'));
  expect(await checkOf(`${raw('{').join('.')}.AAAA`)).toBe('json');
  // A mark of the byte order before the text is no part of JSON (RFC 8259 §8.1).
  expect(await checkOf(`${raw('\ufeff{"alg":"RS256"}').join('.')}.AAAA`)).toBe('json');
  const noText = Buffer.from('{"alg":"RS256","kid":"\xff"}', 'latin1').toString('base64url');
  expect(await checkOf(`${noText}.${raw('{')[1]}.AAAA`)).toBe('json');
  expect(await checkOf(`${raw('{"alg":"RS256","alg":"RS256"}').join('.')}.AAAA`)).toBe(
    'repeated-member',
  );
});

import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { type IssuerKey, IssuerKeySchema } from '@strongroom/protocol/public-key';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { reportDataOf } from './binding.ts';
import { runtimeClaimsOf, verifyToken } from './token.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z');
const IAT = NOW / 1_000;
const clock = { now: () => NOW };
const ISSUER = 'https://attest.example';

interface Pair {
  privateKey: CryptoKey;
  jwk: IssuerKey;
}
let rsa: Pair;
let other: Pair;
let p256: Pair;

beforeAll(async () => {
  [rsa, other, p256] = await Promise.all([pair('RS256'), pair('RS256'), pair('ES256')]);
}, 60_000);

async function pair(alg: string): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { modulusLength: 2048 });
  const { kty, n, e, crv, x, y } = await exportJWK(publicKey);
  const jwk = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y };
  return { privateKey, jwk: IssuerKeySchema.parse(jwk) };
}

const CLAIMS = { iss: ISSUER, iat: IAT, nbf: IAT, exp: IAT + 600, jti: 'a1' };

function token(claims: object = CLAIMS, header: object = {}, by = rsa, alg = 'RS256') {
  const payload = Object.fromEntries(Object.entries(claims));
  return new SignJWT(payload)
    .setProtectedHeader({ alg, typ: 'JWT', ...header })
    .sign(by.privateKey);
}

async function checkOf(jwt: string | Promise<string>, more: object = {}): Promise<unknown> {
  const authorities = [{ issuer: ISSUER, keys: [rsa.jwk, p256.jwk] }];
  try {
    await verifyToken(await jwt, { authorities, clock, ...more });
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_TOKEN_INVALID');
    return error instanceof StrongroomError ? error.facts['check'] : undefined;
  }
  return 'accepted';
}

const parts = (header: object, payload: object = CLAIMS) =>
  [header, payload]
    .map((each) => Buffer.from(JSON.stringify(each)).toString('base64url'))
    .join('.');

describe('token', () => {
  test('is accepted with each algorithm, by the key that has it', async () => {
    expect(await checkOf(token())).toBe('accepted');
    expect(await checkOf(token(CLAIMS, {}, p256, 'ES256'))).toBe('accepted');
  });

  test('is refused when signed by a key that its own header brings', async () => {
    const header = { jwk: other.jwk, jku: 'https://evil.example/certs', kid: 'x', x5c: ['AA=='] };
    expect(await checkOf(token(CLAIMS, header, other))).toBe('signature');
    expect(await checkOf(token(CLAIMS, header))).toBe('accepted');
  });

  test.each([
    ['none', 'none'],
    ['of a MAC', 'HS256'],
    ['of another hash', 'RS384'],
    ['of another padding', 'PS256'],
    ['of another curve', 'ES384'],
    ['in other letters', 'rs256'],
  ])('is refused with an algorithm that is %s', async (_name, alg) => {
    expect(await checkOf(`${parts({ alg, typ: 'JWT' })}.AAAA`)).toBe('algorithm');
  });

  test.each([
    ['not before', { nbf: IAT + 31 }, 'not-before'],
    ['issued in the future', { iat: IAT + 31, exp: IAT + 700 }, 'issued-at'],
    ['expired', { iat: IAT - 700, nbf: IAT - 700, exp: IAT - 30 }, 'expired'],
    ['too old', { iat: IAT - 8 * 3_600 - 31, nbf: IAT - 60 }, 'age'],
    ['ending before it begins', { exp: IAT }, 'times'],
    ['of another issuer', { iss: 'https://evil.example' }, 'issuer'],
    ['of an issuer with a slash more', { iss: `${ISSUER}/` }, 'issuer'],
    ['of two issuers', { iss: [ISSUER] }, 'issuer'],
    ['with a text as a time', { exp: `${IAT + 600}` }, 'claims'],
    ['with a fraction as a time', { exp: IAT + 600.5 }, 'claims'],
  ])('is refused when %s', async (_name, change, check) => {
    expect(await checkOf(token({ ...CLAIMS, ...change }))).toBe(check);
  });

  test.each(['iss', 'iat', 'nbf', 'exp', 'jti'])('is refused without %s', async (name) => {
    const claims = Object.fromEntries(Object.entries(CLAIMS).filter(([each]) => each !== name));
    expect(await checkOf(token(claims))).toBe(name === 'iss' ? 'issuer' : 'claims');
  });

  test('tolerates a clock that is 30 seconds off', async () => {
    const late = { ...CLAIMS, iat: IAT - 629, nbf: IAT - 629, exp: IAT - 29 };
    expect(await checkOf(token(late))).toBe('accepted');
    const early = { ...CLAIMS, iat: IAT + 30, nbf: IAT + 30, exp: IAT + 630 };
    expect(await checkOf(token(early))).toBe('accepted');
  });

  test('that is old still proves what was true, when a caller asks for that', async () => {
    const old = { ...CLAIMS, iat: IAT - 1e6, nbf: IAT - 1e6, exp: IAT - 1e6 + 600 };
    expect(await checkOf(token(old))).toBe('expired');
    expect(await checkOf(token(old), { expired: 'accepted' })).toBe('accepted');
    const future = { ...CLAIMS, iat: IAT + 31, nbf: IAT };
    expect(await checkOf(token(future), { expired: 'accepted' })).toBe('issued-at');
  });

  test('is refused in any form but the compact one', async () => {
    const jwt = await token();
    const [header, payload, signature] = jwt.split('.');
    const flattened = JSON.stringify({ protected: header, payload, signature });
    for (const form of [flattened, `${jwt}.`, `${jwt}.AAAA`, ` ${jwt}`, `${header}.${payload}.`]) {
      expect(await checkOf(form)).toBe('form');
    }
    expect(await checkOf(`${jwt}${'A'.repeat(70_000)}`)).toBe('size');
  });

  test('is refused with critical headers and other types', async () => {
    expect(await checkOf(`${parts({ alg: 'RS256', crit: ['exp'] })}.AAAA`)).toBe('critical-header');
    expect(await checkOf(`${parts({ alg: 'RS256', b64: false })}.AAAA`)).toBe('critical-header');
    expect(await checkOf(token(CLAIMS, { typ: 'strongroom-batch+jws' }))).toBe('header');
  });

  test('is refused when one letter of it changes', async () => {
    const jwt = await token();
    for (const at of [5, jwt.indexOf('.') + 9, jwt.lastIndexOf('.') + 9]) {
      const changed = `${jwt.slice(0, at)}${jwt[at] === 'A' ? 'B' : 'A'}${jwt.slice(at + 1)}`;
      expect(await checkOf(changed)).not.toBe('accepted');
    }
  });

  test('is verified although another key of its authority is too weak to be used', async () => {
    const weak = {
      kty: 'RSA' as const,
      n: Buffer.alloc(128, 0xff).toString('base64url'),
      e: 'AQAB',
    };
    const authorities = [{ issuer: ISSUER, keys: [weak, rsa.jwk] }];
    expect(await checkOf(token(), { authorities })).toBe('accepted');
  });

  test('of Azure may hold its claims with padding in the signature input refused', async () => {
    const jwt = await token();
    const [header = '', payload = '', signature = ''] = jwt.split('.');
    expect(await checkOf(`${header}=.${payload}.${signature}`)).toBe('form');
  });
});

describe('runtime claims of a token', () => {
  const RUNTIME = {
    contract: 'ab'.repeat(32),
    keys: [
      { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'transport', key_ops: ['encrypt'] },
      { kty: 'OKP', crv: 'Ed25519', x: 'AQAB', kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: Buffer.alloc(32).toString('base64url'),
    purpose: 'strongroom/worker/v1',
  };
  const reportData = Buffer.from(reportDataOf(canonicalBytes(RUNTIME))).toString('hex');
  const claims = { ...CLAIMS, 'x-ms-runtime': RUNTIME, 'x-ms-sevsnpvm-reportdata': reportData };

  const codeFor = (change: object) => {
    try {
      runtimeClaimsOf({ ...claims, ...change });
    } catch (error) {
      return codeOf(error);
    }
    return undefined;
  };

  test('are given when the report binds them, in whatever order they came', () => {
    expect(runtimeClaimsOf(claims)).toEqual(RUNTIME);
    const reversed = Object.fromEntries(Object.entries(RUNTIME).reverse());
    expect(codeFor({ 'x-ms-runtime': reversed })).toBeUndefined();
  });

  test.each([
    ['are not there', { 'x-ms-runtime': undefined }, 'ERR_TOKEN_INVALID'],
    ['are those of something else', { 'x-ms-runtime': { keys: [] } }, 'ERR_TOKEN_INVALID'],
    [
      'are those of an answer to a challenge',
      {
        'x-ms-runtime': {
          ...RUNTIME,
          keys: [RUNTIME.keys[1]],
          purpose: 'strongroom/evidence/v1',
        },
      },
      'ERR_TOKEN_INVALID',
    ],
    [
      'hold a member more',
      { 'x-ms-runtime': { ...RUNTIME, 'client-payload': {} } },
      'ERR_TOKEN_INVALID',
    ],
    [
      'were exchanged',
      { 'x-ms-runtime': { ...RUNTIME, contract: 'cd'.repeat(32) } },
      'ERR_REPORT_DATA_MISMATCH',
    ],
    ['have no report', { 'x-ms-sevsnpvm-reportdata': undefined }, 'ERR_REPORT_DATA_MISMATCH'],
    [
      'are bound together with something else',
      { 'x-ms-sevsnpvm-reportdata': `${reportData.slice(0, 64)}${'11'.repeat(32)}` },
      'ERR_REPORT_DATA_MISMATCH',
    ],
  ])('are refused when they %s', (_name, change, code) => {
    expect(codeFor(change)).toBe(code);
  });
});

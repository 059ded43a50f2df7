import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { parseKeySet } from '@strongroom/attestation/jwks';
import { type AuthorityKey, verifyToken } from '@strongroom/attestation/token';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hasFixtures, textOf } from './attestation-fixtures.ts';
import { compactOf, payloadOf } from './recorded-tokens.ts';

/** Key sets as Azure Attestation published them, and every entry that must not become a key. */

const SETS = {
  weu: 'maa-tokens/sharedweu-2023.jwks.json',
  eus: 'maa-tokens/sharedeus-2023.jwks.json',
  example: 'azure-samples-maa/get.certs.response.body.json',
};
const SGX_TOKEN = 'maa-tokens/sharedeus-sgx-2023.jws.json';
const VM_TOKEN = 'maa-tokens/sharedweu-azurevm-sevsnpvm-2023.jws.json';

/** At a minute after it was issued. */
async function checkOf(path: string, keys: readonly AuthorityKey[]): Promise<unknown> {
  const jwt = compactOf(path);
  const { iss, iat } = z.looseObject({ iss: z.string(), iat: z.int() }).parse(payloadOf(jwt));
  const clock = { now: () => (iat + 60) * 1_000 };
  try {
    await verifyToken(jwt, { authorities: [{ issuer: iss, keys }], clock });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return error.facts['check'];
  }
}

describe.runIf(hasFixtures)('a recorded key set', () => {
  test.each([
    [SETS.weu, ['dRKh+hBcWUfQimSl3Iv6ZhStW3TSOt0ThwiTgUUqZAo='], []],
    [
      SETS.eus,
      ['rFl9xM+g7TvX63y0iseZtIn20MD5SYAnGblKFasau8I=', 'dSsaF5uUxZO_LRycmQ4KJu3ctMc'],
      ['lH/VQ9TL53cXpeFt3Vf9tiOv+rkWwV+5PbiNzgWcySQ='],
    ],
    [
      SETS.example,
      [
        'ZQzLfoNwhBNCu9r8Fucjn6H4Cdw',
        'uE9RP97P4k_IaNCi2p_N6ZWZp0s',
        'wcGHi-SJDOR0XXghydRma0GQQXs',
        'm6-lSqJc6zdzfpwYs_1EHdf-1Gg',
      ],
      ['KQFAHrk1xALKHBD4b4u7TCvCJ1Mw0MlYZe+rxdePOtg='],
    ],
  ])('%s: its keys, but none of 1024 bits', (path, read, tooShort) => {
    const { keys, skipped } = parseKeySet(textOf(path));
    expect(keys.map(({ kid }) => kid)).toEqual(read);
    expect(skipped).toEqual(tooShort.map((kid) => ({ kid, reason: 'rsa-modulus' })));
    // 2048 bits without a leading zero are 342 letters of base64url.
    expect(keys.map((each) => each.kty === 'RSA' && each.n.length)).toEqual(read.map(() => 342));
  });

  test('44: a certificate that holds those of others as text gives its own key', async () => {
    const { keys } = parseKeySet(textOf(SETS.eus));
    const [first] = keys;
    if (first?.kty !== 'RSA') throw new TypeError('the first key is of RSA');
    expect(await checkOf(SGX_TOKEN, keys)).toBe('accepted');
    expect(await checkOf(SGX_TOKEN, [first])).toBe('accepted');
    // What Node reads from the same bytes is a key of Intel's, on a curve.
    const [entry] = z
      .looseObject({ keys: z.array(z.looseObject({ x5c: z.tuple([z.string()]) })).min(1) })
      .parse({ keys: [JSON.parse(textOf(SETS.eus)).keys[0]] }).keys;
    const naive = new X509Certificate(Buffer.from(entry?.x5c[0] ?? '', 'base64')).publicKey;
    expect(naive.asymmetricKeyType).toBe('ec');
  });

  test('an entry with members and a certificate has one key in both', () => {
    const { keys } = parseKeySet(textOf(SETS.eus));
    const [, entry] = z
      .looseObject({ keys: z.array(z.looseObject({ kid: z.string() })) })
      .parse(JSON.parse(textOf(SETS.eus))).keys;
    const [first, second] = keys.map((each) => (each.kty === 'RSA' ? each.n : ''));
    const answer = (members: object) => {
      const set = parseKeySet(JSON.stringify({ keys: [{ ...entry, ...members }] }));
      return set.skipped[0]?.reason ?? set.keys[0]?.kid;
    };
    expect(answer({ n: second, e: 'AQAB' })).toBe(entry?.kid);
    expect(answer({ n: first, e: 'AQAB' })).toBe('two-keys');
    expect(answer({ n: second, e: 'AQ' })).toBe('two-keys');
    expect(answer({ n: '!', e: 'AQAB' })).toBe('no-key');
    expect(answer({ n: second })).toBe('no-key');
    expect(answer({ kty: 'EC' })).toBe('kind');
    expect(answer({ e: 'AQAB' })).toBe('no-key');
    expect(answer({ crv: 'P-256' })).toBe('no-key');
  });

  test("42: verifies its own tokens, and no other service's", async () => {
    const [weu, eus] = [parseKeySet(textOf(SETS.weu)).keys, parseKeySet(textOf(SETS.eus)).keys];
    expect(await checkOf(VM_TOKEN, weu)).toBe('accepted');
    expect(await checkOf(VM_TOKEN, eus)).toBe('key-id');
    expect(await checkOf(SGX_TOKEN, weu)).toBe('key-id');
    const nameless = eus.map(({ kid: _, ...rest }) => rest);
    expect(await checkOf(VM_TOKEN, nameless)).toBe('signature');
  });
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const short = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const odd = generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent: 3 });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const ed25519 = generateKeyPairSync('ed25519');

const GOOD = { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k' };
const EC = { ...p384.publicKey.export({ format: 'jwk' }), kid: 'k' };
const PRIVATE = rsa.privateKey.export({ format: 'jwk' });
const only = (...names: (keyof typeof PRIVATE)[]) =>
  Object.fromEntries(names.map((name) => [name, PRIVATE[name]]));

const SKIPPED: [name: string, entry: unknown, reason: string][] = [
  ['encrypts', { ...GOOD, use: 'enc' }, 'shape'],
  ['is for something unheard of', { ...GOOD, use: 'Sig' }, 'shape'],
  ['may only encrypt', { ...GOOD, key_ops: ['encrypt'] }, 'shape'],
  ['may only sign', { ...GOOD, key_ops: ['sign'] }, 'shape'],
  ['may do nothing', { ...GOOD, key_ops: [] }, 'shape'],
  ['says its use as a text', { ...GOOD, key_ops: 'verify' }, 'shape'],
  ['is for RS512', { ...GOOD, alg: 'RS512' }, 'shape'],
  ['is for a MAC', { ...GOOD, alg: 'HS256' }, 'shape'],
  ['is for nothing', { ...GOOD, alg: 'none' }, 'shape'],
  ['is of RSA for ECDSA', { ...GOOD, alg: 'ES256' }, 'algorithm'],
  ['is of P-384 for P-256', { ...EC, alg: 'ES256' }, 'algorithm'],
  ['is of P-384 for RSA', { ...EC, alg: 'RS256' }, 'algorithm'],
  ['is symmetric', { kty: 'oct', k: 'AAAA', kid: 'k' }, 'shape'],
  ['is symmetric under the name of RSA', { ...GOOD, k: 'AAAA' }, 'private'],
  ['is on an Edwards curve', ed25519.publicKey.export({ format: 'jwk' }), 'shape'],
  ['is on P-521', p521.publicKey.export({ format: 'jwk' }), 'no-key'],
  ['is private', { ...PRIVATE, kid: 'k' }, 'private'],
  ['brings its private exponent', { ...GOOD, ...only('d') }, 'private'],
  ['brings a prime', { ...GOOD, ...only('p') }, 'private'],
  ['brings the other prime', { ...GOOD, ...only('q') }, 'private'],
  ['brings what follows from primes', { ...GOOD, ...only('dp', 'dq', 'qi') }, 'private'],
  ['brings further primes', { ...GOOD, oth: [] }, 'private'],
  ['is private on a curve', p384.privateKey.export({ format: 'jwk' }), 'private'],
  ['has 1024 bits', short.publicKey.export({ format: 'jwk' }), 'rsa-modulus'],
  ['has the exponent 3', odd.publicKey.export({ format: 'jwk' }), 'rsa-exponent'],
  ['has the exponent 1', { ...GOOD, e: 'AQ' }, 'rsa-exponent'],
  ['has an exponent with zeros before it', { ...GOOD, e: 'AAEAAQ' }, 'rsa-exponent'],
  ['has a modulus with padding', { ...GOOD, n: `${GOOD.n}==` }, 'no-key'],
  ['has a modulus in base64', { ...GOOD, n: `+/${GOOD.n?.slice(2)}` }, 'no-key'],
  ['has no modulus', { kty: 'RSA', e: 'AQAB' }, 'no-key'],
  ['has a modulus that is a number', { ...GOOD, n: 65_537 }, 'no-key'],
  ['is a point beside the curve', { ...EC, y: EC.x }, 'not-on-curve'],
  ['has a coordinate too short', { ...EC, x: EC.x?.slice(0, -4) }, 'not-on-curve'],
  ['is of RSA with the members of a curve', { ...EC, kty: 'RSA' }, 'no-key'],
  ['has another letter case', { ...GOOD, kty: 'rsa' }, 'shape'],
  ['has a number as its name', { ...GOOD, kid: 7 }, 'shape'],
  ['has an empty name', { ...GOOD, kid: '' }, 'shape'],
  ['has no certificate in its list of them', { ...GOOD, x5c: [] }, 'shape'],
  ['has nine certificates', { kty: 'RSA', x5c: Array(9).fill('AAAA') }, 'shape'],
  ['has eight certificates that are none', { kty: 'RSA', x5c: Array(8).fill('AAAA') }, 'no-key'],
  ['has a certificate that is none', { kty: 'RSA', x5c: ['AAAA'] }, 'no-key'],
  ['has a certificate in base64url', { kty: 'RSA', x5c: ['__-_'] }, 'no-key'],
  ['has another key in its certificate', { ...GOOD, x5c: ['AAAA'] }, 'two-keys'],
  ['is a text', 'RSA', 'shape'],
  ['is nothing', null, 'shape'],
];

/** No key of anybody: a modulus of so many bytes that begins with these. */
const modulus = (bytes: number, ...first: number[]) => {
  const number = Buffer.alloc(bytes, 0xff);
  number.set(first);
  return { ...GOOD, n: number.toString('base64url') };
};
const MODULI: [name: string, entry: typeof GOOD, reason: string | undefined][] = [
  ['of 2047 bits', modulus(256, 0x7f), 'rsa-modulus'],
  ['of 2048 bits', modulus(256, 0x80), undefined],
  ['of 8192 bits', modulus(1_024), undefined],
  ['of 8193 bits', modulus(1_025, 1), 'rsa-modulus'],
  ['with a zero before it', modulus(257, 0), 'shape'],
  ['of 8 bits and 256 zeros before them', modulus(257, ...new Uint8Array(256)), 'shape'],
  ['of nothing but zeros', modulus(256, ...new Uint8Array(256)), 'shape'],
  ['with another last letter', { ...GOOD, n: `${modulus(256).n.slice(0, -1)}x` }, 'shape'],
  ['of one letter', { ...GOOD, n: 'A' }, 'shape'],
];

test.each(MODULI)('a modulus %s', (_name, entry, reason) => {
  const { keys, skipped } = parseKeySet(JSON.stringify({ keys: [entry] }));
  expect(skipped.map((each) => each.reason)).toEqual(reason === undefined ? [] : [reason]);
  expect(keys).toHaveLength(reason === undefined ? 1 : 0);
});

test('a name is read up to 256 letters, and 64 of it are told', () => {
  const set = (letters: number) =>
    parseKeySet(JSON.stringify({ keys: [{ ...GOOD, kid: 'k'.repeat(letters) }] }));
  expect(set(256).keys).toHaveLength(1);
  expect(set(257).skipped).toEqual([{ kid: 'k'.repeat(64), reason: 'shape' }]);
});

describe('an entry of a key set', () => {
  test.each(SKIPPED)('that %s is left out, and the next one is not', (_name, entry, reason) => {
    const { keys, skipped } = parseKeySet(JSON.stringify({ keys: [entry, GOOD] }));
    expect(skipped.map((each) => each.reason)).toEqual([reason]);
    expect(keys).toEqual([{ kty: 'RSA', n: GOOD.n, e: 'AQAB', kid: 'k' }]);
  });

  test.each([
    ['is for signatures', { use: 'sig' }],
    ['may verify', { key_ops: ['verify'] }],
    ['may verify and sign', { key_ops: ['sign', 'verify'] }],
    ['names who is to know it', { x5t: 'AAAA', 'x5t#S256': 'AAAA', x5u: 'https://evil.example' }],
  ])('that %s is read', (_name, more) => {
    const { keys } = parseKeySet(JSON.stringify({ keys: [{ ...GOOD, ...more }] }));
    expect(keys).toEqual([{ kty: 'RSA', n: GOOD.n, e: 'AQAB', kid: 'k' }]);
  });

  test('is one of 64 at most', () => {
    expect(parseKeySet(JSON.stringify({ keys: Array(64).fill(GOOD) })).keys).toHaveLength(64);
  });

  test('that has the name of another one stays beside it', () => {
    const { keys } = parseKeySet(JSON.stringify({ keys: [GOOD, EC, { ...GOOD, alg: 'PS256' }] }));
    expect(keys.map(({ kty, kid, alg }) => [kty, kid, alg])).toEqual([
      ['RSA', 'k', undefined],
      ['EC', 'k', undefined],
      ['RSA', 'k', 'PS256'],
    ]);
  });
});

test.each([
  ['no JSON', '{"keys":'],
  ['a list', '[]'],
  ['without keys', '{}'],
  ['with keys that are no list', '{"keys":{"0":{}}}'],
  ['with keys twice', '{"keys":[],"keys":[]}'],
  ['with a key whose name stands twice', '{"keys":[{"kid":"a","\\u006bid":"b"}]}'],
  ['behind a mark of the byte order', '\ufeff{"keys":[]}'],
  ['with 65 keys', JSON.stringify({ keys: Array(65).fill(GOOD) })],
])('a key set that is %s is refused as a whole', (_name, text) => {
  let code: unknown;
  try {
    parseKeySet(text);
  } catch (error) {
    code = codeOf(error);
  }
  expect(code).toBe('ERR_TOKEN_INVALID');
});

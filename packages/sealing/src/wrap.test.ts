import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { codeOf } from '@strongroom/protocol/errors';
import { RsaKeySchema } from '@strongroom/protocol/public-key';
import { describe, expect, test } from 'vitest';
import {
  RELEASE_ALGORITHMS,
  unwrapAtRest,
  unwrapPadded,
  unwrapReleased,
  wrapAtRest,
  wrapForRelease,
  wrapPadded,
} from './wrap.ts';

const recipient = generateKeyPairSync('rsa', { modulusLength: 3072 });
const publicKey = RsaKeySchema.parse(recipient.publicKey.export({ format: 'jwk' }));

function codeFrom(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return 'no error';
}

describe('AES key wrap with padding', () => {
  // RFC 5649 §6.
  const key = Buffer.from('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8', 'hex');
  test.each([
    [
      'c37b7e6492584340bed12207808941155068f738',
      '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a',
    ],
    ['466f7250617369', 'afbeb0f07dfbf5419200f2ccb50bb24f'],
  ])('matches the published vector %s', (target, wrapped) => {
    expect(Buffer.from(wrapPadded(key, Buffer.from(target, 'hex'))).toString('hex')).toBe(wrapped);
    const back = unwrapPadded(key, Buffer.from(wrapped, 'hex'));
    expect(Buffer.from(back).toString('hex')).toBe(target);
  });
});

describe('release', () => {
  test.each(RELEASE_ALGORITHMS)('%s brings a key to its recipient and to nobody else', (name) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const target = privateKey.export({ format: 'der', type: 'pkcs8' });
    const wrapped = wrapForRelease(target, publicKey, name);
    expect(wrapped.length).toBe(384 + Math.ceil(target.length / 8) * 8 + 8);
    const back = unwrapReleased(wrapped, recipient.privateKey, name);
    expect(Buffer.from(back).equals(target)).toBe(true);
    expect(codeFrom(() => unwrapReleased(wrapped, privateKey, name))).toBe('ERR_RELEASE_INVALID');
    for (const other of RELEASE_ALGORITHMS.filter((each) => each !== name)) {
      const opened = codeFrom(() => unwrapReleased(wrapped, recipient.privateKey, other));
      expect(opened).toBe('ERR_RELEASE_INVALID');
    }
  });

  test('every length but the right one, and every flipped bit, is refused', () => {
    const target = randomBytes(32);
    const wrapped = Buffer.from(wrapForRelease(target, publicKey, 'RSA_AES_KEY_WRAP_256'));
    const open = (bytes: Uint8Array) =>
      codeFrom(() => unwrapReleased(bytes, recipient.privateKey, 'RSA_AES_KEY_WRAP_256'));
    for (const bytes of [0, 1, 383, 384, 385, 392, 400, wrapped.length - 1]) {
      expect([bytes, open(wrapped.subarray(0, bytes))]).toEqual([bytes, 'ERR_RELEASE_INVALID']);
    }
    expect(open(Buffer.concat([wrapped, Buffer.alloc(1)]))).toBe('ERR_RELEASE_INVALID');
    expect(open(Buffer.concat([wrapped, Buffer.alloc(8)]))).toBe('ERR_RELEASE_INVALID');
    for (let bit = 384 * 8 - 8; bit < wrapped.length * 8; bit += 1) {
      const flipped = Buffer.from(wrapped);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect([bit, open(flipped)]).toEqual([bit, 'ERR_RELEASE_INVALID']);
    }
  });

  test('refuses a recipient that is short or has another exponent', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const { n } = RsaKeySchema.parse(short.export({ format: 'jwk' }));
    const target = randomBytes(32);
    for (const key of [
      { kty: 'RSA' as const, n, e: 'AQAB' },
      { ...publicKey, e: 'Aw' },
      { ...publicKey, n: `AA${publicKey.n}` },
    ]) {
      const code = codeFrom(() => wrapForRelease(target, key, 'RSA_AES_KEY_WRAP_256'));
      expect(code).toBe('ERR_EVIDENCE_MALFORMED');
    }
  });
});

describe('at rest', () => {
  const masterKey = randomBytes(32);

  test('opens with its master key and context alone', () => {
    const wrapped = Buffer.from(wrapAtRest(masterKey, Buffer.from('key bytes'), 'row 1'));
    expect(Buffer.from(unwrapAtRest(masterKey, wrapped, 'row 1')).toString()).toBe('key bytes');
    expect(codeFrom(() => unwrapAtRest(randomBytes(32), wrapped, 'row 1'))).toBe(
      'ERR_STORE_SEALED',
    );
    expect(codeFrom(() => unwrapAtRest(masterKey, wrapped, 'row 2'))).toBe('ERR_STORE_SEALED');
    for (let index = 0; index < wrapped.length; index += 1) {
      const changed = Buffer.from(wrapped);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(codeFrom(() => unwrapAtRest(masterKey, changed, 'row 1'))).toBe('ERR_STORE_SEALED');
      const cut = wrapped.subarray(0, index);
      expect(codeFrom(() => unwrapAtRest(masterKey, cut, 'row 1'))).toBe('ERR_STORE_SEALED');
    }
  });

  test('never makes the same bytes twice', () => {
    const once = () => Buffer.from(wrapAtRest(masterKey, Buffer.from('x'), 'c')).toString('hex');
    expect(new Set(Array.from({ length: 100 }, once)).size).toBe(100);
  });
});

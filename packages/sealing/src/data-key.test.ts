import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { DataKey, SegmentSecret } from './data-key.ts';

const INFO = Buffer.from('info');
const SEAL = Buffer.from('seal');

function sealOnce(secret: SegmentSecret) {
  const dataKey = secret.dataKey(INFO);
  const commitment = dataKey.commitment();
  const ciphertext = dataKey.encrypt(Buffer.from('plaintext'));
  return { ciphertext, tag: dataKey.authenticate(SEAL), additional: SEAL, commitment };
}

describe('data key', () => {
  test('encrypts once, authenticates once, and is gone', () => {
    const dataKey = SegmentSecret.generate().dataKey(INFO);
    expect(() => dataKey.authenticate(SEAL)).toThrow(/once/);
    dataKey.encrypt(Buffer.from('x'));
    expect(() => dataKey.encrypt(Buffer.from('y'))).toThrow(/once/);
    dataKey.authenticate(SEAL);
    expect(dataKey.consumed).toBe(true);
    expect(() => dataKey.authenticate(SEAL)).toThrow(/once/);
    expect(() => dataKey.encrypt(Buffer.from('y'))).toThrow(/once/);
    expect(() => dataKey.commitment()).toThrow(/used already/);
  });

  test('refuses to tag a plaintext that has changed since it was encrypted', () => {
    const dataKey = SegmentSecret.generate().dataKey(INFO);
    const plaintext = Buffer.from('plaintext');
    dataKey.encrypt(plaintext);
    plaintext[0] = 0;
    expect(() => dataKey.authenticate(SEAL)).toThrow(/must not change/);
    expect(dataKey.consumed).toBe(true);
  });

  test('zero-fills its bytes when it was used', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
    const dataKey = new DataKey(bytes);
    dataKey.encrypt(Buffer.from('x'));
    dataKey.authenticate(SEAL);
    expect(bytes).toEqual(new Uint8Array(32));
  });

  test('opens what it sealed, once, and tells no reason otherwise', () => {
    const secret = SegmentSecret.generate();
    const sealed = sealOnce(secret);
    const open = (more: object) => secret.dataKey(INFO).open({ ...sealed, ...more });
    expect(open({})?.toString()).toBe('plaintext');
    expect(open({ additional: Buffer.from('other') })).toBeUndefined();
    expect(open({ commitment: new Uint8Array(32) })).toBeUndefined();
    expect(open({ commitment: new Uint8Array(0) })).toBeUndefined();
    expect(open({ ciphertext: Buffer.from('plaintexT') })).toBeUndefined();
    for (let bytes = 0; bytes < 16; bytes += 1) {
      expect(open({ tag: sealed.tag.subarray(0, bytes) })).toBeUndefined();
    }
    const dataKey = secret.dataKey(INFO);
    dataKey.open(sealed);
    expect(() => dataKey.open(sealed)).toThrow(/once/);
  });

  test('is another one for another info', () => {
    const secret = SegmentSecret.generate();
    const commitments = Array.from({ length: 50 }, (_, n) =>
      Buffer.from(secret.dataKey(Buffer.from(`${n}`)).commitment()).toString('hex'),
    );
    expect(new Set(commitments).size).toBe(50);
  });

  test('a destroyed secret derives nothing and shows nothing', () => {
    const bytes = Uint8Array.from({ length: 32 }, () => 7);
    const secret = new SegmentSecret(bytes);
    expect(inspect({ secret, dataKey: secret.dataKey(INFO) }, { showHidden: true })).not.toMatch(
      /7, 7|0707|BwcH/,
    );
    expect(() => JSON.stringify({ secret })).toThrow(/key material/);
    secret.destroy();
    expect(bytes).toEqual(new Uint8Array(32));
    expect(() => secret.dataKey(INFO)).toThrow(/destroyed/);
    expect(() => secret.exposeTo((each) => each)).toThrow(/destroyed/);
  });
});

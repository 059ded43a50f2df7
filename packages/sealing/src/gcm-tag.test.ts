import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DataKey } from './data-key.ts';
import { gcmTag } from './gcm-tag.ts';

function openssl(
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
) {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  cipher.setAAD(additional);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return { ciphertext, tag: cipher.getAuthTag().toString('hex') };
}

test('is the tag that OpenSSL computes, for every length of both parts', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const part = fc.integer({ min: 0, max: 600 }).chain(bytes);
  fc.assert(
    fc.property(bytes(32), bytes(12), part, part, (key, nonce, additional, plaintext) => {
      const { ciphertext, tag } = openssl(key, nonce, additional, plaintext);
      expect(Buffer.from(gcmTag(key, nonce, additional, ciphertext)).toString('hex')).toBe(tag);
    }),
    { numRuns: 1_000 },
  );
});

test('is the tag that OpenSSL computes, for the largest batch and seal', () => {
  const [key, nonce] = [randomBytes(32), new Uint8Array(12)];
  for (const [additional, plaintext] of [
    [8_192, 900_000],
    [98_304, 899_999],
    [1_387, 65_537],
  ]) {
    const text = randomBytes(plaintext ?? 0);
    const seal = randomBytes(additional ?? 0);
    const { ciphertext, tag } = openssl(key, nonce, seal, text);
    expect(Buffer.from(gcmTag(key, nonce, seal, ciphertext)).toString('hex')).toBe(tag);
  }
});

/** NIST GCM test case 16 (AES-256, 20 bytes of additional data, 60 bytes of text). */
test('matches the published test case', () => {
  const hex = (text: string) => Buffer.from(text, 'hex');
  const tag = gcmTag(
    hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
    hex('cafebabefacedbaddecaf888'),
    hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
    hex(
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
        '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    ),
  );
  expect(Buffer.from(tag).toString('hex')).toBe('76fc6ece0f4e1768cddf8853bb2d551b');
});

test('a data key in two steps makes what one pass of GCM makes', () => {
  const bytes = randomBytes(32);
  const [plaintext, seal] = [randomBytes(1_000), randomBytes(1_300)];
  const expected = openssl(bytes, new Uint8Array(12), seal, plaintext);
  const dataKey = new DataKey(Uint8Array.from(bytes));
  const ciphertext = dataKey.encrypt(plaintext);
  expect(ciphertext.equals(expected.ciphertext)).toBe(true);
  const tag = dataKey.authenticate(ciphertext, seal);
  expect(Buffer.from(tag).toString('hex')).toBe(expected.tag);
});

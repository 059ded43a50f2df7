import * as node from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as page from './crypto.ts';

/** Whatever Node answers, the page answers. */

const bytes = (size: object = {}) => fc.uint8Array({ maxLength: 300, ...size });

describe('what is hashed, derived and opened', () => {
  test('hashes are the same, of bytes and of text', () => {
    fc.assert(
      fc.property(bytes(), fc.string({ unit: 'binary' }), (data, text) => {
        for (const name of ['sha256', 'sha384', 'sha512']) {
          for (const input of [data, text]) {
            for (const encoding of ['hex', 'base64', 'base64url'] as const) {
              const expected = node.createHash(name).update(input).digest(encoding);
              expect(page.hash(name, input, encoding)).toBe(expected);
              expect(page.createHash(name).update(input).digest(encoding)).toBe(expected);
            }
          }
        }
      }),
      { numRuns: 50 },
    );
    expect(() => page.hash('sha1', 'x')).toThrow('no hash');
  });

  test('HKDF gives the same keys', () => {
    fc.assert(
      fc.property(
        bytes(),
        bytes(),
        bytes(),
        fc.integer({ min: 1, max: 99 }),
        (key, salt, info, n) => {
          const [own, theirs] = [page.createSecretKey(key), node.createSecretKey(key)];
          const derived = page.hkdfSync('sha256', own, salt, info, n);
          expect(derived).toEqual(node.hkdfSync('sha256', theirs, salt, info, n));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('AES-256-GCM opens what Node sealed, and nothing that was changed', () => {
    const cut = (size: number) => ({ minLength: size, maxLength: size });
    fc.assert(
      fc.property(
        bytes(cut(32)),
        bytes(cut(12)),
        bytes(),
        bytes(),
        fc.nat(),
        (key, iv, aad, text, at) => {
          const cipher = node.createCipheriv('aes-256-gcm', key, iv);
          cipher.setAAD(aad);
          const ciphertext = new Uint8Array(Buffer.concat([cipher.update(text), cipher.final()]));
          const open = (sealed: Uint8Array, tag: Uint8Array) => {
            const decipher = page.createDecipheriv('aes-256-gcm', key, iv);
            decipher.setAAD(aad);
            decipher.setAuthTag(tag);
            const opened = decipher.update(sealed);
            return { opened, end: () => decipher.final() };
          };
          const whole = open(ciphertext, cipher.getAuthTag());
          whole.end();
          expect(whole.opened).toEqual(text);
          const tag = new Uint8Array(cipher.getAuthTag());
          tag[at % tag.length] = (tag[at % tag.length] ?? 0) ^ (1 + (at % 255));
          const refused = open(ciphertext, tag);
          expect(refused.opened).toEqual(new Uint8Array(text.length));
          expect(refused.end).toThrow('authenticate');
        },
      ),
      { numRuns: 50 },
    );
  });

  test('bytes are compared', () => {
    const [one, same, other] = [Uint8Array.of(1, 2), Uint8Array.of(1, 2), Uint8Array.of(1, 3)];
    expect(page.timingSafeEqual(one, same)).toBe(true);
    expect(page.timingSafeEqual(one, other)).toBe(false);
    expect(() => page.timingSafeEqual(new Uint8Array(1), new Uint8Array(2))).toThrow('length');
  });
});

const pss = { padding: node.constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
const p1363 = { dsaEncoding: 'ieee-p1363' } as const;
const ec = (namedCurve: string) => node.generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number) => node.generateKeyPairSync('rsa', { modulusLength });
const KINDS = [
  ['Ed25519', null, node.generateKeyPairSync('ed25519'), {}],
  ['ES256', 'sha256', ec('P-256'), p1363],
  ['ES256 in DER', 'sha256', ec('P-256'), {}],
  ['ES384', 'sha384', ec('P-384'), p1363],
  ['RS256', 'sha256', rsa(2048), {}],
  ['RS384', 'sha384', rsa(2048), {}],
  ['PS384', 'sha384', rsa(3072), pss],
] as const;

describe('what is verified', () => {
  test.each(KINDS)('%s, whole and with any byte changed', (_name, hash, keys, how) => {
    const data = node.randomBytes(200);
    const signature = node.sign(hash, data, { key: keys.privateKey, ...how });
    const jwk = keys.publicKey.export({ format: 'jwk' });
    const key = page.createPublicKey({ key: jwk, format: 'jwk' });
    const verify = (by: Uint8Array, of: Uint8Array = data) =>
      page.verify(hash, of, { key, ...how }, by);
    expect(verify(signature)).toBe(true);
    expect(verify(signature, data.subarray(1))).toBe(false);
    const step = Math.ceil(signature.length / 32);
    for (let at = 0; at < signature.length; at += step) {
      const changed = new Uint8Array(signature);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const theirs = node.verify(hash, data, { key: keys.publicKey, ...how }, changed);
      expect([at, verify(changed)]).toEqual([at, theirs]);
    }
    expect(verify(signature.subarray(1))).toBe(false);
    expect(verify(new Uint8Array(0))).toBe(false);
  });

  test('a hash or scheme that is not known is an error, never an answer', () => {
    const { publicKey } = rsa(2048);
    const key = page.createPublicKey({ key: publicKey.export({ format: 'jwk' }), format: 'jwk' });
    const signature = new Uint8Array(256);
    expect(() => page.verify('sha1', signature, { key }, signature)).toThrow('no hash');
    expect(() => page.verify('sha512', signature, { key }, signature)).toThrow('no RSA');
    expect(() => page.verify(null, signature, { key }, signature)).toThrow('signs a hash');
  });
});

describe('public keys', () => {
  const all = [ec('P-256'), ec('P-384'), rsa(2048), rsa(3072)].map((pair) => pair.publicKey);

  test.each(all)('come out of DER and JWK as they went in: %#', (key) => {
    const der = key.export({ format: 'der', type: 'spki' });
    const jwk = key.export({ format: 'jwk' });
    for (const input of [
      { key: der, format: 'der' },
      { key: jwk, format: 'jwk' },
    ]) {
      const read = page.createPublicKey(input);
      expect(read.export({ format: 'jwk' })).toEqual(jwk);
      expect(read.asymmetricKeyType).toBe(key.asymmetricKeyType);
      expect(read.asymmetricKeyDetails).toEqual(key.asymmetricKeyDetails);
    }
    for (let at = 0; at < 40; at += 1) {
      const changed = new Uint8Array(der);
      changed[at] = (changed[at] ?? 0) ^ 0x04;
      const readable = () => page.createPublicKey({ key: changed, format: 'der' });
      const theirs = () =>
        node.createPublicKey({ key: Buffer.from(changed), format: 'der', type: 'spki' });
      // Stricter than OpenSSL, never more lenient.
      if (!passes(theirs)) expect([at, passes(readable)]).toEqual([at, false]);
    }
    expect(() => page.createPublicKey({ key: der.subarray(1), format: 'der' })).toThrow();
    expect(() => page.createPublicKey({ key: Buffer.concat([der, der]), format: 'der' })).toThrow();
  });

  test('a point beside its curve is no key, nor is one of another kind', () => {
    const { x } = all[0]?.export({ format: 'jwk' }) ?? {};
    for (const jwk of [
      { kty: 'EC', crv: 'P-256', x, y: x },
      { kty: 'EC', crv: 'P-256', x },
      { kty: 'EC', crv: 'secp256k1', x, y: x },
      { kty: 'OKP', crv: 'Ed448', x },
      { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' },
      { kty: 'oct', k: x },
    ]) {
      expect(() => page.createPublicKey({ key: jwk, format: 'jwk' })).toThrow();
    }
  });

  test('nothing that writes is there', () => {
    expect(() => page.sign?.()).toThrow('only verifies');
    expect(() => page.createCipheriv?.()).toThrow('only verifies');
  });
});

function passes(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

import { type KeyMaterial, numberOf } from './public-keys.ts';

/**
 * SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of the keys that certificates of ours have: RSA and the
 * two NIST curves. Everything before the key itself is one constant per kind, so it is compared,
 * not parsed.
 */

/** RFC 5480 §2.1.1: AlgorithmIdentifier, then a bit string without unused bits. */
const EC_PREFIXES = [
  { curve: 'P-256', hex: '3059301306072a8648ce3d020106082a8648ce3d030107034200', bytes: 65 },
  { curve: 'P-384', hex: '3076301006072a8648ce3d020106052b81040022036200', bytes: 97 },
] as const;

/** RFC 3279 §2.3.1: rsaEncryption, parameters NULL. */
const RSA_ALGORITHM = '300d06092a864886f70d0101010500';

const [SEQUENCE, BIT_STRING, INTEGER] = [0x30, 0x03, 0x02];

/** @throws for another kind of key, and for any other spelling of these */
export function readSpki(der: Uint8Array): KeyMaterial {
  for (const { curve, hex, bytes } of EC_PREFIXES) {
    const end = hex.length / 2;
    if (der.length === end + bytes && hexOf(der.subarray(0, end)) === hex) {
      return { type: 'ec', curve, point: der.slice(end) };
    }
  }
  const info = new Reader(der).only(SEQUENCE);
  if (hexOf(info.take(RSA_ALGORITHM.length / 2)) !== RSA_ALGORITHM) throw new Error('no RSA key');
  const bits = info.only(BIT_STRING);
  if (bits.take(1)[0] !== 0) throw new Error('unused bits');
  const key = bits.only(SEQUENCE);
  const n = key.positive();
  const e = key.positive();
  key.end();
  return { type: 'rsa', n, e };
}

/** Definite lengths in their shortest form (X.690 §10.1). */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length !== length) throw new Error('the key ends early');
    this.#at += length;
    return taken;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new Error('bytes behind the key');
  }

  /** The content of a value that is the last one here. */
  only(tag: number): Reader {
    const content = this.#value(tag);
    this.end();
    return new Reader(content);
  }

  /** An INTEGER above 0 in its shortest form (X.690 §8.3.2). */
  positive(): bigint {
    const content = this.#value(INTEGER);
    const [first = 0x80, second = 0x80] = content;
    if (first > 0x7f || (first === 0 && second < 0x80)) throw new Error('no positive integer');
    return numberOf(content);
  }

  #value(tag: number): Uint8Array {
    const [found, short = 0] = this.take(2);
    if (found !== tag) throw new Error('another tag');
    if (short < 0x80) return this.take(short);
    const long = this.take(short & 0x7f);
    const length = Number(numberOf(long));
    if (long.length > 2 || long[0] === 0 || length < 0x80) throw new Error('no DER length');
    return this.take(length);
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

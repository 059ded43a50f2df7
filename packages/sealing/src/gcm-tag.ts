import { createCipheriv } from 'node:crypto';

/**
 * The tag of AES-256-GCM over a ciphertext that exists already, without encrypting it again.
 *
 * NIST SP 800-38D §7.1 hashes, with H = E(key, 0) and in the field GF(2^128),
 *
 *   additional ‖ zeros ‖ ciphertext ‖ zeros ‖ [bits of additional]64 ‖ [bits of ciphertext]64
 *
 * and adds E(key, nonce ‖ 1). OpenSSL hashes the same blocks when both are given as additional
 * data of an empty message, at several times the speed of encryption; only the last block differs.
 * GHASH is linear, so the difference of the two last blocks times H turns one tag into the other.
 */
export function gcmTag(
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const padded = new Uint8Array(Math.ceil(additional.length / 16) * 16);
  padded.set(additional);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  cipher.setAAD(padded);
  cipher.setAAD(ciphertext);
  cipher.final();
  const tag = cipher.getAuthTag();

  const right = lengthBlock(additional.length, ciphertext.length);
  const wrong = lengthBlock(padded.length + ciphertext.length, 0);
  const correction = multiply(
    right.map((word, index) => word ^ (wrong[index] ?? 0)),
    hashKey(key),
  );
  for (let index = 0; index < 4; index += 1) {
    tag.writeInt32BE(tag.readInt32BE(index * 4) ^ (correction[index] ?? 0), index * 4);
  }
  return tag;
}

/** Four 32-bit words, most significant first. */
type Block = readonly number[];

/** Lengths in bits, 64 bits each; byte lengths stay under 2^29 here, so the upper words are 0. */
function lengthBlock(additionalBytes: number, ciphertextBytes: number): Block {
  return [0, additionalBytes * 8, 0, ciphertextBytes * 8];
}

/** H: the cipher over the zero block. */
function hashKey(key: Uint8Array): Block {
  const block = createCipheriv('aes-256-ecb', key, null).update(new Uint8Array(16));
  return [0, 4, 8, 12].map((at) => block.readInt32BE(at));
}

/**
 * The product in GF(2^128) (SP 800-38D §6.3, algorithm 1): leftmost bit first, R = 11100001 ‖ 0…
 * It branches on the first factor alone, which is made of public lengths; the second is secret.
 */
function multiply(publicFactor: Block, secret: Block): Block {
  let [v0 = 0, v1 = 0, v2 = 0, v3 = 0] = secret;
  const z = new Int32Array(4);
  for (let bit = 0; bit < 128; bit += 1) {
    if (((publicFactor[bit >> 5] ?? 0) >>> (31 - (bit & 31))) & 1) {
      z[0] = (z[0] ?? 0) ^ v0;
      z[1] = (z[1] ?? 0) ^ v1;
      z[2] = (z[2] ?? 0) ^ v2;
      z[3] = (z[3] ?? 0) ^ v3;
    }
    const carry = -(v3 & 1) & 0xe1000000;
    v3 = (v3 >>> 1) | (v2 << 31);
    v2 = (v2 >>> 1) | (v1 << 31);
    v1 = (v1 >>> 1) | (v0 << 31);
    v0 = (v0 >>> 1) ^ carry;
  }
  return [...z];
}

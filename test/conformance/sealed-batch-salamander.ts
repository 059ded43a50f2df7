import { createCipheriv } from 'node:crypto';

/**
 * An invisible salamander (Dodis, Grubbs, Ristenpart, Woodage 2018): one AES-GCM ciphertext and tag
 * that open under two keys. One block of the ciphertext is chosen so that both keys give one tag:
 *
 *   GHASH(H1, A, C) + E1 = GHASH(H2, A, C) + E2        in GF(2^128)
 *
 * is linear in that block; here the last one, whose factor is H^2.
 */
export function salamander(
  keys: readonly [Uint8Array, Uint8Array],
  additional: Uint8Array,
  ciphertext: Uint8Array,
): { ciphertext: Buffer; tag: Buffer } {
  const blocks = Buffer.from(ciphertext.subarray(0, ciphertext.length - (ciphertext.length % 16)));
  blocks.fill(0, blocks.length - 16);
  const [one, two] = keys.map((key) => parts(key, additional, blocks));
  if (!one || !two) throw new Error('two keys expected');
  const factor = power(one.h, 2) ^ power(two.h, 2);
  const last = multiply(one.tag ^ two.tag, inverse(factor));
  blocks.set(bytesOf(last), blocks.length - 16);
  const [first] = keys;
  return { ciphertext: blocks, tag: bytesOf(parts(first, additional, blocks).tag) };
}

/** H, and the tag over additional data and ciphertext, under one key and a nonce of zeros. */
function parts(key: Uint8Array, additional: Uint8Array, ciphertext: Uint8Array) {
  const block = (bytes: Uint8Array) => {
    const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    return numberOf(cipher.update(bytes));
  };
  const counter = new Uint8Array(16);
  counter[15] = 1;
  const h = block(new Uint8Array(16));
  let sum = 0n;
  for (const part of [...blocksOf(additional), ...blocksOf(ciphertext)])
    sum = multiply(sum ^ part, h);
  const lengths = (BigInt(additional.length * 8) << 64n) | BigInt(ciphertext.length * 8);
  return { h, tag: multiply(sum ^ lengths, h) ^ block(counter) };
}

function blocksOf(bytes: Uint8Array): bigint[] {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 16) * 16);
  padded.set(bytes);
  return Array.from({ length: padded.length / 16 }, (_, index) =>
    numberOf(padded.subarray(index * 16, index * 16 + 16)),
  );
}

/** GF(2^128) as in NIST SP 800-38D §6.3: the leftmost bit is the coefficient of x^0. */
function multiply(left: bigint, right: bigint): bigint {
  let sum = 0n;
  let shifted = right;
  for (let bit = 127n; bit >= 0n; bit -= 1n) {
    if ((left >> bit) & 1n) sum ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
  }
  return sum;
}

const ONE = 1n << 127n;

function power(base: bigint, exponent: number): bigint {
  return Array.from({ length: exponent }).reduce<bigint>((product) => multiply(product, base), ONE);
}

/** a^(2^128 - 2), by Fermat. */
function inverse(value: bigint): bigint {
  let [product, square] = [ONE, value];
  for (let bit = 1; bit < 128; bit += 1) {
    square = multiply(square, square);
    product = multiply(product, square);
  }
  return product;
}

const numberOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const bytesOf = (value: bigint) => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');

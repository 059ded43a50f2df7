import assert from 'node:assert/strict';
import { createHash, createHmac, randomFillSync } from 'node:crypto';

/**
 * Where the samplers' randomness comes from. It is handed in, so that one window of one input gets
 * one noise however often it is computed: whoever may ask again must not be able to average.
 */
export interface RandomSource {
  /** The next byte: uniform, independent of all bytes before it. */
  byte(): number;
}

const BLOCK_BYTES = 4_096;
const SEED_BYTES = 32;

/** Fresh randomness of the operating system, through OpenSSL's generator. */
export function systemSource(): RandomSource {
  return blockSource(() => randomFillSync(new Uint8Array(BLOCK_BYTES)));
}

/**
 * The same bytes for the same seed, on every machine: block i is SHAKE256(domain, seed, i) of
 * FIPS 202. Seed and counter have a fixed length, so no two blocks have the same input.
 * @param seed 32 bytes that nobody else knows
 * @throws AssertionError when the seed has another length
 */
export function seededSource(seed: Uint8Array): RandomSource {
  assert(seed.length === SEED_BYTES, 'a seed has 32 bytes');
  const kept = Uint8Array.from(seed);
  let block = 0n;
  return blockSource(() => {
    const counter = new DataView(new ArrayBuffer(8));
    counter.setBigUint64(0, block++);
    return createHash('shake256', { outputLength: BLOCK_BYTES })
      .update('strongroom noise v1')
      .update(kept)
      .update(counter)
      .digest();
  });
}

/**
 * The seed of one noise: HMAC-SHA256 of the secret over everything that the noise depends on, each
 * part behind its length, so that no two lists are the same bytes. What a query counted has to be
 * among the parts (its digest): noise that repeats over changed input gives the change away.
 * @param secret at least 32 bytes, used for nothing else
 * @param parts such as contract, query, window, digest of the input
 * @throws AssertionError when the secret is shorter
 */
export function noiseSeed(secret: Uint8Array, parts: readonly string[]): Uint8Array {
  assert(secret.length >= SEED_BYTES, 'a secret has 32 bytes at least');
  const hmac = createHmac('sha256', secret).update('strongroom noise seed v1');
  for (const part of parts) {
    const bytes = new TextEncoder().encode(part);
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, bytes.length);
    hmac.update(length).update(bytes);
  }
  return hmac.digest();
}

function blockSource(nextBlock: () => Uint8Array): RandomSource {
  let block: Uint8Array = new Uint8Array(0);
  let used = 0;
  return {
    byte: () => {
      if (used === block.length) {
        block = nextBlock();
        used = 0;
      }
      const byte = block[used++];
      assert(byte !== undefined, 'a block has bytes');
      return byte;
    },
  };
}

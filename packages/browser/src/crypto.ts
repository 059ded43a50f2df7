/** In the place of `node:crypto`: what the verifying code calls, and no more. */
export { createDecipheriv } from './decipher.ts';
export { createHash, createSecretKey, hash, hkdfSync, timingSafeEqual } from './digests.ts';
export { createPublicKey } from './public-keys.ts';
export { constants, verify } from './signatures.ts';

/** Named by files that also write; a page only reads. */
export const [createCipheriv, sign] = ['createCipheriv', 'sign'].map((name) => () => {
  throw new Error(`${name} is not for a page that only verifies`);
});

export function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** What one core of this machine can do at most, in MB/s (10^6 bytes). */

const SECONDS = 1;
/** Larger than the caches of a processor. */
const COPIED_BYTES = 64 << 20;
/** Some bytes less than a full record. */
const SEALED_BYTES = 900_000;

export function copySpeed(): number {
  const from = randomBytes(COPIED_BYTES);
  const to = Buffer.alloc(COPIED_BYTES);
  return speed(COPIED_BYTES, () => from.copy(to));
}

/** AES-256-GCM, decrypted with its tag checked. */
export function decryptSpeed(): number {
  const key = randomBytes(32);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const sealed = Buffer.concat([cipher.update(randomBytes(SEALED_BYTES)), cipher.final()]);
  const tag = cipher.getAuthTag();
  return speed(SEALED_BYTES, () => {
    const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(tag);
    decipher.update(sealed);
    decipher.final();
  });
}

function speed(bytes: number, work: () => void): number {
  work();
  const began = performance.now();
  let seconds = 0;
  let times = 0;
  while (seconds < SECONDS) {
    work();
    times += 1;
    seconds = (performance.now() - began) / 1_000;
  }
  return (bytes * times) / 1e6 / seconds;
}

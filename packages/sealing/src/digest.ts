import { hash } from 'node:crypto';

/**
 * SHA-256 on this thread, for large ciphertexts too: the thread pool is reached through WebCrypto
 * alone, which copies its input on this thread first, and gains nothing (docs/performance.md).
 */
export function sha256(bytes: Uint8Array | string): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

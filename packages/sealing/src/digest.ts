import { hash } from 'node:crypto';

/** Below this a hop to the thread pool costs more than the hash (about 11 microseconds). */
const POOL_BYTES_MIN = 16_384;

export function sha256(bytes: Uint8Array | string): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

/**
 * SHA-256 in hex; long input is hashed on the thread pool, so that several records overlap.
 * The bytes must not change before the promise settles.
 */
export async function sha256HexPooled(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (bytes.length < POOL_BYTES_MIN) return sha256Hex(bytes);
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import type { CHash } from '@noble/hashes/utils.js';
import { Buffer } from 'buffer';

const HASHES = { sha256, sha384, sha512 } as const;

type Encoding = 'hex' | 'base64' | 'base64url';
type Input = Uint8Array | string;

/** @throws for a hash that nothing of the project uses */
export function hashOf(name: string): CHash {
  for (const [known, made] of Object.entries(HASHES)) if (known === name) return made;
  throw new Error(`no hash ${name} here`);
}

/** `crypto.hash`: text is UTF-8. */
export function hash(name: string, data: Input, encoding: Encoding | 'buffer' = 'hex') {
  const digest = hashOf(name)(bytesOf(data));
  return encoding === 'buffer' ? Buffer.from(digest) : encoded(digest, encoding);
}

/** `crypto.createHash`, as far as it is used: update, then digest. */
export function createHash(name: string) {
  const running = hashOf(name).create();
  const self = {
    /** @param _encoding `ascii` or `utf8`, which are one for what is hashed here: ASCII alone */
    update(data: Input, _encoding?: string) {
      running.update(bytesOf(data));
      return self;
    },
    digest(encoding?: Encoding) {
      const digest = running.digest();
      return encoding === undefined ? Buffer.from(digest) : encoded(digest, encoding);
    },
  };
  return self;
}

/** Key material by its bytes; Node's is opaque, and only `hkdfSync` takes it. */
export function createSecretKey(bytes: Uint8Array): { readonly bytes: Uint8Array } {
  return { bytes };
}

/** RFC 5869. */
export function hkdfSync(
  name: string,
  key: Uint8Array | { readonly bytes: Uint8Array },
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): ArrayBuffer {
  const input = key instanceof Uint8Array ? key : key.bytes;
  return new Uint8Array(hkdf(hashOf(name), input, salt, info, length)).buffer;
}

/** Of equal length, or it throws, as Node's. */
export function timingSafeEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) throw new RangeError('input buffers must have the same length');
  let different = 0;
  for (const [index, byte] of left.entries()) different |= byte ^ (right[index] ?? 0);
  return different === 0;
}

function bytesOf(data: Input): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

function encoded(bytes: Uint8Array, encoding: Encoding): string {
  if (encoding !== 'base64url') return Buffer.from(bytes).toString(encoding);
  // The library for browsers has no base64url.
  const text = Buffer.from(bytes).toString('base64');
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

import assert from 'node:assert/strict';
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import { RELEASE_RECIPIENT_BITS_MIN, TAG_BYTES } from '@strongroom/protocol/limits';
import { isWellFormed } from './public-keys.ts';

/**
 * How a key travels from a key release service to an attested key (Azure Key Vault's shape):
 *
 *   RSA-OAEP(recipient, 32-byte transport key)  ‖  AES-KWP(transport key, target)
 *   length of the modulus                          RFC 5649, target padded to 8 bytes, + 8
 */

/** The names that Azure Key Vault gives to the three, with their OAEP and MGF1 hash. */
const OAEP_HASHES = {
  RSA_AES_KEY_WRAP_256: 'sha256',
  RSA_AES_KEY_WRAP_384: 'sha384',
  CKM_RSA_AES_KEY_WRAP: 'sha1',
} as const;
export type ReleaseAlgorithm = keyof typeof OAEP_HASHES;
export const RELEASE_ALGORITHMS: readonly ReleaseAlgorithm[] = [
  'RSA_AES_KEY_WRAP_256',
  'RSA_AES_KEY_WRAP_384',
  'CKM_RSA_AES_KEY_WRAP',
];

/** A transport key as it stands in runtime claims; further members do not matter here. */
export interface ReleaseRecipient {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
}

const TRANSPORT_KEY_BYTES = 32;
const TARGET_BYTES_MAX = 16_384;

/**
 * @param target PKCS#8 DER of an RSA or EC key, or the raw bytes of a symmetric one
 * @throws ERR_EVIDENCE_MALFORMED when the recipient is no RSA key of RELEASE_RECIPIENT_BITS_MIN
 */
export function wrapForRelease(
  target: Uint8Array,
  recipient: ReleaseRecipient,
  algorithm: ReleaseAlgorithm,
): Uint8Array {
  const key = recipientKey(recipient);
  const transportKey = randomBytes(TRANSPORT_KEY_BYTES);
  try {
    const wrappedKey = publicEncrypt({ key, ...oaep(algorithm) }, transportKey);
    return Buffer.concat([wrappedKey, wrapPadded(transportKey, target)]);
  } finally {
    transportKey.fill(0);
  }
}

/**
 * Every length is checked before any private key operation.
 * @param privateKey of the RSA key that the release was wrapped to
 * @throws ERR_RELEASE_INVALID, whatever is wrong
 */
export function unwrapReleased(
  wrapped: Uint8Array,
  privateKey: KeyObject,
  algorithm: ReleaseAlgorithm,
): Uint8Array {
  const bits = privateKey.asymmetricKeyDetails?.modulusLength ?? 0;
  const split = Math.ceil(bits / 8);
  const wrappedTarget = wrapped.subarray(split);
  if (bits === 0 || !isPaddedLength(wrappedTarget.length)) throw invalid();
  let transportKey: Uint8Array;
  try {
    const from = { key: privateKey, ...oaep(algorithm) };
    transportKey = privateDecrypt(from, wrapped.subarray(0, split));
  } catch {
    throw invalid();
  }
  try {
    if (transportKey.length !== TRANSPORT_KEY_BYTES) throw invalid();
    return unwrapPadded(transportKey, wrappedTarget);
  } catch {
    throw invalid();
  } finally {
    transportKey.fill(0);
  }
}

function recipientKey(recipient: ReleaseRecipient): KeyObject {
  const { kty, n, e } = recipient;
  if (!isWellFormed({ kty, n, e }, RELEASE_RECIPIENT_BITS_MIN)) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { part: 'transport key' });
  }
  return createPublicKey({ key: { kty, n, e }, format: 'jwk' });
}

/** Node uses one hash for OAEP and for MGF1, as Azure does; the label is empty. */
function oaep(algorithm: ReleaseAlgorithm) {
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: OAEP_HASHES[algorithm] };
}

/** RFC 5649 §3: the alternative initial value; OpenSSL appends the length. */
const ALTERNATIVE_INITIAL_VALUE = Buffer.from('A65959A6', 'hex');

/** AES key wrap with padding (RFC 5649), under a key of 16, 24 or 32 bytes. */
export function wrapPadded(key: Uint8Array, target: Uint8Array): Uint8Array {
  if (target.length === 0 || target.length > TARGET_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { bytes: target.length });
  }
  const cipher = createCipheriv(paddedCipher(key), key, ALTERNATIVE_INITIAL_VALUE);
  return Buffer.concat([cipher.update(target), cipher.final()]);
}

/** @throws ERR_RELEASE_INVALID */
export function unwrapPadded(key: Uint8Array, wrapped: Uint8Array): Uint8Array {
  if (!isPaddedLength(wrapped.length)) throw invalid();
  try {
    const decipher = createDecipheriv(paddedCipher(key), key, ALTERNATIVE_INITIAL_VALUE);
    return Buffer.concat([decipher.update(wrapped), decipher.final()]);
  } catch {
    throw invalid();
  }
}

/** Whole 8-byte blocks, at least the initial value and one more (RFC 5649 §4.1). */
function isPaddedLength(bytes: number): boolean {
  return bytes % 8 === 0 && bytes >= 16 && bytes <= TARGET_BYTES_MAX + 16;
}

function paddedCipher(key: Uint8Array): string {
  return `id-aes${key.length * 8}-wrap-pad`;
}

/** Version, so that another cipher can follow, then nonce, ciphertext, tag. */
const AT_REST_VERSION = 1;
const NONCE_BYTES = 12;
const MASTER_KEY_BYTES = 32;

/**
 * Seals bytes for a service's own disk with AES-256-GCM and a random nonce (NIST SP 800-38D §8.3:
 * up to 2^32 under one master key).
 * @param context names the place, so that two rows of a store cannot be exchanged
 */
export function wrapAtRest(masterKey: Uint8Array, bytes: Uint8Array, context: string): Uint8Array {
  assert(masterKey.length === MASTER_KEY_BYTES, 'a master key has 32 bytes');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', masterKey, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const ciphertext = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const version = Uint8Array.of(AT_REST_VERSION);
  return Buffer.concat([version, nonce, ciphertext, cipher.getAuthTag()]);
}

/** @throws ERR_STORE_SEALED for another master key, another context, or changed bytes */
export function unwrapAtRest(
  masterKey: Uint8Array,
  wrapped: Uint8Array,
  context: string,
): Uint8Array {
  assert(masterKey.length === MASTER_KEY_BYTES, 'a master key has 32 bytes');
  const body = 1 + NONCE_BYTES;
  const end = wrapped.length - TAG_BYTES;
  if (wrapped[0] !== AT_REST_VERSION || end < body) throw new StrongroomError('ERR_STORE_SEALED');
  const nonce = wrapped.subarray(1, body);
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv('aes-256-gcm', masterKey, nonce, options);
  decipher.setAAD(Buffer.from(context, 'utf8'));
  decipher.setAuthTag(wrapped.subarray(end));
  const bytes = decipher.update(wrapped.subarray(body, end));
  try {
    decipher.final();
  } catch {
    throw new StrongroomError('ERR_STORE_SEALED');
  }
  return bytes;
}

function invalid(): StrongroomError {
  return new StrongroomError('ERR_RELEASE_INVALID', { problem: 'the wrapped key does not open' });
}

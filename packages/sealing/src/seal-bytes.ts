import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SegmentSecret } from './data-key.ts';
import { sha256Hex } from './digest.ts';
import type { Signer } from './sign.ts';

/**
 * The one way of sealing, for batches and for aggregates:
 *
 *   ciphertext = AES-256-GCM(data key, plaintext)      without its tag
 *   seal       = JWS of a payload that names SHA-256(ciphertext) and the key's commitment
 *   tag        = AES-256-GCM's tag over the ciphertext and, as additional data, the JWS
 *   value      = ciphertext ‖ tag
 */

/** What the ciphertext contributes to a seal's payload. */
export interface SealedParts {
  readonly plaintextBytes: number;
  readonly ciphertextSha256: string;
  readonly commitment: string;
  /** The wrapped secret. */
  readonly segment: string;
}

export interface SignOptions<Seal> {
  readonly wrapped: string | Promise<string>;
  readonly signer: Signer;
  readonly kid: string;
  readonly typ: string;
  readonly payload: (parts: SealedParts) => Seal;
}

/** A record of the log as it is sent. */
export interface SealedRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SealedBytes<Seal> {
  readonly seal: Seal;
  readonly jws: string;
  /** ciphertext ‖ tag */
  readonly value: Uint8Array;
}

/** The first half of sealing: all that does not depend on the seal before. */
export interface EncryptedBytes {
  readonly plaintextBytes: number;
  readonly commitment: string;
  readonly ciphertextSha256: string;
  /** The second half, once. */
  finish(jws: string): Uint8Array;
}

/**
 * @param plaintext must not change before `finish`: it is read once more for the tag
 * @param keyInfo HKDF info: no two plaintexts under one secret may have the same
 * @throws ERR_LIMIT_EXCEEDED for a plaintext that is empty or over CIPHERTEXT_BYTES_MAX
 */
export function encryptBytes(
  plaintext: Uint8Array,
  secret: SegmentSecret,
  keyInfo: Uint8Array,
): EncryptedBytes {
  if (plaintext.length === 0 || plaintext.length > CIPHERTEXT_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', {
      limit: 'CIPHERTEXT_BYTES_MAX',
      bytes: plaintext.length,
    });
  }
  const dataKey = secret.dataKey(keyInfo);
  const commitment = encodeBase64url(dataKey.commitment());
  const ciphertext = dataKey.encrypt(plaintext);
  return {
    plaintextBytes: plaintext.length,
    commitment,
    ciphertextSha256: sha256Hex(ciphertext),
    finish: (jws) => Buffer.concat([ciphertext, dataKey.authenticate(Buffer.from(jws, 'ascii'))]),
  };
}

export async function signAndTag<Seal>(
  encrypted: EncryptedBytes,
  options: SignOptions<Seal>,
): Promise<SealedBytes<Seal>> {
  const seal = options.payload({
    plaintextBytes: encrypted.plaintextBytes,
    ciphertextSha256: encrypted.ciphertextSha256,
    commitment: encrypted.commitment,
    segment: await options.wrapped,
  });
  const header = { typ: options.typ, kid: options.kid };
  const jws = await options.signer.sign(canonicalBytes(seal), header);
  return { seal, jws, value: encrypted.finish(jws) };
}

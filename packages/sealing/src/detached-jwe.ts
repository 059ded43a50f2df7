import { createCipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';

/**
 * A compact JWE (`dir` + A256GCM: RFC 7516 §5.1, RFC 7518 §4.5 and §5.3) whose ciphertext stays
 * bytes. A library would spell megabytes in base64url, for us to undo: jose opens what is sealed
 * here, where speed does not matter.
 */
export interface DetachedJwe {
  /** The compact form, with an empty part where the ciphertext belongs. */
  readonly seal: string;
  readonly ciphertext: Uint8Array;
}

/** @param stateKey of 32 bytes; like every JWE with `dir`, each takes a nonce at random */
export function sealDetachedJwe(
  plaintext: Uint8Array,
  typ: string,
  stateKey: KeyObject,
): DetachedJwe {
  const header = encodeBase64url(canonicalBytes({ alg: 'dir', enc: 'A256GCM', typ }));
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', stateKey, nonce);
  // RFC 7516 §5.1, step 14: the additional data are the header as it is spelt.
  cipher.setAAD(Buffer.from(header, 'ascii'));
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const parts = [header, '', encodeBase64url(nonce), '', encodeBase64url(cipher.getAuthTag())];
  return { seal: parts.join('.'), ciphertext };
}

/** RFC 7518 §5.3: 96 bits. */
const NONCE_BYTES = 12;

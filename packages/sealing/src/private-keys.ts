import {
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';

/** A private key as key object, or as JWK. */
export function importPrivateKey(privateKey: JsonWebKey | KeyObject): KeyObject {
  if (privateKey instanceof KeyObject) return privateKey;
  return createPrivateKey({ key: { ...privateKey }, format: 'jwk' });
}

/**
 * The public half of a private key, as JWK.
 * @throws ERR_IDENTITY_MALFORMED when the halves do not belong together: an EC or RSA key states
 *   its public half itself, and OpenSSL believes it
 */
export function publicJwkOf(privateKey: KeyObject): object {
  const publicKey = createPublicKey(privateKey);
  if (!isPair(privateKey, publicKey)) throw new StrongroomError('ERR_IDENTITY_MALFORMED');
  return publicKey.export({ format: 'jwk' });
}

function isPair(privateKey: KeyObject, publicKey: KeyObject): boolean {
  const type = privateKey.asymmetricKeyType;
  // RFC 8032 and RFC 7748 keys: OpenSSL derives the public half, whatever the file states.
  if (type === 'ed25519' || type === 'x25519') return true;
  const probe = Buffer.from('strongroom/key-pair/v1');
  return verify('sha256', probe, publicKey, sign('sha256', probe, privateKey));
}

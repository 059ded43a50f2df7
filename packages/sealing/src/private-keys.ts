import {
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  KeyObject,
  sign,
  verify,
} from 'node:crypto';

/** A private key as key object, or as JWK. */
export function importPrivateKey(privateKey: JsonWebKey | KeyObject): KeyObject {
  if (privateKey instanceof KeyObject) return privateKey;
  return createPrivateKey({ key: { ...privateKey }, format: 'jwk' });
}

/**
 * The public half of a private key, as JWK.
 * @throws Error when the halves do not belong together: an EC or RSA key of another's making states
 *   its public half itself, and OpenSSL believes it
 */
export function publicJwkOf(privateKey: KeyObject): object {
  const publicKey = createPublicKey(privateKey);
  if (!isPair(privateKey, publicKey)) throw new Error('the halves of the key differ');
  return publicKey.export({ format: 'jwk' });
}

function isPair(privateKey: KeyObject, publicKey: KeyObject): boolean {
  const type = privateKey.asymmetricKeyType;
  // RFC 8032 and RFC 7748 keys: OpenSSL derives the public half, whatever the file states.
  if (type === 'ed25519' || type === 'x25519') return true;
  const probe = Buffer.from('strongroom/key-pair/v1');
  return verify('sha256', probe, publicKey, sign('sha256', probe, privateKey));
}

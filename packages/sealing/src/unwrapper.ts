import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { WrappingKey } from '@strongroom/protocol/public-key';
import { importPrivateKey, publicJwkOf } from './private-keys.ts';
import { sameKey } from './public-keys.ts';
import { type SecretReader, Unwrapper } from './secret-reader.ts';

/**
 * @param privateKey key object, JWK, or PKCS#8 DER as a key release yields it
 * @param publicKey the public half that the contract names
 * @throws ERR_RELEASE_INVALID when the private key is another one than the contract names
 */
export function createUnwrapper(
  privateKey: KeyObject | JsonWebKey | Uint8Array,
  publicKey: WrappingKey,
): SecretReader {
  let key: KeyObject;
  let found: object;
  try {
    const isDer = privateKey instanceof Uint8Array;
    key = isDer ? fromPkcs8(privateKey) : importPrivateKey(privateKey);
    found = publicJwkOf(key);
  } catch {
    throw new StrongroomError('ERR_RELEASE_INVALID', { problem: 'not a private key' });
  }
  if (!sameKey(found, publicKey)) {
    throw new StrongroomError('ERR_RELEASE_INVALID', { problem: 'another key than agreed' });
  }
  return new Unwrapper(key, publicKey);
}

function fromPkcs8(der: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
}

import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import { type WrappingKey, WrappingKeySchema } from '@strongroom/protocol/public-key';
import { identityMalformed, type Reader, readIdentityFile } from './identity-file.ts';
import { isWellFormed } from './public-keys.ts';
import { Unwrapper } from './secret-reader.ts';

/**
 * Takes the reading key alone out of an identity file, as a key of WebCrypto that no script can
 * read out again: for a page in a browser. The signing key is looked at by nobody and forgotten.
 * @throws ERR_IDENTITY_MALFORMED with the member that is wrong, also when there is no reading key
 */
export async function importReader(identityText: string): Promise<Required<Reader>> {
  const { party, reading } = readIdentityFile(identityText);
  if (typeof reading !== 'object' || reading === null) throw identityMalformed('reading');
  const publicKey = publicHalfOf({ ...reading });
  const { algorithm, usage } = useOf(publicKey);
  try {
    const key = await crypto.subtle.importKey('jwk', { ...reading }, algorithm, false, [usage]);
    return { party, reader: new Unwrapper(key, publicKey) };
  } catch {
    // The browser's text may quote the key; ours names the member.
    throw identityMalformed('reading');
  }
}

/** RFC 7518 §6.2.2 and §6.3.2. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi'];

function publicHalfOf(jwk: Record<string, unknown>): WrappingKey {
  if (!('d' in jwk)) throw identityMalformed('reading');
  const members = Object.entries(jwk).filter(([name]) => !PRIVATE_MEMBERS.includes(name));
  const publicKey = WrappingKeySchema.safeParse(Object.fromEntries(members));
  if (!publicKey.success || !isWellFormed(publicKey.data, RSA_BITS_MIN)) {
    throw identityMalformed('reading');
  }
  return publicKey.data;
}

function useOf(key: WrappingKey) {
  if (key.kty === 'RSA') {
    return { algorithm: { name: 'RSA-OAEP', hash: 'SHA-256' }, usage: 'decrypt' } as const;
  }
  const algorithm = key.kty === 'EC' ? { name: 'ECDH', namedCurve: key.crv } : { name: 'X25519' };
  return { algorithm, usage: 'deriveBits' } as const;
}

import { ed25519 } from '@noble/curves/ed25519.js';
import { mgf1, PKCS1_SHA256, PKCS1_SHA384, PSS } from 'micro-rsa-dsa-dh/rsa.js';
import { hashOf } from './digests.ts';
import { CURVES, type KeyMaterial, PublicKeyObject } from './public-keys.ts';

/** The two of `crypto.constants` that are used. */
export const constants = { RSA_PKCS1_PADDING: 1, RSA_PKCS1_PSS_PADDING: 6 } as const;

interface KeyWithOptions {
  readonly key: PublicKeyObject;
  readonly padding?: number;
  readonly saltLength?: number;
  readonly dsaEncoding?: 'der' | 'ieee-p1363';
}

/**
 * `crypto.verify`, synchronously: WebCrypto, which would do it too, only answers later, and the
 * sources that are shared with Node do not wait.
 * @param name of the hash; null for Ed25519
 * @returns false for whatever is not a valid signature
 */
export function verify(
  name: string | null,
  data: Uint8Array,
  key: PublicKeyObject | KeyWithOptions,
  signature: Uint8Array,
): boolean {
  const options: KeyWithOptions = key instanceof PublicKeyObject ? { key } : key;
  const { material } = options.key;
  if (material.type === 'ed25519' && name === null) {
    return quietly(() => ed25519.verify(signature, data, material.bytes, { zip215: false }));
  }
  if (name === null) throw new Error('this key signs a hash');
  if (material.type === 'ec') return isEcdsa(name, data, material, options, signature);
  if (material.type === 'rsa') return isRsa(name, data, material, options, signature);
  throw new Error(`a key of type ${material.type} does not sign so`);
}

type Material<Type extends KeyMaterial['type']> = Extract<KeyMaterial, { readonly type: Type }>;

/** Who wants low s only has looked before, as with OpenSSL. */
function isEcdsa(
  name: string,
  data: Uint8Array,
  { curve, point }: Material<'ec'>,
  { dsaEncoding = 'der' }: KeyWithOptions,
  signature: Uint8Array,
): boolean {
  const format = dsaEncoding === 'der' ? 'der' : 'compact';
  const digest = hashOf(name)(data);
  const how = { format, prehash: false, lowS: false } as const;
  return quietly(() => CURVES[curve].curve.verify(signature, digest, point, how));
}

const PKCS1 = new Map([
  ['sha256', PKCS1_SHA256],
  ['sha384', PKCS1_SHA384],
]);

function isRsa(
  name: string,
  data: Uint8Array,
  { n, e }: Material<'rsa'>,
  { padding = constants.RSA_PKCS1_PADDING, saltLength }: KeyWithOptions,
  signature: Uint8Array,
): boolean {
  // RFC 8017 §8.1.2 and §8.2.2, step 1: a signature has the modulus's length.
  if (signature.length !== Math.ceil(n.toString(2).length / 8)) return false;
  const hash = hashOf(name);
  const isPss = padding === constants.RSA_PKCS1_PSS_PADDING;
  const scheme = isPss ? PSS(hash, mgf1(hash), saltLength) : PKCS1.get(name);
  if (scheme === undefined) throw new Error(`no RSA with ${name} here`);
  return quietly(() => scheme.verify({ n, e }, data, signature));
}

/** These libraries throw for a signature that is malformed; Node says that it is not valid. */
function quietly(verifies: () => boolean): boolean {
  try {
    return verifies();
  } catch {
    return false;
  }
}

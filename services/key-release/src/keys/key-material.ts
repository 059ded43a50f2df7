import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * Keys in the two forms that the service knows: a public JWK that anyone with a right may see, and
 * secret bytes (PKCS #8 DER, or the key itself for a symmetric one) that are wrapped at once.
 * Spelled `-HSM` or not, a key is software; the spelling is Azure's and is answered as asked.
 */
export interface KeyMaterial {
  readonly publicKey: PublicKey;
  /** To be wiped by whoever has wrapped it. */
  readonly secret: Buffer;
}

/** Members of the public JWK beside `kty`; empty for a symmetric key. */
interface PublicKey {
  readonly n?: string;
  readonly e?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
}

export const KEY_TYPES = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM', 'oct', 'oct-HSM'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** Smaller ones are refused: a contract's keys have at least 128 bits of strength or nearly so. */
const RSA_BITS = [3072, 4096] as const;
const CURVES = ['P-256', 'P-384'] as const;
const OCT_BITS = [256] as const;
/** Azure's limit for an imported symmetric key. */
const OCT_BYTES_MAX = 64;
const OCT_BYTES_MIN = 32;
const RSA_EXPONENT = 'AQAB';

export interface KeySpecification {
  readonly kty: KeyType;
  readonly keySize?: number | undefined;
  readonly curve?: string | undefined;
}

const makeKeyPair = promisify(generateKeyPair);

/** @throws ERR_REQUEST_INVALID for a size or curve that is not offered */
export async function generateKey(wanted: KeySpecification): Promise<KeyMaterial> {
  if (wanted.kty.startsWith('oct')) {
    const bits = offered(wanted.keySize ?? OCT_BITS[0], OCT_BITS, 'key_size');
    return { publicKey: {}, secret: randomBytes(bits / 8) };
  }
  if (wanted.kty.startsWith('EC')) {
    const namedCurve = offered(wanted.curve ?? CURVES[0], CURVES, 'crv');
    return materialOf((await makeKeyPair('ec', { namedCurve })).privateKey);
  }
  const modulusLength = offered(wanted.keySize ?? RSA_BITS[0], RSA_BITS, 'key_size');
  return materialOf((await makeKeyPair('rsa', { modulusLength })).privateKey);
}

/**
 * Takes a private JWK of an owner who made the key elsewhere.
 * @throws ERR_REQUEST_INVALID when it is no private key, too small, or its halves do not fit
 */
export function importKey(kty: KeyType, jwk: JsonWebKey): KeyMaterial {
  if (kty.startsWith('oct')) return importSymmetric(jwk.k);
  const key = readPrivateKey({ ...jwk, kty: kty.replace('-HSM', '') });
  const material = materialOf(key);
  demandStrength(material.publicKey, key);
  if (!halvesFit(key)) throw invalid('key', 'its private and public half do not belong together');
  return material;
}

function importSymmetric(text: string | undefined): KeyMaterial {
  const secret = Buffer.from(text ?? '', 'base64url');
  const fits = secret.length >= OCT_BYTES_MIN && secret.length <= OCT_BYTES_MAX;
  if (!fits || secret.toString('base64url') !== text) {
    throw invalid('key.k', `base64url of ${OCT_BYTES_MIN} to ${OCT_BYTES_MAX} bytes`);
  }
  return { publicKey: {}, secret };
}

function readPrivateKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' });
  } catch {
    // OpenSSL's text may quote the input.
    throw invalid('key', 'not a private key in JWK form');
  }
}

function demandStrength(publicKey: PublicKey, key: KeyObject): void {
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) {
    offered(modulusLength, RSA_BITS, 'key.n');
    if (publicKey.e !== RSA_EXPONENT) throw invalid('key.e', 'only the exponent 65537 is accepted');
  } else {
    offered(publicKey.crv ?? '', CURVES, 'key.crv');
  }
}

/** A JWK with foreign primes or a foreign point parses; using both halves once tells. */
function halvesFit(key: KeyObject): boolean {
  const probe = randomBytes(32);
  const publicHalf = createPublicKey(key);
  try {
    return key.asymmetricKeyType === 'rsa'
      ? privateDecrypt(key, publicEncrypt(publicHalf, probe)).equals(probe)
      : verify('sha256', probe, publicHalf, sign('sha256', probe, key));
  } catch {
    return false;
  }
}

function materialOf(key: KeyObject): KeyMaterial {
  const { n, e, crv, x, y } = createPublicKey(key).export({ format: 'jwk' });
  const named = Object.entries({ n, e, crv, x, y }).filter(([, value]) => value !== undefined);
  return {
    publicKey: Object.fromEntries(named),
    secret: key.export({ format: 'der', type: 'pkcs8' }),
  };
}

function offered<T extends string | number>(value: unknown, known: readonly T[], at: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw invalid(at, `one of ${known.join(', ')}`);
  return found;
}

function invalid(member: string, expected: string): StrongroomError {
  return new StrongroomError('ERR_REQUEST_INVALID', { member, expected });
}

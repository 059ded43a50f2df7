import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import type { ContractExtract, PublicJwk } from './sealed-batch-vector.ts';

/** Keys and contract extracts that the vectors are made with. All but RSA follow from their name. */

export type SigningKind = 'ed25519' | 'p256' | 'p384';
export type WrappingKind = 'x25519' | 'p256' | 'p384' | 'rsa3072';

export interface World {
  readonly extract: ContractExtract;
  readonly signingKey: KeyObject;
  readonly stream: string;
}

export function seed(name: string, bytes = 32): Buffer {
  return createHash('sha512').update(`strongroom test ${name}`).digest().subarray(0, bytes);
}

/** PKCS#8 of RFC 8410 keys: a fixed prefix and the 32 bytes. */
function octetKey(name: string, algorithm: '70' | '6e'): KeyObject {
  const prefix = Buffer.from(`302e020100300506032b65${algorithm}04220420`, 'hex');
  const key = Buffer.concat([prefix, seed(name)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

function ecKey(name: string, curve: 'p256' | 'p384'): KeyObject {
  const bytes = curve === 'p256' ? 32 : 48;
  const ecdh = createECDH(curve === 'p256' ? 'prime256v1' : 'secp384r1');
  // One bit less than the order has, so that every seed is a valid scalar.
  const d = seed(name, bytes);
  d[0] = (d[0] ?? 0) & 0x7f;
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey().subarray(1);
  const jwk = {
    kty: 'EC',
    crv: curve === 'p256' ? 'P-256' : 'P-384',
    d: d.toString('base64url'),
    x: point.subarray(0, bytes).toString('base64url'),
    y: point.subarray(bytes).toString('base64url'),
  };
  return createPrivateKey({ key: jwk, format: 'jwk' });
}

export function signingKeyOf(kind: SigningKind, name: string): KeyObject {
  return kind === 'ed25519' ? octetKey(name, '70') : ecKey(name, kind);
}

let rsa: KeyObject | undefined;
export function wrappingKeyOf(kind: WrappingKind, name: string): KeyObject {
  if (kind === 'x25519') return octetKey(name, '6e');
  if (kind !== 'rsa3072') return ecKey(name, kind);
  rsa ??= generateKeyPairSync('rsa', { modulusLength: 3_072 }).privateKey;
  return rsa;
}

export function jwkOf(key: KeyObject): PublicJwk {
  const members = Object.entries(key.export({ format: 'jwk' })).map(([name, value]) => [
    name,
    String(value),
  ]);
  return { kty: '', ...Object.fromEntries(members) };
}

export function publicJwkOf(key: KeyObject): PublicJwk {
  return jwkOf(createPublicKey(key));
}

export function worldOf(
  signing: SigningKind = 'ed25519',
  wrapping: WrappingKind = 'x25519',
  more: { dataset?: string; timed?: boolean } = {},
): World {
  const signingKey = signingKeyOf(signing, `owner ${signing}`);
  const wrappingKey = wrappingKeyOf(wrapping, `dataset ${wrapping}`);
  const id = more.dataset ?? 'flights';
  return {
    signingKey,
    stream: seed(`stream ${signing} ${wrapping}`, 16).toString('base64url'),
    extract: {
      id: seed('contract').toString('hex'),
      dataset: {
        id,
        keyId: 'flights-key',
        wrappingKey: publicJwkOf(wrappingKey),
        ...(more.timed === false ? {} : { eventTime: 'departed_at' }),
      },
      owner: { id: 'north', signingKey: publicJwkOf(signingKey) },
      wrappingPrivateKey: jwkOf(wrappingKey),
    },
  };
}

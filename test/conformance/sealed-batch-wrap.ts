import {
  constants,
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { jwkOf, publicJwkOf } from './sealed-batch-keys.ts';
import type { ContractExtract, PublicJwk } from './sealed-batch-vector.ts';

/** Wraps a segment secret by hand (RFC 7516, RFC 7518), with every part open to change. */
export interface Wrapping {
  readonly wrappingKey?: PublicJwk;
  /** The stream's name, when not the one of the seal. */
  readonly stream?: string;
  /** Members of the header to change or add; undefined takes one away. */
  readonly header?: Record<string, unknown>;
  /** The ephemeral key in the header, from the right one and its private half. */
  readonly epk?: (publicJwk: PublicJwk, d: string) => unknown;
  readonly headerText?: (text: string) => string;
  /** The secret's bytes, when not 32 of them. */
  readonly secret?: Uint8Array;
  /** The result of the key agreement, for an ephemeral key without private half. */
  readonly agreed?: Uint8Array;
  readonly oaepHash?: string;
  readonly contentKeyBytes?: number;
  readonly compact?: (jwe: string) => string;
}

const base64url = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64url');

export async function wrapByHand(
  extract: ContractExtract,
  secret: Uint8Array,
  stream: string,
  wrapping: Wrapping = {},
): Promise<string> {
  const wrappingKey = wrapping.wrappingKey ?? extract.dataset.wrappingKey;
  const contentKey = randomBytes(wrapping.contentKeyBytes ?? 32);
  const context = `strongroom/segment/v1 ${wrapping.stream ?? stream}`;
  const agreement = wrappingKey.kty === 'RSA' ? undefined : agreeWith(wrappingKey);
  const header: Record<string, unknown> = {
    alg: agreement ? 'ECDH-ES+A256KW' : 'RSA-OAEP-256',
    ctx: createHash('sha256').update(context).digest('base64url'),
    enc: 'A256GCM',
    ...(agreement && { epk: wrapping.epk?.(agreement.epk, agreement.d) ?? agreement.epk }),
    kid: extract.dataset.keyId,
    typ: 'strongroom-segment+jwe',
    ...wrapping.header,
  };
  const text = JSON.stringify(header);
  const protectedHeader = base64url(wrapping.headerText?.(text) ?? text);
  const encryptedKey = agreement
    ? wrapKey(wrapping.agreed ?? agreement.agreed, contentKey)
    : wrapRsa(wrappingKey, contentKey, wrapping.oaepHash ?? 'sha256');
  const iv = randomBytes(12);
  const name = contentKey.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
  const cipher = createCipheriv(name, contentKey, iv);
  cipher.setAAD(Buffer.from(protectedHeader, 'ascii'));
  const ciphertext = Buffer.concat([cipher.update(wrapping.secret ?? secret), cipher.final()]);
  const parts = [encryptedKey, iv, ciphertext, cipher.getAuthTag()].map(base64url);
  const jwe = [protectedHeader, ...parts].join('.');
  return wrapping.compact?.(jwe) ?? jwe;
}

function agreeWith(wrappingKey: PublicJwk): { epk: PublicJwk; d: string; agreed: Uint8Array } {
  const pair = ephemeralPair(wrappingKey['crv'] ?? '');
  const publicKey = createPublicKey({ key: { ...wrappingKey }, format: 'jwk' });
  return {
    epk: publicJwkOf(pair),
    d: jwkOf(pair)['d'] ?? '',
    agreed: diffieHellman({ privateKey: pair, publicKey }),
  };
}

export function ephemeralPair(crv: string): KeyObject {
  if (crv === 'X25519') return generateKeyPairSync('x25519').privateKey;
  return generateKeyPairSync('ec', { namedCurve: crv }).privateKey;
}

/** Concat KDF (RFC 7518 §4.6.2) without party information, then AES key wrap (RFC 3394). */
function wrapKey(agreed: Uint8Array, contentKey: Uint8Array): Uint8Array {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const algorithm = 'ECDH-ES+A256KW';
  const key = createHash('sha256')
    .update(number(1))
    .update(agreed)
    .update(number(algorithm.length))
    .update(algorithm)
    .update(number(0))
    .update(number(0))
    .update(number(256))
    .digest();
  const cipher = createCipheriv('id-aes256-wrap', key, Buffer.alloc(8, 0xa6));
  return Buffer.concat([cipher.update(contentKey), cipher.final()]);
}

function wrapRsa(wrappingKey: PublicJwk, contentKey: Uint8Array, oaepHash: string): Uint8Array {
  const key = createPublicKey({ key: { ...wrappingKey }, format: 'jwk' });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, contentKey);
}

import { sha256 } from '@noble/hashes/sha2.js';
import { compactDecrypt } from 'jose';
import { decode, hasExactly, isObject, type Members } from './sealed-batch-second-shapes.ts';
import type { ContractExtract, PublicJwk } from './sealed-batch-vector.ts';

/** The second reader's part 6: a wrapped secret, opened with jose; undefined for any refusal. */
export async function unwrapSecret(
  jwe: string,
  contract: ContractExtract,
  streamName: string,
): Promise<Uint8Array | undefined> {
  const { wrappingKey, keyId } = contract.dataset;
  const [header, key, iv, ciphertext, tag] = jwe.split('.').map(decode);
  const keyBytes = wrappingKey.kty === 'RSA' ? decode(wrappingKey['n'] ?? '')?.length : 40;
  if (!header || key?.length !== keyBytes) return undefined;
  if (iv?.length !== 12 || ciphertext?.length !== 32 || tag?.length !== 16) return undefined;
  const context = sha256(new TextEncoder().encode(`strongroom/segment/v1 ${streamName}`));
  const expected: Members = {
    alg: wrappingKey.kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW',
    enc: 'A256GCM',
    kid: keyId,
    typ: 'strongroom-segment+jwe',
    ctx: Buffer.from(context).toString('base64url'),
  };
  if (!isHeader(Buffer.from(header).toString('utf8'), expected, wrappingKey)) return undefined;
  try {
    const opened = await compactDecrypt(jwe, { ...contract.wrappingPrivateKey });
    return opened.plaintext;
  } catch {
    return undefined;
  }
}

function isHeader(text: string, expected: Members, wrappingKey: PublicJwk): boolean {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    return false;
  }
  if (!isObject(header) || JSON.stringify(header) !== text) return false;
  const names = Object.keys(expected);
  const agreed = wrappingKey.kty === 'RSA' ? names : [...names, 'epk'];
  if (!hasExactly(header, agreed)) return false;
  if (names.some((name) => header[name] !== expected[name])) return false;
  return wrappingKey.kty === 'RSA' || isPoint(header['epk'], wrappingKey);
}

function isPoint(epk: unknown, wrappingKey: PublicJwk): boolean {
  if (!isObject(epk)) return false;
  const ends = wrappingKey.kty === 'EC' ? ['x', 'y'] : ['x'];
  if (!hasExactly(epk, ['kty', 'crv', ...ends])) return false;
  const bytes = wrappingKey['crv'] === 'P-384' ? 48 : 32;
  const full = ends.every((end) => decode(String(epk[end]))?.length === bytes);
  return full && epk['kty'] === wrappingKey.kty && epk['crv'] === wrappingKey['crv'];
}

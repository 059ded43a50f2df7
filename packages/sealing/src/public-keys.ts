import { createPublicKey, type KeyObject } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { RSA_BITS_MIN } from '@strongroom/protocol/limits';
import type { IssuerKey, SigningKey, WrappingKey } from '@strongroom/protocol/public-key';

export type PublicKey = SigningKey | WrappingKey | IssuerKey;

const COORDINATE_BYTES = { Ed25519: 32, X25519: 32, 'P-256': 32, 'P-384': 48 } as const;
/** 65537: the exponent of every hardware key store. */
const RSA_EXPONENT = 'AQAB';

const imported = new WeakMap<PublicKey, KeyObject>();

/**
 * Turns a public key of a contract into a key object. Every member must be base64url in its one
 * spelling and of its full length; an RSA modulus has RSA_BITS_MIN bits or more.
 * @throws ERR_CONTRACT_MALFORMED with the place, for a key that is none
 */
export function importPublicKey(key: PublicKey, place = 'key'): KeyObject {
  const known = imported.get(key);
  if (known) return known;
  if (!isWellFormed(key, RSA_BITS_MIN)) throw malformed(place);
  let made: KeyObject;
  try {
    made = createPublicKey({ key: { ...key }, format: 'jwk' });
  } catch {
    throw malformed(place);
  }
  imported.set(key, made);
  return made;
}

/** Whether an RSA modulus has its bits and exponent, or a point its coordinates' full length. */
export function isWellFormed(key: PublicKey, rsaBitsMin: number): boolean {
  if (key.kty === 'RSA') {
    const modulus = decodeBase64url(key.n);
    return bitsOf(modulus) >= rsaBitsMin && bitsOf(modulus) <= 8_192 && key.e === RSA_EXPONENT;
  }
  const bytes = COORDINATE_BYTES[key.crv];
  const ends = key.kty === 'EC' ? [key.x, key.y] : [key.x];
  return ends.every((end) => decodeBase64url(end)?.length === bytes);
}

/** 0 for bytes that begin with a zero: a number has one spelling (RFC 7518 §2). */
function bitsOf(modulus: Uint8Array | undefined): number {
  const first = modulus?.[0] ?? 0;
  return modulus === undefined || first === 0 ? 0 : modulus.length * 8 - (Math.clz32(first) - 24);
}

/**
 * Imports every key that a contract names, so that a bad one is found before anything runs.
 * @throws ERR_CONTRACT_MALFORMED with the place of the first bad key
 */
export function checkContractKeys(contract: Contract): void {
  for (const party of contract.parties) {
    const at = `parties.${party.id}`;
    importPublicKey(party.signingKey, `${at}.signingKey`);
    if (party.readingKey) importPublicKey(party.readingKey, `${at}.readingKey`);
    if (!party.keyRelease) continue;
    const { releaseKey, lease } = party.keyRelease;
    importPublicKey(releaseKey, `${at}.keyRelease.releaseKey`);
    if (lease) importPublicKey(lease.statementKey, `${at}.keyRelease.lease.statementKey`);
  }
  for (const dataset of contract.datasets) {
    importPublicKey(dataset.wrappingKey, `datasets.${dataset.id}.wrappingKey`);
  }
  for (const authority of contract.enclave.authorities) {
    for (const key of authority.keys) importPublicKey(key, 'enclave.authorities.keys');
  }
}

/** Whether two public keys are one; their members have one spelling. */
export function sameKey(left: object, right: object): boolean {
  const members = (key: object) => JSON.stringify(Object.entries(key).sort());
  return members(left) === members(right);
}

function malformed(place: string): StrongroomError {
  const problem = 'not a public key of full length in its one spelling';
  return new StrongroomError('ERR_CONTRACT_MALFORMED', { place, problem });
}

import { verify } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import {
  type IssuerKey,
  type SigningKey,
  signatureAlgorithmOf,
} from '@strongroom/protocol/public-key';
import { ECDSA_HASHES, ECDSA_SIGNATURE_BYTES, hasLowS, isEcdsa } from './ecdsa-low-s.ts';
import { importPublicKey } from './public-keys.ts';

/** Which code a caller wants for which failure. */
export interface JwsCodes {
  readonly malformed: ErrorCode;
  readonly algorithm: ErrorCode;
  readonly signature: ErrorCode;
}

export interface JwsExpectation {
  readonly typ: string;
  /** Who must have signed; a header that names another is refused as a bad signature. */
  readonly kid: string;
  readonly key: SigningKey | IssuerKey;
}

/** The three members that a protected header of ours has, no more and no fewer. */
export interface JwsHeader {
  readonly alg: string;
  readonly kid: string;
  readonly typ: string;
}

/**
 * Verifies a compact JWS (RFC 7515 §7.1) whose algorithm is the one of the key that the caller
 * pins. Nothing in the header can choose a key or an algorithm, or add an extension.
 * Order: three strict base64url parts, header, signature.
 * @returns the payload's bytes
 */
export async function verifyCompact(
  jws: string,
  expected: JwsExpectation,
  codes: JwsCodes,
): Promise<Uint8Array> {
  const parts = splitCompactJws(jws);
  if (!parts) throw new StrongroomError(codes.malformed, { part: 'compact form' });
  checkHeader(parts.header, expected, codes);
  const signed = Buffer.from(jws.slice(0, jws.lastIndexOf('.')), 'ascii');
  if (!isSignature(signed, parts.signature, expected.key)) {
    throw new StrongroomError(codes.signature);
  }
  return parts.payload;
}

interface JwsParts {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** Undefined unless there are exactly three parts and each is base64url in its one spelling. */
export function splitCompactJws(jws: string): JwsParts | undefined {
  const [header, payload, signature, ...more] = jws.split('.').map(decodeBase64url);
  if (!header || !payload || !signature || more.length > 0) return undefined;
  return { header, payload, signature };
}

function checkHeader(bytes: Uint8Array, expected: JwsExpectation, codes: JwsCodes): void {
  const header = parseHeader(bytes);
  if (!header) throw new StrongroomError(codes.malformed, { part: 'protected header' });
  if (header.typ !== expected.typ) {
    throw new StrongroomError(codes.malformed, { part: 'typ', expected: expected.typ });
  }
  if (header.alg !== signatureAlgorithmOf(expected.key)) {
    throw new StrongroomError(codes.algorithm, { expected: signatureAlgorithmOf(expected.key) });
  }
  if (header.kid !== expected.kid) {
    throw new StrongroomError(codes.signature, { expected: expected.kid });
  }
}

/** Undefined unless the bytes are canonical JSON of exactly {alg, kid, typ}, all strings. */
export function parseHeader(bytes: Uint8Array): JwsHeader | undefined {
  let value: unknown;
  try {
    value = parseCanonical(bytes);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3) {
    return undefined;
  }
  if (!('alg' in value) || !('kid' in value) || !('typ' in value)) return undefined;
  const { alg, kid, typ } = value;
  if (typeof alg !== 'string' || typeof kid !== 'string' || typeof typ !== 'string') {
    return undefined;
  }
  return { alg, kid, typ };
}

/**
 * node:crypto on this thread: the header was checked above, and a hop to the thread pool costs as
 * much as the signature. ECDSA: full length and low s. Ed25519: OpenSSL itself refuses s >= L
 * (RFC 8032 §5.1.7).
 */
export function isSignature(
  signed: Uint8Array,
  signature: Uint8Array,
  key: SigningKey | IssuerKey,
): boolean {
  const algorithm = signatureAlgorithmOf(key);
  const publicKey = importPublicKey(key);
  if (algorithm === 'RS256') return verify('sha256', signed, publicKey, signature);
  if (!isEcdsa(algorithm)) return verify(null, signed, publicKey, signature);
  if (signature.length !== ECDSA_SIGNATURE_BYTES[algorithm]) return false;
  const from = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  return hasLowS(algorithm, signature) && verify(ECDSA_HASHES[algorithm], signed, from, signature);
}

/** The party that a signature's header names; undefined when the header is none of ours. */
export function signerOf(protectedHeader: string): string | undefined {
  const bytes = decodeBase64url(protectedHeader);
  return bytes && parseHeader(bytes)?.kid;
}

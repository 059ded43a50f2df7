import { createHash, type KeyObject } from 'node:crypto';
import { repeatedMember } from '@strongroom/attestation/release-policy/repeated-member';
import { parseCertificate, publicKeyOf } from '@strongroom/attestation/x509/certificate';
import { parsePemCertificates } from '@strongroom/attestation/x509/pem';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { compactVerify } from 'jose';
import { z } from 'zod';
import { parsePolicy } from './policy/parse.ts';
import type { AttestationPolicy } from './policy/tree.ts';

/** Whose signature a policy needs; with none of them a policy needs no signature. */
export interface PolicyCertificate {
  readonly publicKey: KeyObject;
  /** What tokens show of the signer: its public key and the certificate. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** A policy as it was set: the JWS, the text inside of it, and what it means. */
export interface PolicyDocument {
  readonly jws: string;
  readonly policy: AttestationPolicy;
  /** Azure's: base64url of SHA-256 over the base64url of the text. */
  readonly hash: string;
  readonly signer?: PolicyCertificate['jwk'];
}

const HeaderSchema = z.looseObject({ alg: z.enum(['none', 'RS256']) });
const PayloadSchema = z.strictObject({ AttestationPolicy: z.string() });
const RSA_BITS_MIN = 2_048;

/** @throws ERR_CONFIG_INVALID for what is no certificate of an RSA key from 2048 bits */
export function readPolicyCertificates(pem: string): PolicyCertificate[] {
  try {
    const certificates = parsePemCertificates(pem).map(readPolicyCertificate);
    if (certificates.length > 0) return certificates;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
  }
  throw notUsable();
}

function readPolicyCertificate(der: Uint8Array): PolicyCertificate {
  const publicKey = publicKeyOf(parseCertificate(der));
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (kty !== 'RSA' || bits < RSA_BITS_MIN) throw notUsable();
  const x5c = [Buffer.from(der).toString('base64')];
  return { publicKey, jwk: { kty, n, e, alg: 'RS256', use: 'sig', x5c } };
}

/**
 * Reads `{"AttestationPolicy": "<base64url>"}` in a compact JWS. The certificates are the caller's:
 * one in the header is not looked at.
 * @throws ERR_REQUEST_INVALID, ERR_ATTESTATION_POLICY_SIGNATURE, ERR_ATTESTATION_POLICY_MALFORMED
 */
export async function readPolicyDocument(
  jws: string,
  certificates: readonly PolicyCertificate[],
): Promise<PolicyDocument> {
  const { payload, signer } = await openJws(jws, certificates);
  const members = PayloadSchema.safeParse(parseJson(payload));
  const encoded = members.data?.AttestationPolicy;
  const bytes = encoded === undefined ? undefined : decodeBase64url(encoded);
  if (encoded === undefined || !bytes) throw invalid('AttestationPolicy');
  const policy = parsePolicy(textOf(bytes));
  const hash = createHash('sha256').update(encoded).digest('base64url');
  return { jws, policy, hash, ...(signer ? { signer: signer.jwk } : {}) };
}

/** The JWS of a reset holds nothing; it is signed where a policy would have to be. */
export async function readResetDocument(
  jws: string,
  certificates: readonly PolicyCertificate[],
): Promise<void> {
  const { payload } = await openJws(jws, certificates);
  if (payload.length > 0) throw invalid('an empty payload');
}

/** As Azure's clients write a policy that nobody signed. */
export function unsignedPolicy(text: string): string {
  const encode = (value: string) => encodeBase64url(new TextEncoder().encode(value));
  const payload = JSON.stringify({ AttestationPolicy: encode(text) });
  return `${encode('{"alg":"none"}')}.${encode(payload)}.`;
}

async function openJws(
  jws: string,
  certificates: readonly PolicyCertificate[],
): Promise<{ payload: Uint8Array; signer?: PolicyCertificate }> {
  const [header, payload, signature, ...more] = jws.split('.').map(decodeBase64url);
  if (!header || !payload || !signature || more.length > 0) throw invalid('a compact JWS');
  const fields = HeaderSchema.safeParse(parseJson(header));
  // RFC 7515 §4.1.11: what is critical must be understood, and we know no extension.
  if (!fields.success || 'crit' in fields.data || 'b64' in fields.data) throw invalid('alg');
  if (fields.data.alg === 'RS256') {
    return { payload, signer: await signerOf(jws, certificates) };
  }
  if (signature.length > 0) throw invalid('an empty signature');
  if (certificates.length > 0) throw unsigned('unsigned');
  return { payload };
}

async function signerOf(
  jws: string,
  certificates: readonly PolicyCertificate[],
): Promise<PolicyCertificate> {
  for (const certificate of certificates) {
    const verified = await compactVerify(jws, certificate.publicKey, {
      algorithms: ['RS256'],
    }).catch(() => undefined);
    if (verified) return certificate;
  }
  throw unsigned('signature');
}

function parseJson(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  try {
    const value: unknown = JSON.parse(text);
    if (repeatedMember(text) === undefined) return value;
  } catch {
    throw invalid('JSON');
  }
  throw invalid('each member once');
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid('UTF-8');
  }
}

function invalid(expected: string): StrongroomError {
  return new StrongroomError('ERR_REQUEST_INVALID', { expected });
}

function unsigned(check: string): StrongroomError {
  return new StrongroomError('ERR_ATTESTATION_POLICY_SIGNATURE', { check });
}

function notUsable(): StrongroomError {
  const expected = `RSA certificates from ${RSA_BITS_MIN} bits`;
  return new StrongroomError('ERR_CONFIG_INVALID', { setting: 'policy-certificates', expected });
}

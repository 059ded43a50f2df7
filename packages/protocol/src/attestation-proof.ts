import { z } from 'zod';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { canonicalBytes, parseCanonical } from './canonical-json.ts';
import { StrongroomError } from './errors.ts';
import { type Evidence, EvidenceSchema } from './evidence.ts';
import { CompactJwsSchema } from './fields.ts';
import { AUTHORITIES_MAX, PROOF_BYTES_MAX, TOKEN_BYTES_MAX } from './limits.ts';

/**
 * What one start of a worker shows to prove itself: a token of each authority that attested it, and
 * the raw evidence for whoever verifies it itself. As canonical JSON it is the value of the token
 * record on the log, and its SHA-256 is what the seals of results name. Nothing here is verified:
 * an issuer is what a token claims.
 */
export const AttestationProofSchema = z.strictObject({
  v: z.literal(1),
  /** In the order of their issuers, one of each. */
  tokens: z.array(CompactJwsSchema.max(TOKEN_BYTES_MAX)).min(1).max(AUTHORITIES_MAX),
  evidence: z.exactOptional(EvidenceSchema),
});
export type AttestationProof = z.infer<typeof AttestationProofSchema>;

/** Tokens in any order. @throws ERR_TOKEN_INVALID for two of one issuer, ERR_LIMIT_EXCEEDED */
export function createProof(tokens: readonly string[], evidence?: Evidence): AttestationProof {
  const sorted = [...tokens].sort((left, right) => compare(issuerOf(left), issuerOf(right)));
  return checked({ v: 1, tokens: sorted, ...(evidence === undefined ? {} : { evidence }) });
}

/** @throws ERR_LIMIT_EXCEEDED */
export function proofBytes(proof: AttestationProof): Uint8Array {
  return withinLimit(canonicalBytes(proof));
}

/** @throws ERR_TOKEN_INVALID for what is not the one form of a proof, ERR_LIMIT_EXCEEDED */
export function parseProof(bytes: Uint8Array): AttestationProof {
  return checked(canonicalOr(withinLimit(bytes)));
}

/**
 * The `target` of a key release. Azure knows one form of it, a token; a token has two dots, and
 * ours, base64url of the proof's bytes, has none.
 */
export function proofTarget(proof: AttestationProof): string {
  return encodeBase64url(proofBytes(proof));
}

/** @throws ERR_TOKEN_INVALID for what has neither form, ERR_LIMIT_EXCEEDED */
export function parseTarget(target: string): AttestationProof {
  if (target.includes('.')) return checked({ v: 1, tokens: [target] });
  const bytes = decodeBase64url(target);
  if (!bytes) throw invalid('target');
  return parseProof(bytes);
}

function checked(value: unknown): AttestationProof {
  const parsed = AttestationProofSchema.safeParse(value);
  if (!parsed.success) throw invalid('proof');
  const issuers = parsed.data.tokens.map(issuerOf);
  const isOrdered = issuers.every(
    (issuer, index) => index === 0 || compare(issuers[index - 1] ?? '', issuer) < 0,
  );
  if (!isOrdered) throw invalid('one-token-per-issuer');
  return parsed.data;
}

const IssuerSchema = z.looseObject({ iss: z.string() });

/** The `iss` that an unverified token claims; '' when it shows none, which no authority has. */
export function issuerOf(token: string): string {
  const payload = decodeBase64url(token.split('.')[1] ?? '');
  try {
    return IssuerSchema.parse(JSON.parse(new TextDecoder().decode(payload))).iss;
  } catch {
    return '';
  }
}

function withinLimit(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= PROOF_BYTES_MAX) return bytes;
  throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'PROOF_BYTES_MAX' });
}

function canonicalOr(bytes: Uint8Array): unknown {
  try {
    return parseCanonical(bytes);
  } catch {
    return undefined;
  }
}

/** By UTF-16 code units, as RFC 8785 sorts names. */
function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function invalid(check: string): StrongroomError {
  return new StrongroomError('ERR_TOKEN_INVALID', { check });
}

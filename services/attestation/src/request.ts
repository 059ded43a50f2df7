import { createHash } from 'node:crypto';
import { repeatedMember } from '@strongroom/attestation/release-policy/repeated-member';
import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { isTooDeep } from '@strongroom/runtime/json-body';
import { z } from 'zod';

/** The body of Microsoft Azure Attestation's `POST /attest/SevSnpVm`, as clients really send it. */

/**
 * Azure's clients write base64url with the right padding or with none; everything else about it
 * stays strict.
 */
const bytes = z.string().transform((text, context) => {
  const padded = text.endsWith('=');
  const decoded = decodeBase64url(padded ? text.replace(/={1,2}$/, '') : text);
  if (decoded && (!padded || text.length % 4 === 0)) return decoded;
  context.addIssue({ code: 'custom', message: 'base64url was expected' });
  return z.NEVER;
});

/** The key release sidecar sends empty texts for what it does not have. */
const OptionalDataSchema = z.strictObject({
  data: z.exactOptional(bytes),
  dataType: z.exactOptional(z.enum(['JSON', 'Binary', ''])),
});

export const AttestRequestSchema = z.strictObject({
  report: bytes,
  runtimeData: z.strictObject({ data: bytes, dataType: z.enum(['JSON', 'Binary']) }),
  initTimeData: z.exactOptional(OptionalDataSchema),
  nonce: z.exactOptional(z.union([z.string().max(256), z.int()])),
  /** A JWS without a signature; clients write an empty text for none. */
  draftPolicyForAttestation: z.exactOptional(z.string()),
});

const ReportSchema = z.strictObject({
  SnpReport: bytes,
  VcekCertChain: bytes,
  /** Azure's endorsement of its utility VM; not looked at, and no claim is made from it. */
  Endorsements: z.exactOptional(z.string()),
});

export interface AttestRequest {
  readonly evidence: Evidence;
  readonly runtimeData: Uint8Array;
  readonly runtimeDataType: 'JSON' | 'Binary';
  /** SHA-256 of the initialisation data, in hex: what HOST_DATA must be. Absent when not sent. */
  readonly initTimeHash?: string;
  /** Echoed. A number comes back as the digits that were sent. */
  readonly nonce?: string;
  readonly draftPolicy?: string;
}

/** @throws ERR_EVIDENCE_MALFORMED with the first place that is wrong */
export function parseAttestRequest(body: unknown): AttestRequest {
  const request = parse(AttestRequestSchema, body, 'body');
  demandShallow(request.runtimeData);
  const inner = parse(ReportSchema, parseJson(request.report), 'report');
  const initTime = request.initTimeData?.data;
  return {
    evidence: {
      report: encodeBase64url(inner.SnpReport),
      certificateChain: new TextDecoder().decode(inner.VcekCertChain),
      runtimeClaims: encodeBase64url(request.runtimeData.data),
    },
    runtimeData: request.runtimeData.data,
    runtimeDataType: request.runtimeData.dataType,
    ...(initTime && initTime.length > 0
      ? { initTimeHash: createHash('sha256').update(initTime).digest('hex') }
      : {}),
    ...(request.nonce === undefined ? {} : { nonce: String(request.nonce) }),
    ...(request.draftPolicyForAttestation
      ? { draftPolicy: request.draftPolicyForAttestation }
      : {}),
  };
}

/**
 * Runtime data becomes a claim, and writing JSON is recursive where reading it is not.
 * @throws ERR_EVIDENCE_MALFORMED
 */
export function demandShallow(runtimeData: {
  data: Uint8Array;
  dataType: 'JSON' | 'Binary';
}): void {
  if (runtimeData.dataType !== 'JSON') return;
  if (!isTooDeep(new TextDecoder().decode(runtimeData.data))) return;
  throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'runtime-data-depth' });
}

/**
 * JSON of a request, nested no deeper than any request is: that is looked at before it is parsed.
 * Azure's sidecar sends its nonce as a number beyond 2^53, of which a double
 * keeps only the beginning: such a number is read as the text of its digits.
 */
export function parseRequestText(text: string): unknown {
  if (isTooDeep(text)) throw new StrongroomError('ERR_JSON_MALFORMED', { check: 'depth' });
  try {
    const value: unknown = JSON.parse(text, digitsOfLargeNumbers);
    if (repeatedMember(text) === undefined) return value;
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED');
  }
  throw new StrongroomError('ERR_JSON_MALFORMED', { check: 'repeated-member' });
}

function digitsOfLargeNumbers(_name: string, value: unknown, context?: { source?: string }) {
  const inexact = typeof value === 'number' && !Number.isSafeInteger(value);
  return inexact && context?.source !== undefined ? context.source : value;
}

function parseJson(encoded: Uint8Array): unknown {
  try {
    return parseRequestText(new TextDecoder('utf-8', { fatal: true }).decode(encoded));
  } catch {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'report' });
  }
}

function parse<S extends z.ZodType>(shape: S, value: unknown, place: string): z.infer<S> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: path ? `${place}.${path}` : place });
}

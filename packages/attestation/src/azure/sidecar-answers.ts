import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import { parseThimCertificates } from '../endorsements/thim.ts';
import { parseReport, REPORT_BYTES } from '../report.ts';
import { decodeBase64, decodeHex } from '../strict-text.ts';
import { sameBytes } from '../x509/certificate.ts';
import { parsePemCertificates } from '../x509/pem.ts';

/**
 * Answers of the key release sidecar of Azure's confidential containers. Everything that is not
 * exactly the awaited answer is refused: it says "not ready" with status 200, and after an error it
 * may write a second body behind the first.
 */
export interface SidecarAnswer {
  readonly status: number;
  readonly text: string;
}

const StatusSchema = z.strictObject({ message: z.string() });
const RawSchema = z.strictObject({ report: z.string() });
const CombinedSchema = z.strictObject({
  evidence: z.string(),
  endorsements: z.string(),
  uvm_endorsements: z.string(),
  endorsed_tcb: z.string(),
});
const TokenSchema = z.strictObject({ token: z.string().min(1) });
const ReleaseSchema = z.strictObject({ key: z.string().min(1) });

/** "Status OK" of the code, "STATUS OK" of its README; "Status NOT OK" comes with 200 too. */
export function isReady(answer: SidecarAnswer): boolean {
  if (answer.status !== 200) return false;
  const parsed = StatusSchema.safeParse(parseJson(answer.text));
  return parsed.success && /^status ok$/i.test(parsed.data.message);
}

/**
 * @param reportData what was asked for: a report for anything else is none
 * @throws ERR_PLATFORM_UNAVAILABLE, ERR_REPORT_MALFORMED, ERR_REPORT_DATA_MISMATCH
 */
export function readRawAnswer(answer: SidecarAnswer, reportData: Uint8Array): Uint8Array {
  const { report } = parsed(RawSchema, answer);
  return awaited(decodeHex(report), reportData);
}

export interface CombinedAnswer {
  readonly report: Uint8Array;
  /** DER, leaf first; hints, which the report has to prove. */
  readonly certificates: readonly Uint8Array[];
  readonly uvmEndorsement: Uint8Array | null;
}

/** @throws ERR_PLATFORM_UNAVAILABLE, ERR_REPORT_MALFORMED, ERR_REPORT_DATA_MISMATCH */
export function readCombinedAnswer(answer: SidecarAnswer, reportData: Uint8Array): CombinedAnswer {
  const { evidence, endorsements, uvm_endorsements, endorsed_tcb } = parsed(CombinedSchema, answer);
  const report = awaited(decodeBase64(evidence), reportData);
  const tcb = decodeHex(endorsed_tcb)?.reverse();
  if (!tcb || !sameBytes(tcb, parseReport(report).reportedTcb)) throw refusal('endorsed-tcb');
  const uvmEndorsement = decodeBase64(uvm_endorsements);
  if (!uvmEndorsement) throw refusal('answer-form');
  return {
    report,
    certificates: certificatesOf(endorsements),
    uvmEndorsement: uvmEndorsement.length === 0 ? null : uvmEndorsement,
  };
}

/** The text of Azure's certificate cache as it stands, or PEM. */
function certificatesOf(base64: string): readonly Uint8Array[] {
  const bytes = decodeBase64(base64);
  if (!bytes) throw refusal('answer-form');
  const text = new TextDecoder().decode(bytes);
  if (text === '') return [];
  if (!text.startsWith('{')) return parsePemCertificates(text);
  const { leaf, authorities } = parseThimCertificates(text);
  return [leaf, ...authorities];
}

/** @throws ERR_PLATFORM_UNAVAILABLE */
export function readTokenAnswer(answer: SidecarAnswer): string {
  return parsed(TokenSchema, answer).token;
}

/**
 * The key is a JWK inside of a JSON string.
 * @throws ERR_KEY_NOT_RELEASED
 */
export function readReleaseAnswer(answer: SidecarAnswer): Readonly<Record<string, unknown>> {
  const outer = answer.status === 200 ? ReleaseSchema.safeParse(parseJson(answer.text)) : undefined;
  const inner = outer?.success ? parseJson(outer.data.key) : undefined;
  const jwk = z.looseObject({ kty: z.string() }).safeParse(inner);
  if (!jwk.success) {
    throw new StrongroomError('ERR_KEY_NOT_RELEASED', { status: answer.status });
  }
  return jwk.data;
}

function awaited(report: Uint8Array | undefined, reportData: Uint8Array): Uint8Array {
  if (report?.length !== REPORT_BYTES) throw refusal('report-length');
  if (!sameBytes(parseReport(report).reportData, reportData)) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'sidecar' });
  }
  return report;
}

function parsed<S extends z.ZodType>(shape: S, answer: SidecarAnswer): z.infer<S> {
  if (answer.status !== 200) throw refusal('status', answer.status);
  const result = shape.safeParse(parseJson(answer.text));
  if (!result.success) throw refusal('answer-form');
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(check: string, status?: number): StrongroomError {
  const facts = status === undefined ? {} : { status };
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check: `sidecar-${check}`, ...facts });
}

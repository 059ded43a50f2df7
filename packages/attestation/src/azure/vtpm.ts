import { decodeBase64url, encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  type Evidence,
  type VtpmEvidence,
  VtpmEvidenceSchema,
} from '@strongroom/protocol/evidence';
import { reportDataOf } from '../binding.ts';
import { sameBytes } from '../x509/certificate.ts';
import { parseHclReport, parseHclRuntimeData, writeHclReport } from './hcl-report.ts';
import { ALL_PCRS, bareSignature, verifyTpmQuote } from './tpm-quote.ts';
import type { AzureVmEvidence } from './vm-evidence.ts';

/** What a virtual TPM shows whose attestation key the hardware's report binds. */
export interface VtpmFacts {
  /** What the quote answers; appraisal compares it with what the claims bind. */
  readonly nonce: Uint8Array;
  /** What the guest wrote before the report was made; empty where it wrote nothing. */
  readonly userData: Uint8Array;
  /** SHA-256 values of all PCRs in order, in hex. */
  readonly pcrs: readonly string[];
  readonly secureBoot: boolean | null;
}

/**
 * Report -> hash of the runtime data -> attestation key -> quote -> digest over the PCRs. Nobody
 * asks for a certificate of that key: the report is the stronger witness.
 * @param reportData 64 bytes of a report whose signature was verified
 * @throws ERR_EVIDENCE_MALFORMED, ERR_REPORT_DATA_MISMATCH, ERR_VTPM_EVIDENCE
 */
export function verifyVtpm(evidence: VtpmEvidence, reportData: Uint8Array): VtpmFacts {
  const { runtimeData, quote, signature, pcrs } = decodeVtpm(evidence);
  if (!sameBytes(reportDataOf(runtimeData), reportData)) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'hcl-runtime-data' });
  }
  const { attestationKey, userData, secureBoot } = parseHclRuntimeData({ runtimeData });
  const values = pcrs.map((pcr) => new Uint8Array(Buffer.from(pcr, 'hex')));
  const demand = { attestationKey, selection: ALL_PCRS, pcrs: values };
  const { nonce } = verifyTpmQuote(quote, signature, demand);
  return { nonce, userData, pcrs, secureBoot };
}

/** The shape again, with its limits: evidence may come from a caller that parsed nothing. */
function decodeVtpm(evidence: VtpmEvidence) {
  const { data } = VtpmEvidenceSchema.safeParse(evidence);
  const [runtimeData, quote, signature] = [data?.runtimeData, data?.quote, data?.signature].map(
    (text) => decodeBase64url(text ?? ''),
  );
  if (!data || !runtimeData || !quote || !signature) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'vtpm' });
  }
  return { runtimeData, quote, signature, pcrs: data.pcrs };
}

/** What a platform collected, as it travels beside the report and the certificates. */
export function vtpmEvidenceOf({ hclReport, quote, pcrs }: AzureVmEvidence): VtpmEvidence {
  return {
    runtimeData: encodeBase64url(parseHclReport(hclReport).runtimeData),
    quote: encodeBase64url(quote.message),
    signature: encodeBase64url(bareSignature(quote.signature)),
    pcrs: pcrs.map((pcr) => Buffer.from(pcr).toString('hex')),
  };
}

/**
 * The same again in the form that an authority is asked with.
 * @throws ERR_EVIDENCE_MALFORMED
 */
export function azureVmEvidenceOf({ report, vtpm }: Evidence): AzureVmEvidence {
  const reportBytes = decodeBase64url(report);
  if (!reportBytes || !vtpm) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'vtpm' });
  }
  const { runtimeData, quote, signature, pcrs } = decodeVtpm(vtpm);
  return {
    hclReport: writeHclReport(reportBytes, runtimeData),
    quote: { message: quote, signature },
    pcrs: pcrs.map((pcr) => new Uint8Array(Buffer.from(pcr, 'hex'))),
  };
}

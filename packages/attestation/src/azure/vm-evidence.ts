import { StrongroomError } from '@strongroom/protocol/errors';
import { PCR_COUNT } from '@strongroom/protocol/limits';
import { parseCertificate, publicKeyOf, sameBytes } from '../x509/certificate.ts';
import { DerError, DerReader, TAGS } from '../x509/der.ts';
import {
  type HclReport,
  type HclRuntimeData,
  parseHclReport,
  parseHclRuntimeData,
} from './hcl-report.ts';
import { ALL_PCRS, bareSignature, verifyTpmQuote } from './tpm-quote.ts';

/**
 * An Azure confidential VM cannot choose REPORT_DATA: the paravisor did, at boot. Freshness and the
 * guest's own 64 bytes come through the virtual TPM, whose attestation key the report binds:
 * report -> hash of the runtime data -> HCLAkPub -> quote with our nonce over the PCRs.
 */
export interface AzureVmEvidence {
  /** The NV blob. */
  readonly hclReport: Uint8Array;
  readonly quote: { readonly message: Uint8Array; readonly signature: Uint8Array };
  /** All of the SHA-256 bank's PCRs in order. */
  readonly pcrs: readonly Uint8Array[];
  /** Of the attestation key, as the NV index holds it: padded with zeros. */
  readonly aikCertificate?: Uint8Array;
}

export interface AzureVmDemand {
  /** What the quote must carry: REPORT_DATA of our own binding, or a challenger's nonce. */
  readonly nonce: Uint8Array;
  /** PCRs that the quote must cover, exactly; all of them unless said otherwise. */
  readonly selection?: readonly number[];
  /** Demand that the hardware's own report carries these 64 bytes as `user-data` too. */
  readonly userData?: Uint8Array;
}

export interface AzureVmBinding extends HclReport {
  readonly runtime: HclRuntimeData;
}

/**
 * Everything but the report's own signature, which `verifyEvidence` judges.
 * @throws ERR_EVIDENCE_MALFORMED, ERR_REPORT_MALFORMED, ERR_REPORT_DATA_MISMATCH,
 * ERR_VTPM_EVIDENCE, ERR_CERTIFICATE_CHAIN
 */
export function checkAzureVmEvidence(
  evidence: AzureVmEvidence,
  demand: AzureVmDemand,
): AzureVmBinding {
  const hcl = parseHclReport(evidence.hclReport);
  const runtime = parseHclRuntimeData(hcl);
  if (demand.userData && !sameBytes(runtime.userData, demand.userData)) {
    throw new StrongroomError('ERR_VTPM_EVIDENCE', { check: 'user-data' });
  }
  if (evidence.aikCertificate) checkAikCertificate(evidence.aikCertificate, runtime);
  if (evidence.pcrs.length !== PCR_COUNT) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'tpm-pcrs' });
  }
  const selection = demand.selection ?? ALL_PCRS;
  const { message, signature } = evidence.quote;
  const { nonce } = verifyTpmQuote(message, bareSignature(signature), {
    attestationKey: runtime.attestationKey,
    selection,
    pcrs: evidence.pcrs.filter((_, index) => selection.includes(index)),
  });
  if (!sameBytes(nonce, demand.nonce)) {
    throw new StrongroomError('ERR_VTPM_EVIDENCE', { check: 'nonce' });
  }
  return { ...hcl, runtime };
}

/** Azure pads the certificate to the size of its NV index: what follows its DER length is zero. */
export function trimToDer(padded: Uint8Array): Uint8Array {
  let length: number;
  try {
    length = new DerReader(padded).next(TAGS.sequence).raw.length;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new StrongroomError('ERR_CERTIFICATE_CHAIN', { check: 'certificate-form' });
  }
  if (padded.subarray(length).some((byte) => byte !== 0)) {
    throw new StrongroomError('ERR_CERTIFICATE_CHAIN', { check: 'certificate-padding' });
  }
  return padded.slice(0, length);
}

/**
 * A certificate for another key is refused. It adds no trust of its own: its issuer is not judged,
 * because the hardware's report binds the key already.
 */
function checkAikCertificate(padded: Uint8Array, { attestationKey }: HclRuntimeData): void {
  const { n, e } = publicKeyOf(parseCertificate(trimToDer(padded))).export({ format: 'jwk' });
  if (n !== attestationKey.n || e !== attestationKey.e) {
    throw new StrongroomError('ERR_VTPM_EVIDENCE', { check: 'aik-certificate' });
  }
}

import { createHash } from 'node:crypto';
import type { VerifiedFacts } from './verify.ts';
import { sameBytes } from './x509/certificate.ts';

/**
 * REPORT_DATA = SHA-256(runtime claims) ‖ 32 zero bytes: Azure's binding, on every platform. All 64
 * bytes are compared, since a free second half could bind a second set of claims.
 */
export function reportDataOf(runtimeClaims: Uint8Array): Uint8Array {
  const reportData = new Uint8Array(64);
  reportData.set(createHash('sha256').update(runtimeClaims).digest());
  return reportData;
}

/**
 * On an Azure confidential VM the same 64 bytes stand in two places, and both are demanded: in the
 * TPM's quote, and in the runtime data that the hardware's report was made anew over.
 */
export function bindsRuntimeClaims(
  { report, vtpm }: Pick<VerifiedFacts, 'report' | 'vtpm'>,
  runtimeClaims: Uint8Array,
): boolean {
  const bound = reportDataOf(runtimeClaims);
  if (!vtpm) return sameBytes(report.reportData, bound);
  return sameBytes(vtpm.nonce, bound) && sameBytes(vtpm.userData, bound);
}

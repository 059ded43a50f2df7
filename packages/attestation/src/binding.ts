import { createHash } from 'node:crypto';
import type { SnpReport } from './report.ts';
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

export function bindsRuntimeClaims(report: SnpReport, runtimeClaims: Uint8Array): boolean {
  return sameBytes(report.reportData, reportDataOf(runtimeClaims));
}

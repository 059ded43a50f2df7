import { encodeBase64url } from '@strongroom/protocol/base64url';
import type { Evidence } from '@strongroom/protocol/evidence';
import { vtpmEvidenceOf } from '../azure/vtpm.ts';
import { reportDataOf } from '../binding.ts';
import type { Platform } from './platform.ts';

/**
 * One fresh report over these claims, with everything that who verifies it needs.
 * @param runtimeClaims canonical bytes of `RuntimeClaims`
 * @throws whatever the platform throws
 */
export async function collectEvidence(
  platform: Platform,
  runtimeClaims: Uint8Array,
): Promise<Evidence> {
  const quote = await platform.quote(reportDataOf(runtimeClaims), runtimeClaims);
  const { report, certificateChain, azureVm, uvmEndorsement } = quote;
  return {
    report: encodeBase64url(report),
    certificateChain,
    runtimeClaims: encodeBase64url(runtimeClaims),
    ...(azureVm ? { vtpm: vtpmEvidenceOf(azureVm) } : {}),
    ...(uvmEndorsement ? { uvmEndorsement: encodeBase64url(uvmEndorsement) } : {}),
  };
}

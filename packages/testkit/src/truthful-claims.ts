import { guestClaims } from '@strongroom/attestation/azure/guest-claims';
import { checkAzureVmEvidence } from '@strongroom/attestation/azure/vm-evidence';
import { azureVmEvidenceOf } from '@strongroom/attestation/azure/vtpm';
import { reportDataOf } from '@strongroom/attestation/binding';
import { type AttestationClaims, claimsOf } from '@strongroom/attestation/claims';
import type { RootSet } from '@strongroom/attestation/roots';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';

/** What an honest authority says of evidence, in Azure's arrangement where it has a virtual TPM. */
export function truthfulClaims(evidence: Evidence, roots: RootSet): AttestationClaims {
  const verified = verifyEvidence(evidence, { roots, clock: systemClock });
  const runtimeData = decodeBase64url(evidence.runtimeClaims) ?? new Uint8Array(0);
  if (!evidence.vtpm) return claimsOf(verified, runtimeData);
  const reportData = reportDataOf(runtimeData);
  const demand = { nonce: reportData, userData: reportData };
  const vm = checkAzureVmEvidence(azureVmEvidenceOf(evidence), demand);
  return guestClaims(verified, vm, { runtimeData, dataType: 'JSON' });
}

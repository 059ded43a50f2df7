import { guestClaims } from '@strongroom/attestation/azure/guest-claims';
import { type GuestRequest, parseGuestRequest } from '@strongroom/attestation/azure/guest-request';
import {
  type AzureVmDemand,
  checkAzureVmEvidence,
} from '@strongroom/attestation/azure/vm-evidence';
import { vtpmEvidenceOf } from '@strongroom/attestation/azure/vtpm';
import { reportDataOf } from '@strongroom/attestation/binding';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { demandPolicy } from './appraisal.ts';
import { type AttestContext, verifyWithLists } from './attest.ts';
import { issueToken } from './issue-token.ts';
import { demandShallow } from './request.ts';
import { nonceClaim } from './token.ts';

/**
 * Evidence of an Azure confidential VM in, signed token out: the report binds the TPM's key, the
 * TPM's quote over all PCRs binds the runtime data or answers the challenge. Runtime data has to
 * stand in the hardware's report as well (docs/adr/0009-azure-confidential-vm.md).
 * @throws ERR_EVIDENCE_MALFORMED, ERR_REPORT_*, ERR_VTPM_EVIDENCE, ERR_CERTIFICATE_CHAIN,
 * ERR_ROOT_KIND, and with a policy ERR_MEASUREMENT_MISMATCH, ERR_APPRAISAL_REFUSED,
 * ERR_ATTESTATION_DENIED
 */
export async function attestGuest(body: unknown, context: AttestContext): Promise<string> {
  const { evidence, certificateChain, bound, nonce } = parseGuestRequest(body);
  if ('runtimeData' in bound) demandShallow({ data: bound.runtimeData, dataType: bound.dataType });
  const vm = checkAzureVmEvidence(evidence, demandOf(bound));
  const verified = await verifyWithLists(
    {
      report: encodeBase64url(vm.report),
      certificateChain,
      runtimeClaims: 'challenge' in bound ? '' : encodeBase64url(bound.runtimeData),
      vtpm: vtpmEvidenceOf(evidence),
    },
    context,
  );
  if (context.policy) demandPolicy(verified, context.policy);
  const claims = { ...guestClaims(verified, vm, bound), ...nonceClaim(nonce) };
  return issueToken(claims, context.policies.current('AzureGuest'), context);
}

function demandOf(bound: GuestRequest['bound']): AzureVmDemand {
  if ('challenge' in bound) return { nonce: bound.challenge };
  const reportData = reportDataOf(bound.runtimeData);
  return { nonce: reportData, userData: reportData };
}

import { guestClaims } from '@strongroom/attestation/azure/guest-claims';
import { type GuestRequest, parseGuestRequest } from '@strongroom/attestation/azure/guest-request';
import { checkAzureVmEvidence } from '@strongroom/attestation/azure/vm-evidence';
import { reportDataOf } from '@strongroom/attestation/binding';
import { verifyEvidence } from '@strongroom/attestation/verify';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { demandPolicy } from './appraisal.ts';
import type { AttestContext } from './attest.ts';
import { nonceClaim, signToken } from './token.ts';

/**
 * Evidence of an Azure confidential VM in, signed token out: the report binds the TPM's key, the
 * TPM's quote over all PCRs binds the runtime data or answers the challenge.
 * @throws ERR_EVIDENCE_MALFORMED, ERR_REPORT_*, ERR_VTPM_EVIDENCE, ERR_CERTIFICATE_CHAIN,
 * ERR_ROOT_KIND, and with a policy ERR_MEASUREMENT_MISMATCH, ERR_APPRAISAL_REFUSED
 */
export async function attestGuest(body: unknown, context: AttestContext): Promise<string> {
  const request = parseGuestRequest(body);
  const vm = checkAzureVmEvidence(request.evidence, { nonce: quotedBytes(request.bound) });
  const verified = verifyEvidence(
    {
      report: encodeBase64url(vm.report),
      certificateChain: request.certificateChain,
      runtimeClaims: encodeBase64url(vm.runtimeData),
    },
    context,
  );
  if (context.policy) demandPolicy(verified, context.policy);
  const claims = guestClaims(verified, vm, request.bound);
  return signToken({ ...claims, ...nonceClaim(request.nonce) }, context);
}

function quotedBytes(bound: GuestRequest['bound']): Uint8Array {
  return 'challenge' in bound ? bound.challenge : reportDataOf(bound.runtimeData);
}

import type { AppraisalPolicy } from '@strongroom/attestation/appraise';
import { claimsOf } from '@strongroom/attestation/claims';
import type { RootSet } from '@strongroom/attestation/roots';
import {
  type Revocation,
  type VerifiedEvidence,
  verifyEvidence,
} from '@strongroom/attestation/verify';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { demandPolicy } from './appraisal.ts';
import { issueDraftToken, issueToken } from './issue-token.ts';
import type { PolicyStore } from './policy-store.ts';
import { type AttestRequest, parseAttestRequest } from './request.ts';
import { nonceClaim, type TokenContext } from './token.ts';

export interface AttestContext extends TokenContext {
  /** Which platform is believed; a service has exactly one. */
  readonly roots: RootSet;
  /** Demanded of every evidence; without one, whatever is genuine gets a token. */
  readonly policy?: AppraisalPolicy;
  /** Without it no revocation list is looked at. */
  readonly revocation?: Revocation;
  /** Azure's policies: what of it gets a token, and what the token says besides. */
  readonly policies: PolicyStore;
}

/**
 * Evidence in, signed token out. Without a policy it says what is genuine, not what is acceptable:
 * that is for the policy of whoever reads the token.
 * @throws ERR_EVIDENCE_MALFORMED, ERR_REPORT_*, ERR_CERTIFICATE_CHAIN, ERR_ROOT_KIND, and with a
 * policy ERR_MEASUREMENT_MISMATCH, ERR_APPRAISAL_REFUSED, ERR_ATTESTATION_DENIED
 */
export async function attest(body: unknown, context: AttestContext): Promise<string> {
  const request = parseAttestRequest(body);
  const verified = await verifyWithLists(request.evidence, context);
  checkInitTimeData(verified, request);
  if (context.policy) demandPolicy(verified, context.policy);
  const claims = {
    ...claimsOf(verified, request.runtimeData, request.runtimeDataType),
    ...nonceClaim(request.nonce),
  };
  if (request.draftPolicy !== undefined) {
    return issueDraftToken(claims, request.draftPolicy, context);
  }
  return issueToken(claims, context.policies.current('SevSnpVm'), context);
}

/** @throws what `verifyEvidence` throws */
export async function verifyWithLists(
  evidence: Evidence,
  { roots, clock, revocation }: Pick<AttestContext, 'roots' | 'clock' | 'revocation'>,
): Promise<VerifiedEvidence> {
  const lists = await revocation?.listsFor(evidence);
  return verifyEvidence(evidence, { roots, clock, ...lists });
}

/** Azure's meaning of initialisation data: HOST_DATA is its hash. */
function checkInitTimeData({ facts }: VerifiedEvidence, { initTimeHash }: AttestRequest): void {
  const hostData = Buffer.from(facts.report.hostData).toString('hex');
  if (initTimeHash !== undefined && initTimeHash !== hostData) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'init-time-data' });
  }
}

import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Contract } from '@strongroom/protocol/contract';
import type { KillList } from '@strongroom/protocol/enclave-demands';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence, RuntimeClaims } from '@strongroom/protocol/evidence';
import { appraisalPolicyFor, withKillList } from './appraisal/policy.ts';
import { appraiseEvidence, type Mismatch } from './appraise.ts';
import { type VerificationOptions, type VerifiedEvidence, verifyEvidence } from './verify.ts';
import { sameBytes } from './x509/certificate.ts';

/**
 * Verifies raw evidence oneself and holds it to everything that the contract demands of the
 * machine, instead of taking an authority's word for it.
 * @param runtime what the tokens beside the evidence say about the worker
 * @param options `killList`: refused beside what the contract refuses
 * @throws what `verifyEvidence` throws; ERR_REPORT_DATA_MISMATCH for the evidence of another worker
 *   or an older start; the code of a mismatch, or ERR_APPRAISAL_REFUSED for several, with all
 *   mismatches as sentences
 */
export function demandOwnVerification(
  evidence: Evidence,
  runtime: RuntimeClaims,
  {
    contract,
    contractId,
    killList = {},
    ...options
  }: VerificationOptions & { contract: Contract; contractId: string; killList?: KillList },
): VerifiedEvidence {
  const verified = verifyEvidence(evidence, options);
  if (!sameBytes(verified.facts.runtimeClaims, canonicalBytes(runtime))) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH', { check: 'runtime-claims-of-tokens' });
  }
  const policy = withKillList(appraisalPolicyFor(contract, contractId), killList);
  const verdict = appraiseEvidence(verified, policy);
  if (!verdict.accepted) throw refusal(verdict.mismatches);
  return verified;
}

function refusal(mismatches: readonly [Mismatch, ...Mismatch[]]): StrongroomError {
  const [{ code }] = mismatches;
  const isOne = mismatches.every((each) => each.code === code);
  return new StrongroomError(isOne ? code : 'ERR_APPRAISAL_REFUSED', {
    mismatches: mismatches.map(
      (each) => `${each.claim}: expected ${each.expected}, found ${each.found} (${each.code})`,
    ),
  });
}

import {
  type AppraisalPolicy,
  AppraisalPolicySchema,
  appraiseEvidence,
  type Mismatch,
} from '@strongroom/attestation/appraise';
import type { VerifiedEvidence } from '@strongroom/attestation/verify';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * The operator's own demands, for a service that speaks for one enclave only.
 * @throws ERR_JSON_MALFORMED, ERR_CONFIG_INVALID with the first place that is wrong
 */
export function parseAppraisalPolicy(text: string): AppraisalPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED', { file: 'policy' });
  }
  const parsed = AppraisalPolicySchema.safeParse(value);
  if (!parsed.success) {
    const place = parsed.error.issues[0]?.path.join('.') || 'policy';
    throw new StrongroomError('ERR_CONFIG_INVALID', { place });
  }
  return parsed.data;
}

/** Every mismatch at once: an operator who meets them one by one gives up on the way. */
export class AppraisalRefused extends StrongroomError {
  readonly mismatches: readonly [Mismatch, ...Mismatch[]];

  constructor(mismatches: readonly [Mismatch, ...Mismatch[]]) {
    super(mismatches[0].code, { claims: mismatches.map(({ claim }) => claim) });
    this.mismatches = mismatches;
  }
}

/** @throws AppraisalRefused, whose code is that of the first mismatch */
export function demandPolicy(evidence: VerifiedEvidence, policy: AppraisalPolicy): void {
  const verdict = appraiseEvidence(evidence, policy);
  if (!verdict.accepted) throw new AppraisalRefused(verdict.mismatches);
}

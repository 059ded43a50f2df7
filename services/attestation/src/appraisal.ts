import {
  type AppraisalPolicy,
  appraiseEvidence,
  type Mismatch,
} from '@strongroom/attestation/appraise';
import type { VerifiedEvidence } from '@strongroom/attestation/verify';
import { PLATFORM_KINDS, PRODUCTS, TcbFloorSchema } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { Sha256HexSchema, Sha384HexSchema } from '@strongroom/protocol/fields';
import { z } from 'zod';

/** The operator's own demands, for a service that speaks for one enclave only. */
const PolicySchema = z.strictObject({
  platform: z.enum(PLATFORM_KINDS),
  minimumTcb: z.partialRecord(z.enum(PRODUCTS), TcbFloorSchema),
  measurements: z.array(Sha384HexSchema).min(1),
  hostData: Sha256HexSchema,
  vmpl: z.exactOptional(z.int().min(0).max(3)),
  providerKeys: z.exactOptional(z.enum(['refused', 'accepted'])),
  provisionalFirmware: z.exactOptional(z.enum(['refused', 'accepted'])),
});

/** @throws ERR_JSON_MALFORMED, ERR_CONFIG_INVALID with the first place that is wrong */
export function parseAppraisalPolicy(text: string): AppraisalPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrongroomError('ERR_JSON_MALFORMED', { file: 'policy' });
  }
  const parsed = PolicySchema.safeParse(value);
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

import { z } from 'zod';
import { SignedContractSchema } from './contract.ts';
import { StrongroomError } from './errors.ts';
import { EvidenceAnswerSchema } from './evidence-answer.ts';
import { Bytes32Schema, ContractIdSchema, MillisecondsSchema, PartyIdSchema } from './fields.ts';
import { AMENDMENTS_SHOWN_MAX } from './limits.ts';

/**
 * What an owner can show of a computation, in one file: everything in it was signed by somebody, so
 * whoever gets it believes nobody who handed it on. No key is in it, no row, and nothing sealed.
 */

/** Seals of a ledger of uses, and the proofs that they name: nothing of what is sealed. */
export const UsesCopySchema = z.strictObject({
  contract: ContractIdSchema,
  owner: PartyIdSchema,
  proofs: z.array(z.string()),
  seals: z.array(z.string()),
});
export type UsesCopy = z.infer<typeof UsesCopySchema>;

export const ProofBundleSchema = z.strictObject({
  strongroom: z.literal('proof-bundle/v1'),
  owner: PartyIdSchema,
  /** By the owner's clock: nobody has signed it. */
  madeAt: MillisecondsSchema,
  /** All versions of the contract. */
  contracts: z
    .array(SignedContractSchema)
    .min(1)
    .max(1 + AMENDMENTS_SHOWN_MAX),
  /** The audit log of the owner's service: its entries as they are, and a head over all of them. */
  audit: z.exactOptional(
    z.strictObject({
      owner: PartyIdSchema,
      entries: z.array(z.string()),
      heads: z.array(z.string()).min(1),
    }),
  ),
  uses: z.exactOptional(UsesCopySchema),
  /** What the running worker answered to a nonce of this owner. */
  evidence: z.exactOptional(
    z.strictObject({
      nonce: Bytes32Schema,
      /** By the owner's clock: an answer proves that it is not older than its nonce. */
      askedAt: MillisecondsSchema,
      answer: EvidenceAnswerSchema,
    }),
  ),
});
export type ProofBundle = z.infer<typeof ProofBundleSchema>;

/** The shape alone: nothing of it is verified. @throws ERR_PROOF_BUNDLE */
export function parseProofBundle(value: unknown): ProofBundle {
  const parsed = ProofBundleSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path.join('.') || '(document)';
  throw new StrongroomError('ERR_PROOF_BUNDLE', { place });
}

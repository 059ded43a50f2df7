import { z } from 'zod';
import { CarriedListsSchema, listsIn } from './carried-lists.ts';
import { SignedContractSchema } from './contract.ts';
import { type ErrorFacts, StrongroomError } from './errors.ts';
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
  /** Of AMD's, by which the machines in it were judged when it was made: DER in base64url. */
  revocationLists: z.exactOptional(CarriedListsSchema),
});
export type ProofBundle = z.infer<typeof ProofBundleSchema>;

/** The shape alone: nothing of it is verified. @throws ERR_PROOF_BUNDLE */
export function parseProofBundle(value: unknown): ProofBundle {
  const parsed = ProofBundleSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed({ place: parsed.error.issues[0]?.path.join('.') || '(document)' });
}

/** In DER; whoever verifies the bundle reads them. @throws ERR_PROOF_BUNDLE */
export function listsOfBundle(bundle: ProofBundle): Uint8Array[] {
  return listsIn(bundle, malformed);
}

function malformed(facts: ErrorFacts): StrongroomError {
  return new StrongroomError('ERR_PROOF_BUNDLE', facts);
}

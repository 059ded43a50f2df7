import { z } from 'zod';
import {
  CompactJwsSchema,
  CountSchema,
  MillisecondsSchema,
  PartyIdSchema,
  Sha256HexSchema,
} from './fields.ts';
import { AUDIT_ENTRY_CHARACTERS_MAX, MERKLE_PROOF_HASHES_MAX } from './limits.ts';

/**
 * What an owner's service says about its audit log. The log is the Merkle tree of RFC 6962 over
 * entries, each the canonical JSON of an object with its own number in `sequence`.
 */

/** Payload of the JWS by which a service fixes all entries before `size`, for good. */
export const AuditHeadSchema = z.strictObject({
  v: z.literal(1),
  owner: PartyIdSchema,
  size: CountSchema.min(1),
  /** Merkle tree hash of the entries 0 … size - 1. */
  root: Sha256HexSchema,
  at: MillisecondsSchema,
});
export type AuditHead = z.infer<typeof AuditHeadSchema>;

/** Signed by the release key that the contract pins, `kid` is the owner: no release looks so. */
export const AUDIT_HEAD_JWS_TYPE = 'strongroom-audit-head+jws';

/** A head, signed. */
const SignedHeadSchema = CompactJwsSchema.max(4_096);

/** From the leaf, or the older root, upwards. */
const ProofSchema = z.array(Sha256HexSchema).max(MERKLE_PROOF_HASHES_MAX);

/** Proof that an entry is in the log of the owner that signed the head. */
export const AuditReceiptSchema = z.strictObject({
  v: z.literal(1),
  index: CountSchema,
  /** The entry's exact characters: its hash is the leaf. */
  entry: z.string().max(AUDIT_ENTRY_CHARACTERS_MAX),
  proof: ProofSchema,
  head: SignedHeadSchema,
});
export type AuditReceipt = z.infer<typeof AuditReceiptSchema>;

/** Proof that the log of the head begins with the log of `first` entries that one saw before. */
export const AuditConsistencySchema = z.strictObject({
  v: z.literal(1),
  first: CountSchema.min(1),
  proof: ProofSchema,
  head: SignedHeadSchema,
});
export type AuditConsistency = z.infer<typeof AuditConsistencySchema>;

/** What every entry has; the rest depends on its event. */
export const AuditEntrySchema = z.looseObject({
  sequence: CountSchema,
  at: MillisecondsSchema,
  event: z.string().regex(/^[a-z][a-z-]*$/),
});
export type AuditEntry = z.infer<typeof AuditEntrySchema>;

/** First line of an exported log; entries follow as they are, then `{"head": JWS}` lines. */
export const AuditExportSchema = z.strictObject({
  audit: z.literal('strongroom/audit-export/v1'),
  owner: PartyIdSchema,
});

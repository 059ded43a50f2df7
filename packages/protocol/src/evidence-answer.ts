import { z } from 'zod';
import { parseCanonical } from './canonical-json.ts';
import { StrongroomError } from './errors.ts';
import { AggregatesKeySchema, EvidenceSchema } from './evidence.ts';
import {
  Bytes32Schema,
  CompactJwsSchema,
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';
import {
  CHALLENGE_BYTES_MAX,
  PROOF_BYTES_MAX,
  STATEMENT_BYTES_MAX,
  STREAMS_MAX,
} from './limits.ts';

/**
 * Evidence on demand: anybody may ask the running worker where the data is now. A challenge is one
 * nonce; the answer is fresh evidence that holds the nonce, and a statement that is signed by the
 * key which this evidence binds. An answer proves itself: who carries it need not be believed.
 */

export const EvidenceChallengeSchema = z.strictObject({
  contract: ContractIdSchema,
  /** Random, and never used before: an answer is as fresh as its nonce. */
  nonce: Bytes32Schema,
});
export type EvidenceChallenge = z.infer<typeof EvidenceChallengeSchema>;

export const EVIDENCE_PURPOSE = 'strongroom/evidence/v1';

/**
 * Runtime claims of an answer. Not those of the worker's start (`RuntimeClaimsSchema`): whoever
 * asks chooses the nonce, so these must be good for nothing else. They have their own purpose, and
 * no key to which anything could be released.
 */
export const EvidenceClaimsSchema = z.strictObject({
  contract: ContractIdSchema,
  keys: z.tuple([AggregatesKeySchema]),
  nonce: Bytes32Schema,
  purpose: z.literal(EVIDENCE_PURPOSE),
});
export type EvidenceClaims = z.infer<typeof EvidenceClaimsSchema>;

export const StatementStreamSchema = z.strictObject({
  dataset: DatasetIdSchema,
  /** Null while no record has named it, where the contract does not. */
  stream: StreamIdSchema.nullable(),
  /** Batches 0 … sequences - 1 were counted. */
  sequences: CountSchema,
  rows: CountSchema,
  /** Its owner has said that nothing follows, and all up to there was counted. */
  final: z.boolean(),
});
export type StatementStream = z.infer<typeof StatementStreamSchema>;

/**
 * What the vault says about itself: only what it knows without the worker around it. It has no
 * clock and does not see its own measurement. Those are told by the evidence, and by the token of
 * the worker's start that `token` names.
 */
export const EvidenceStatementSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  nonce: Bytes32Schema,
  epoch: CountSchema,
  /** SHA-256 of the value of the token record that this vault's results name. */
  token: Sha256HexSchema,
  /**
   * In the contract's order of datasets and of their streams; those of its slice, where the worker
   * has one, and none where it merges what slices have counted.
   */
  streams: z.array(StatementStreamSchema).max(STREAMS_MAX),
  /** Records, and late rows, that this vault refused since it began, by error code. */
  refusals: z.record(z.string().regex(/^ERR_[A-Z_]+$/), CountSchema),
});
export type EvidenceStatement = z.infer<typeof EvidenceStatementSchema>;

/** Payload: the canonical bytes of a statement; kid: that of the key in the runtime claims. */
export const STATEMENT_JWS_TYPE = 'strongroom-statement+jws';

export const EvidenceAnswerSchema = z.strictObject({
  v: z.literal(1),
  /** Its runtime claims are `EvidenceClaims` with the nonce of the challenge. */
  evidence: EvidenceSchema,
  statement: CompactJwsSchema.max(STATEMENT_BYTES_MAX),
  /** The value of the token record of this worker's start: what authorities said, and when. */
  startupProof: z.string().min(1).max(PROOF_BYTES_MAX),
});
export type EvidenceAnswer = z.infer<typeof EvidenceAnswerSchema>;

/** Instead of an answer: challenges that were dropped. Unsigned, so it is a hint and no more. */
export const EvidenceRefusalSchema = z.strictObject({
  v: z.literal(1),
  code: z.string().regex(/^ERR_[A-Z_]+$/),
  challenges: CountSchema,
});
export type EvidenceRefusal = z.infer<typeof EvidenceRefusalSchema>;

/**
 * Reads a challenge, which has one form (RFC 8785).
 * @throws ERR_CHALLENGE_MALFORMED
 */
export function parseChallenge(bytes: Uint8Array): EvidenceChallenge {
  if (bytes.length > CHALLENGE_BYTES_MAX) throw malformed('size');
  let value: unknown;
  try {
    value = parseCanonical(bytes);
  } catch {
    throw malformed('canonical JSON');
  }
  const parsed = EvidenceChallengeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const place = parsed.error.issues[0]?.path[0];
  throw malformed(place === 'contract' || place === 'nonce' ? place : 'members');
}

function malformed(part: string): StrongroomError {
  return new StrongroomError('ERR_CHALLENGE_MALFORMED', { part });
}

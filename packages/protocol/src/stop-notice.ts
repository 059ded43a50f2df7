import { z } from 'zod';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  PartyIdSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';

/**
 * The last word of a vault: an owner has ended the contract, every key is forgotten, and no result
 * counts more than this. On the aggregates topic, signed by the key that signs results.
 */
export const StopNoticeSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  epoch: CountSchema,
  /** SHA-256 of the proof of this worker, as its results name it. */
  token: Sha256HexSchema,
  /** Whose word ended it, and when by that owner's clock. */
  stoppedBy: PartyIdSchema,
  at: MillisecondsSchema,
  /** The amendment that this owner had approved, where that was why. */
  successor: z.exactOptional(ContractIdSchema),
  streams: z.array(
    z.strictObject({
      dataset: DatasetIdSchema,
      stream: StreamIdSchema,
      /** Batches 0 … sequences - 1 had been counted. */
      sequences: CountSchema,
      rows: CountSchema,
    }),
  ),
});
export type StopNotice = z.infer<typeof StopNoticeSchema>;

export const STOP_NOTICE_JWS_TYPE = 'strongroom-stop-notice+jws';

import { z } from 'zod';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  PartyIdSchema,
  QueryIdSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';
import { AGGREGATE_ROWS_MAX, AGGREGATE_SEAL_BYTES_MAX } from './limits.ts';
import { aggregateRecordShape } from './record.ts';
import { type OnceFormat, SEALED_PARTS } from './sealed-once.ts';

/**
 * What lies on a contract's aggregates topic for one reader: the mirror image of a sealed batch,
 * signed by the key that the worker's attestation names. See schemas/sealed-aggregate/README.md.
 */

/** What one stream contributed: the owner can check that its rows were counted once. */
export const CountedInputSchema = z.strictObject({
  dataset: DatasetIdSchema,
  stream: StreamIdSchema,
  epoch: CountSchema,
  /** Batches and retractions 0 … sequences - 1 had been counted when the result was made. */
  sequences: CountSchema,
  /** SHA-256 of the newest of their seals. */
  head: Sha256HexSchema,
  /** Rows of this stream that lie in the window; null where the result has noise. */
  rows: CountSchema.nullable(),
  /**
   * Rows of this stream that came after a window of this query had closed that holds them, over all
   * windows so far. Null where the result has noise.
   */
  lateRows: CountSchema.nullable(),
  /** Rows of batches that the owner has taken back in time, over all windows so far. */
  retractedRows: CountSchema,
});
export type CountedInput = z.infer<typeof CountedInputSchema>;
/** As the vault and the stream's owner know it, whatever noise hides from everybody else. */
export type ExactInput = CountedInput & { readonly rows: number; readonly lateRows: number };

export const AggregateSealSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  query: QueryIdSchema,
  /** [start, end) in event time; null for a query over the whole dataset. */
  window: z.strictObject({ start: MillisecondsSchema, end: MillisecondsSchema }).nullable(),
  reader: PartyIdSchema,
  /** Rises with every start of a worker; a reader refuses a lower one. */
  epoch: CountSchema,
  /** 0, 1, 2, … a query and reader, without a gap over all epochs. */
  emission: CountSchema,
  /** Sequence number of the checkpoint that was written in the same transaction. */
  checkpoint: CountSchema,
  inputs: z.array(CountedInputSchema).min(1),
  rows: z.int().min(0).max(AGGREGATE_ROWS_MAX),
  /** Groups that stayed under the minimum and were not disclosed. */
  suppressedGroups: CountSchema,
  /** SHA-256 of the attestation proof that proves the signing key. */
  token: Sha256HexSchema,
  ...SEALED_PARTS,
});
export type AggregateSeal = z.infer<typeof AggregateSealSchema>;

/** `kid` of the key in the runtime claims that signs aggregates (evidence.ts). */
export const AGGREGATE_KID = 'aggregates';

export type AggregatePosition = Pick<
  AggregateSeal,
  'contract' | 'query' | 'reader' | 'epoch' | 'emission'
>;

const text = new TextEncoder();

export const AGGREGATE_FORMAT: OnceFormat<AggregateSeal, AggregatePosition> = {
  typ: 'strongroom-aggregate+jws',
  sealSchema: AggregateSealSchema,
  sealBytesMax: AGGREGATE_SEAL_BYTES_MAX,
  contextOf: (at) => text.encode(`strongroom/aggregate-secret/v1 ${aggregateName(at)}`),
  keyInfoOf: (at) => text.encode(`strongroom/aggregate-key/v1 ${aggregateName(at)}`),
  shapeOf: aggregateRecordShape,
};

function aggregateName(at: AggregatePosition): string {
  return `${at.contract} ${at.query} ${at.reader} ${at.epoch} ${at.emission}`;
}

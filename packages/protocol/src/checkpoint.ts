import { z } from 'zod';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  QueryIdSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';
import { CONTINUAL_NUMBERS_MAX, RETRACTIONS_OPEN_MAX, SLICES_MAX } from './limits.ts';
import { SliceSchema, StandingSchema } from './partial.ts';
import { UsePointSchema } from './use-entry.ts';

/**
 * Where the computation stands: the only truth after a restart. Sealed with the state key (a JWE,
 * `dir` + A256GCM) and written in the same Kafka transaction as the results that it covers.
 * Offsets in it are hints from the log; sequence numbers and heads are what is checked.
 */

/** A point of a stream from which reading can go on. */
export const StreamPointSchema = z.strictObject({
  epoch: CountSchema,
  /** The next sequence number to expect. */
  sequence: CountSchema,
  /** SHA-256 of the seal or opening before it. */
  head: Sha256HexSchema,
  /** Rows before it. */
  rows: CountSchema,
  /** Hint: the log's offset to seek to. */
  offset: CountSchema,
});
export type StreamPoint = z.infer<typeof StreamPointSchema>;

export const StreamStateSchema = z.strictObject({
  dataset: DatasetIdSchema,
  stream: StreamIdSchema,
  /** Everything before was counted. */
  counted: StreamPointSchema,
  /** Where to read again from, to rebuild the open windows. */
  rebuild: StreamPointSchema,
  watermark: MillisecondsSchema.nullable(),
  final: z.boolean(),
  lateRows: CountSchema,
  /** Rows of all batches that were taken back in time. */
  retractedRows: CountSchema,
  /** Those of them from `rebuild` on: read again, they are left out again. */
  retracted: z.array(CountSchema).max(RETRACTIONS_OPEN_MAX),
  /** The owner's newest opening does not fit: nothing closes until one does. */
  stalled: z.boolean(),
});
export type StreamState = z.infer<typeof StreamStateSchema>;

/** Per stream, what came after a window of one query had closed. */
export const QueryLateRowsSchema = z.array(
  z.strictObject({
    dataset: DatasetIdSchema,
    stream: StreamIdSchema,
    /** Over all windows so far. */
    rows: CountSchema,
    /**
     * Only of sessions: rows before `below` in batches `first` … `last` are not theirs, since they
     * came after everything before `below` had been closed. Of batches that are read again.
     */
    spans: z.array(
      z.strictObject({ first: CountSchema, last: CountSchema, below: MillisecondsSchema }),
    ),
  }),
);
export type QueryLateRows = z.infer<typeof QueryLateRowsSchema>;

/** Running totals of a query with noise: sums without it, as secret as the rows. */
export const QueryTotalsSchema = z.strictObject({
  /** Start of the period. */
  period: MillisecondsSchema,
  /** Windows of it so far. */
  steps: CountSchema,
  /** Of the binary tree, those that no larger one covers; the largest first. */
  nodes: z.array(
    z.strictObject({
      level: CountSchema,
      index: CountSchema,
      /** Of all that was counted below it. */
      digest: Sha256HexSchema,
      sums: z.array(z.string().regex(/^(?!-0$)-?(0|[1-9]\d{0,40})$/)).max(CONTINUAL_NUMBERS_MAX),
    }),
  ),
});
export type QueryTotals = z.infer<typeof QueryTotalsSchema>;

/** A point of a slice's chain of partials. */
export const SlicePointSchema = z.strictObject({
  /** The next sequence number to expect. */
  sequence: CountSchema,
  /** SHA-256 of the plaintext before it; of the contract id before the first. */
  head: Sha256HexSchema,
  /** Hint: the log's offset to seek to. */
  offset: CountSchema,
});
export type SlicePoint = z.infer<typeof SlicePointSchema>;

/** How far one slice was heard, by the vault that tells results. */
export const SliceStateSchema = z.strictObject({
  slice: SliceSchema,
  counted: SlicePointSchema,
  /** Where to read again from, for windows that other slices have not told yet. */
  rebuild: SlicePointSchema,
  /** As the slice has told it last. */
  queries: z.array(StandingSchema),
});
export type SliceState = z.infer<typeof SliceStateSchema>;

export const CheckpointSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  epoch: CountSchema,
  sequence: CountSchema,
  /** SHA-256 of the previous checkpoint's JWE; of the contract id when there is none. */
  previous: Sha256HexSchema,
  streams: z.array(StreamStateSchema),
  queries: z.array(
    z.strictObject({
      query: QueryIdSchema,
      /** Windows that end at or before this are closed; null before the first. */
      closedUntil: MillisecondsSchema.nullable(),
      /** The whole-dataset result was emitted. */
      done: z.boolean(),
      /** Next emission number, the same for all readers. */
      emissions: CountSchema,
      /** Absent when no row was late. */
      late: z.exactOptional(QueryLateRowsSchema),
      /** Of queries with running totals. */
      totals: z.exactOptional(QueryTotalsSchema),
    }),
  ),
  /** How far the owners' ledgers of uses go; absent where there are none. */
  uses: z.exactOptional(z.array(UsePointSchema)),
  /** Of a slice's vault: whose it is, and where its chain of partials stands. */
  teller: z.exactOptional(SlicePointSchema.omit({ offset: true }).extend({ slice: SliceSchema })),
  /** In a contract with slices, of the vault that tells results. */
  slices: z.exactOptional(z.array(SliceStateSchema).max(SLICES_MAX)),
});
export type Checkpoint = z.infer<typeof CheckpointSchema>;

export const CHECKPOINT_JWE_TYPE = 'strongroom-checkpoint+jwe';

import { z } from 'zod';
import { CountSchema, MillisecondsSchema } from './fields.ts';

/**
 * What a running worker says of itself to whoever operates it (`GET /status`): names of the
 * contract, counts, times and codes. Nobody signs it; the host of the worker could say anything.
 */

/** What a stream is missing before the next window can close. */
export const WAITS = [
  /** Batches that a manifest or a later batch names, and that the log has not shown. */
  'batches',
  /** An opening of its owner that fits: the newest does not. */
  'opening',
  /** The owner's word that the stream is complete up to the end of the window. */
  'manifest',
  /** The owner's word that the stream has ended. */
  'end',
] as const;

const StreamPlaceShape = {
  dataset: z.string(),
  /** Null while no record has named it, where the contract does not. */
  stream: z.string().nullable(),
  partition: CountSchema,
};

export const StreamStatusSchema = z.strictObject({
  ...StreamPlaceShape,
  epoch: CountSchema,
  sequences: CountSchema,
  rows: CountSchema,
  watermark: MillisecondsSchema.nullable(),
  final: z.boolean(),
  missing: CountSchema,
  held: CountSchema,
  /** The owner's newest opening does not fit: nothing closes until one does. */
  stalled: z.boolean(),
  /** Since when, by the worker's clock, it stalls or misses batches and none came. */
  stalledSince: MillisecondsSchema.nullable(),
  /** Records of its partition that were not read yet; null before the first look. */
  lag: CountSchema.nullable(),
});
export type StreamStatus = z.infer<typeof StreamStatusSchema>;

export const QueryStatusSchema = z.strictObject({
  query: z.string(),
  emissions: CountSchema,
  done: z.boolean(),
  closedUntil: MillisecondsSchema.nullable(),
  waitsFor: z.array(z.strictObject({ ...StreamPlaceShape, what: z.enum(WAITS) })),
});
export type QueryStatus = z.infer<typeof QueryStatusSchema>;

export const WorkerStatusSchema = z.strictObject({
  contract: z.string().nullable(),
  /** `starting` until keys and checkpoint are there; a worker may stand by for a lease there. */
  phase: z.enum(['starting', 'running', 'pausing']),
  epoch: CountSchema.nullable(),
  /** Of this process, the present one included. */
  lives: CountSchema,
  /** Code that ended the last one. */
  lastEnd: z.string().nullable(),
  /** When the newest step left, by the worker's clock. */
  lastStepAt: MillisecondsSchema.nullable(),
  streams: z.array(StreamStatusSchema),
  queries: z.array(QueryStatusSchema),
  /** Records refused by this process, by code. */
  refusals: z.record(z.string(), CountSchema),
});
export type WorkerStatus = z.infer<typeof WorkerStatusSchema>;

import { z } from 'zod';
import { canonicalBytes } from './canonical-json.ts';
import { StrongroomError } from './errors.ts';
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
import { joinJson, splitJson } from './json-with-values.ts';
import {
  AGGREGATE_ROWS_MAX,
  AGGREGATE_SEAL_BYTES_MAX,
  PADDED_SIZES,
  RESULT_PARTS_MAX,
} from './limits.ts';
import { aggregateRecordShape } from './record.ts';
import { type OnceFormat, SEALED_PARTS } from './sealed-once.ts';

/**
 * What lies on a contract's aggregates topic for one reader: the mirror image of a sealed batch,
 * signed by the key that the worker's attestation names. A result is one record, or as many as its
 * size takes: its parts. See schemas/sealed-aggregate/README.md.
 */

/** How far one stream was counted when the result was made: what the log shows to everybody. */
export const CountedPointSchema = z.strictObject({
  dataset: DatasetIdSchema,
  stream: StreamIdSchema,
  epoch: CountSchema,
  /** Batches and retractions 0 … sequences - 1 had been counted. */
  sequences: CountSchema,
  /** SHA-256 of the newest of their seals. */
  head: Sha256HexSchema,
});

/** What follows from its rows: told to the reader alone. */
export const CountedRowsSchema = z.strictObject({
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

/** What one stream contributed: its owner can check that its rows were counted once. */
export type CountedInput = z.infer<typeof CountedPointSchema> & z.infer<typeof CountedRowsSchema>;
/** As the vault and the stream's owner know it, whatever noise hides from everybody else. */
export type ExactInput = CountedInput & { readonly rows: number; readonly lateRows: number };

/** Which of a result's parts this is, the first being 0. */
const PartSchema = z
  .strictObject({ index: CountSchema, count: z.int().min(1).max(RESULT_PARTS_MAX) })
  .refine(({ index, count }) => index < count);

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
  inputs: z.array(CountedPointSchema).min(1),
  /** SHA-256 of the attestation proof that proves the signing key. */
  token: Sha256HexSchema,
  part: PartSchema,
  ...SEALED_PARTS,
});
export type AggregateSeal = z.infer<typeof AggregateSealSchema>;

/**
 * What the seals of all parts of one result say alike, and those of no other result: one secret is
 * wrapped for it, with random bytes, and for nothing else.
 */
export function sharedByParts(seal: AggregateSeal): string {
  const { part, plaintextBytes, ciphertextSha256, commitment, ...shared } = seal;
  return new TextDecoder().decode(canonicalBytes({ ...shared, parts: part.count }));
}

/** Why a result leaves without one row: what its rows have done may stop no computation. */
export const WITHHELD_REASONS = [
  /** The engine could not compute it over these rows. */
  'failed',
  /** It has more rows, or more bytes, than a result may have. */
  'too-large',
] as const;
export type WithheldReason = (typeof WITHHELD_REASONS)[number];

/**
 * What is sealed, before it is padded:
 *
 *   uint32 bytes of the JSON ‖ canonical JSON of this ‖ one Arrow IPC stream
 *
 * with the number big-endian. Nothing that depends on a row stands outside of it.
 */
export const AggregateContentSchema = z.strictObject({
  v: z.literal(1),
  rows: z.int().min(0).max(AGGREGATE_ROWS_MAX),
  /** Groups that stayed under the minimum and were not disclosed. */
  suppressedGroups: CountSchema,
  /** Of the seal's inputs, in their order. */
  inputs: z.array(CountedRowsSchema).min(1),
  /** There is no Arrow stream then. */
  withheld: z.exactOptional(z.enum(WITHHELD_REASONS)),
});
export type AggregateContent = z.infer<typeof AggregateContentSchema>;

export function encodeAggregateContent(
  content: Omit<AggregateContent, 'v'>,
  arrow: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return joinJson({ v: 1, ...content }, [arrow]);
}

/** @throws ERR_AGGREGATE_MALFORMED, whatever is wrong */
export function decodeAggregateContent(
  bytes: Uint8Array,
  { inputs }: Pick<AggregateSeal, 'inputs'>,
): { readonly content: AggregateContent; readonly arrow: Uint8Array } {
  try {
    const { document, rest: arrow } = splitJson(bytes);
    const content = AggregateContentSchema.parse(document);
    const isWithheld = content.withheld !== undefined;
    const isEmpty = arrow.length === 0 && content.rows === 0;
    const isWhole = isWithheld ? isEmpty : arrow.length > 0;
    if (isWhole && content.inputs.length === inputs.length) return { content, arrow };
  } catch {
    // One code for all that is wrong with it.
  }
  throw new StrongroomError('ERR_AGGREGATE_MALFORMED', { part: 'content' });
}

/** `kid` of the key in the runtime claims that signs aggregates (evidence.ts). */
export const AGGREGATE_KID = 'aggregates';

export type AggregatePosition = Pick<
  AggregateSeal,
  'contract' | 'query' | 'reader' | 'epoch' | 'emission' | 'part'
>;

export const AGGREGATE_FORMAT: OnceFormat<AggregateSeal, AggregatePosition> = {
  typ: 'strongroom-aggregate+jws',
  sealSchema: AggregateSealSchema,
  sealBytesMax: AGGREGATE_SEAL_BYTES_MAX,
  sizes: PADDED_SIZES,
  contextOf: (at) => bytesOf(`strongroom/aggregate-secret/v1 ${aggregateName(at)}`),
  keyInfoOf: ({ part: { index, count }, ...at }) =>
    bytesOf(`strongroom/aggregate-key/v1 ${aggregateName(at)} ${index} ${count}`),
  shapeOf: aggregateRecordShape,
};

function bytesOf(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

/** Of the result that a part is of. */
function aggregateName(at: Omit<AggregatePosition, 'part'>): string {
  return `${at.contract} ${at.query} ${at.reader} ${at.epoch} ${at.emission}`;
}

import { z } from 'zod';
import { StrongroomError } from './errors.ts';
import {
  ContractIdSchema,
  CountSchema,
  MillisecondsSchema,
  PartyIdSchema,
  QueryIdSchema,
  Sha256HexSchema,
} from './fields.ts';
import { joinJson, splitJson } from './json-with-values.ts';
import { AGGREGATE_ROWS_MAX, SLICES_MAX } from './limits.ts';
import { CountedPointSchema, WITHHELD_REASONS } from './sealed-aggregate.ts';
import { UseFactSchema } from './use-entry.ts';

/**
 * What a slice says to the vault that tells results, one record after the other, each about one
 * query or about none:
 *
 *   record.value = ciphertext               A256GCM over the padded plaintext
 *   header `seal` = BASE64URL(header)..iv..tag    a compact JWE (`dir`), its ciphertext detached
 *   plaintext    = uint32 bytes of the JSON ‖ canonical JSON of this ‖ one Arrow IPC stream
 *
 * The key follows from the shares of all owners, the contract and the slice, so that only vaults of
 * the contract can make one or open it. Records of a slice are one chain over all lives of its
 * workers: numbers without a gap, each with the hash of the plaintext before it.
 */

export const SliceSchema = z
  .int()
  .min(0)
  .max(SLICES_MAX - 1);

/** Exact, unlike what a result with noise says. */
const SlicedInputSchema = z.strictObject({
  ...CountedPointSchema.shape,
  /** Rows of this stream that lie in the window; 0 where no window is told. */
  rows: CountSchema,
  lateRows: CountSchema,
  retractedRows: CountSchema,
});

/** Where a query of a slice stands. */
export const StandingSchema = z.strictObject({
  query: QueryIdSchema,
  /**
   * Every window that ends at or before this has been told, or holds no row of this slice; null
   * before the first.
   */
  closedUntil: MillisecondsSchema.nullable(),
  /** Nothing more comes: so for every window that there is. */
  ended: z.boolean(),
  /** Event times of all rows of the slice so far; null while there is none. */
  eventTime: z.strictObject({ min: MillisecondsSchema, max: MillisecondsSchema }).nullable(),
  inputs: z.array(SlicedInputSchema),
});
export type Standing = z.infer<typeof StandingSchema>;

const SlicedQuerySchema = StandingSchema.extend({
  /** The window that is told here; absent when there is only progress to tell. */
  told: z.exactOptional(
    z.strictObject({
      window: z.strictObject({ start: MillisecondsSchema, end: MillisecondsSchema }).nullable(),
      /** Of the Arrow stream. */
      groups: z.int().min(0).max(AGGREGATE_ROWS_MAX),
      /** There is no Arrow stream then. */
      withheld: z.exactOptional(z.enum(WITHHELD_REASONS)),
    }),
  ),
});
export type SlicedQuery = z.infer<typeof SlicedQuerySchema>;
export type SlicedInput = z.infer<typeof SlicedInputSchema>;

export const PartialSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  slice: SliceSchema,
  /** 0, 1, 2, … a slice, without a gap over all lives. */
  sequence: CountSchema,
  /** SHA-256 of the plaintext before it, unpadded; of the contract id for sequence 0. */
  previous: Sha256HexSchema,
  about: z.exactOptional(SlicedQuerySchema),
  /** For the owners' ledgers of uses, since the record before. */
  facts: z.exactOptional(
    z.array(z.strictObject({ owner: PartyIdSchema, facts: z.array(UseFactSchema).min(1) })),
  ),
});
export type SlicePartial = z.infer<typeof PartialSchema>;

export const PARTIAL_JWE_TYPE = 'strongroom-partial+jwe';

/** HKDF info of a slice's key. */
export function partialKeyInfo(contract: string, slice: number): string {
  return `strongroom/partial/v1 ${contract} ${slice}`;
}

export function encodePartial(partial: SlicePartial, arrow: Uint8Array): Uint8Array<ArrayBuffer> {
  return joinJson(partial, [arrow]);
}

/** @throws ERR_PARTIAL_INVALID, whatever is wrong */
export function decodePartial(bytes: Uint8Array): {
  partial: SlicePartial;
  arrow: Uint8Array;
} {
  try {
    const { document, rest: arrow } = splitJson(bytes);
    const partial = PartialSchema.parse(document);
    const told = partial.about?.told;
    const isEmpty = told === undefined || told.withheld !== undefined;
    if (isEmpty === (arrow.length === 0)) return { partial, arrow };
  } catch {
    // One code for all that is wrong with it.
  }
  throw new StrongroomError('ERR_PARTIAL_INVALID');
}

import { z } from 'zod';
import { type Contract, ownersOf, type Party } from './contract.ts';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  type PartyId,
  PartyIdSchema,
  QueryIdSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';
import { PADDED_SIZES, PARTIES_MAX, USE_SEAL_BYTES_MAX } from './limits.ts';
import { useRecordShape } from './record.ts';
import { WITHHELD_REASONS } from './sealed-aggregate.ts';
import { type OnceFormat, SEALED_PARTS } from './sealed-once.ts';

/**
 * The ledger of uses: what a vault tells each owner of what became of its data. One chain an owner
 * over all epochs; each entry names the one before it and the newest of every other owner's chain,
 * so that two owners who compare see whether they were shown one history. Written in the same
 * transaction as the results that it speaks of.
 *
 *   record.value   = ciphertext ‖ tag     AES-256-GCM over the padded canonical JSON of a UseEntry
 *   header `seal`  = compact JWS          payload = UseSeal, by the key that signs results
 */

/** How far an owner's chain goes. */
export const UsePointSchema = z.strictObject({
  owner: PartyIdSchema,
  /** Number of its entries; the next sequence number. */
  sequences: CountSchema,
  /** SHA-256 of the newest seal's ASCII bytes; of useGenesis() when there is none. */
  head: Sha256HexSchema,
});
export type UsePoint = z.infer<typeof UsePointSchema>;

export const UseSealSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  owner: PartyIdSchema,
  epoch: CountSchema,
  /** 0, 1, 2, … an owner, without a gap over all epochs. */
  sequence: CountSchema,
  /** SHA-256 of the seal before it; of useGenesis() for sequence 0. */
  previous: Sha256HexSchema,
  /** Every other owner's chain as it was before this step, in the contract's order. */
  heads: z.array(UsePointSchema).max(PARTIES_MAX),
  /** Number of the checkpoint in the same transaction; a stop has none, and names the next. */
  checkpoint: CountSchema,
  /** SHA-256 of the attestation proof that proves the signing key. */
  token: Sha256HexSchema,
  ...SEALED_PARTS,
});
export type UseSeal = z.infer<typeof UseSealSchema>;

const RowsOfDatasetSchema = z.strictObject({ dataset: DatasetIdSchema, rows: CountSchema });
const RowsOfStreamSchema = z.strictObject({
  dataset: DatasetIdSchema,
  stream: StreamIdSchema,
  rows: CountSchema,
});

export const UseFactSchema = z.discriminatedUnion('kind', [
  /** A worker began, with these keys of the owner. */
  z.strictObject({ kind: z.literal('start'), keys: z.array(z.string()) }),
  /** A result left. */
  z.strictObject({
    kind: z.literal('window'),
    query: QueryIdSchema,
    window: z.strictObject({ start: MillisecondsSchema, end: MillisecondsSchema }).nullable(),
    emission: CountSchema,
    readers: z.array(PartyIdSchema),
    /** Groups that were disclosed. */
    groups: CountSchema,
    suppressedGroups: CountSchema,
    /** Why nothing was disclosed that could have been. */
    withheld: z.exactOptional(z.enum(WITHHELD_REASONS)),
    /** Of the streams of this owner's datasets, rows in the window. */
    inputs: z.array(RowsOfStreamSchema),
  }),
  /** Records on a dataset's topic that were refused since the entry before. */
  z.strictObject({
    kind: z.literal('refusals'),
    dataset: DatasetIdSchema,
    byCode: z.record(z.string(), CountSchema),
  }),
  /** Rows, since the entry before, that came after a window had closed that holds them. */
  z.strictObject({
    kind: z.literal('late'),
    ...RowsOfDatasetSchema.shape,
    query: QueryIdSchema,
    /** Of these, rows that no window of the query counts; the others lie in an open one too. */
    excluded: CountSchema,
    /** Which closed windows they missed: from the start of the first to the end of the last. */
    missed: z.strictObject({ start: MillisecondsSchema, end: MillisecondsSchema }),
  }),
  /** Rows of batches that the owner took back in time, since the entry before. */
  z.strictObject({ kind: z.literal('retracted'), ...RowsOfDatasetSchema.shape }),
  /** An owner ended the contract: nothing follows. */
  z.strictObject({
    kind: z.literal('stop'),
    stoppedBy: PartyIdSchema,
    /** By that owner's clock. */
    at: MillisecondsSchema,
    /** Of the streams of this owner's datasets, all rows that were counted. */
    counted: z.array(RowsOfStreamSchema),
  }),
]);
export type UseFact = z.infer<typeof UseFactSchema>;

/** What is sealed: all that one step of the computation did with the owner's data. */
export const UseEntrySchema = z.strictObject({
  v: z.literal(1),
  facts: z.array(UseFactSchema).min(1),
});
export type UseEntry = z.infer<typeof UseEntrySchema>;

/** Owners that get a ledger of uses: those with a key that it can be sealed to. */
export function ownersWithUses(
  contract: Contract,
): (Party & Required<Pick<Party, 'readingKey'>>)[] {
  return ownersOf(contract).flatMap((party) => {
    const { readingKey } = party;
    return readingKey === undefined ? [] : [{ ...party, readingKey }];
  });
}

export type UsePosition = Pick<UseSeal, 'contract' | 'owner' | 'epoch' | 'sequence'>;

const text = new TextEncoder();

/** What the first entry of an owner names as its predecessor (hashed with SHA-256). */
export function useGenesis(contract: string, owner: PartyId): Uint8Array {
  return text.encode(`strongroom/uses/v1 ${contract} ${owner}`);
}

export const USE_FORMAT: OnceFormat<UseSeal, UsePosition> = {
  typ: 'strongroom-use+jws',
  sealSchema: UseSealSchema,
  sealBytesMax: USE_SEAL_BYTES_MAX,
  sizes: PADDED_SIZES,
  contextOf: (at) => text.encode(`strongroom/use-secret/v1 ${useName(at)}`),
  keyInfoOf: (at) => text.encode(`strongroom/use-key/v1 ${useName(at)}`),
  shapeOf: useRecordShape,
};

function useName(at: UsePosition): string {
  return `${at.contract} ${at.owner} ${at.epoch} ${at.sequence}`;
}

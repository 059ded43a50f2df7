import { z } from 'zod';
import { decodeBase64url } from './base64url.ts';
import type { Contract, Dataset } from './contract.ts';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  PartyIdSchema,
  Sha256HexSchema,
} from './fields.ts';
import { PADDED_SIZES, PARTITIONS_MAX, QUARANTINE_SEAL_BYTES_MAX } from './limits.ts';
import { quarantineRecordShape } from './record.ts';
import { type OnceFormat, SEALED_PARTS } from './sealed-once.ts';
import { ownersWithUses } from './use-entry.ts';

/**
 * Quarantine: what a vault tells an owner of records on its datasets' topics that it refused, one
 * by one and with the record itself, as far as that is bounded. A record may be told of more than
 * once: entries are told apart by where the record lay.
 *
 *   record.value   = ciphertext ‖ tag     AES-256-GCM over the padded JSON of a QuarantineEntry
 *   header `seal`  = compact JWS          payload = QuarantineSeal, by the key that signs results
 */
export const QuarantineSealSchema = z.strictObject({
  v: z.literal(1),
  contract: ContractIdSchema,
  owner: PartyIdSchema,
  epoch: CountSchema,
  /** 0, 1, 2, … an owner and life of a vault: a gap shows what the log has lost. */
  sequence: CountSchema,
  /** SHA-256 of the attestation proof that proves the signing key; it is on the ledger of uses. */
  token: Sha256HexSchema,
  ...SEALED_PARTS,
});
export type QuarantineSeal = z.infer<typeof QuarantineSealSchema>;

/** Of any worker, so codes that this reader does not know may come. */
const CodeSchema = z.string().regex(/^ERR_[A-Z_]{1,64}$/);
const PartitionSchema = z
  .int()
  .min(0)
  .max(PARTITIONS_MAX - 1);

/** Where a record lay: the name of its entry. */
export const QuarantineOriginSchema = z.strictObject({
  dataset: DatasetIdSchema,
  partition: PartitionSchema,
  offset: CountSchema,
});
export type QuarantineOrigin = z.infer<typeof QuarantineOriginSchema>;

export const QuarantinedRecordSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('whole'),
    key: z.string().nullable(),
    headers: z.record(z.string(), z.string()),
    /** base64url */
    value: z.string().refine((text) => decodeBase64url(text) !== undefined),
  }),
  /** It was too large: it lies at its origin only. */
  z.strictObject({
    kind: z.literal('left'),
    /** Of the value. */
    bytes: CountSchema,
    valueSha256: Sha256HexSchema,
  }),
]);
export type QuarantinedRecord = z.infer<typeof QuarantinedRecordSchema>;

const FactSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string()).readonly()]);

/** Records that were refused beyond the limit of a minute: between these offsets, so many. */
const CountedSchema = z.strictObject({
  dataset: DatasetIdSchema,
  partition: PartitionSchema,
  from: CountSchema,
  to: CountSchema,
  byCode: z.record(CodeSchema, CountSchema),
});
export type CountedRefusals = z.infer<typeof CountedSchema>;

/** What is sealed; times are by the clock of the worker's machine. */
export const QuarantineEntrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('record'),
    at: MillisecondsSchema,
    code: CodeSchema,
    facts: z.record(z.string(), FactSchema),
    origin: QuarantineOriginSchema,
    record: QuarantinedRecordSchema,
  }),
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('count'),
    at: MillisecondsSchema,
    counted: z.array(CountedSchema).min(1),
  }),
]);
export type QuarantineEntry = z.infer<typeof QuarantineEntrySchema>;
export type QuarantineEntryOfRecord = Extract<QuarantineEntry, { kind: 'record' }>;

export type QuarantinePosition = Pick<QuarantineSeal, 'contract' | 'owner' | 'epoch' | 'sequence'>;

const text = new TextEncoder();

export const QUARANTINE_FORMAT: OnceFormat<QuarantineSeal, QuarantinePosition> = {
  typ: 'strongroom-quarantine+jws',
  sealSchema: QuarantineSealSchema,
  sealBytesMax: QUARANTINE_SEAL_BYTES_MAX,
  sizes: PADDED_SIZES,
  contextOf: (at) => text.encode(`strongroom/quarantine-secret/v1 ${nameOf(at)}`),
  keyInfoOf: (at) => text.encode(`strongroom/quarantine-key/v1 ${nameOf(at)}`),
  shapeOf: quarantineRecordShape,
};

function nameOf(at: QuarantinePosition): string {
  return `${at.contract} ${at.owner} ${at.epoch} ${at.sequence}`;
}

/** `dataset/partition/offset`: how people name an entry. */
export function quarantineId({ dataset, partition, offset }: QuarantineOrigin): string {
  return `${dataset}/${partition}/${offset}`;
}

/** The owner to whom refused records of a dataset are sealed; none without a reading key. */
export function quarantineOwnerOf(contract: Contract, dataset: Dataset) {
  return ownersWithUses(contract).find(({ id }) => id === dataset.owner);
}

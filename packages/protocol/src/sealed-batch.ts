import { z } from 'zod';
import {
  ContractIdSchema,
  CountSchema,
  DatasetIdSchema,
  MillisecondsSchema,
  Sha256HexSchema,
  StreamIdSchema,
} from './fields.ts';
import { ROWS_PER_BATCH_MAX } from './limits.ts';
import { SEALED_PARTS } from './sealed-once.ts';

/** Of everything that an owner signs about a stream. */
const STREAM_MEMBERS = {
  v: z.literal(1),
  contract: ContractIdSchema,
  dataset: DatasetIdSchema,
  /** Names one run of sequence numbers of one producer. */
  stream: StreamIdSchema,
  /** 0 at first; rises with an opening, when a producer has lost its state. */
  epoch: CountSchema,
};

/** Of what has a number in the stream, and so cannot be left out unseen. */
const CHAIN_MEMBERS = {
  /** 0, 1, 2, … without a gap over all epochs; batches and retractions share the numbers. */
  sequence: CountSchema,
  /**
   * SHA-256 of the ASCII bytes of the seal before it: of a batch, a retraction, or the opening that
   * begins the epoch; of streamGenesis() for the first one of all.
   */
  previous: Sha256HexSchema,
};

/**
 * What lies on a dataset's topic. The format is specified in schemas/sealed-batch/README.md.
 *
 *   record.value   = ciphertext ‖ tag           AES-256-GCM over one Arrow IPC stream, or over the
 *                                               zstd frame of it, tag 16 bytes
 *   header `seal`  = compact JWS                 protected {alg, kid, typ}, payload = BatchSeal
 *   AAD            = the ASCII bytes of the JWS
 *   data key       = HKDF-SHA-256(segment secret, info = batchKeyInfo(seal))
 *   nonce          = 12 zero bytes               a data key encrypts once
 *   commitment     = HKDF-SHA-256(data key, info = COMMITMENT_INFO)
 */
export const BatchSealSchema = z.strictObject({
  ...STREAM_MEMBERS,
  ...CHAIN_MEMBERS,
  /** Smallest and largest event time of the rows; null for a dataset without event time. */
  eventTime: z
    .strictObject({ min: MillisecondsSchema, max: MillisecondsSchema })
    .refine((range) => range.min <= range.max)
    .nullable(),
  rows: z.int().min(1).max(ROWS_PER_BATCH_MAX),
  /** What was encrypted is one frame that unfolds to `plaintextBytes`; absent for the plaintext. */
  compression: z.exactOptional(z.literal('zstd')),
  ...SEALED_PARTS,
});
export type BatchSeal = z.infer<typeof BatchSealSchema>;

/**
 * A signed statement about a stream: how far it goes, and up to which event time it is complete.
 * Travels on the same topic with an empty value. Closes windows and shows truncation.
 */
export const ManifestSchema = z.strictObject({
  ...STREAM_MEMBERS,
  /** Number of batches and retractions published so far; the next sequence number. */
  sequences: CountSchema,
  /** SHA-256 of the newest seal, or opening; of streamGenesis() when there is none. */
  head: Sha256HexSchema,
  /** Rows in all batches so far, retracted ones too. */
  rows: CountSchema,
  /** The owner has sent every row whose event time is below this; null without event time. */
  watermark: MillisecondsSchema.nullable(),
  /** Nothing follows: the dataset is complete. */
  final: z.boolean(),
});
export type Manifest = z.infer<typeof ManifestSchema>;

/**
 * The first word of an epoch: the producer has lost its state, has read its stream back from the
 * log, and goes on from here. Travels with an empty value. What the epoch before it has behind this
 * point counts no more.
 */
export const OpeningSchema = z
  .strictObject({
    /** Its `epoch` is the one that begins. */
    ...STREAM_MEMBERS,
    continues: z.strictObject({
      epoch: CountSchema,
      /** As a manifest names them. */
      sequences: CountSchema,
      head: Sha256HexSchema,
      rows: CountSchema,
    }),
  })
  .refine(({ epoch, continues }) => epoch > continues.epoch);
export type Opening = z.infer<typeof OpeningSchema>;

/**
 * Takes a batch back: its rows shall not count. Travels with an empty value, and has a sequence
 * number of its own, so that no log can drop it unseen. It comes too late once a window that holds
 * any of the rows has closed.
 */
export const RetractionSchema = z
  .strictObject({
    ...STREAM_MEMBERS,
    ...CHAIN_MEMBERS,
    /** The batch: its number, and the SHA-256 of its seal's ASCII bytes. */
    retracts: z.strictObject({ sequence: CountSchema, seal: Sha256HexSchema }),
  })
  .refine(({ sequence, retracts }) => retracts.sequence < sequence);
export type Retraction = z.infer<typeof RetractionSchema>;

/** `typ` values: a signature made for one kind of object is refused for another. */
export const BATCH_JWS_TYPE = 'strongroom-batch+jws';
export const MANIFEST_JWS_TYPE = 'strongroom-manifest+jws';
export const OPENING_JWS_TYPE = 'strongroom-opening+jws';
export const RETRACTION_JWS_TYPE = 'strongroom-retraction+jws';
/** `typ` of the JWE around a segment secret; its `ctx` binds it to one stream. */
export const SEGMENT_JWE_TYPE = 'strongroom-segment+jwe';

/** Where a batch stands; its fields enter the key derivation. */
export type BatchPosition = Pick<
  BatchSeal,
  'contract' | 'dataset' | 'stream' | 'epoch' | 'sequence'
>;
export type StreamPosition = Omit<BatchPosition, 'sequence'>;

const text = new TextEncoder();

/** What the first seal of epoch 0 names as its predecessor (hashed with SHA-256). */
export function streamGenesis(stream: StreamPosition): Uint8Array {
  return text.encode(`strongroom/stream/v1 ${streamName(stream)}`);
}

/** HKDF info of a batch's data key. No field can hold a space, so the text is unambiguous. */
export function batchKeyInfo(position: BatchPosition): Uint8Array {
  return text.encode(`strongroom/batch-key/v1 ${streamName(position)} ${position.sequence}`);
}

/** Hashed (SHA-256, base64url) into the JWE header `ctx` of a wrapped segment secret. */
export function segmentContext(stream: StreamPosition): Uint8Array {
  return text.encode(`strongroom/segment/v1 ${streamName(stream)}`);
}

export const COMMITMENT_INFO = text.encode('strongroom/commitment/v1');

function streamName(at: StreamPosition): string {
  return `${at.contract} ${at.dataset} ${at.stream} ${at.epoch}`;
}

export const CIPHER_NONCE = new Uint8Array(12);

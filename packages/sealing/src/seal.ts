import { randomBytes } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { StreamPoint } from '@strongroom/protocol/checkpoint';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { type ContractId, type StreamId, StreamIdSchema } from '@strongroom/protocol/fields';
import {
  BATCHES_PER_SEGMENT_MAX,
  SEAL_BYTES_MAX,
  SEGMENT_AGE_MS_MAX,
} from '@strongroom/protocol/limits';
import {
  batchRecordShape,
  manifestRecordShape,
  openingRecordShape,
  type RecordShape,
  retractionRecordShape,
  SEAL_HEADER,
} from '@strongroom/protocol/record';
import {
  BATCH_JWS_TYPE,
  type BatchSeal,
  BatchSealSchema,
  batchKeyInfo,
  MANIFEST_JWS_TYPE,
  type Manifest,
  ManifestSchema,
  OPENING_JWS_TYPE,
  type Opening,
  OpeningSchema,
  RETRACTION_JWS_TYPE,
  type Retraction,
  RetractionSchema,
  type StreamPosition,
  segmentContext,
  streamGenesis,
} from '@strongroom/protocol/sealed-batch';
import { type Packed, pack } from './compress.ts';
import { sha256Hex } from './digest.ts';
import { type EncryptedBytes, encryptBytes, type SealedRecord, signAndTag } from './seal-bytes.ts';
import { createSegment, type Segment } from './segment.ts';
import type { Signer } from './sign.ts';

export type { SealedRecord } from './seal-bytes.ts';
export { sealInParts, sealOnce } from './seal-once.ts';

/** Where a stream stands: its next sequence number, the hash of its newest seal, its rows. */
export type StreamHead = Omit<StreamPoint, 'offset' | 'epoch'>;

export interface SealedBatch {
  readonly seal: BatchSeal;
  readonly jws: string;
  readonly record: SealedRecord;
  /** Where the stream stands behind this batch. */
  readonly point: StreamHead;
}

export interface BatchFacts {
  readonly rows: number;
  /** Smallest and largest event time in milliseconds; null for a dataset without event time. */
  readonly eventTime: { readonly min: number; readonly max: number } | null;
}

export interface ManifestFacts {
  /** Milliseconds: every row below was sent; null without event time. */
  readonly watermark: number | null;
  readonly final: boolean;
}

export interface StreamSealerOptions {
  readonly contractId: ContractId;
  readonly dataset: Dataset;
  readonly stream: StreamId;
  readonly epoch: number;
  /** `streamStart(…)` for a new stream. */
  readonly point: StreamHead;
  readonly signer: Signer;
  /** The owner's party id. */
  readonly kid: string;
  /** `monotonic()` in milliseconds; decides when a segment is too old. */
  readonly clock: { monotonic(): number };
}

/**
 * Seals the batches of one stream, strictly in order of the calls. Calls may overlap. A failure
 * ends the sealer, so that no sequence number is used twice or skipped.
 */
export interface StreamSealer {
  /**
   * @param plaintext one Arrow IPC stream; must not change before the promise settles
   * @param level of compression; without one, and where it saves nothing, the plaintext travels
   * @throws ERR_BATCH_TOO_LARGE
   */
  seal(plaintext: Uint8Array, facts: BatchFacts, level?: number): Promise<SealedBatch>;
  /** Takes a batch back that was sealed before, in any epoch of the stream. */
  retract(retracts: Retraction['retracts']): Promise<SealedRecord>;
  /** A manifest of all batches whose `seal` was called before. */
  manifest(facts: ManifestFacts): Promise<SealedRecord>;
  /** Where the stream stands behind the last batch that was handed out. */
  point(): StreamHead;
}

/** 16 random bytes: the name of a new stream. */
export function newStreamId(): StreamId {
  return StreamIdSchema.parse(encodeBase64url(randomBytes(16)));
}

export function streamStart(position: StreamPosition): StreamHead {
  return { sequence: 0, head: sha256Hex(streamGenesis(position)), rows: 0 };
}

/**
 * Begins an epoch of a stream whose producer has lost its state.
 * @param continues where the epoch before it ends, as its log has it
 * @returns the record, and the point behind it, for a sealer of the new epoch
 */
export async function sealOpening(
  at: Pick<StreamSealerOptions, 'contractId' | 'dataset' | 'stream' | 'epoch' | 'signer' | 'kid'>,
  continues: Opening['continues'],
): Promise<{ record: SealedRecord; point: StreamHead }> {
  const { contractId, dataset, stream, epoch, signer, kid } = at;
  const place = { contract: contractId, dataset: dataset.id, stream, epoch };
  const opening: Opening = OpeningSchema.parse({ v: 1, ...place, continues });
  const jws = await signer.sign(canonicalBytes(opening), { typ: OPENING_JWS_TYPE, kid });
  const { sequences, rows } = continues;
  const record = wordRecord(openingRecordShape(opening), jws);
  return { record, point: { sequence: sequences, head: sha256Hex(jws), rows } };
}

/** A record with an empty value. */
function wordRecord({ key, headers }: RecordShape, jws: string): SealedRecord {
  return { key, value: new Uint8Array(0), headers: { ...headers, [SEAL_HEADER]: jws } };
}

export function createStreamSealer(options: StreamSealerOptions): StreamSealer {
  return new OrderedSealer(options);
}

interface OpenSegment extends Segment {
  readonly since: number;
  batches: number;
}

class OrderedSealer implements StreamSealer {
  readonly #options: StreamSealerOptions;
  readonly #position: StreamPosition;
  #segment: OpenSegment | undefined;
  /** The sequence number of the next call; ahead of #point while calls overlap. */
  #nextSequence: number;
  #point: StreamHead;
  /** Settles when all that was asked for before has been signed. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: StreamSealerOptions) {
    const { contractId, dataset, stream, epoch, point } = options;
    this.#options = options;
    this.#position = { contract: contractId, dataset: dataset.id, stream, epoch };
    this.#nextSequence = point.sequence;
    this.#point = point;
  }

  point(): StreamHead {
    return this.#point;
  }

  async seal(plaintext: Uint8Array, facts: BatchFacts, level?: number): Promise<SealedBatch> {
    const packed = pack(plaintext, level);
    const segment = this.#currentSegment();
    const sequence = this.#nextSequence;
    const info = batchKeyInfo({ ...this.#position, sequence });
    const encrypted = encryptBytes(packed.bytes, segment.secret, info);
    this.#nextSequence += 1;
    const members = { ...facts, ...packed.members };
    return this.#inOrder(() => this.#finish(encrypted, segment, members));
  }

  async manifest(facts: ManifestFacts): Promise<SealedRecord> {
    return this.#inOrder(async () => {
      const { sequence, head, rows } = this.#point;
      const at = { ...this.#position, sequences: sequence, head, rows };
      const manifest: Manifest = ManifestSchema.parse({ v: 1, ...at, ...facts });
      const { signer, kid } = this.#options;
      const header = { typ: MANIFEST_JWS_TYPE, kid };
      const jws = await signer.sign(canonicalBytes(manifest), header);
      return wordRecord(manifestRecordShape(manifest), jws);
    });
  }

  async retract(retracts: Retraction['retracts']): Promise<SealedRecord> {
    this.#nextSequence += 1;
    return this.#inOrder(async () => {
      const { sequence, head, rows } = this.#point;
      const at = { ...this.#position, sequence, previous: head };
      const retraction: Retraction = RetractionSchema.parse({ v: 1, ...at, retracts });
      const { signer, kid } = this.#options;
      const header = { typ: RETRACTION_JWS_TYPE, kid };
      const jws = await signer.sign(canonicalBytes(retraction), header);
      this.#point = { sequence: sequence + 1, head: sha256Hex(jws), rows };
      return wordRecord(retractionRecordShape(retraction), jws);
    });
  }

  #currentSegment(): OpenSegment {
    const now = this.#options.clock.monotonic();
    const full = (this.#segment?.batches ?? 0) >= BATCHES_PER_SEGMENT_MAX;
    const old = now - (this.#segment?.since ?? 0) >= SEGMENT_AGE_MS_MAX;
    if (!this.#segment || full || old) {
      this.#segment?.secret.destroy();
      this.#segment = { ...this.#newSegment(), since: now, batches: 0 };
    }
    this.#segment.batches += 1;
    return this.#segment;
  }

  #newSegment(): Segment {
    const { wrappingKey, keyId } = this.#options.dataset;
    const context = segmentContext(this.#position);
    const segment = createSegment({ wrappingKey, kid: keyId, context });
    segment.wrapped.catch(() => undefined);
    return segment;
  }

  #inOrder<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(step);
    this.#last = result;
    result.catch(() => undefined);
    return result;
  }

  async #finish(
    encrypted: EncryptedBytes,
    segment: Segment,
    members: BatchFacts & Packed['members'],
  ): Promise<SealedBatch> {
    const { sequence, head, rows } = this.#point;
    const { seal, jws, value } = await signAndTag(encrypted, {
      wrapped: segment.wrapped,
      signer: this.#options.signer,
      kid: this.#options.kid,
      typ: BATCH_JWS_TYPE,
      payload: (parts) =>
        BatchSealSchema.parse({
          v: 1,
          ...this.#position,
          sequence,
          previous: head,
          ...parts,
          ...members,
        }),
    });
    if (jws.length > SEAL_BYTES_MAX) throw new StrongroomError('ERR_BATCH_TOO_LARGE');
    this.#point = { sequence: sequence + 1, head: sha256Hex(jws), rows: rows + seal.rows };
    const { key, headers } = batchRecordShape(seal);
    const record = { key, value, headers: { ...headers, [SEAL_HEADER]: jws } };
    return { seal, jws, record, point: this.#point };
  }
}

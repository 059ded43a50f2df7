import { StrongroomError } from '@strongroom/protocol/errors';
import { STREAM_SEALS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import {
  type BatchSeal,
  type Manifest,
  type StreamPosition,
  streamGenesis,
} from '@strongroom/protocol/sealed-batch';
import { sha256Hex } from './digest.ts';

/** Where a stream stands, without the log's offset: that is a hint and not checked here. */
export interface CheckedPoint {
  /** The next sequence number to expect. */
  readonly sequence: number;
  /** SHA-256 of the seal before it. */
  readonly head: string;
  /** Rows before it. */
  readonly rows: number;
}

/**
 * Whether verified seals follow each other: every sequence number once, without a gap, each seal
 * naming the one before. Holds no key and no row. The log's offsets play no part.
 */
export class StreamCheck {
  readonly #position: StreamPosition;
  #point: CheckedPoint;
  #final: boolean;
  /** The point behind each recent batch, by the sequence number that follows it. */
  readonly #remembered = new Map<number, CheckedPoint>();

  /**
   * @param point where to go on, as `point` gave it; the stream's beginning when absent
   * @param final whether a final manifest was reached there
   */
  constructor(position: StreamPosition, point?: CheckedPoint, final = false) {
    const { contract, dataset, stream, epoch } = position;
    this.#position = { contract, dataset, stream, epoch };
    const start = { sequence: 0, head: sha256Hex(streamGenesis(position)), rows: 0 };
    this.#point = point ?? start;
    this.#final = final;
    this.#remember(start);
    this.#remember(this.#point);
  }

  get point(): CheckedPoint {
    return this.#point;
  }

  get final(): boolean {
    return this.#final;
  }

  /**
   * Takes the next batch of the stream, and only that. A refusal changes nothing.
   * @throws ERR_STREAM_UNKNOWN for another stream or epoch, ERR_BATCH_REPLAYED for a batch that was
   *   taken before, ERR_STREAM_FORKED for a second history, ERR_STREAM_GAP, ERR_MANIFEST_MISMATCH
   *   for a batch behind the owner's final manifest
   */
  accept(seal: BatchSeal, jws: string): 'next' {
    this.#checkStream(seal);
    const head = sha256Hex(jws);
    const { sequence, rows } = this.#point;
    if (seal.sequence < sequence) throw this.#repeated(seal, head);
    if (seal.sequence > sequence) {
      throw this.#refusal('ERR_STREAM_GAP', { expected: sequence, found: seal.sequence });
    }
    if (seal.previous !== this.#point.head) {
      throw this.#refusal('ERR_STREAM_FORKED', { sequence });
    }
    if (this.#final) throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence });
    this.#point = { sequence: sequence + 1, head, rows: rows + seal.rows };
    this.#remember(this.#point);
    return 'next';
  }

  /**
   * Compares a manifest with what was taken. `ahead`: it names batches that have not come yet; ask
   * again when they have. `reached`: everything that it names was taken.
   * @throws ERR_STREAM_UNKNOWN, ERR_MANIFEST_MISMATCH when head or rows differ, or when it is final
   *   and batches follow it
   */
  checkManifest(manifest: Manifest): 'reached' | 'ahead' {
    this.#checkStream(manifest);
    const { sequences, head, rows, final } = manifest;
    const { sequence } = this.#point;
    if (sequences > sequence) {
      if (this.#final) throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence });
      return 'ahead';
    }
    const then = this.#remembered.get(sequences);
    const differs = then !== undefined && (then.head !== head || then.rows !== rows);
    if (differs || (final && sequences < sequence)) {
      throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence: sequences });
    }
    this.#final ||= final;
    return 'reached';
  }

  #checkStream(at: StreamPosition): void {
    const { contract, dataset, stream, epoch } = this.#position;
    const same = at.contract === contract && at.dataset === dataset;
    if (!same || at.stream !== stream || at.epoch !== epoch) {
      throw this.#refusal('ERR_STREAM_UNKNOWN', { found: at.stream });
    }
  }

  /** An older seal is a replay, unless another one is known for its number. */
  #repeated(seal: BatchSeal, head: string): StrongroomError {
    const known = this.#remembered.get(seal.sequence + 1);
    const forked = known !== undefined && known.head !== head;
    const code = forked ? 'ERR_STREAM_FORKED' : 'ERR_BATCH_REPLAYED';
    return this.#refusal(code, { sequence: seal.sequence });
  }

  #remember(point: CheckedPoint): void {
    this.#remembered.set(point.sequence, point);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > STREAM_SEALS_REMEMBERED_MAX && oldest !== undefined) {
      this.#remembered.delete(oldest);
    }
  }

  #refusal(
    code:
      | 'ERR_STREAM_UNKNOWN'
      | 'ERR_STREAM_GAP'
      | 'ERR_STREAM_FORKED'
      | 'ERR_BATCH_REPLAYED'
      | 'ERR_MANIFEST_MISMATCH',
    facts: Record<string, string | number>,
  ): StrongroomError {
    const { dataset, stream } = this.#position;
    return new StrongroomError(code, { dataset, stream, ...facts });
  }
}

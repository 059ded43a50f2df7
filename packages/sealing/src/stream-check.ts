import { StrongroomError } from '@strongroom/protocol/errors';
import { STREAM_SEALS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import {
  type Manifest,
  type Opening,
  type StreamPosition,
  streamGenesis,
} from '@strongroom/protocol/sealed-batch';
import { sha256Hex } from './digest.ts';

/** Where a stream stands, without the log's offset: that is a hint and not checked here. */
export interface CheckedPoint {
  readonly epoch: number;
  /** The next sequence number to expect. */
  readonly sequence: number;
  /** SHA-256 of the seal or opening before it. */
  readonly head: string;
  /** Rows before it. */
  readonly rows: number;
}

/** What has a sequence number: the seal of a batch, or a retraction, which has no rows. */
export interface ChainElement extends StreamPosition {
  readonly sequence: number;
  readonly previous: string;
  readonly rows?: number;
}

/**
 * Whether verified seals follow each other: every sequence number once, without a gap, each seal
 * naming the one before, and each epoch begun by an opening that names where the one before it
 * ends. Holds no key and no row. The log's offsets play no part.
 */
export class StreamCheck {
  readonly #position: Omit<StreamPosition, 'epoch'>;
  #point: CheckedPoint;
  #final: boolean;
  /** SHA-256 of the opening of the present epoch; undefined when it was taken before `point`. */
  #opening: string | undefined;
  /** The recent points, by epoch and the sequence number that follows. */
  readonly #remembered = new Map<string, CheckedPoint>();

  /**
   * @param point where to go on, as `point` gave it; the stream's beginning when absent
   * @param final whether a final manifest was reached there
   */
  constructor(position: Omit<StreamPosition, 'epoch'>, point?: CheckedPoint, final = false) {
    const { contract, dataset, stream } = position;
    this.#position = { contract, dataset, stream };
    const genesis = streamGenesis({ contract, dataset, stream, epoch: 0 });
    const start = { epoch: 0, sequence: 0, head: sha256Hex(genesis), rows: 0 };
    this.#point = point ?? start;
    this.#final = final;
    this.#remember(start);
    this.#remember(this.#point);
  }

  /** One that stands here, and knows again what this one took before and behind. */
  at(point: CheckedPoint, final = false): StreamCheck {
    const check = new StreamCheck(this.#position, point, final);
    if (point.epoch === this.#point.epoch) check.#opening = this.#opening;
    for (const each of this.#remembered.values()) check.#remember(each);
    return check;
  }

  get point(): CheckedPoint {
    return this.#point;
  }

  get final(): boolean {
    return this.#final;
  }

  /**
   * Takes the next batch or retraction of the stream, and only that. A refusal changes nothing.
   * @throws ERR_STREAM_UNKNOWN for another stream, ERR_STREAM_EPOCH for an epoch that has ended,
   *   ERR_BATCH_REPLAYED for what was taken before, ERR_STREAM_FORKED for a second history,
   *   ERR_STREAM_GAP when something before it has not come, an opening perhaps,
   *   ERR_MANIFEST_MISMATCH behind the owner's final manifest
   */
  accept(element: ChainElement, jws: string): 'next' {
    this.#checkStream(element);
    const head = sha256Hex(jws);
    const { epoch, sequence, rows } = this.#point;
    if (element.epoch < epoch) throw this.#ended(element, head);
    if (element.epoch === epoch && element.sequence < sequence) throw this.#repeated(element, head);
    if (element.epoch > epoch || element.sequence > sequence) {
      throw this.#refusal('ERR_STREAM_GAP', { expected: sequence, found: element.sequence });
    }
    if (element.previous !== this.#point.head) {
      throw this.#refusal('ERR_STREAM_FORKED', { sequence });
    }
    if (this.#final) throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence });
    this.#go({ epoch, sequence: sequence + 1, head, rows: rows + (element.rows ?? 0) });
    return 'next';
  }

  /**
   * Begins the epoch of an opening that goes on exactly where the stream stands.
   * @throws ERR_STREAM_UNKNOWN, ERR_BATCH_REPLAYED, ERR_STREAM_EPOCH, ERR_STREAM_FORKED for a
   *   second opening of one epoch when the first is known, ERR_STREAM_GAP when something before it
   *   has not come, ERR_OPENING_MISMATCH
   */
  open(opening: Opening, jws: string): 'opened' {
    this.#checkStream(opening);
    const { epoch, continues } = opening;
    const head = sha256Hex(jws);
    const { sequences, ...ends } = continues;
    const point = this.#point;
    if (epoch < point.epoch) {
      const isKnown = this.#known(epoch, sequences)?.head === head;
      throw this.#refusal(isKnown ? 'ERR_BATCH_REPLAYED' : 'ERR_STREAM_EPOCH', { epoch });
    }
    if (epoch === point.epoch) {
      // Where another one began the epoch in truth, the batches behind this one do not fit either.
      const isOther = this.#opening !== undefined && this.#opening !== head;
      throw this.#refusal(isOther ? 'ERR_STREAM_FORKED' : 'ERR_BATCH_REPLAYED', { epoch });
    }
    if (ends.epoch > point.epoch || (ends.epoch === point.epoch && sequences > point.sequence)) {
      throw this.#refusal('ERR_STREAM_GAP', { expected: point.sequence, found: sequences });
    }
    const isHere = ends.epoch === point.epoch && sequences === point.sequence;
    const isSame = ends.head === point.head && ends.rows === point.rows;
    if (!isHere || !isSame || this.#final) {
      throw this.#refusal('ERR_OPENING_MISMATCH', { expected: point.sequence, found: sequences });
    }
    this.#go({ ...point, epoch, head });
    this.#opening = head;
    return 'opened';
  }

  /**
   * Compares a manifest with what was taken. `ahead`: it names what has not come yet; ask again
   * when it has. `reached`: everything that it names was taken.
   * @throws ERR_STREAM_UNKNOWN, ERR_STREAM_EPOCH, ERR_MANIFEST_MISMATCH when head or rows differ,
   *   or when it is final and something follows it
   */
  checkManifest(manifest: Manifest): 'reached' | 'ahead' {
    this.#checkStream(manifest);
    const { epoch, sequences, head, rows, final } = manifest;
    const { sequence } = this.#point;
    if (epoch < this.#point.epoch) throw this.#refusal('ERR_STREAM_EPOCH', { epoch });
    if (epoch > this.#point.epoch || sequences > sequence) {
      if (this.#final) throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence });
      return 'ahead';
    }
    const then = this.#known(epoch, sequences);
    const differs = then !== undefined && (then.head !== head || then.rows !== rows);
    if (differs || (final && sequences < sequence)) {
      throw this.#refusal('ERR_MANIFEST_MISMATCH', { sequence: sequences });
    }
    this.#final ||= final;
    return 'reached';
  }

  #checkStream(at: StreamPosition): void {
    const { contract, dataset, stream } = this.#position;
    const same = at.contract === contract && at.dataset === dataset && at.stream === stream;
    if (!same) throw this.#refusal('ERR_STREAM_UNKNOWN', { found: at.stream });
  }

  /** An older seal is a replay, unless another one is known for its number. */
  #repeated(element: ChainElement, head: string): StrongroomError {
    const known = this.#known(element.epoch, element.sequence + 1);
    const forked = known !== undefined && known.head !== head;
    const code = forked ? 'ERR_STREAM_FORKED' : 'ERR_BATCH_REPLAYED';
    return this.#refusal(code, { sequence: element.sequence });
  }

  /** Of an epoch that has ended: what was counted in it, or what was not and never will be. */
  #ended({ epoch, sequence }: ChainElement, head: string): StrongroomError {
    const isKnown = this.#known(epoch, sequence + 1)?.head === head;
    return this.#refusal(isKnown ? 'ERR_BATCH_REPLAYED' : 'ERR_STREAM_EPOCH', { epoch, sequence });
  }

  #go(point: CheckedPoint): void {
    this.#point = point;
    this.#remember(point);
  }

  #known(epoch: number, sequence: number): CheckedPoint | undefined {
    return this.#remembered.get(`${epoch} ${sequence}`);
  }

  #remember(point: CheckedPoint): void {
    this.#remembered.set(`${point.epoch} ${point.sequence}`, point);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > STREAM_SEALS_REMEMBERED_MAX && oldest !== undefined) {
      this.#remembered.delete(oldest);
    }
  }

  #refusal(
    code:
      | 'ERR_STREAM_UNKNOWN'
      | 'ERR_STREAM_EPOCH'
      | 'ERR_STREAM_GAP'
      | 'ERR_STREAM_FORKED'
      | 'ERR_BATCH_REPLAYED'
      | 'ERR_OPENING_MISMATCH'
      | 'ERR_MANIFEST_MISMATCH',
    facts: Record<string, string | number>,
  ): StrongroomError {
    const { dataset, stream } = this.#position;
    return new StrongroomError(code, { dataset, stream, ...facts });
  }
}

import type { StreamPoint, StreamState } from '@strongroom/protocol/checkpoint';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import type { CountedInput } from '@strongroom/protocol/sealed-aggregate';
import type { BatchSeal, Manifest, StreamPosition } from '@strongroom/protocol/sealed-batch';
import { StreamCheck } from '@strongroom/sealing/stream-check';
import type { StreamProgress } from './door.ts';
import type { InputProgress } from './engine/window.ts';
import { HeldBatches, type OpenedBatch } from './held-batches.ts';

/** What the contract says of a stream, and what it may use. */
interface StreamPlace {
  readonly id?: StreamId;
  readonly partition: number;
  /** Among the streams of its dataset. */
  readonly index: number;
  /** Of batches that wait for their predecessor. */
  readonly heldBytesMax: number;
}

/**
 * How far one stream of a dataset was counted. Knows sequence numbers, times and counts; no rows.
 * Where the contract does not name it, the first valid record does; after a restart the checkpoint.
 */
export class DatasetStream {
  readonly dataset: Dataset;
  readonly partition: number;
  readonly index: number;
  readonly #contractId: ContractId;
  #check: StreamCheck | undefined;
  #position: StreamPosition | undefined;
  /** What an earlier run counted; until the reading is there again, batches are not new. */
  #restored: StreamState | undefined;
  #watermark: number | null = null;
  #final = false;
  #lateRows = 0;
  #eventTime: { min: number; max: number } | null = null;
  /** Batches whose rows may still be needed, with the point before each. */
  readonly #kept: { readonly before: StreamPoint; readonly max: number }[] = [];
  /** The manifest that names the most batches of those that name more than there are. */
  #ahead: Manifest | undefined;
  #nextOffset = 0;
  #countedOffset = 0;
  readonly #held: HeldBatches;

  constructor(contractId: ContractId, dataset: Dataset, place: StreamPlace) {
    this.#contractId = contractId;
    this.dataset = dataset;
    this.partition = place.partition;
    this.index = place.index;
    this.#held = new HeldBatches(place.heldBytesMax);
    if (place.id !== undefined) this.#begin(place.id, 0);
  }

  /** Undefined while no record has named it. */
  get id(): StreamId | undefined {
    return this.#position?.stream;
  }

  mayBe(stream: StreamId): boolean {
    return this.#position === undefined || this.#position.stream === stream;
  }

  restore(state: StreamState): void {
    this.#position = this.#positionOf(state.stream, state.epoch);
    this.#check = new StreamCheck(this.#position, pointOf(state.rebuild));
    this.#restored = state;
    this.#watermark = state.watermark;
    this.#lateRows = state.lateRows;
    this.#nextOffset = state.rebuild.offset;
    this.#countedOffset = state.counted.offset;
    this.#checkCaughtUp();
  }

  get readFrom(): number {
    return this.#nextOffset;
  }

  /** Records before this offset were reported by an earlier run. */
  get countedOffset(): number {
    return this.#countedOffset;
  }

  /** The next sequence number. */
  get sequence(): number {
    return this.#check?.point.sequence ?? 0;
  }

  /**
   * Takes a batch whose seal was verified and whose content was checked.
   * @returns false when an earlier run has counted it already
   * @throws ERR_STREAM_*, ERR_BATCH_REPLAYED, ERR_MANIFEST_MISMATCH
   */
  takeBatch(seal: BatchSeal, jws: string, offset: number): boolean {
    const check = this.#streamOf(seal);
    const before = { ...check.point, offset };
    check.accept(seal, jws);
    const max = seal.eventTime?.max ?? Number.POSITIVE_INFINITY;
    this.#kept.push({ before, max });
    this.#widen(seal.eventTime);
    this.#nextOffset = Math.max(this.#nextOffset, offset + 1);
    const isNew = this.#restored === undefined;
    this.#checkCaughtUp();
    this.#takeAhead();
    this.#held.reached(this.sequence);
    return isNew;
  }

  /** @throws ERR_STREAM_UNKNOWN, ERR_MANIFEST_MISMATCH */
  takeManifest(manifest: Manifest): void {
    const reached = this.#streamOf(manifest).checkManifest(manifest);
    if (reached === 'ahead') {
      if (manifest.sequences >= (this.#ahead?.sequences ?? 0)) this.#ahead = manifest;
      return;
    }
    if (manifest.watermark !== null) {
      this.#watermark = Math.max(manifest.watermark, this.#watermark ?? manifest.watermark);
    }
    this.#final ||= manifest.final;
  }

  /** @returns false when too many batches wait already, or for another stream */
  hold(opened: OpenedBatch): boolean {
    const { stream, epoch } = opened.seal;
    this.#streamOf(opened.seal);
    const isOurs = this.#position?.stream === stream && this.#position.epoch === epoch;
    return isOurs && this.#held.add(opened);
  }

  /** The batch that waited to be the next one, if there is one. */
  takeHeld(): OpenedBatch | undefined {
    return this.#held.take(this.sequence);
  }

  addLateRows(rows: number): void {
    this.#lateRows += rows;
  }

  /** What a query may believe about this input. */
  progress(): InputProgress {
    return {
      hasEventTime: this.dataset.eventTime !== undefined,
      watermark: this.#watermark,
      final: this.#final,
      caughtUp: this.#check !== undefined && this.#restored === undefined,
      eventTime: this.#eventTime,
    };
  }

  /** Batches with no row at or after `ms` need not be read again after a restart. */
  forgetBefore(ms: number): void {
    const isNeeded = (max: number) => max >= ms && ms !== Number.POSITIVE_INFINITY;
    while (this.#kept[0] && !isNeeded(this.#kept[0].max)) this.#kept.shift();
  }

  /** @returns undefined while no record of the stream was seen */
  state(): StreamState | undefined {
    if (!this.#check || !this.#position) return undefined;
    if (this.#restored) return this.#restored;
    const counted = { ...this.#check.point, offset: this.#nextOffset };
    const first = this.#kept[0]?.before ?? counted;
    return {
      dataset: this.dataset.id,
      stream: this.#position.stream,
      epoch: this.#position.epoch,
      counted,
      rebuild: { ...first, offset: this.#earliestOffset(first.offset) },
      watermark: this.#watermark,
      final: this.#final,
      lateRows: this.#lateRows,
    };
  }

  /** What this stream contributed to a result. */
  counted(rows: number): CountedInput | undefined {
    if (!this.#check || !this.#position) return undefined;
    return {
      dataset: this.dataset.id,
      stream: this.#position.stream,
      epoch: this.#position.epoch,
      sequences: this.#check.point.sequence,
      head: this.#check.point.head,
      rows,
      lateRows: this.#lateRows,
    };
  }

  report(): StreamProgress {
    const { sequence, rows } = this.#check?.point ?? { sequence: 0, rows: 0 };
    return {
      dataset: this.dataset.id,
      stream: this.id ?? null,
      partition: this.partition,
      sequences: sequence,
      rows,
      watermark: this.#watermark,
      final: this.#final,
      missing: this.#missing(),
      held: this.#held.size,
      rereadFrom: this.#held.rereadFrom(this.sequence),
    };
  }

  /** @throws ERR_STREAM_TRUNCATED while a manifest or an earlier run knows of more batches */
  checkWhole(): void {
    if (this.#missing() === 0) return;
    throw new StrongroomError('ERR_STREAM_TRUNCATED', {
      dataset: this.dataset.id,
      expected: this.sequence + this.#missing(),
      found: this.sequence,
    });
  }

  /** Where everything that is still needed can be read: late batches lie behind later ones. */
  #earliestOffset(offset: number): number {
    const kept = this.#kept.map(({ before }) => before.offset);
    const offsets = [...kept, this.#held.offset, offset];
    return offsets.reduce((least, each) => Math.min(least, each));
  }

  #missing(): number {
    const promised = [this.#ahead?.sequences, this.#restored?.counted.sequence];
    const known = [...promised, this.#held.sequences, this.sequence];
    return Math.max(...known.map((sequences) => sequences ?? 0)) - this.sequence;
  }

  #streamOf(at: { readonly stream: StreamId; readonly epoch: number }): StreamCheck {
    return this.#check ?? this.#begin(at.stream, at.epoch);
  }

  #begin(stream: StreamId, epoch: number): StreamCheck {
    this.#position = this.#positionOf(stream, epoch);
    this.#check = new StreamCheck(this.#position);
    return this.#check;
  }

  #positionOf(stream: StreamId, epoch: number): StreamPosition {
    return { contract: this.#contractId, dataset: this.dataset.id, stream, epoch };
  }

  /** At the point where the earlier run stopped, the log must show the same history. */
  #checkCaughtUp(): void {
    const restored = this.#restored;
    if (!restored || !this.#check || !this.#position) return;
    const { sequence, head, rows } = this.#check.point;
    if (sequence < restored.counted.sequence) return;
    if (head !== restored.counted.head || rows !== restored.counted.rows) {
      throw new StrongroomError('ERR_STREAM_FORKED', { dataset: this.dataset.id, sequence });
    }
    this.#restored = undefined;
    this.#final = restored.final;
    if (restored.final) this.#check = new StreamCheck(this.#position, this.#check.point, true);
  }

  #takeAhead(): void {
    const manifest = this.#ahead;
    if (!manifest || manifest.sequences > this.sequence) return;
    this.#ahead = undefined;
    this.takeManifest(manifest);
  }

  #widen(range: { min: number; max: number } | null): void {
    if (!range) return;
    const { min, max } = this.#eventTime ?? range;
    this.#eventTime = { min: Math.min(min, range.min), max: Math.max(max, range.max) };
  }
}

function pointOf({ sequence, head, rows }: StreamPoint) {
  return { sequence, head, rows };
}

import type { StreamPoint, StreamState } from '@strongroom/protocol/checkpoint';
import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import type { CountedInput } from '@strongroom/protocol/sealed-aggregate';
import type { BatchSeal, Manifest, StreamPosition } from '@strongroom/protocol/sealed-batch';
import { StreamCheck } from '@strongroom/sealing/stream-check';
import type { StreamProgress } from './door.ts';
import type { ArrowBatch } from './engine/arrow-batch.ts';
import type { InputProgress } from './engine/window.ts';

/** A batch that was verified and opened, not yet put in its order. */
export interface OpenedBatch {
  readonly seal: BatchSeal;
  readonly jws: string;
  readonly arrowBatch: ArrowBatch;
  readonly offset: number;
}

/** So many batches may wait for one that comes late; the log cannot make the vault keep more. */
const HELD_BATCHES_MAX = 64;

/**
 * How far one dataset's stream was counted. Knows sequence numbers, times and counts; no rows. The
 * first valid record names the stream; after a restart the checkpoint does.
 */
export class DatasetStream {
  readonly dataset: Dataset;
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
  /** By sequence number: batches that came before their predecessor. */
  readonly #held = new Map<number, OpenedBatch>();

  constructor(contractId: ContractId, dataset: Dataset) {
    this.#contractId = contractId;
    this.dataset = dataset;
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
    const { stream, epoch, sequence } = opened.seal;
    this.#streamOf(opened.seal);
    const isOurs = this.#position?.stream === stream && this.#position.epoch === epoch;
    if (!isOurs || this.#held.size >= HELD_BATCHES_MAX || this.#held.has(sequence)) return false;
    this.#held.set(sequence, opened);
    return true;
  }

  /** The batch that waited to be the next one, if there is one. */
  takeHeld(): OpenedBatch | undefined {
    const opened = this.#held.get(this.sequence);
    this.#held.delete(this.sequence);
    return opened;
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
      sequences: sequence,
      rows,
      watermark: this.#watermark,
      final: this.#final,
      missing: this.#missing(),
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
    const offsets = [...this.#kept.map(({ before }) => before.offset), offset];
    for (const held of this.#held.values()) offsets.push(held.offset);
    return offsets.reduce((least, each) => Math.min(least, each));
  }

  #missing(): number {
    const held = [...this.#held.keys()].map((sequence) => sequence + 1);
    const promised = [this.#ahead?.sequences, this.#restored?.counted.sequence];
    const known = [...promised, ...held, this.sequence];
    return Math.max(...known.map((sequences) => sequences ?? 0)) - this.sequence;
  }

  #streamOf(at: { readonly stream: StreamId; readonly epoch: number }): StreamCheck {
    if (!this.#check) {
      this.#position = this.#positionOf(at.stream, at.epoch);
      this.#check = new StreamCheck(this.#position);
    }
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

import { HELD_BATCHES_MAX } from '@strongroom/protocol/limits';
import type { BatchSeal } from '@strongroom/protocol/sealed-batch';
import type { ArrowBatch } from './engine/arrow-batch.ts';

/** A batch that was verified and opened, not yet put in its order. */
export interface OpenedBatch {
  readonly seal: BatchSeal;
  readonly jws: string;
  readonly arrowBatch: ArrowBatch;
  readonly offset: number;
}

/**
 * Batches of one stream that came before their predecessor. The log chooses their order, so they
 * are bounded in number and bytes: those that come next stay, and where the others lie is noted.
 */
export class HeldBatches {
  readonly #bytesMax: number;
  readonly #batches = new Map<number, OpenedBatch>();
  #bytes = 0;
  /** Those that there was no room for: where they lie in the log, and between which numbers. */
  #turnedAway:
    | { readonly offset: number; readonly first: number; readonly last: number }
    | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#batches.size;
  }

  /** @returns false when this one has to be read again, or waits already */
  add(opened: OpenedBatch): boolean {
    const { sequence, plaintextBytes } = opened.seal;
    if (this.#batches.has(sequence)) return false;
    this.#batches.set(sequence, opened);
    this.#bytes += plaintextBytes;
    while (this.#batches.size > HELD_BATCHES_MAX || this.#bytes > this.#bytesMax) {
      this.#turnAway(Math.max(...this.#batches.keys()));
    }
    return this.#batches.has(sequence);
  }

  take(sequence: number): OpenedBatch | undefined {
    const opened = this.#batches.get(sequence);
    this.#batches.delete(sequence);
    this.#bytes -= opened?.seal.plaintextBytes ?? 0;
    return opened;
  }

  /** The batches before this one were counted. */
  reached(sequence: number): void {
    if (this.#turnedAway && this.#turnedAway.last < sequence) this.#turnedAway = undefined;
  }

  /** One more than the largest number of all that came too early; 0 without any. */
  get sequences(): number {
    const known = [...this.#batches.keys(), this.#turnedAway?.last ?? -1];
    return known.reduce((most, each) => Math.max(most, each), -1) + 1;
  }

  /** Where they begin in the log. */
  get offset(): number {
    const known = [...this.#batches.values(), ...(this.#turnedAway ? [this.#turnedAway] : [])];
    return known.reduce((least, each) => Math.min(least, each.offset), Number.POSITIVE_INFINITY);
  }

  /** Where to read again, once the one that comes next may have been turned away. */
  rereadFrom(sequence: number): number | null {
    const away = this.#turnedAway;
    return away && away.first <= sequence ? away.offset : null;
  }

  #turnAway(sequence: number): void {
    const opened = this.take(sequence);
    if (!opened) return;
    const { offset } = opened;
    const before = this.#turnedAway ?? { offset, first: sequence, last: sequence };
    this.#turnedAway = {
      offset: Math.min(before.offset, offset),
      first: Math.min(before.first, sequence),
      last: Math.max(before.last, sequence),
    };
  }
}

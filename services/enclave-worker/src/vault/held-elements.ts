import { HELD_BATCHES_MAX } from '@strongroom/protocol/limits';
import type { QuarantinedRecord } from '@strongroom/protocol/quarantine-entry';
import type { BatchSeal, Opening, Retraction } from '@strongroom/protocol/sealed-batch';
import type { ArrowBatch } from './engine/arrow-batch.ts';

/** What a stream consists of, verified and opened, not yet put in its order. */
export type StreamElement = { readonly jws: string; readonly offset: number } & (
  | {
      readonly kind: 'batch';
      readonly seal: BatchSeal;
      /** Views of the plaintext. */
      readonly arrowBatch: ArrowBatch;
      readonly plaintext: Uint8Array;
    }
  | { readonly kind: 'retraction'; readonly retraction: Retraction }
  | { readonly kind: 'opening'; readonly opening: Opening }
);

/** One that waits, and what its owner is told of it should it turn out to be bad. */
export type HeldElement = StreamElement & { readonly record: QuarantinedRecord };

export type OpenedBatch = Extract<StreamElement, { readonly kind: 'batch' }>;

/** Where an element belongs: an opening at the point that it goes on from. */
export interface ElementPlace {
  readonly epoch: number;
  readonly sequence: number;
}

export function placeOf(element: StreamElement): ElementPlace {
  switch (element.kind) {
    case 'batch':
      return element.seal;
    case 'retraction':
      return element.retraction;
    case 'opening':
      return {
        epoch: element.opening.continues.epoch,
        sequence: element.opening.continues.sequences,
      };
  }
}

/**
 * Elements of one stream that came before their predecessor. The log chooses their order, so they
 * are bounded in number and bytes: those that come next stay, and where the others lie is noted.
 */
export class HeldElements {
  readonly #bytesMax: number;
  readonly #elements = new Map<string, HeldElement>();
  #bytes = 0;
  /** Those that there was no room for: where they lie in the log, and between which numbers. */
  #turnedAway:
    | { readonly offset: number; readonly first: number; readonly last: number }
    | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#elements.size;
  }

  /** @returns false when this one has to be read again, or waits already */
  add(element: HeldElement): boolean {
    const key = keyOf(element);
    if (this.#elements.has(key)) return false;
    this.#elements.set(key, element);
    this.#bytes += bytesOf(element);
    while (this.#elements.size > HELD_BATCHES_MAX || this.#bytes > this.#bytesMax) {
      this.#turnAwayFarthest();
    }
    return this.#elements.has(key);
  }

  /** What waited for this place; of two, the opening, which is the owner's newer word. */
  take(at: ElementPlace): HeldElement | undefined {
    const here = this.#in(at);
    const found = here.find(({ kind }) => kind === 'opening') ?? here[0];
    if (found) this.#remove(found);
    return found;
  }

  /** Takes what belongs to epochs before this one: it will never be next. */
  takeEnded(epoch: number): HeldElement[] {
    const ended = [...this.#elements.values()].filter((each) => placeOf(each).epoch < epoch);
    for (const element of ended) this.#remove(element);
    return ended;
  }

  /** Everything before this sequence number was counted. */
  reached(sequence: number): void {
    if (this.#turnedAway && this.#turnedAway.last < sequence) this.#turnedAway = undefined;
  }

  /** One more than the largest number of all that came too early; 0 without any. */
  get sequences(): number {
    const known = [...this.#elements.values()].map(endOf);
    return Math.max(0, ...known, (this.#turnedAway?.last ?? -1) + 1);
  }

  /** Where they begin in the log. */
  get offset(): number {
    const known = [...this.#elements.values(), ...(this.#turnedAway ? [this.#turnedAway] : [])];
    return Math.min(Number.POSITIVE_INFINITY, ...known.map(({ offset }) => offset));
  }

  /** Where to read again, once the one that comes next may have been turned away. */
  rereadFrom(sequence: number): number | null {
    const away = this.#turnedAway;
    return away && away.first <= sequence ? away.offset : null;
  }

  #in(at: ElementPlace): HeldElement[] {
    return [...this.#elements.values()].filter((each) => {
      const { epoch, sequence } = placeOf(each);
      return epoch === at.epoch && sequence === at.sequence;
    });
  }

  #remove(element: StreamElement): void {
    if (this.#elements.delete(keyOf(element))) this.#bytes -= bytesOf(element);
  }

  #turnAwayFarthest(): void {
    const [farthest] = [...this.#elements.values()].sort(
      (one, other) => endOf(other) - endOf(one) || placeOf(other).epoch - placeOf(one).epoch,
    );
    if (!farthest) return;
    this.#remove(farthest);
    const { offset } = farthest;
    const { sequence } = placeOf(farthest);
    const before = this.#turnedAway ?? { offset, first: sequence, last: sequence };
    this.#turnedAway = {
      offset: Math.min(before.offset, offset),
      first: Math.min(before.first, sequence),
      last: Math.max(before.last, sequence),
    };
  }
}

function keyOf(element: StreamElement): string {
  const { epoch, sequence } = placeOf(element);
  return `${element.kind === 'opening' ? element.opening.epoch : ''} ${epoch} ${sequence}`;
}

/** How many sequence numbers there are when this one is the last. */
function endOf(element: StreamElement): number {
  return placeOf(element).sequence + (element.kind === 'opening' ? 0 : 1);
}

/** Words have no content worth counting, but they take room. */
function bytesOf(element: StreamElement): number {
  return (element.kind === 'batch' ? element.seal.plaintextBytes : 0) + element.jws.length;
}

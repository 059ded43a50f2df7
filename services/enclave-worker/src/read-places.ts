import type { LogEntry, ReadFrom } from '@strongroom/record-log/log';
import type { StreamProgress } from './vault/door.ts';

/** A partition of a dataset's topic. */
export interface Place {
  readonly dataset: string;
  readonly topic: string;
  readonly partition: number;
  offset: number;
  /** Where reading was when it went back: not before it is there again, it may go back anew. */
  until?: number;
}

/**
 * How far each partition was read. When the log gave a stream's batches so far out of order that
 * the vault could not keep them all, a part is read again: as often as the stream gets on by it.
 */
export class ReadPlaces {
  readonly #places: readonly Place[];
  readonly #done = new Set<string>();
  #restart = new AbortController();

  constructor(from: readonly Readonly<Place>[]) {
    this.#places = from.map((place) => ({ ...place }));
  }

  get from(): ReadFrom[] {
    return this.#places.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
  }

  get all(): readonly Readonly<Place>[] {
    return this.#places;
  }

  /** In words, so that two moments can be compared. */
  get standing(): string {
    return this.#places.map(({ offset }) => offset).join(' ');
  }

  /** Ends a reading that has to begin anew. */
  begin(): AbortSignal {
    this.#restart = new AbortController();
    return this.#restart.signal;
  }

  get isSought(): boolean {
    return this.#restart.signal.aborted;
  }

  /** Notes that these were read. @returns their dataset */
  pass(entries: readonly LogEntry[]): string | undefined {
    const last = entries.at(-1);
    const place = last && this.#placeOf(last.topic, last.partition);
    if (!last || !place) return undefined;
    if (!this.isSought) place.offset = last.offset + 1;
    return place.dataset;
  }

  seek({ dataset, partition, sequences, rereadFrom }: StreamProgress): void {
    if (rereadFrom === null) return;
    const attempt = `${dataset} ${partition} ${rereadFrom} ${sequences}`;
    const isOurs = (each: Place) => each.dataset === dataset && each.partition === partition;
    const place = this.#places.find(isOurs);
    if (!place || place.offset < (place.until ?? 0) || this.#done.has(attempt)) return;
    this.#done.add(attempt);
    place.until = place.offset;
    place.offset = Math.min(place.offset, rereadFrom);
    this.#restart.abort();
  }

  #placeOf(topic: string, partition: number): Place | undefined {
    return this.#places.find((each) => each.topic === topic && each.partition === partition);
  }
}

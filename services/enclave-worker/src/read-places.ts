import type { LogEntry, ReadFrom, RecordLog } from '@strongroom/record-log/log';
import type { StreamProgress } from './vault/door.ts';

/** A partition of a dataset's topic. */
export interface Place {
  readonly dataset: string;
  readonly topic: string;
  readonly partition: number;
  offset: number;
  /** Where this life began to read. */
  began: number;
  /** The log had no such offset: it is believed once. */
  isCorrected?: boolean;
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

  constructor(from: readonly Readonly<Omit<Place, 'began'>>[]) {
    this.#places = from.map((place) => ({ ...place, began: place.offset }));
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
    const place =
      last &&
      this.#places.find(
        ({ topic, partition }) => topic === last.topic && partition === last.partition,
      );
    if (!last || !place) return undefined;
    if (!this.isSought) place.offset = last.offset + 1;
    return place.dataset;
  }

  seek({
    dataset,
    partition,
    sequences,
    rereadFrom,
    rereads,
  }: Pick<StreamProgress, Stream | 'rereads' | 'rereadFrom'>): void {
    if (rereadFrom === null) return;
    const attempt = `${dataset} ${partition} ${rereadFrom} ${sequences} ${rereads}`;
    const place = this.#placeOf(dataset, partition);
    if (!place || place.offset < (place.until ?? 0) || this.#done.has(attempt)) return;
    this.#done.add(attempt);
    place.until = place.offset;
    place.offset = Math.min(place.offset, rereadFrom);
    this.#restart.abort();
  }

  /**
   * Offsets of a checkpoint are hints. Where the log has no such offset, it is read from its start:
   * what the vault had counted is told again, and what it needs may lie elsewhere now.
   * @returns places that changed
   */
  async correct(log: Pick<RecordLog, 'startOffset' | 'endOffset'>): Promise<Readonly<Place>[]> {
    const corrected: Readonly<Place>[] = [];
    for (const place of this.#places) {
      const { topic, partition, offset } = place;
      const [start, end] = await Promise.all([
        log.startOffset(topic, partition),
        log.endOffset(topic, partition),
      ]);
      if (place.isCorrected || (offset >= start && offset <= end)) continue;
      corrected.push({ ...place });
      place.offset = start;
      place.began = start;
      place.isCorrected = true;
    }
    return corrected;
  }

  /** A stream that lacks batches may have begun too late: once, all that the log has is read. */
  async rewind(
    log: Pick<RecordLog, 'startOffset'>,
    stream: Pick<StreamProgress, Stream>,
  ): Promise<void> {
    const place = this.#placeOf(stream.dataset, stream.partition);
    if (!place) return;
    const start = await log.startOffset(place.topic, place.partition);
    if (start < place.began) this.seek({ ...stream, rereadFrom: start, rereads: 0 });
  }

  #placeOf(dataset: string, partition: number): Place | undefined {
    return this.#places.find((each) => each.dataset === dataset && each.partition === partition);
  }
}

type Stream = 'dataset' | 'partition' | 'sequences';

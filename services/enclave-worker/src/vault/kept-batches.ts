import type { StreamPoint } from '@strongroom/protocol/checkpoint';

export type TimeRange = { readonly min: number; readonly max: number };

/** A batch whose rows an open window may still need. */
export interface KeptBatch {
  /** The point before it, with its place in the log. */
  readonly before: StreamPoint;
  /** SHA-256 of its seal. */
  readonly seal: string;
  readonly eventTime: TimeRange | null;
  readonly rows: number;
  /** Under which its rows are stored. */
  readonly batchNumber: number;
  /** Its owner has taken it back. */
  isRetracted: boolean;
}

/** The batches of one stream that may be read again, or taken back. */
export class KeptBatches {
  readonly #kept: KeptBatch[] = [];
  /** Openings and retractions between and behind them, which may lie before them in the log. */
  #words: StreamPoint[] = [];
  /** Of batches that are kept no more, and of those that count. */
  #forgotten: TimeRange | null;
  #eventTime: TimeRange | null;

  /** @param forgotten event times of batches that lie before, and are kept no more */
  constructor(forgotten: TimeRange | null = null) {
    this.#forgotten = forgotten;
    this.#eventTime = forgotten;
  }

  /** Nothing is kept now, and has to come again; what had been forgotten before, is. */
  emptied(): KeptBatches {
    return new KeptBatches(this.#forgotten);
  }

  /** Event times of all rows so far that were not taken back. */
  get eventTime(): TimeRange | null {
    return this.#eventTime;
  }

  get first(): StreamPoint | undefined {
    return this.#kept[0]?.before;
  }

  /** Where they begin in the log. */
  get offset(): number {
    const places = [...this.#kept.map(({ before }) => before), ...this.#words];
    return places.reduce((least, { offset }) => Math.min(least, offset), Number.POSITIVE_INFINITY);
  }

  /** Sequence numbers of those that were taken back. */
  get retracted(): number[] {
    return this.#kept.flatMap(({ isRetracted, before }) => (isRetracted ? [before.sequence] : []));
  }

  add(kept: KeptBatch): void {
    this.#kept.push(kept);
    if (!kept.isRetracted) this.#eventTime = union(this.#eventTime, kept.eventTime);
  }

  /** An opening or a retraction was taken: the point before it, with its place in the log. */
  addWord(before: StreamPoint): void {
    if (this.#kept.length > 0) this.#words.push(before);
  }

  find(sequence: number): KeptBatch | undefined {
    return this.#kept.find(({ before }) => before.sequence === sequence);
  }

  retract(kept: KeptBatch): void {
    kept.isRetracted = true;
    this.#eventTime = this.#kept
      .filter(({ isRetracted }) => !isRetracted)
      .reduce((range, { eventTime }) => union(range, eventTime), this.#forgotten);
  }

  /** Batches with no row at or after `ms` need not be read again after a restart. */
  forgetBefore(ms: number): void {
    const isNeeded = ({ eventTime }: KeptBatch) =>
      ms !== Number.POSITIVE_INFINITY && (eventTime?.max ?? Number.POSITIVE_INFINITY) >= ms;
    while (this.#kept[0] && !isNeeded(this.#kept[0])) {
      const gone = this.#kept.shift();
      if (gone && !gone.isRetracted) this.#forgotten = union(this.#forgotten, gone.eventTime);
    }
    const { first } = this;
    this.#words = first ? this.#words.filter((word) => !isBefore(word, first)) : [];
  }
}

/** The least range that holds both. */
export function union(one: TimeRange | null, other: TimeRange | null): TimeRange | null {
  if (!one || !other) return one ?? other;
  return { min: Math.min(one.min, other.min), max: Math.max(one.max, other.max) };
}

type Place = Pick<StreamPoint, 'epoch' | 'sequence'>;

export function isBefore(one: Place, other: Place): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.sequence < other.sequence);
}

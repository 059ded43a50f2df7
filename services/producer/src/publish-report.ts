import process from 'node:process';
import type { Clock } from '@strongroom/runtime/clock';
import type { CompressionReport } from './compression-choice.ts';
import type { SealedGroup } from './group-file.ts';
import type { StreamState } from './stream-state.ts';

/** What one run did: the last line of `publish --json`. */
export interface PublishReport {
  readonly dataset: string;
  readonly stream: string;
  /** Read, sealed and sent by this run. */
  readonly rows: number;
  readonly batches: number;
  /** Values that this run published as missing, because they had no canonical form. */
  readonly unformed: number;
  /** Bytes of the values of all records that this run sent, those of earlier runs included. */
  readonly bytes: number;
  /** Whether batches were compressed before they were sealed, and why; null without a batch. */
  readonly compression: CompressionReport | null;
  readonly seconds: number;
  /** An earlier run had begun the stream. */
  readonly resumed: boolean;
  /** Records that an earlier run had sealed and that were sent, perhaps again. */
  readonly resentRecords: number;
  /** Rows of the whole stream. */
  readonly totalRows: number;
  readonly watermark: number | null;
  readonly final: boolean;
  /** Columns that an amendment added and this run's source lacks: null in all of its rows. */
  readonly absentColumns: readonly string[];
  /** Largest resident memory of this process so far. */
  readonly peakRssMb: number;
}

/** Totals of a run while it goes on. */
export interface Progress {
  readonly rows: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly watermark: number | null;
  /** Rows at the end of the run; undefined when that is not known. */
  readonly rowsExpected: number | undefined;
}

/** Adds up what a run sends. */
export class Tally {
  readonly #clock: Clock;
  readonly #begun: number;
  readonly #start: StreamState;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  #newest: StreamState;
  #bytes = 0;
  #resentRecords = 0;
  #unformed = 0;
  #rowsExpected: number | undefined;
  #absentColumns: readonly string[] = [];
  #compression: CompressionReport | null = null;

  /** @param start where the stream stands before the run reads a row */
  constructor(clock: Clock, start: StreamState, onProgress?: (progress: Progress) => void) {
    this.#clock = clock;
    this.#begun = clock.monotonic();
    this.#start = start;
    this.#newest = start;
    this.#onProgress = onProgress;
  }

  expect(rows: number): void {
    this.#rowsExpected = rows;
  }

  lacks(columns: readonly string[]): void {
    this.#absentColumns = [...new Set([...this.#absentColumns, ...columns])];
  }

  unformed(values: number): void {
    this.#unformed += values;
  }

  compressed(compression: CompressionReport | null): void {
    this.#compression = compression;
  }

  /** @param again an earlier run had sealed the group */
  sent({ state, records }: SealedGroup, again: boolean): void {
    for (const { value } of records) this.#bytes += value.length;
    if (again) {
      this.#resentRecords += records.length;
      return;
    }
    this.#newest = state;
    this.#onProgress?.({
      rows: this.#rows,
      bytes: this.#bytes,
      seconds: this.#seconds,
      watermark: state.watermark,
      rowsExpected: this.#rowsExpected,
    });
  }

  report(resumed: boolean): PublishReport {
    const { dataset, stream, point, watermark, final } = this.#newest;
    return {
      dataset,
      stream,
      rows: this.#rows,
      batches: point.sequence - this.#start.point.sequence,
      unformed: this.#unformed,
      bytes: this.#bytes,
      compression: this.#compression,
      seconds: Math.round(this.#seconds * 1_000) / 1_000,
      resumed,
      resentRecords: this.#resentRecords,
      totalRows: point.rows,
      watermark,
      final,
      absentColumns: this.#absentColumns,
      peakRssMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    };
  }

  get #rows(): number {
    return this.#newest.point.rows - this.#start.point.rows;
  }

  get #seconds(): number {
    return (this.#clock.monotonic() - this.#begun) / 1_000;
  }
}

import type { DatasetId } from '@strongroom/protocol/fields';
import type { StoredBatch } from './row-store.ts';
import type { TimeWindow } from './window.ts';

/** How many rows of each stream lie in each pane of time. */
export class PaneCounts {
  /** Null: all of time is one. */
  readonly paneMs: number | null;
  readonly #panes = new Map<number, Map<DatasetId, Map<number, number>>>();

  constructor(paneMs: number | null) {
    this.paneMs = paneMs;
  }

  get isEmpty(): boolean {
    return this.#panes.size === 0;
  }

  /** Undefined for a batch that lies in several, or not in whole at or after `from`. */
  paneOf({ eventTime }: StoredBatch, from: number): number | undefined {
    const { paneMs } = this;
    if (paneMs === null) return from === Number.NEGATIVE_INFINITY ? 0 : undefined;
    if (!eventTime || eventTime.min < from) return undefined;
    const [first, last] = [eventTime.min, eventTime.max].map((ms) => Math.floor(ms / paneMs));
    return first === last && first !== undefined ? first * paneMs : undefined;
  }

  add(dataset: DatasetId, stream: number, pane: number, rows: number): void {
    const datasets = this.#panes.get(pane) ?? new Map<DatasetId, Map<number, number>>();
    this.#panes.set(pane, datasets);
    const streams = datasets.get(dataset) ?? new Map<number, number>();
    datasets.set(dataset, streams);
    streams.set(stream, (streams.get(stream) ?? 0) + rows);
  }

  byStream(dataset: DatasetId, window: TimeWindow | null): Map<number, number> {
    const found = new Map<number, number>();
    for (const pane of this.#panesIn(window)) {
      for (const [stream, rows] of this.#panes.get(pane)?.get(dataset) ?? []) {
        found.set(stream, (found.get(stream) ?? 0) + rows);
      }
    }
    return found;
  }

  dropBefore(ms: number): void {
    if (this.paneMs === null) return;
    for (const pane of this.#panes.keys()) {
      if (pane + this.paneMs <= ms) this.#panes.delete(pane);
    }
  }

  /** By whichever are fewer: those that there are, or those that a window can have. */
  *#panesIn(window: TimeWindow | null): Iterable<number> {
    const { paneMs } = this;
    const { start, end } = window ?? { start: 0, end: Number.POSITIVE_INFINITY };
    if (!window || paneMs === null || (end - start) / paneMs > this.#panes.size) {
      for (const pane of this.#panes.keys()) {
        if (!window || (pane >= start && pane < end)) yield pane;
      }
      return;
    }
    for (let pane = start; pane < end; pane += paneMs) yield pane;
  }

  clear(): void {
    this.#panes.clear();
  }
}

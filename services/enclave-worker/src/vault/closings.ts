import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { STEP_BYTES, STEP_WINDOWS_MAX } from '@strongroom/protocol/limits';
import type { DoorRecord, QueryProgress } from './door.ts';
import {
  allWindowsClosed,
  frontierOf,
  type InputProgress,
  type TimeWindow,
  windowRuleOf,
  windowsToClose,
} from './engine/window.ts';
import type { Emitted } from './uses.ts';

/** How far one query is. */
export type Progress = {
  -readonly [Member in keyof Omit<
    Checkpoint['queries'][number],
    'query' | 'late'
  >]: Checkpoint['queries'][number][Member];
};

/** What closing a window gave. */
interface Closed {
  readonly records: readonly DoorRecord[];
  readonly emitted: Emitted;
}

/** How windows are closed, whatever their rows come from. */
interface Closer {
  /** What windows of a query that follow one another have in common. */
  readonly prepare: (query: Query, windows: readonly (TimeWindow | null)[]) => Promise<void>;
  readonly close: (query: Query, window: TimeWindow | null, progress: Progress) => Promise<Closed>;
}

/** Which windows of which queries are closed, and which can be: for all inputs of a query alike. */
export class Closings {
  readonly #contract: Contract;
  readonly #inputsOf: (query: Query) => readonly InputProgress[];
  readonly #progress: Map<string, Progress>;

  constructor(contract: Contract, inputsOf: (query: Query) => readonly InputProgress[]) {
    this.#contract = contract;
    this.#inputsOf = inputsOf;
    this.#progress = new Map(
      contract.queries.map((query) => [query.id, { closedUntil: null, done: false, emissions: 0 }]),
    );
  }

  restore(queries: Checkpoint['queries']): void {
    for (const { query, late: _late, ...progress } of queries) {
      this.#progress.set(query, { ...progress });
    }
  }

  /** As far as anybody may know it. */
  report(): QueryProgress[] {
    return this.#contract.queries.map(({ id }) => {
      const { emissions, done, closedUntil } = this.of(id);
      return { query: id, emissions, done, closedUntil };
    });
  }

  get done(): boolean {
    return [...this.#progress.values()].every((progress) => progress.done);
  }

  of(query: string): Progress {
    const progress = this.#progress.get(query) ?? { closedUntil: null, done: false, emissions: 0 };
    this.#progress.set(query, progress);
    return progress;
  }

  /** Closes windows that are complete, as many as a step takes. */
  async close({
    prepare,
    close,
  }: Closer): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    const records: DoorRecord[] = [];
    const emitted: Emitted[] = [];
    for (const query of this.#contract.queries) {
      const windows = this.#closable(query);
      await prepare(query, windows);
      const progress = this.of(query.id);
      for (const window of windows) {
        const isFull = bytesOf(records) >= STEP_BYTES || emitted.length >= STEP_WINDOWS_MAX;
        if (isFull) return { records, emitted, more: true };
        const closed = await close(query, window, progress);
        progress.emissions += 1;
        if (window === null) progress.done = true;
        else progress.closedUntil = window.end;
        records.push(...closed.records);
        emitted.push(closed.emitted);
        // Should an owner's budget be used up, no debit of another window has been made in vain.
        if (query.privacy) return { records, emitted, more: true };
      }
      this.#checkDone(query);
    }
    return { records, emitted, more: this.#contract.queries.some((query) => this.hasMore(query)) };
  }

  hasMore(query: Query): boolean {
    return this.#closable(query).length > 0;
  }

  #closable(query: Query): (TimeWindow | null)[] {
    const progress = this.of(query.id);
    if (progress.done) return [];
    const inputs = this.#inputsOf(query);
    const rule = windowRuleOf(query);
    if (!rule) return frontierOf(inputs, 0) === Number.POSITIVE_INFINITY ? [null] : [];
    return windowsToClose(inputs, rule, progress.closedUntil, WINDOWS_AT_ONCE);
  }

  #checkDone(query: Query): void {
    const progress = this.of(query.id);
    const rule = windowRuleOf(query);
    if (!rule || progress.done) return;
    progress.done = allWindowsClosed(this.#inputsOf(query), rule, progress.closedUntil);
  }
}

const WINDOWS_AT_ONCE = 64;

function bytesOf(records: readonly DoorRecord[]): number {
  return records.reduce((sum, { value, headers }) => {
    const headerBytes = Object.values(headers).reduce((total, text) => total + text.length, 0);
    return sum + value.length + headerBytes;
  }, 0);
}

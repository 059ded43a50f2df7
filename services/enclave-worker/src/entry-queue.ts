import type { LogEntry } from '@strongroom/record-log/log';
import { type Clock, systemClock } from '@strongroom/runtime/clock';

interface EntryGroup {
  readonly dataset: string;
  readonly entries: LogEntry[];
  /** When the first of them came, by the monotonic clock. */
  readonly since: number;
}

/**
 * Entries on their way from the log to the vault, by dataset. One side adds and is held back when
 * too much waits; the other takes groups: a request to the vault costs the same for one record as
 * for many.
 */
export class EntryQueue {
  readonly #waiting = new Map<string, { readonly entries: LogEntry[]; readonly since: number }>();
  readonly #clock: Pick<Clock, 'monotonic'>;
  #bytes = 0;
  #isClosed = false;
  #wake: () => void = () => undefined;
  #changed = this.#nextChange();

  constructor(clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#clock = clock;
  }

  /** Resolves when there is room for more. */
  async add(dataset: string, entries: readonly LogEntry[]): Promise<void> {
    const since = this.#clock.monotonic();
    const waiting = this.#waiting.get(dataset) ?? { entries: [], since };
    // One by one: a log may give a hundred thousand, which are too many arguments of one call.
    for (const entry of entries) waiting.entries.push(entry);
    this.#waiting.set(dataset, waiting);
    this.#bytes += bytesOf(entries);
    this.#signal();
    while (this.#bytes > WAITING_BYTES_MAX && !this.#isClosed) await this.#changed;
  }

  /** No more will be added: `take` gives what is left and then nothing. */
  close(): void {
    this.#isClosed = true;
    this.#signal();
  }

  /** The next group of one dataset, or undefined when the queue was closed and is empty. */
  async take(): Promise<EntryGroup | undefined> {
    for (;;) {
      const group = this.#takeNow();
      if (group || this.#isClosed) return group;
      await this.#changed;
    }
  }

  #takeNow(): EntryGroup | undefined {
    const fullest = this.#fullest();
    if (!fullest) return undefined;
    const { dataset, since, entries: waiting } = fullest;
    const entries = waiting.splice(0, groupLength(waiting));
    if (waiting.length === 0) this.#waiting.delete(dataset);
    this.#bytes -= bytesOf(entries);
    this.#signal();
    return { dataset, entries, since };
  }

  #fullest(): EntryGroup | undefined {
    let fullest: EntryGroup | undefined;
    for (const [dataset, waiting] of this.#waiting) {
      const isFuller = waiting.entries.length > (fullest?.entries.length ?? 0);
      if (isFuller) fullest = { dataset, ...waiting };
    }
    return fullest;
  }

  #signal(): void {
    this.#wake();
    this.#changed = this.#nextChange();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const WAITING_BYTES_MAX = 24 * 1024 * 1024;
const GROUP_BYTES_MAX = 12 * 1024 * 1024;
const GROUP_ENTRIES_MAX = 512;

function groupLength(entries: readonly LogEntry[]): number {
  let bytes = 0;
  let length = 0;
  for (const { value } of entries) {
    bytes += value.length;
    if (length > 0 && (bytes > GROUP_BYTES_MAX || length >= GROUP_ENTRIES_MAX)) break;
    length += 1;
  }
  return length;
}

function bytesOf(entries: readonly LogEntry[]): number {
  return entries.reduce((sum, { value }) => sum + value.length, 0);
}

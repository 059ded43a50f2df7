/**
 * Closes windows beside the reading of what comes behind them. A step waits for its tick and for
 * the log, and the vault has nothing to do meanwhile but to take more records: so at most one step
 * is on its way, and all that completes windows while it is, is closed by the next one.
 */
export class Closer {
  readonly #close: (since: number) => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: { readonly done: Promise<void>; asked: number } | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @param close closes what is complete; `since` as for `ask` */
  constructor(close: (since: number) => Promise<void>) {
    this.#close = close;
  }

  /** @param since when that came which may complete a window, by the monotonic clock */
  ask(since: number): void {
    if (this.#next) {
      this.#next.asked += 1;
      return;
    }
    const done = this.#running.then(async () => {
      this.#next = undefined;
      this.#running = done;
      await this.#close(since);
    });
    done.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#next = { done, asked: 1 };
  }

  /**
   * Resolves when there is room for more records: rows of windows that could be closed, and are
   * not, take memory.
   * @throws what a closing failed with
   */
  async room(): Promise<void> {
    this.#demandSuccess();
    if ((this.#next?.asked ?? 0) < ASKED_MAX) return;
    await this.#running;
    this.#demandSuccess();
  }

  /** Resolves when nothing is left to close. @throws what a closing failed with */
  async idle(): Promise<void> {
    while (this.#next) await this.#next.done;
    await this.#running;
    this.#demandSuccess();
  }

  #demandSuccess(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** So many groups of records, of 12 MiB each at most, may have been taken beside one step. */
const ASKED_MAX = 4;

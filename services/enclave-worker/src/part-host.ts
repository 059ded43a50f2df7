import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@strongroom/runtime/logger';

/** One worker that was started, as a process of its own. */
export interface RunningPart {
  /** Resolves when it has ended: whether it had nothing left to do. */
  readonly ended: Promise<boolean>;
  /** Asks it to end. */
  stop(): void;
}

export interface PartHostOptions {
  readonly start: (part: number) => RunningPart;
  readonly logger: Logger;
  /** Of the whole computation, wherever they run. */
  readonly parts: number;
  /** So late this host may be given what another one, which died, has left. */
  readonly settleMs: number;
  /** Between two starts of a worker that failed: the first, doubled each time. */
  readonly pauseMs?: number;
  readonly pauseMsMax?: number;
}

/**
 * The parts of one computation that this host runs: slices, and what merges them, each a worker of
 * its own. What it is given it starts, what is taken from it it stops, and what fails it starts
 * again. Nobody relies on it: a part that two hosts run is fenced on one of them.
 */
export class PartHost {
  readonly #options: PartHostOptions;
  readonly #running = new Map<number, { stop: AbortController; ended: Promise<void> }>();
  readonly #done = new Set<number>();
  #wake: () => void = () => undefined;
  #isGiven = false;

  constructor(options: PartHostOptions) {
    this.#options = options;
  }

  /** From now on these, and no others. */
  assign(parts: readonly number[]): void {
    this.#isGiven = parts.length > 0;
    for (const [part, { stop }] of this.#running) if (!parts.includes(part)) stop.abort();
    for (const part of parts) this.#ensure(part);
    this.#wake();
  }

  /**
   * Resolves when there is nothing left for this host: every part is done, or those that it was
   * given are and no others have come since, for as long as others may come.
   */
  async untilDone(signal: AbortSignal): Promise<void> {
    const { parts, settleMs } = this.#options;
    while (!signal.aborted && this.#done.size < parts) {
      const isIdle = this.#isGiven && this.#running.size === 0;
      const isSettled = await this.#untilWoken(signal, isIdle ? settleMs : undefined);
      if (isSettled && this.#running.size === 0) return;
    }
  }

  /** @returns whether nothing woke it for so long */
  #untilWoken(signal: AbortSignal, ms?: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => end(true), ms);
      const end = (isSettled: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', this.#wake);
        resolve(isSettled);
      };
      this.#wake = () => end(false);
      signal.addEventListener('abort', this.#wake, { once: true });
    });
  }

  async close(): Promise<void> {
    this.assign([]);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #ensure(part: number): void {
    const before = this.#running.get(part);
    if (this.#done.has(part) || (before && !before.stop.signal.aborted)) return;
    const stop = new AbortController();
    // One that is still stopping goes first: it would fence, or be fenced by, the next.
    const run = async () => {
      await before?.ended;
      await this.#run(part, stop.signal);
    };
    const ended = run().finally(() => {
      if (this.#running.get(part)?.stop === stop) this.#running.delete(part);
      this.#wake();
    });
    this.#running.set(part, { stop, ended });
  }

  async #run(part: number, signal: AbortSignal): Promise<void> {
    const { start, logger, pauseMs = 500, pauseMsMax = 30_000 } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      logger.info('part-starting', { partition: part, attempt: failures });
      const running = start(part);
      const stop = () => running.stop();
      signal.addEventListener('abort', stop, { once: true });
      const isDone = await running.ended.finally(() => signal.removeEventListener('abort', stop));
      if (signal.aborted) return;
      if (isDone) {
        this.#done.add(part);
        return;
      }
      logger.warn('part-ended', { partition: part, attempt: failures });
      const pause = Math.min(pauseMs * 2 ** failures, pauseMsMax);
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

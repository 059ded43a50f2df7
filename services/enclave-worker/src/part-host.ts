import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@strongroom/runtime/logger';

/** Nothing was left to do; an owner has ended the contract; or anything that may pass. */
export type PartEnd = 'done' | 'revoked' | 'failed';

/** One worker that was started, as a process of its own. */
export interface RunningPart {
  /** Resolves when it has ended, and how. */
  readonly ended: Promise<PartEnd>;
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
 * again; what an owner has ended stays ended. Nobody relies on it: a part that two hosts run is
 * fenced on one of them.
 */
export class PartHost {
  readonly #options: PartHostOptions;
  readonly #running = new Map<number, { stop: AbortController; ended: Promise<void> }>();
  readonly #done = new Set<number>();
  #wake: () => void = () => undefined;
  #isGiven = false;
  #isRevoked = false;

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

  /** An owner has ended the contract, and so all of its parts, and none runs here any more. */
  get isRevoked(): boolean {
    return this.#isRevoked && this.#running.size === 0;
  }

  /** Resolves when it is. */
  async untilRevoked(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.isRevoked) await this.#untilWoken(signal);
  }

  /**
   * Resolves when there is nothing left for this host: every part is done, or those that it was
   * given are and no others have come since, for as long as others may come; or it is revoked.
   */
  async untilDone(signal: AbortSignal): Promise<void> {
    const { parts, settleMs } = this.#options;
    while (!signal.aborted && this.#done.size < parts && !this.isRevoked) {
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
      const end = await running.ended.finally(() => signal.removeEventListener('abort', stop));
      if (end === 'revoked') {
        logger.warn('part-revoked', { partition: part });
        this.#isRevoked = true;
      }
      if (signal.aborted) return;
      if (end !== 'failed') {
        this.#done.add(part);
        return;
      }
      logger.warn('part-ended', { partition: part, attempt: failures });
      const pause = Math.min(pauseMs * 2 ** failures, pauseMsMax);
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Contract } from '@strongroom/protocol/contract';
import { RESULT_TICK_MS_DEFAULT } from '@strongroom/protocol/limits';
import type { Clock } from '@strongroom/runtime/clock';

/** At which steps a contract wants results to leave, in milliseconds; 0: at once. */
export function tickMsOf({ tickMs = RESULT_TICK_MS_DEFAULT }: Pick<Contract, 'tickMs'>): number {
  return tickMs;
}

/**
 * What the vault has made leaves a whole number of ticks after that was read which caused it, at
 * least one: how long the vault took is seen in ticks alone, by whoever sees when it left. Counted
 * from a cause that everybody can see, and not by a clock that ticks for itself: a vault that is
 * slower by a tenth of a tick would else miss one in ten.
 */
export class Tick {
  readonly #tickMs: number;
  readonly #since: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #gone = 0;

  /** @param since by the monotonic clock */
  constructor(tickMs: number, since: number, clock: Pick<Clock, 'monotonic'>) {
    this.#tickMs = tickMs;
    this.#since = since;
    this.#clock = clock;
  }

  /** Resolves at the next one, each time at another. */
  async next(): Promise<void> {
    if (this.#tickMs === 0) return;
    const passed = (this.#clock.monotonic() - this.#since) / this.#tickMs;
    this.#gone = Math.max(this.#gone + 1, Math.ceil(passed));
    const end = this.#since + this.#gone * this.#tickMs;
    await delay(Math.max(0, end - this.#clock.monotonic() - TIMER_MS));
    // A timer counts whole milliseconds from when it was set: how late it is would tell when.
    while (this.#clock.monotonic() < end) await nextTurn();
  }
}

/** A timer may come so much too late. */
const TIMER_MS = 2;

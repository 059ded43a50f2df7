import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, dispositionOf, StrongroomError } from '@strongroom/protocol/errors';
import { failureFields } from './failure-fields.ts';
import type { WorkerOptions } from './life.ts';
import { live } from './worker.ts';

/** How the run ended. */
export interface WorkerSummary {
  readonly rowsCounted: number;
  readonly windows: number;
  readonly aggregates: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly epoch: number;
  readonly done: boolean;
  readonly seconds: number;
}

/** 0.4, 0.8 ... 10 seconds: no loop where a life fails at once, and short where trouble is. */
const PAUSE_MS = 200;
const PAUSE_MS_MAX = 10_000;
/** Lives in a row that failed before they emitted anything. */
const FRUITLESS_LIVES_MAX = 7;

/**
 * Crash-only: whatever may be better at the next attempt ends a life, and a new one begins from the
 * log.
 * @throws what halts, and what keeps failing
 */
export async function runWorker(options: WorkerOptions): Promise<WorkerSummary> {
  const { tally, clock, logger, signal } = options;
  const since = clock.monotonic();
  let fruitless = 0;
  for (;;) {
    const before = fruitsOf(tally);
    tally.monitor.lifeBegins();
    try {
      const { done, epoch } = await live(options);
      const { rowsCounted, windows, aggregates } = tally;
      const seconds = Math.round((clock.monotonic() - since) / 10) / 100;
      return { rowsCounted, windows, aggregates, refusals: tally.refusals(), epoch, done, seconds };
    } catch (error) {
      fruitless = fruitsOf(tally) > before ? 0 : fruitless + 1;
      const code = codeOf(error);
      tally.monitor.lifeEnds(code ?? 'ERR_INTERNAL');
      const isFinal = dispositionOf(error) !== 'retry' || code === 'ERR_INPUT_INCOMPLETE';
      if (isFinal || fruitless >= FRUITLESS_LIVES_MAX || signal.aborted) throw outward(error);
      logger.warn('life-ended', { attempt: fruitless, ...failureFields(error) });
      const pause = Math.min(PAUSE_MS * 2 ** fruitless, PAUSE_MS_MAX);
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Which request a vault was lost in, the run knows; nobody else needs to. */
function outward(error: unknown): unknown {
  return codeOf(error) === 'ERR_VAULT_LOST' ? new StrongroomError('ERR_VAULT_LOST') : error;
}

/** Windows that were told, and records that will cost no vault any more. */
function fruitsOf(tally: WorkerOptions['tally']): number {
  return tally.windows + (tally.refusals()['ERR_RECORD_FATAL'] ?? 0);
}

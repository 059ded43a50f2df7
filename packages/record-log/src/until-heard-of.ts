import { setTimeout as delay } from 'node:timers/promises';
import { toLogError } from './kafka-errors.ts';

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 200;

/**
 * A topic is made before every server has heard of it, and the client takes that for a failure of
 * the creation. Creating is idempotent, so it is asked for again.
 * @throws what `create` throws otherwise, or in the end
 */
export async function untilHeardOf(create: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await create();
      return;
    } catch (error) {
      const { reason } = toLogError(error).facts;
      if (reason !== 'UNKNOWN_TOPIC_OR_PARTITION' || attempt >= ATTEMPTS_MAX) throw error;
      await delay(PAUSE_MS);
    }
  }
}

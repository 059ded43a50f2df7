import { setTimeout as delay } from 'node:timers/promises';
import { toLogError } from './kafka-errors.ts';

const ATTEMPTS_MAX = 5;
const PAUSE_MS = 200;

/** What servers say of a topic that was made a moment ago. */
export type NotYetHeardOf =
  | 'UNKNOWN_TOPIC_OR_PARTITION'
  | 'NOT_LEADER_FOR_PARTITION'
  | 'LEADER_NOT_AVAILABLE';

/**
 * A topic is made before every server has heard of it, its leader included, and the client takes
 * that for a failure. What is idempotent is asked for again.
 * @param passing the reasons that pass by themselves
 * @throws what `ask` throws otherwise, or in the end
 */
export async function untilHeardOf<Answer>(
  ask: () => Promise<Answer>,
  passing: readonly NotYetHeardOf[],
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const { reason } = toLogError(error).facts;
      if (!passing.some((each) => each === reason) || attempt >= ATTEMPTS_MAX) throw error;
      await delay(PAUSE_MS);
    }
  }
}

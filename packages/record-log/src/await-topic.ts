import { setTimeout as delay } from 'node:timers/promises';
import type { RecordLog } from './log.ts';
import { LogError } from './log-error.ts';

const POLL_MS = 500;
/** Kafka's name for it. */
const NO_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';

/**
 * For whoever may come before the worker, which makes the topics.
 * @returns the topic's end; undefined when the signal came first
 */
export async function awaitTopic(
  log: Pick<RecordLog, 'endOffset'>,
  topic: string,
  signal?: AbortSignal,
): Promise<number | undefined> {
  while (!signal?.aborted) {
    try {
      return await log.endOffset(topic);
    } catch (error) {
      if (!(error instanceof LogError) || error.facts['reason'] !== NO_TOPIC) throw error;
    }
    const waiting = signal === undefined ? {} : { signal };
    await delay(POLL_MS, undefined, waiting).catch(() => undefined);
  }
  return undefined;
}

import type { MessageMemory } from '@strongroom/protocol/message-memory';
import { LogError } from '@strongroom/record-log/log-error';
import type { Logger } from '@strongroom/runtime/logger';
import type { EntryQueue } from './entry-queue.ts';
import type { Life } from './life.ts';
import type { ReadPlaces } from './read-places.ts';

interface ReadingOptions {
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly views: MessageMemory;
}

/** From the log to the queue, until the signal: with other places whenever they are sought. */
export async function readAll(
  life: Life,
  places: ReadPlaces,
  queue: EntryQueue,
  { signal, logger, views }: ReadingOptions,
) {
  try {
    while (!signal.aborted) {
      const ending = AbortSignal.any([signal, places.begin()]);
      try {
        for await (const entries of life.log.read(places.from, { signal: ending, views })) {
          const dataset = places.pass(entries);
          life.traces.received(dataset, entries);
          if (dataset !== undefined) await queue.add(dataset, entries);
          if (ending.aborted) break;
        }
        if (!places.isSought) break;
      } catch (error) {
        await correctPlaces(error, life, places, logger);
      }
    }
  } finally {
    queue.close();
  }
}

/** @throws the error, unless it says that the log has no such offset, and it has others */
async function correctPlaces(error: unknown, { log }: Life, places: ReadPlaces, logger: Logger) {
  const isHint = error instanceof LogError && error.facts['reason'] === 'OFFSET_OUT_OF_RANGE';
  const corrected = isHint ? await places.correct(log) : [];
  if (corrected.length === 0) throw error;
  for (const { dataset, partition, offset } of corrected) {
    logger.warn('offset-not-there', { code: 'ERR_LOG_TRUNCATED', dataset, partition, offset });
  }
}

import process from 'node:process';
import type { Query } from '@strongroom/protocol/contract';
import type { Logger } from '@strongroom/runtime/logger';
import type { Span } from '@strongroom/runtime/tracing';
import type { VerifiedResult } from './open-aggregate.ts';
import { type ReadAggregatesOptions, readAggregates } from './read-aggregates.ts';
import type { ResultWriter } from './result-writer.ts';

export interface ShowResultsOptions extends ReadAggregatesOptions {
  readonly queries: readonly Query[];
  readonly writer: ResultWriter;
  readonly logger: Logger;
  /** How many windows of each query are shown; all when absent. */
  readonly limit?: number;
}

/**
 * Writes every result as it is proven. Output that is not whole is discarded, not finished.
 * @throws what reading throws; at the end the first refusal, when there was one
 */
export async function showResults(options: ShowResultsOptions): Promise<void> {
  const { writer, logger, queries, limit = Number.MAX_SAFE_INTEGER } = options;
  const left = new Map<string, number>(queries.map((query) => [query.id, limit]));
  let refused: Error | undefined;
  try {
    for await (const reading of readAggregates(options)) {
      if (reading.kind === 'refused') {
        const { code, offset } = reading;
        logger.warn('record-refused', { code, offset, ...reading.ids });
        refused ??= reading.error;
        continue;
      }
      if (reading.kind === 'ended') {
        const { stoppedBy, epoch, successor } = reading.notice;
        const follows = successor === undefined ? {} : { successor };
        logger.warn('contract-ended', { party: stoppedBy, epoch, ...follows });
        await writer.end(reading.notice);
        if (options.follow) break;
        continue;
      }
      const { query } = reading.result.seal;
      const windows = left.get(query) ?? 0;
      if (windows > 0) await show(reading.result, options, reading.ids);
      left.set(query, windows - 1);
      if ([...left.values()].every((each) => each <= 0)) break;
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
  if (options.signal?.aborted && !options.follow) {
    // Half of the results must not look like all of them.
    await writer.discard();
    process.exitCode = EXIT_INTERRUPTED;
    return;
  }
  await writer.close();
  if (refused) throw refused;
}

/** A result that was withheld has no columns: only where there is room for words it is told. */
async function show(
  result: VerifiedResult,
  { writer, logger }: ShowResultsOptions,
  ids: Span['ids'] | undefined,
): Promise<void> {
  const { content, seal } = result;
  if (content.withheld) {
    const { query, emission } = seal;
    logger.warn('result-withheld', { query, emission, reason: content.withheld, ...ids });
  }
  if (!content.withheld || writer.hasWords) await writer.write(result);
}

/** 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;

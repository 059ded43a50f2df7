import type { LogEntry } from '@strongroom/record-log/log';
import { createProgress, type ProgressOptions } from '@strongroom/runtime/progress';
import type { ReadableLog } from './read-aggregates.ts';

/** The same log; how much of the topic was read is shown on stderr while it is read to its end. */
export async function showReading(
  log: ReadableLog,
  topic: string,
  options: ProgressOptions = {},
): Promise<ReadableLog> {
  // A topic that is not there is told by reading it.
  const total = await log.endOffset(topic).catch(() => undefined);
  const progress = createProgress('records', total, options);
  let position = 0;
  async function* read(...request: Parameters<ReadableLog['read']>): AsyncGenerator<LogEntry[]> {
    try {
      for await (const entries of log.read(...request)) {
        // By offsets: ends of transactions have some too, which nobody gets to see.
        const next = (entries.at(-1)?.offset ?? position - 1) + 1;
        progress.advance(next - position);
        position = next;
        yield entries;
      }
    } finally {
      progress.done();
    }
  }
  return { read, endOffset: (...at) => log.endOffset(...at) };
}

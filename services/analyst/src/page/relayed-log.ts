import type { LogEntry, ReadFrom, ReadOptions } from '@strongroom/record-log/log';
import type { ReadableLog } from '../read-aggregates.ts';
import { type RelayedEntry, readLine } from '../relayed-line.ts';

export type Connection = 'connecting' | 'live' | 'lost';

interface RelayedLogOptions {
  /** Told of every change of the connection; `live` once all that was there has been read. */
  readonly onConnection: (connection: Connection) => void;
  /** Told of every record, before it is handed on. */
  readonly onRecord: (record: RelayedEntry) => void;
}

const RETRY_MS = 1_000;

/** A log that the server relays: after a lost connection, reading goes on where it stopped. */
export function createRelayedLog({ onConnection, onRecord }: RelayedLogOptions): ReadableLog {
  return {
    // The server waits for the topic.
    endOffset: () => Promise.resolve(0),
    async *read(
      [from]: readonly ReadFrom[],
      { signal }: ReadOptions = {},
    ): AsyncGenerator<LogEntry[]> {
      const place = { topic: from?.topic ?? '', partition: 0 };
      let next = from?.offset ?? 0;
      while (!signal?.aborted) {
        onConnection('connecting');
        try {
          for await (const line of linesFrom(next, signal)) {
            const read = readLine(line);
            if (read?.kind === 'caught-up') onConnection('live');
            if (read?.kind === 'failed') break;
            if (read?.kind !== 'record') continue;
            next = read.entry.offset + 1;
            onRecord(read.entry);
            yield [{ ...read.entry, ...place }];
          }
        } catch {
          // The connection broke. What the consumer throws never comes here: it ends the generator.
        }
        if (signal?.aborted) return;
        onConnection('lost');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    },
  };
}

/** No line is longer than the largest record: a server that sends more is cut off. */
const LINE_CHARACTERS_MAX = 8 * 1024 * 1024;

async function* linesFrom(offset: number, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const asked = await fetch(`/api/records?from=${offset}`, signal ? { signal } : {});
  if (!asked.ok || !asked.body) return;
  let rest = '';
  const texts = asked.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await texts.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_CHARACTERS_MAX) return;
      yield* lines;
    }
  } finally {
    await texts.cancel().catch(() => undefined);
  }
}

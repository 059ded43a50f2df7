import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { codeOf } from '@strongroom/protocol/errors';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { writeEventLine, writeRecordLine } from './relayed-line.ts';

/** Less than any proxy's patience. */
const HEARTBEAT_MS = 10_000;

export interface RelayOptions {
  readonly log: RecordLog;
  readonly topic: string;
  /** The first offset that is wanted. */
  readonly from: number;
  /** Ends the relaying; the stream then ends too. */
  readonly signal: AbortSignal;
}

/**
 * The records of a topic as lines, from an offset on and for ever: first what is there, then that
 * this was all, then whatever comes. No faster than the page takes it.
 */
export function relayRecords(options: RelayOptions): PassThrough {
  const lines = new PassThrough();
  const heartbeat = setInterval(() => {
    if (!lines.writableNeedDrain) lines.write('\n');
  }, HEARTBEAT_MS);
  relay(lines, options)
    .catch((error: unknown) => {
      const code = codeOf(error) ?? 'ERR_INTERNAL';
      if (!options.signal.aborted) lines.write(writeEventLine({ kind: 'failed', code }));
    })
    .finally(() => {
      clearInterval(heartbeat);
      lines.end();
    });
  return lines;
}

async function relay(lines: PassThrough, { log, topic, from, signal }: RelayOptions) {
  await awaitTopic(log, topic, signal);
  let next = from;
  const passOn = async (entries: readonly LogEntry[]) => {
    for (const entry of entries) {
      next = entry.offset + 1;
      if (!lines.write(writeRecordLine(entry))) await once(lines, 'drain', { signal });
    }
  };
  const end = await log.endOffset(topic);
  if (next < end) {
    const there = { untilEnd: true, signal };
    for await (const entries of log.read([{ topic, offset: next }], there)) await passOn(entries);
  }
  if (signal.aborted) return;
  lines.write(writeEventLine({ kind: 'caught-up' }));
  const coming = log.read([{ topic, offset: next }], { signal });
  for await (const entries of coming) await passOn(entries);
}

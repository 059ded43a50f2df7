import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { describe, expect, test } from 'vitest';
import { showReading } from './reading-progress.ts';

const TOPIC = 'results';

async function reading(records: number, isTTY: boolean) {
  let shown = '';
  const stream = new PassThrough();
  stream.on('data', (chunk) => (shown += chunk));
  const terminal = { isTTY, columns: 100, cursorTo: () => true, clearLine: () => true };
  const writable: unknown = Object.assign(stream, terminal);
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  const log = createMemoryLog();
  await log.createTopics([{ topic: TOPIC }]);
  const record = { key: null, value: new Uint8Array(1), headers: {} };
  for (let sent = 0; sent < records; sent += 1) await log.append(TOPIC, [record]);
  const watched = await showReading(log, TOPIC, { stream: writable as WriteStream, clock });
  let read = 0;
  for await (const entries of watched.read([{ topic: TOPIC, offset: 0 }], { untilEnd: true })) {
    read += entries.length;
    now += 6_000;
  }
  return { read, shown };
}

describe('how far the reading of results is', () => {
  test('is a bar at a terminal', async () => {
    const { read, shown } = await reading(3, true);
    expect(read).toBe(3);
    expect(shown).toContain('records [');
    expect(shown).toContain('3/3');
  });

  test('is a line at times elsewhere, and nothing for a short reading', async () => {
    expect((await reading(0, false)).shown).toBe('');
    const { read, shown } = await reading(3, false);
    expect(read).toBe(3);
    expect(shown === '' || /^(records \d\/3\n)*records 3\/3 done\n$/.test(shown)).toBe(true);
    expect(shown).not.toContain('[');
  });
});

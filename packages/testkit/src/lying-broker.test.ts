import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compactedBatch, headerFlood, tinyRecords } from './lying-broker.ts';
import { type ScriptedBroker, startScriptedBroker } from './scripted-broker/scripted-broker.ts';

/**
 * Records that a client decodes at a cost out of all proportion to their bytes. What the lies of
 * `lying-broker` do to a whole worker is in `test/simulation`.
 */

let scripted: ScriptedBroker;
let log: RecordLog;
beforeAll(async () => {
  scripted = await startScriptedBroker();
  log = await connectKafkaLog({ brokers: scripted.brokers.split(','), clientId: 'reader' });
});
afterAll(async () => {
  await log.close();
  await scripted.close();
});

async function reading(topic: string, ...planted: readonly Buffer[]): Promise<LogEntry[]> {
  await log.createTopics([{ topic }]);
  for (const recordBatch of planted) {
    scripted.cluster.topics.get(topic)?.partitions[0]?.plant(recordBatch);
  }
  const read: LogEntry[] = [];
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const entry of entries) read.push(entry);
  }
  return read;
}

describe('headers', () => {
  test('have their names, also those of members that every object has', async () => {
    const names = ['constructor', '__proto__', 'toString', 'constructor'];
    const [entry] = await reading('names', headerFlood(names));
    expect(Object.entries(entry?.headers ?? {}).sort()).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'x\nx'],
      ['toString', 'x'],
    ]);
  });

  // Where each header made a new object of all before it, these took minutes.
  test.each([
    ['of 60,000 names', Array.from({ length: 60_000 }, (_none, at) => at.toString(36))],
    ['of one name, 100,000 times', Array.from({ length: 100_000 }, () => 'h')],
  ])(
    '%s are read in time, and not all of them are kept',
    async (name, names) => {
      const entries = await reading(`headers-${name.length}`, headerFlood(names));
      expect(entries).toHaveLength(1);
      expect(Object.values(entries[0]?.headers ?? {}).join('').length).toBeLessThan(3_000);
    },
    10_000,
  );
});

test('130,000 records in a batch are read whole, and what is behind them', async () => {
  const entries = await reading('tiny', tinyRecords(130_000), tinyRecords(10_000));
  expect(entries).toHaveLength(140_000);
  expect(entries.at(-1)?.offset).toBe(139_999);
});

test('reading goes on behind a batch whose end, or all of it, compaction has taken', async () => {
  const planted = [
    compactedBatch(5, ['a', 'b']),
    compactedBatch(3, []),
    compactedBatch(2, ['c', 'd']),
  ];
  const [last] = planted.slice(-1);
  const entries = await reading('compacted', ...planted, ...(last ? [last] : []));
  const seen = entries.map(({ offset, value }) => `${offset} ${Buffer.from(value).toString()}`);
  expect(seen).toEqual(['0 a', '1 b', '8 c', '9 d', '10 c', '11 d']);
  // Each of them alone, as where it is the last of its segment.
  const read: number[] = [];
  const from = [{ topic: 'compacted', offset: 0 }];
  for await (const part of log.read(from, { untilEnd: true, maxBytes: 2 })) {
    read.push(...part.map(({ offset }) => offset));
  }
  expect(read).toEqual([0, 1, 8, 9, 10, 11]);
});

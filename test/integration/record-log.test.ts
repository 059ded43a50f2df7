import { randomUUID } from 'node:crypto';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import {
  END_TXN,
  type FaultyProxy,
  FETCH,
  PRODUCE,
  startFaultyProxy,
} from '@strongroom/testkit/faulty-proxy';
import { connectPlatformaticLog } from '@strongroom/testkit/platformatic-log';
import { readAll, record, recordLogSuite, textsOf } from '@strongroom/testkit/record-log-suite';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const connect = (brokers = inject('brokers')) =>
  connectKafkaLog({ brokers: brokers.split(','), clientId: 'record-log-test' });

recordLogSuite('kafka', () => connect());

// For comparison alone (ADR 0004); its vectors of faults run in the testkit.
const connectOther = (brokers = inject('brokers')) =>
  connectPlatformaticLog({ brokers: brokers.split(','), clientId: 'comparison' });

recordLogSuite('kafka through @platformatic/kafka', () => connectOther());

it('says that nobody answers at a wrong address', async () => {
  await expect(connect('127.0.0.1:1')).rejects.toMatchObject({ code: 'ERR_LOG_UNREACHABLE' });
});

describe.each([
  ['kafkajs', connect],
  ['@platformatic/kafka', connectOther],
])('faults on the wire through %s', (client, connectClient) => {
  /** The other one ends a transaction again by itself, and nothing is left to be settled. */
  const unlessEndedAgain = it.runIf(client === 'kafkajs');

  let direct: RecordLog;
  let proxy: FaultyProxy;
  let log: RecordLog;
  beforeAll(async () => {
    direct = await connect();
    proxy = await startFaultyProxy(inject('brokers'));
    log = await connectClient(proxy.brokers);
  });
  afterAll(async () => {
    await log.close();
    await direct.close();
    await proxy.close();
  });
  const newTopic = async () => {
    const topic = `faults.${randomUUID()}`;
    await direct.createTopics([{ topic }]);
    return topic;
  };
  /** Makes sure that the fault of this test has happened. */
  const cut = (apiKey: number, when: 'before' | 'after') => {
    const before = proxy.cuts();
    proxy.cutNext(apiKey, when);
    return () => expect(proxy.cuts()).toBe(before + 1);
  };

  it.each(['before', 'after'] as const)('appends once when a send is cut %s', async (when) => {
    const topic = await newTopic();
    await log.append(topic, [record('a')]);
    const happened = cut(PRODUCE, when);
    await Promise.all(['b', 'c', 'd'].map((text) => log.append(topic, [record(text)])));
    happened();
    await log.append(topic, [record('e')]);
    expect(textsOf(await readAll(direct, topic))).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  unlessEndedAgain('leaves nothing visible of a transaction that was not ended', async () => {
    const topic = await newTopic();
    const writer = await log.transaction(`writer-${topic}`);
    await writer.commit(topic, [record('first')]);
    const happened = cut(END_TXN, 'before');
    await expect(writer.commit(topic, [record('lost')])).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    });
    happened();
    // It is still open: readers end before it, and do not wait for it.
    expect(textsOf(await readAll(direct, topic))).toEqual(['first']);

    const next = await log.transaction(`writer-${topic}`);
    // The log now ends with the aborted record and two marks.
    expect(textsOf(await readAll(direct, topic))).toEqual(['first']);
    expect(await direct.endOffset(topic)).toBe(4);
    await next.commit(topic, [record('again')]);
    expect(textsOf(await readAll(direct, topic))).toEqual(['first', 'again']);
    await next.close();
  });

  unlessEndedAgain('keeps a transaction whose end was answered to nobody, once', async () => {
    const topic = await newTopic();
    const writer = await log.transaction(`writer-${topic}`);
    const happened = cut(END_TXN, 'after');
    await expect(writer.commit(topic, [record('kept')])).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    });
    happened();
    const next = await log.transaction(`writer-${topic}`);
    expect(textsOf(await readAll(direct, topic))).toEqual(['kept']);
    await next.commit(topic, [record('next')]);
    expect(textsOf(await readAll(direct, topic))).toEqual(['kept', 'next']);
    await next.close();
  });

  unlessEndedAgain(
    'hides the aborted records of one writer and shows those of others around them',
    async () => {
      const topic = await newTopic();
      const aborted = await log.transaction(`aborted-${topic}`);
      const other = await direct.transaction(`other-${topic}`);
      await other.commit(topic, [record('a')]);
      const happened = cut(END_TXN, 'before');
      const sent = { ...record('aborted'), key: '\0\0\0\0' };
      await expect(aborted.commit(topic, [sent, sent])).rejects.toThrow();
      happened();
      await direct.append(topic, [record('b')]);
      await other.commit(topic, [record('c')]);
      expect(textsOf(await readAll(direct, topic))).toEqual(['a']);
      await (await direct.transaction(`aborted-${topic}`)).close();
      expect(textsOf(await readAll(direct, topic))).toEqual(['a', 'b', 'c']);
      // Also for a reader that begins in the middle of the aborted transaction.
      expect(textsOf(await readAll(direct, topic, 3))).toEqual(['b', 'c']);
      await other.close();
    },
  );

  it.each(['before', 'after'] as const)('reads on when a fetch is cut %s', async (when) => {
    const topic = await newTopic();
    const value = new Uint8Array(300_000);
    const records = Array.from({ length: 30 }, (_, index) => ({ ...record(`${index}`), value }));
    await direct.append(topic, records);
    const ids: string[] = [];
    const from = [{ topic, offset: 0 }];
    let happened: (() => void) | undefined;
    for await (const entries of log.read(from, { untilEnd: true, maxBytes: 2_000_000 })) {
      if (ids.length === 0) happened = cut(FETCH, when);
      ids.push(...entries.map(({ headers }) => headers['ce_id'] ?? ''));
    }
    happened?.();
    expect(happened).toBeDefined();
    expect(ids).toEqual(records.map((_, index) => `${index}`));
  });
});

it('carries 100 MB of sealed-batch sized records in order', async () => {
  const log = await connect();
  const topic = `throughput.${randomUUID()}`;
  await log.createTopics([{ topic }]);
  const size = 900_000;
  const count = 111;
  const megabytes = (size * count) / 1e6;
  const started = performance.now();
  for (let index = 0; index < count; index++) {
    const value = new Uint8Array(size).fill(index);
    await log.append(topic, [{ key: 'stream', value, headers: { seal: 's'.repeat(1_500) } }]);
  }
  const appended = performance.now();
  let next = 0;
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const { offset, value } of entries) {
      expect([offset, value.length, value[0], value.at(-1)]).toEqual([next, size, next, next]);
      next += 1;
    }
  }
  const read = performance.now();
  expect(next).toBe(count);
  const rate = (from: number, to: number) => ((megabytes / (to - from)) * 1000).toFixed(0);
  process.stderr.write(
    `append ${rate(started, appended)} MB/s, read ${rate(appended, read)} MB/s\n`,
  );
  await log.close();
});

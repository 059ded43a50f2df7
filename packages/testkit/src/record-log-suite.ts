import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import type { LogEntry, LogRecord, RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What every log must do: more than 300 lines, since it is one list. */
export function recordLogSuite(name: string, connect: () => Promise<RecordLog>): void {
  describe(`record log: ${name}`, () => {
    let log: RecordLog;
    beforeAll(async () => {
      log = await connect();
    });
    afterAll(() => log.close());
    const newTopic = async (partitions = 1) => {
      const topic = `suite.${randomUUID()}`;
      await log.createTopics([{ topic, partitions }]);
      return topic;
    };
    recordsSuite(() => log, newTopic);
    hintsSuite(() => log, newTopic);
    readingSuite(() => log, newTopic);
    waitingSuite(() => log, newTopic, connect);
    failureSuite(() => log, newTopic);
    transactionSuite(() => log, newTopic, connect);
    fencingSuite(() => log, newTopic);
  });
}

type NewTopic = (partitions?: number) => Promise<string>;

export function record(text: string): LogRecord {
  return { key: 'stream', value: Buffer.from(text), headers: { ce_id: text } };
}

export function textsOf(entries: readonly LogEntry[]): string[] {
  return entries.map(({ value }) => Buffer.from(value).toString());
}

export async function readAll(
  log: RecordLog,
  topic: string,
  offset = 0,
  partition = 0,
): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  for await (const entries of log.read([{ topic, partition, offset }], { untilEnd: true })) {
    all.push(...entries);
  }
  return all;
}

function recordsSuite(log: () => RecordLog, newTopic: NewTopic): void {
  it('returns records as they were written', async () => {
    const topic = await newTopic();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const records: LogRecord[] = [
      { key: null, value: bytes, headers: {} },
      // An abort mark's first bytes, as the key of data.
      { key: '\0\0\0\0', value: new Uint8Array(), headers: { seal: 'a.b.c', note: 'ü→' } },
      { key: '', value: bytes.subarray(100, 110), headers: { empty: '' } },
    ];
    await log().append(topic, records);
    const entries = await readAll(log(), topic);
    expect(entries).toEqual(
      records.map(({ key, value, headers }, offset) => ({
        topic,
        partition: 0,
        offset,
        key,
        value: new Uint8Array(value),
        headers,
      })),
    );
    // A value that shares memory with others would keep all of it alive.
    expect(entries.map(({ value }) => value.buffer.byteLength)).toEqual([256, 0, 10]);
  });

  it('keeps the order of overlapping calls, across requests of any size', async () => {
    const topic = await newTopic();
    const sizes = [10, 900_000, 5, 400_000, 400_000, 400_000, 1];
    const records = sizes.map((size, index) => ({
      key: 'stream',
      value: new Uint8Array(size).fill(index),
      headers: { ce_id: String(index) },
    }));
    const calls = [records.slice(0, 3), records.slice(3, 6), records.slice(6)];
    await Promise.all(calls.map((call) => log().append(topic, call)));
    const entries = await readAll(log(), topic);
    expect(entries.map(({ headers }) => headers['ce_id'])).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
    ]);
    expect(entries.map(({ value }) => value.length)).toEqual(sizes);
    expect(entries.every(({ value }, index) => value.every((byte) => byte === index))).toBe(true);
  });

  it('leaves existing topics as they are', async () => {
    const topic = await newTopic();
    await log().append(topic, [record('a')]);
    await log().createTopics([{ topic }, { topic: `${topic}.second` }]);
    expect(textsOf(await readAll(log(), topic))).toEqual(['a']);
    expect(await log().endOffset(`${topic}.second`)).toBe(0);
  });
}

function hintsSuite(log: () => RecordLog, newTopic: NewTopic): void {
  it('has the hint of a trace beside the headers, and drops an odd one', async () => {
    const topic = await newTopic();
    const { key, value, headers } = record('traced');
    const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const odd = { ...headers, traceparent: 'a'.repeat(55) };
    await log().append(topic, [
      { key, value, headers, trace },
      { key, value, headers: odd },
      { key, value, headers },
    ]);
    const writer = await log().transaction(`suite.${randomUUID()}`);
    await writer.commit(topic, [{ key, value, headers, trace }]);
    await writer.close();
    const entries = await readAll(log(), topic);
    expect(entries.map((entry) => entry.headers)).toEqual([headers, headers, headers, headers]);
    expect(entries.map((entry) => entry.trace)).toEqual([trace, undefined, undefined, trace]);
  });
}

function readingSuite(log: () => RecordLog, newTopic: NewTopic): void {
  it('reads from an offset, and nothing from the end', async () => {
    const topic = await newTopic();
    await log().append(topic, ['a', 'b', 'c'].map(record));
    expect(textsOf(await readAll(log(), topic, 1))).toEqual(['b', 'c']);
    expect(await readAll(log(), topic, 3)).toEqual([]);
    expect(await log().endOffset(topic)).toBe(3);
  });

  it('ends at once on an empty topic', async () => {
    expect(await readAll(log(), await newTopic())).toEqual([]);
  });

  it('reads several topics and partitions together, each in order', async () => {
    const [first, second] = [await newTopic(), await newTopic(3)];
    const from = [
      { topic: first, offset: 2 },
      ...[0, 2].map((partition) => ({ topic: second, partition, offset: 0 })),
    ];
    for (let round = 0; round < 5; round++) {
      await log().append(first, [record(`first-${round}`)]);
      for (const partition of [0, 1, 2]) {
        await log().append(second, [record(`second-${partition}-${round}`)], partition);
      }
    }
    const seen: Record<string, string[]> = {};
    for await (const entries of log().read(from, { untilEnd: true })) {
      const places = new Set(entries.map((entry) => `${entry.topic} ${entry.partition}`));
      expect(places.size).toBe(1);
      const place = [...places].join();
      seen[place] = [...(seen[place] ?? []), ...textsOf(entries)];
    }
    const rounds = [0, 1, 2, 3, 4];
    expect(seen).toEqual({
      [`${first} 0`]: rounds.slice(2).map((round) => `first-${round}`),
      [`${second} 0`]: rounds.map((round) => `second-0-${round}`),
      [`${second} 2`]: rounds.map((round) => `second-2-${round}`),
    });
  });

  it('leaves out what is appended after the reading began', async () => {
    const topic = await newTopic();
    await log().append(topic, ['a', 'b'].map(record));
    const texts: string[] = [];
    for await (const entries of log().read([{ topic, offset: 0 }], { untilEnd: true })) {
      texts.push(...textsOf(entries));
      await log().append(topic, [record('later')]);
    }
    expect(texts).toEqual(['a', 'b']);
  });
}

function waitingSuite(
  log: () => RecordLog,
  newTopic: NewTopic,
  connect: () => Promise<RecordLog>,
): void {
  it('waits for what is appended later, and stops when it is told to', async () => {
    const topic = await newTopic();
    const stopping = new AbortController();
    const texts: string[] = [];
    const reading = (async () => {
      const options = { signal: stopping.signal };
      for await (const entries of log().read([{ topic, offset: 0 }], options)) {
        texts.push(...textsOf(entries));
        if (texts.length === 2) stopping.abort();
      }
    })();
    await delay(50);
    await log().append(topic, [record('a')]);
    await log().append(topic, [record('b')]);
    await reading;
    expect(texts).toEqual(['a', 'b']);
  });

  it('stops promptly while nothing arrives, by a signal or by closing', async () => {
    const topic = await newTopic();
    const drain = async (from: RecordLog, signal?: AbortSignal) => {
      const options = signal === undefined ? {} : { signal };
      for await (const entries of from.read([{ topic, offset: 0 }], options)) {
        expect(entries).toEqual([]);
      }
    };
    await drain(log(), AbortSignal.abort());
    const started = systemClock.monotonic();
    await drain(log(), AbortSignal.timeout(100));
    const other = await connect();
    const reading = drain(other);
    await delay(100);
    await other.close();
    await reading;
    expect(systemClock.monotonic() - started).toBeLessThan(2_000);
  });

  it('reads everything to a slow consumer that leaves early or late', async () => {
    const topic = await newTopic();
    const value = new Uint8Array(100_000);
    const records = Array.from({ length: 40 }, (_, index) => ({ ...record(`${index}`), value }));
    await log().append(topic, records);
    const from = [{ topic, offset: 0 }];
    for await (const entries of log().read(from, { maxBytes: 300_000 })) {
      expect(entries[0]?.offset).toBe(0);
      break;
    }
    const ids: string[] = [];
    for await (const entries of log().read(from, { maxBytes: 300_000, untilEnd: true })) {
      await delay(1);
      ids.push(...entries.map(({ headers }) => headers['ce_id'] ?? ''));
    }
    expect(ids).toEqual(records.map((_, index) => `${index}`));
  });
}

function failureSuite(log: () => RecordLog, newTopic: NewTopic): void {
  it('refuses a topic that does not exist', async () => {
    const topic = `absent.${randomUUID()}`;
    const failed = { code: 'ERR_LOG_FAILED', facts: { reason: 'UNKNOWN_TOPIC_OR_PARTITION' } };
    await expect(log().append(topic, [record('a')])).rejects.toMatchObject(failed);
    await expect(log().endOffset(topic)).rejects.toMatchObject(failed);
    await expect(readAll(log(), topic)).rejects.toMatchObject(failed);
  });

  it('gives the same values as views, of which a slice is a copy all the same', async () => {
    const topic = await newTopic();
    await log().append(topic, ['a', 'b', 'c'].map(record));
    const copies = await readAll(log(), topic);
    const options = { untilEnd: true, views: new MessageMemory() };
    for await (const entries of log().read([{ topic, offset: 0 }], options)) {
      for (const { value, offset } of entries) {
        expect(value).toEqual(copies[offset]?.value);
        expect(value.slice().buffer).not.toBe(value.buffer);
      }
    }
  });

  it('begins where its first record lies', async () => {
    const topic = await newTopic();
    await log().append(topic, [record('a'), record('b')]);
    expect(await log().startOffset(topic)).toBe(0);
  });

  it('refuses an offset behind the end: it would hide that records were lost', async () => {
    const topic = await newTopic();
    await log().append(topic, [record('a')]);
    await expect(readAll(log(), topic, 2)).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
      facts: { reason: 'OFFSET_OUT_OF_RANGE' },
    });
  });

  it('refuses a record that no request can carry, and writes nothing of the call', async () => {
    const topic = await newTopic();
    const canary = 'canary-7f3a';
    const large = { key: canary, value: new Uint8Array(1_100_000), headers: { note: canary } };
    const refused = log().append(topic, [record('a'), large]);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' });
    const error = await refused.catch((thrown: unknown) => thrown);
    const shown = `${JSON.stringify(error)}${error instanceof Error ? error.stack : ''}`;
    expect(shown).not.toContain(canary);
    expect(await log().endOffset(topic)).toBe(0);
  });
}

function transactionSuite(
  log: () => RecordLog,
  newTopic: NewTopic,
  connect: () => Promise<RecordLog>,
): void {
  it('shows what is committed, and ends behind the mark', async () => {
    const topic = await newTopic();
    const writer = await log().transaction(`writer-${topic}`);
    await log().append(topic, [record('before')]);
    expect(await writer.commit(topic, ['a', 'b'].map(record))).toEqual({ firstOffset: 1 });
    expect(textsOf(await readAll(log(), topic))).toEqual(['before', 'a', 'b']);
    // The mark took offset 3.
    expect(await log().endOffset(topic)).toBe(4);
    expect(await readAll(log(), topic, 3)).toEqual([]);
    expect(await readAll(log(), topic, 4)).toEqual([]);
    await log().append(topic, [record('after')]);
    expect((await readAll(log(), topic, 2)).map(({ offset }) => offset)).toEqual([2, 4]);
    await writer.close();
  });

  it('commits many times in a row', async () => {
    const topic = await newTopic();
    const writer = await log().transaction(`writer-${topic}`);
    for (let round = 0; round < 20; round++) await writer.commit(topic, [record(`${round}`)]);
    await writer.close();
    const rounds = Array.from({ length: 20 }, (_, round) => `${round}`);
    expect(textsOf(await readAll(log(), topic))).toEqual(rounds);
  });

  it('commits records of several topics together, or none of them', async () => {
    const [topic, other] = [await newTopic(), await newTopic()];
    const writer = await log().transaction(`writer-${topic}`);
    await writer.commit(topic, [record('a')], [{ topic: other, records: ['b', 'c'].map(record) }]);
    expect(textsOf(await readAll(log(), topic))).toEqual(['a']);
    await expect.poll(async () => textsOf(await readAll(log(), other))).toEqual(['b', 'c']);
    const absent = { topic: `absent.${randomUUID()}`, records: [record('lost')] };
    const failed = writer.commit(topic, [record('lost')], [absent]);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' });
    const next = await log().transaction(`writer-${topic}`);
    await next.commit(topic, [record('d')], [{ topic: other, records: [record('e')] }]);
    expect(textsOf(await readAll(log(), topic))).toEqual(['a', 'd']);
    await expect.poll(async () => textsOf(await readAll(log(), other))).toEqual(['b', 'c', 'e']);
    await next.close();
  });

  it('goes on with the same id after a restart', async () => {
    const topic = await newTopic();
    for (const text of ['a', 'b', 'c']) {
      const own = await connect();
      const writer = await own.transaction(`writer-${topic}`);
      await writer.commit(topic, [record(text)]);
      await own.close();
    }
    expect(textsOf(await readAll(log(), topic))).toEqual(['a', 'b', 'c']);
  });
}

function fencingSuite(log: () => RecordLog, newTopic: NewTopic): void {
  it('fences the older writer of an id, for ever, and no other', async () => {
    const topic = await newTopic();
    const older = await log().transaction(`writer-${topic}`);
    const other = await log().transaction(`other-${topic}`);
    await older.commit(topic, [record('older')]);
    const newer = await log().transaction(`writer-${topic}`);
    await expect(older.commit(topic, [record('zombie')])).rejects.toMatchObject({
      code: 'ERR_LOG_FENCED',
    });
    await newer.commit(topic, [record('newer')]);
    await expect(older.commit(topic, [record('zombie')])).rejects.toThrow();
    await other.commit(topic, [record('other')]);
    expect(textsOf(await readAll(log(), topic))).toEqual(['older', 'newer', 'other']);
    await Promise.all([older, newer, other].map((writer) => writer.close()));
  });

  it('commits more than one request carries, in its order; or nothing of it', async () => {
    const [topic, other] = [await newTopic(), await newTopic()];
    const writer = await log().transaction(`writer-${topic}`);
    const half = (fill: number) => ({
      ...record('half'),
      value: new Uint8Array(600_000).fill(fill),
    });
    const large = { ...record('large'), value: new Uint8Array(1_100_000) };
    await expect(writer.commit(topic, [half(0), large])).rejects.toMatchObject({
      code: 'ERR_LIMIT_EXCEEDED',
    });
    const beside = [{ topic: other, records: [half(4), half(5)] }];
    const { firstOffset } = await writer.commit(topic, [1, 2, 3].map(half), beside);
    expect(firstOffset).toBe(0);
    const read = await readAll(log(), topic);
    expect(read.map(({ value }) => value[599_999])).toEqual([1, 2, 3]);
    expect((await readAll(log(), other)).map(({ value }) => value[0])).toEqual([4, 5]);
    await writer.close();
  });

  it('closes a writer whose commit failed', async () => {
    const topic = await newTopic();
    const writer = await log().transaction(`writer-${topic}`);
    const absent = `absent.${randomUUID()}`;
    await expect(writer.commit(absent, [record('a')])).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    });
    await expect(writer.commit(topic, [record('b')])).rejects.toMatchObject({
      code: 'ERR_LOG_FAILED',
    });
    expect(await readAll(log(), topic)).toEqual([]);
  });
}

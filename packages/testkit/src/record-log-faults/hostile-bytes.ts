import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { readAll, record, textsOf } from '../record-log-suite.ts';
import type { ResponseOf } from '../scripted-broker/messages.ts';
import { encodeBatch, varint } from '../scripted-broker/record-batch.ts';
import type { Instead, Script } from '../scripted-broker/scripted-broker.ts';
import { encode, int16, int32, int64, string } from '../scripted-broker/wire.ts';
import { outcomeOf, partitionOf, type Stage, type Vector } from './suite.ts';

/**
 * Bytes that no honest broker sends. Memory is bounded, and a reader that is told the truth the
 * next time reads all of it.
 */

const MEGABYTE = 1024 * 1024;
/** What a process may grow by while it refuses something; each lie here asks for a gigabyte. */
const GROWTH_MAX = 400 * MEGABYTE;
const INT32_MAX = 2 ** 31 - 1;

type Fetched = ResponseOf<'Fetch'>;

export function hostileBytesSuite(vector: Vector): void {
  compressionSuite(vector);
  refusalSuite(vector);
  for (const [words, lie] of LIES) {
    vector(`K12: reads all after ${words}`, { script: lyingOnce(lie) }, readsAll);
  }
  vector(
    'K12: takes nothing of an answer that nobody asked for',
    { script: { Fetch: async ({ truth }) => withUnrequested(await truth()) } },
    readsAll,
  );
}

/** They wait for timeouts of the client, beside all other vectors. */
export function patienceSuite(vector: Vector): void {
  vector(
    'B09: reads on after an answer that never comes',
    { script: { Fetch: ({ count }) => (count === 1 ? 'silent' : undefined) } },
    readsAll,
  );
  vector(
    'reads on after it was told to wait for 24 days',
    {
      script: {
        async Fetch({ count, truth }) {
          const answer = await truth();
          return count === 1 ? { ...answer, throttleTimeMs: INT32_MAX } : answer;
        },
      },
    },
    readsAll,
  );
}

function refusalSuite(vector: Vector): void {
  vector(
    'K12: refuses a message of the format before record batches',
    { script: { Fetch: async ({ truth }) => withRecords(() => oldMessage)(await truth(), 0) } },
    async ({ log, newTopic }) => {
      const topic = await newTopic();
      await log.append(topic, [record('a')]);
      expect(await outcomeOf(readAll(log, topic))).toBe('ERR_LOG_FAILED');
    },
  );

  const lie = { armed: false };
  vector(
    'K12: works again after metadata of 2,147,483,647 nodes',
    {
      script: {
        Metadata() {
          const said = lie.armed ? { body: giantMetadata } : undefined;
          lie.armed = false;
          return said;
        },
      },
    },
    async ({ log, newTopic }) => {
      const topics = [await newTopic(), await newTopic()];
      const peak = process.resourceUsage().maxRSS;
      lie.armed = true;
      const outcomes = await Promise.all(topics.map((topic) => outcomeOf(log.endOffset(topic))));
      expect(lie.armed).toBe(false);
      for (const outcome of outcomes) expect(outcome).toMatch(/^(resolved|ERR_LOG_\w+)$/);
      for (const topic of topics) expect(await log.endOffset(topic)).toBe(0);
      expectBounded(peak);
    },
  );
}

const TEXTS = Array.from({ length: 10 }, (_, index) => `${index}`);

async function readsAll({ log, newTopic }: Stage): Promise<void> {
  const topic = await newTopic();
  const peak = process.resourceUsage().maxRSS;
  await log.append(topic, TEXTS.slice(0, 5).map(record));
  const options = { signal: AbortSignal.timeout(45_000), maxBytes: 1_000 };
  const texts: string[] = [];
  for await (const entries of log.read([{ topic, offset: 0 }], options)) {
    texts.push(...textsOf(entries));
    if (texts.length === 5) await log.append(topic, TEXTS.slice(5).map(record));
    if (texts.length >= TEXTS.length) break;
  }
  expect(texts).toEqual(TEXTS);
  expectBounded(peak);
}

/** The peak of the process is in kilobytes, and never falls. */
function expectBounded(peakBefore: number): void {
  const growth = (process.resourceUsage().maxRSS - peakBefore) * 1024;
  expect(growth).toBeLessThan(GROWTH_MAX);
}

function compressionSuite(vector: Vector): void {
  vector('B11 K12: never unpacks a bomb', {}, async (stage) => {
    const topic = await stage.newTopic();
    const plain = encodeBatch([{ key: null, value: Buffer.alloc(MEGABYTE) }]);
    const compressed = gzipSync(plain.subarray(RECORDS_AT));
    expect(MEGABYTE / compressed.length).toBeGreaterThan(900);
    const bomb = encodeBatch([], { codec: 1, compressed, count: 1 });
    // Two gigabytes in all.
    for (let count = 0; count < 2_048; count++) partitionOf(stage, topic).plant(bomb);
    const peak = process.resourceUsage().maxRSS;
    expect(await outcomeOf(readAll(stage.log, topic))).toBe('ERR_LOG_FAILED');
    expectBounded(peak);
  });

  for (const [codec, name] of ['gzip', 'snappy', 'lz4', 'zstd'].entries()) {
    vector(`K12: refuses records that ${name} has packed`, {}, async (stage) => {
      const topic = await stage.newTopic();
      const compressed = gzipSync(encodeBatch([{ key: null, value: null }]).subarray(RECORDS_AT));
      const packed = encodeBatch([], { codec: codec + 1, compressed, count: 1 });
      partitionOf(stage, topic).plant(packed);
      expect(await outcomeOf(readAll(stage.log, topic))).toBe('ERR_LOG_FAILED');
    });
  }
}

/** The head of a record batch, up to the records. */
const RECORDS_AT = 61;

/** A lie in the first answer to a fetch. */
type Lie = (answer: Fetched, correlationId: number) => Fetched | Instead;

function lyingOnce(lie: Lie): Script {
  return {
    async Fetch({ count, truth, correlationId }) {
      const answer = await truth();
      return count === 1 ? lie(answer, correlationId) : answer;
    },
  };
}

/** The answer with other bytes in place of its records. */
function withRecords(change: (records: Buffer) => Buffer): Lie {
  return (answer) => ({
    ...answer,
    topics: answer.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((each) => ({ ...each, records: change(each.records) })),
    })),
  });
}

const noValue = Buffer.concat([Buffer.from([0, 0, 0]), varint(-1), varint(-1)]);
const giantHeaders = Buffer.concat([noValue, varint(INT32_MAX)]);
const headOfFetch = Buffer.concat([encode(int32, 0), encode(int16, 0), encode(int32, 0)]);
const headOfTopic = Buffer.concat([headOfFetch, encode(int32, 1), encode(string, 't')]);
/** A partition up to its list of aborted transactions. */
const headOfPartition = Buffer.concat([
  headOfTopic,
  encode(int32, 1),
  encode(int32, 0),
  encode(int16, 0),
  ...[1, 1, 0].map((offset) => encode(int64, offset)),
]);
const giantMetadata = Buffer.concat([encode(int32, 0), encode(int32, INT32_MAX)]);

function frame(length: number, correlationId: number, body = Buffer.alloc(0)): Instead {
  return { frame: Buffer.concat([encode(int32, length), encode(int32, correlationId), body]) };
}

/** The last format before record batches, which Kafka 4 has removed: magic 1. */
const oldMessage = Buffer.concat([
  encode(int64, 0),
  encode(int32, 22),
  Buffer.from([0, 0, 0, 0, 1, 0]),
  encode(int64, 0),
  encode(int32, -1),
  encode(int32, -1),
]);

const LIES: readonly (readonly [words: string, lie: Lie])[] = [
  ['a flipped bit', withRecords(flipValue)],
  ['a record batch that ends early', withRecords((records) => records.subarray(0, -3))],
  [
    'a record batch of 2,147,483,647 records',
    withRecords(() => encodeBatch([], { count: INT32_MAX, compressed: Buffer.alloc(100) })),
  ],
  [
    'a record of 2,147,483,647 headers',
    withRecords(() =>
      encodeBatch([], {
        count: 1,
        compressed: Buffer.concat([varint(giantHeaders.length), giantHeaders]),
      }),
    ),
  ],
  [
    'a record of a negative length',
    withRecords(() => encodeBatch([], { count: 1_000, compressed: varintRun(-7) })),
  ],
  ['a fetch of 2,147,483,647 topics', giantArray(headOfFetch)],
  ['a fetch of 2,147,483,647 partitions', giantArray(headOfTopic)],
  ['a fetch of 2,147,483,647 aborted transactions', giantArray(headOfPartition)],
  ['a fetch of -5 topics', () => ({ body: Buffer.concat([headOfFetch, encode(int32, -5)]) })],
  ['an empty answer', () => ({ body: Buffer.alloc(0) })],
  ['an answer of 2,147,483,647 bytes', (_, id) => frame(INT32_MAX, id, Buffer.alloc(MEGABYTE))],
  ['an answer of a negative length', (_, id) => frame(-2, id)],
  ['an answer that is cut', () => 'cut'],
];

function giantArray(head: Buffer): Lie {
  return () => ({ body: Buffer.concat([head, encode(int32, INT32_MAX), Buffer.alloc(64)]) });
}

function varintRun(value: number): Buffer {
  return Buffer.concat(Array.from({ length: 2_000 }, () => varint(value)));
}

function flipValue(records: Buffer): Buffer {
  const flipped = Buffer.from(records);
  // Before the name and value of its one header, and their count: the last byte of the value.
  const at = flipped.length - 10;
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
  return flipped;
}

/** One more topic, and one more partition of each, with a record that nobody wrote. */
function withUnrequested(answer: Fetched): Fetched {
  const planted = encodeBatch([{ key: null, value: Buffer.from('unasked') }]);
  const topics = answer.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.flatMap((each) => [
      { ...each, partition: each.partition + 7, records: planted },
      each,
    ]),
  }));
  const partitions = topics.flatMap((topic) => topic.partitions);
  return { ...answer, topics: [{ name: 'nobody.asked', partitions }, ...topics] };
}

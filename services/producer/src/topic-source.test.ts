import { once } from 'node:events';
import { createServer } from 'node:http';
import { createMemoryLog, createMemoryStore, type MemoryLog } from '@strongroom/testkit/memory-log';
import avro from 'avsc';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, temporaryFolder } from '../test/source-fixtures.ts';
import { avroDecoder } from './avro-values.ts';
import { PUBLISH_STEPS, type PublishStep } from './outbox.ts';
import type { PublishRequest } from './publish-source.ts';
import { decodeJson, openTopic, PassedRecords, type TopicOptions } from './topic-source.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const agreed = await agreeOn(datasetOf(['n int64', 'word utf8?']));

class Killed extends Error {}

let scenes = 0;
async function newScene(partitions = 2) {
  scenes += 1;
  const bench = benchOf(agreed, folder.path, `state-${scenes}`);
  const store = createMemoryStore();
  const log = createMemoryLog(store);
  await log.createTopics([{ topic: 'theirs', partitions }]);
  return { bench, log, connect: async () => createMemoryLog(store) };
}
type Scene = Awaited<ReturnType<typeof newScene>>;

const put = (log: MemoryLog, partition: number, values: readonly (string | Uint8Array)[]) =>
  log.append(
    'theirs',
    values.map((value) => ({ key: null, headers: {}, value: Buffer.from(value) })),
    partition,
  );
const jsonOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `{\n "n": ${from + at}\r\n}`);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

function publish(
  { bench, connect }: Pick<Scene, 'bench' | 'connect'>,
  more: Partial<PublishRequest> = {},
  options: Partial<TopicOptions> = {},
) {
  const topic = { topic: 'theirs', values: 'json', decode: decodeJson, follow: false };
  const input = openTopic({ connect, ...topic, ...options });
  return bench.publish('', { input, final: false, batchRows: 7, ...more });
}
const numbersIn = async (bench: Bench) =>
  (await receive(bench)).rows.map(([n]) => Number(n)).sort((left, right) => left - right);

describe('a topic', () => {
  test('gives each of its records once, and then what came since', async () => {
    const scene = await newScene();
    expect((await publish(scene)).rows).toBe(0);
    await put(scene.log, 0, jsonOf(0, 50));
    await put(scene.log, 1, jsonOf(50, 90));
    expect((await publish(scene)).rows).toBe(90);
    expect((await publish(scene)).rows).toBe(0);
    await put(scene.log, 1, jsonOf(90, 100));
    expect(await publish(scene, { final: true })).toMatchObject({ rows: 10, final: true });
    expect(await numbersIn(scene.bench)).toEqual(range(0, 100));
    await put(scene.log, 0, jsonOf(100, 101));
    expect((await failureOf(publish(scene))).code).toBe('ERR_SOURCE_CHANGED');
  });

  const moments = PUBLISH_STEPS.filter((step) => step !== 'stream-begun').flatMap((step) =>
    [2].map((time): [PublishStep, number] => [step, time]),
  );
  test.each(moments)('goes on after a kill at %s, time %i', async (step, time) => {
    const scene = await newScene();
    await put(scene.log, 0, jsonOf(0, 150));
    await put(scene.log, 1, jsonOf(150, 300));
    let times = 0;
    const onStep = (reached: PublishStep) => {
      times += reached === step ? 1 : 0;
      if (reached === step && times === time) throw new Killed();
    };
    const batches = { batchRows: 4 };
    await expect(publish(scene, { ...batches, outbox: { onStep } })).rejects.toThrow(Killed);
    await put(scene.log, 1, jsonOf(300, 310));
    await publish(scene, batches);
    expect(await numbersIn(scene.bench)).toEqual(range(0, 310));
  });

  test('is followed until the producer is told to stop', async () => {
    const scene = await newScene(1);
    const stopping = new AbortController();
    const published = publish(scene, { signal: stopping.signal, final: true }, { follow: true });
    await put(scene.log, 0, jsonOf(0, 10));
    await expect.poll(() => scene.bench.entries().length, { timeout: 5_000 }).toBeGreaterThan(0);
    await put(scene.log, 0, jsonOf(10, 20));
    await expect.poll(async () => (await numbersIn(scene.bench)).length).toBe(20);
    stopping.abort();
    expect(await published).toMatchObject({ rows: 20, final: false });
  });

  test('that lost unread records is refused, and so is one that is not there', async () => {
    const scene = await newScene(1);
    await put(scene.log, 0, jsonOf(0, 10));
    await publish(scene);
    await put(scene.log, 0, jsonOf(10, 20));
    scene.log.forget('theirs', 15);
    expect((await failureOf(publish(scene))).code).toBe('ERR_SOURCE_CHANGED');
    const other = await newScene();
    const missing = await failureOf(publish(other, {}, { topic: 'nothing' }));
    expect(missing.code).toBe('ERR_SOURCE_REFUSED');
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['text', 'secret'],
    ['two objects', '{"n": 1}\n{"n": 2}'],
    ['a number', '5'],
  ])('with %s as a value says where, and not what', async (_name, value) => {
    const scene = await newScene(2);
    await put(scene.log, 1, ['{"n": 1}', value]);
    const { code, text } = await failureOf(publish(scene));
    expect(code).toBe('ERR_SOURCE_MALFORMED');
    expect(text).toContain('"partition":1,"offset":1');
    expect(text).not.toContain('secret');
    expect(scene.bench.entries()).toEqual([]);
  });

  test.each<[string, string, string]>([
    ['another type', '{"n": "secret"}', 'ERR_COLUMN_TYPE'],
    ['a missing member', '{"word": "secret"}', 'ERR_COLUMN_MISSING'],
    ['an unknown member', '{"n": 1, "secret": 1}', 'ERR_COLUMN_UNKNOWN'],
    ['half of a letter', '{"n": 1, "word": "secret\\ud800"}', 'ERR_SOURCE_MALFORMED'],
    ['a list', '[{"n": 1}]', 'ERR_SOURCE_MALFORMED'],
  ])('with %s in a record says where it stands', async (_name, value, expected) => {
    const scene = await newScene(2);
    await put(scene.log, 0, jsonOf(0, 5));
    await put(scene.log, 1, [...jsonOf(5, 20), value, ...jsonOf(20, 25)]);
    for (const checkFirst of [true, false]) {
      const { code, text } = await failureOf(publish(scene, { checkFirst, batchRows: 3 }));
      expect([code, text]).toEqual([expected, expect.stringMatching('"partition":1,"offset":15')]);
      expect(text).not.toMatch(/"row"|"line"|secret/);
    }
  });
});

test('the places of many records are few numbers', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 3 })), { maxLength: 60 }),
      fc.array(fc.nat(20)),
      (steps, groups) => {
        const next = [0, 0, 0];
        const entries = steps.map(([partition, step]) => {
          const offset = (next[partition] ?? 0) + step - 1;
          next[partition] = offset + 1;
          return { partition, offset };
        });
        const passed = new PassedRecords([0, 0, 0]);
        for (const entry of entries) passed.add(entry);
        const offsets = [0, 0, 0];
        let rows = 0;
        for (const group of groups) {
          for (const { partition, offset } of entries.slice(rows, rows + group)) {
            offsets[partition] = offset + 1;
          }
          rows = Math.min(entries.length, rows + group);
          expect(passed.behind(rows)).toEqual(offsets);
          for (const [at, entry] of entries.entries()) {
            expect(passed.at(at + 1)).toEqual(at < rows ? undefined : entry);
          }
        }
      },
    ),
  );
});

/** Our own HTTP server, which answers as a schema registry does to one request. */
describe('values in Avro', async () => {
  const schemas = new Map<number, unknown>();
  const registry = createServer((request, response) => {
    const id = /^\/schemas\/ids\/(\d+)$/.exec(request.url ?? '')?.[1];
    const writer = schemas.get(Number(id));
    response.writeHead(writer === undefined ? 404 : 200);
    response.end(JSON.stringify({ schema: JSON.stringify(writer) }));
  }).listen(0, '127.0.0.1');
  await once(registry, 'listening');
  afterAll(() => registry.close());
  const address = registry.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const decode = avroDecoder(new URL(`http://127.0.0.1:${port}`));

  function framed(id: number, fields: unknown[], record: unknown): Buffer {
    const writer = { type: 'record', name: 'Row', fields };
    schemas.set(id, writer);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(id, 1);
    const plain = avro.Type.forSchema(writer as avro.Schema, { wrapUnions: true });
    return Buffer.concat([head, plain.toBuffer(record)]);
  }

  test('become rows, whatever schema each was written with', async () => {
    const scene = await newScene(1);
    const n = { name: 'n', type: 'long' };
    const word = { name: 'word', type: ['null', 'string'] };
    await put(scene.log, 0, [
      framed(1, [n, word], { n: 9_007_199_254_740_000, word: { string: 'a "b"' } }),
      framed(2, [n], { n: 2 }),
      framed(1, [n, word], { n: -3, word: null }),
    ]);
    await publish(scene, {}, { decode, values: 'avro' });
    expect((await receive(scene.bench)).rows).toEqual([
      [9_007_199_254_740_000n, 'a "b"'],
      [2n, null],
      [-3n, null],
    ]);
  });

  test.each<[string, unknown, unknown, string]>([
    ['int', 'int', -5, '-5'],
    ['double', 'double', 0.1, '0.1'],
    ['boolean', 'boolean', true, 'true'],
    ['enum', { type: 'enum', name: 'E', symbols: ['A'] }, 'A', '"A"'],
    ['date', { type: 'int', logicalType: 'date' }, 11_353, '"2001-01-31"'],
    [
      'millis',
      { type: 'long', logicalType: 'timestamp-millis' },
      1,
      '"1970-01-01T00:00:00.001000Z"',
    ],
    [
      'micros',
      { type: 'long', logicalType: 'timestamp-micros' },
      -1,
      '"1969-12-31T23:59:59.999999Z"',
    ],
    [
      'local',
      { type: 'long', logicalType: 'local-timestamp-micros' },
      5,
      '"1970-01-01T00:00:00.000005"',
    ],
    [
      'decimal',
      { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 },
      Buffer.from([0xff, 0x85]),
      '"-1.23"',
    ],
    [
      'decimal below one',
      { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 3 },
      Buffer.from([5]),
      '"0.005"',
    ],
    ['bytes', 'bytes', Buffer.from('hi'), '{}'],
    ['array', { type: 'array', items: 'int' }, [1], '{}'],
  ])('of type %s are spelled exactly', async (_name, type, value, spelled) => {
    scenes += 1;
    expect(await decode(framed(1_000 + scenes, [{ name: 'v', type }], { v: value }))).toBe(
      `{"v":${spelled}}`,
    );
  });

  test('that are damaged, or of no known schema, are refused', async () => {
    const good = framed(3, [{ name: 'n', type: 'long' }], { n: 5 });
    const codeFor = async (value: Uint8Array) =>
      (await failureOf(Promise.resolve().then(() => decode(value)))).code;
    expect(await codeFor(Buffer.from('{"n":5}'))).toBe('ERR_SOURCE_MALFORMED');
    expect(await codeFor(good.subarray(0, 5))).toBe('ERR_SOURCE_MALFORMED');
    expect(await codeFor(Buffer.concat([good, good]))).toBe('ERR_SOURCE_MALFORMED');
    const unknown = Buffer.from(good);
    unknown.writeUInt32BE(99, 1);
    expect(await codeFor(unknown)).toBe('ERR_SOURCE_REFUSED');
    const nowhere = avroDecoder(new URL('http://127.0.0.1:1'));
    expect((await failureOf(Promise.resolve(nowhere(good)))).code).toBe('ERR_SOURCE_UNREACHABLE');
  });
});

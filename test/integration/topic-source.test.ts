import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openProducer, type PublishOptions } from '@strongroom/producer';
import { datasetTopic } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry, LogRecord, RecordLog } from '@strongroom/record-log/log';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Agreed, agreeOn, receive } from '../../services/producer/test/publish-fixtures.ts';
import { datasetOf } from '../../services/producer/test/source-fixtures.ts';

/**
 * A topic of somebody else's as a source, on a real Kafka: several partitions, marks of
 * transactions, values in JSON and in Avro; each run is another producer with the same state.
 */

let folder = '';
let log: RecordLog;
let agreed: Agreed;
let registry: { readonly url: string; readonly asked: string[]; readonly server: Server };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-topic-'));
  log = await connectKafkaLog({ brokers: inject('brokers').split(','), clientId: 'their-own' });
  agreed = await agreeOn(datasetOf(['n int64', 'word utf8?']));
  await writeFile(join(folder, 'owner.json'), agreed.ownerJson);
  registry = await startRegistry();
});
afterAll(async () => {
  registry?.server.close();
  await log?.close();
  await rm(folder, { recursive: true, force: true });
});

const N = { name: 'n', type: 'long' };
const SCHEMAS: Readonly<Record<string, unknown>> = {
  '7': { type: 'record', name: 'Old', fields: [N] },
  '70000': {
    type: 'record',
    name: 'Row',
    fields: [N, { name: 'word', type: ['null', 'string'] }],
  },
};

/** As a schema registry answers to the one request that is made of it. */
async function startRegistry(): Promise<typeof registry> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const id = /^\/schemas\/ids\/(\d+)$/.exec(request.url ?? '')?.[1] ?? '';
    asked.push(id);
    const isKnown = SCHEMAS[id] !== undefined;
    response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isKnown ? { schema: JSON.stringify(SCHEMAS[id]) } : {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}`, asked, server };
}

/** Their topic, our stream in a namespace of its own, and what lies in it. */
async function newScene(partitions: number, connector: PublishOptions['connector'] = {}) {
  const [topic, namespace] = [`theirs.${randomUUID()}`, randomUUID()];
  const target = datasetTopic(agreed.contractId, agreed.dataset.id, namespace);
  await log.createTopics([{ topic, partitions }, { topic: target }]);
  const run = async (options: PublishOptions = {}) => {
    await using publisher = await openProducer({
      contract: agreed.signedContract as object,
      brokers: inject('brokers'),
      dataset: 'measured',
      identity: join(folder, 'owner.json'),
      state: join(folder, namespace),
      namespace,
      batchRows: 8,
    });
    const source = `kafka://${inject('brokers')}/${topic}`;
    return await publisher.publish(source, { connector, ...options });
  };
  const received = async () => {
    const entries: LogEntry[] = [];
    for await (const some of log.read([{ topic: target, offset: 0 }], { untilEnd: true })) {
      entries.push(...some);
    }
    const { rows, repeats } = await receive({ agreed, entries: () => entries } as never);
    expect(repeats).toBe(0);
    return rows.toSorted((left, right) => Number(left[0]) - Number(right[0]));
  };
  return { topic, run, received };
}

const recordOf = (value: string | Uint8Array): LogRecord => ({
  ...{ key: 'theirs', headers: { theirs: 'too' } },
  value: Buffer.from(value),
});
const jsonOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => recordOf(`{"n": ${from + at}, "word": "w"}`));
const rowsOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => [BigInt(from + at), 'w']);

test('JSON in several partitions and in transactions is published once, run by run', async () => {
  const scene = await newScene(2);
  expect(await scene.run()).toMatchObject({ rows: 0 });
  const writer = await log.transaction(`their-writer-${scene.topic}`);
  await writer.commit(scene.topic, jsonOf(0, 30));
  await log.append(scene.topic, jsonOf(30, 50), 1);
  expect(await scene.run()).toMatchObject({ rows: 50 });
  // Behind the last record there is the mark of a transaction, and nothing that is new.
  expect(await scene.run()).toMatchObject({ rows: 0 });
  await writer.commit(scene.topic, jsonOf(50, 53));
  await writer.close();
  expect(await scene.run()).toMatchObject({ rows: 3 });
  await log.append(scene.topic, jsonOf(53, 60), 1);
  expect(await scene.run({ final: true })).toMatchObject({ rows: 7, totalRows: 60 });
  expect(await scene.received()).toEqual(rowsOf(0, 60));
});

/** Avro 1.11: a long is a zigzag in groups of seven bits, the lowest first. */
function long(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
const text = (value: string) => [...long(BigInt(Buffer.byteLength(value))), ...Buffer.from(value)];

/** Confluent's frame: a zero, and the number of the schema in four bytes. */
function framed(id: number, ...fields: number[][]): LogRecord {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return recordOf(Buffer.concat([head, Buffer.from(fields.flat())]));
}

test('Avro of two schemas is read by what the registry says, which is asked once', async () => {
  const connector = { values: 'avro', schemaRegistry: registry.url } as const;
  const scene = await newScene(1, connector);
  const [none, some] = [long(0n), long(1n)];
  await log.append(scene.topic, [
    framed(7, long(-3n)),
    framed(70_000, long(9_007_199_254_740_993n), [...some, ...text('größer')]),
    framed(70_000, long(5n), none),
    framed(7, long(6n)),
  ]);
  expect(await scene.run()).toMatchObject({ rows: 4 });
  expect(registry.asked.toSorted()).toEqual(['7', '70000']);
  await log.append(scene.topic, [framed(70_000, long(7n), [...some, ...text('')])]);
  expect(await scene.run()).toMatchObject({ rows: 1 });
  const before = [
    [-3n, null],
    [5n, null],
    [6n, null],
    [7n, ''],
    [9_007_199_254_740_993n, 'größer'],
  ];
  expect(await scene.received()).toEqual(before);
  // What no schema describes stops the run where it stands, and what follows is not passed over.
  await log.append(scene.topic, [framed(8, long(1n)), framed(7, long(8n))]);
  await expect(scene.run()).rejects.toMatchObject({ code: 'ERR_SOURCE_REFUSED' });
  expect(await scene.received()).toEqual(before);
});

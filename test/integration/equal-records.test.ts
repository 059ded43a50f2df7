import { setTimeout as delay } from 'node:timers/promises';
import type { Query } from '@strongroom/protocol/contract';
import { RESULT_TICK_MS_DEFAULT } from '@strongroom/protocol/limits';
import {
  aggregatesTopic,
  checkpointsTopic,
  datasetTopic,
  RECORD_TYPES,
  usesTopic,
} from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runWorker } from '../../services/enclave-worker/src/lives.ts';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { startServices, type TestServices } from '../../services/enclave-worker/test/services.ts';
import { workerOptions } from '../../services/enclave-worker/test/worker-options.ts';

/** What the operator of a real log sees of two datasets that differ in one row: the same. */

const HOUR_MS = 3_600_000;
const WINDOWS = 3;
const PLAN = {
  ...{ id: 'visits', relation: 'visits', eventTime: 'at' },
  columns: [
    { name: 'at', type: 'timestamp-us', nullable: false },
    { name: 'place', type: 'utf8', nullable: false },
  ] as const,
};
const HOURLY = {
  id: 'hourly' as Query['id'],
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  window: { kind: 'tumbling' as const, sizeMs: HOUR_MS },
  latenessMs: 0,
};

let services: TestServices;
let computation: Computation;
let log: RecordLog;
const connectLog = () =>
  connectKafkaLog({ brokers: inject('brokers').split(','), clientId: 'equal-records' });

beforeAll(async () => {
  services = await startServices(() => computation);
  const reading = [false, undefined, true] as const;
  const members = { tickMs: RESULT_TICK_MS_DEFAULT };
  computation = await agreeOn([PLAN], [HOURLY], 3, services.url, ...reading, members);
  log = await connectLog();
});
afterAll(async () => {
  await log.close();
  await services.close();
});

const dataset = () => computation.contract.datasets[0]?.id ?? expect.fail('a dataset');

async function entriesOf(topic: string): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  const reading = { untilEnd: true };
  for await (const entries of log.read([{ topic, offset: 0 }], reading)) found.push(...entries);
  return found;
}

/** Windows of three rows of one place, of which the last may be of another. */
async function tell(namespace: string, lastPlace: string): Promise<readonly string[]> {
  const { contractId } = computation;
  const topic = datasetTopic(contractId, dataset(), namespace);
  await log.createTopics([{ topic }]);
  const running = runWorker(workerOptions(computation, services, { connectLog, namespace }));
  const stream = new TestStream(computation, 'visits');
  for (let hour = 0; hour < WINDOWS; hour += 1) {
    const rows: Row[] = ['JFK', 'JFK', lastPlace].map((place, index) => ({
      ...{ at: BigInt(hour * HOUR_MS + index) * 1_000n, place },
    }));
    const sealedBatch = await stream.seal(rows);
    const isLast = hour === WINDOWS - 1;
    // Each window by itself, so that both worlds make the same steps.
    await log.append(topic, [sealedBatch, await stream.manifest((hour + 1) * HOUR_MS, isLast)]);
    await until(() => told(namespace), hour + 1);
  }
  expect(await running).toMatchObject({ windows: WINDOWS, done: true });
  const owner = computation.contract.datasets[0]?.owner ?? expect.fail('an owner');
  const topics = [
    aggregatesTopic(contractId, namespace),
    checkpointsTopic(contractId, namespace),
    usesTopic(contractId, owner, namespace),
  ];
  const all = await Promise.all(topics.map(entriesOf));
  return all.flat().map(shapeOf);
}

async function told(namespace: string): Promise<number> {
  const topic = aggregatesTopic(computation.contractId, namespace);
  const all = await entriesOf(topic).catch((): LogEntry[] => []);
  return all.filter(({ headers }) => headers['ce_type'] === RECORD_TYPES.aggregate).length;
}

async function until(look: () => Promise<number>, wanted: number): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if ((await look()) >= wanted) return;
    await delay(50);
  }
  expect.fail('it did not happen in time');
}

function shapeOf({ key, value, headers }: LogEntry): string {
  const { seal = '', ce_id: id = '', ...plain } = headers;
  // A proof's name is its hash, and each worker has a proof of its own.
  const name = headers['ce_type'] === RECORD_TYPES.token ? id.length : id;
  return [key, value.length, seal.length, name, JSON.stringify(plain)].join(' ');
}

test('records of equal number, sizes and headers', async () => {
  const usual = await tell('usual', 'JFK');
  const other = await tell('other', 'a place of which there are too few rows');
  expect(other).toEqual(usual);
  expect(usual.filter((shape) => shape.includes(RECORD_TYPES.aggregate))).toHaveLength(WINDOWS);
});

import { DatasetIdSchema } from '@strongroom/protocol/fields';
import { datasetTopic } from '@strongroom/protocol/record';
import type { LogEntry } from '@strongroom/record-log/log';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  codeOfEnd,
  type Deployment,
  jsonLines,
  publish,
  quarantineOf,
  readAs,
  type Shipment,
  startWorker,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import {
  expectedTotals,
  PARTITIONED_VISITS_PLAN,
  READER,
  sumOf,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/**
 * A record that is refused, set aside, looked at and published again, as processes over a real log.
 * The test is the log's operator: it copies what producers have published, one batch to the wrong
 * partition and some garbage beside it.
 */

const ROWS_EACH = 4_000;
const NORTH = 'visits-north';
const MOVED = 2;
const GARBAGE = 3;

let base: Deployment;
let shipments: Shipment[];
let staged: Deployment;
let live: Deployment;

beforeAll(async () => {
  const opened = await openDeployment(PARTITIONED_VISITS_PLAN);
  base = { ...opened.base, agreement: opened.organisations };
  shipments = await writeVisits(base.folders.run, ROWS_EACH);
  staged = await inNamespace(base, 'staged');
  live = await inNamespace(base, 'live');
});

afterAll(() => closeDeployment(base));

const topicOf = ({ agreement, namespace }: Deployment, dataset: string) =>
  datasetTopic(agreement.contractId, DatasetIdSchema.parse(dataset), namespace);

async function entriesOf(dataset: string, partition: number): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  const from = [{ topic: topicOf(staged, dataset), partition, offset: 0 }];
  for await (const entries of base.log.read(from, { untilEnd: true })) found.push(...entries);
  return found;
}

async function copyLive(): Promise<void> {
  for (const dataset of ['visits-south', 'places']) {
    await base.log.append(topicOf(live, dataset), await entriesOf(dataset, 0));
  }
  const north = await entriesOf(NORTH, 1);
  const topic = topicOf(live, NORTH);
  const garbage = { key: null, value: new Uint8Array(99), headers: { seal: 'none' } };
  await base.log.append(topic, [...north.slice(MOVED, MOVED + 1), ...Array(GARBAGE).fill(garbage)]);
  await base.log.append(topic, north.toSpliced(MOVED, 1), 1);
}

async function quarantine<Answer>(owner: string, ...command: string[]): Promise<Answer> {
  const finished = await quarantineOf(live, owner, command);
  expect(codeOfEnd(finished)).toBeUndefined();
  expect(finished.exitCode).toBe(0);
  return jsonLines<Answer>(finished.stdout)[0] ?? expect.fail('no answer');
}

interface List {
  readonly records: { id: string; code: string; retry: boolean; measurement: string }[];
  readonly missing: number;
}

test('a record in the wrong partition is set aside, shown, retried and counted', async () => {
  for (const shipment of shipments) await publish(staged, shipment, ['--batch-rows', '512']);
  await copyLive();
  const stalled = await startWorker(live, 'worker-stalled', ['--until-complete']).done;
  expect(codeOfEnd(stalled)).toBe('ERR_STREAM_TRUNCATED');

  const listed = await quarantine<List>('north-clinic', 'list');
  const moved = `${NORTH}/0/0`;
  expect(listed.records.map(({ id, code, retry }) => [id, code, retry])).toEqual([
    [moved, 'ERR_STREAM_PARTITION', true],
    ...[1, 2, 3].map((offset) => [`${NORTH}/0/${offset}`, 'ERR_SEAL_MALFORMED', false]),
  ]);
  expect(listed.records[0]?.measurement).toBe('this checkout');
  expect((await quarantine<List>('south-clinic', 'list')).records).toEqual([]);
  // The registry has no reading key.
  const registry = await quarantineOf(live, 'place-registry', ['list']);
  expect(codeOfEnd(registry)).toBe('ERR_QUARANTINE_ABSENT');

  const shown = await quarantine('north-clinic', 'show', moved);
  expect(shown).toMatchObject({
    ...{ id: moved, code: 'ERR_STREAM_PARTITION' },
    record: { key: 'main', claims: { dataset: NORTH, stream: 'main', sequence: MOVED } },
  });

  const retried = await quarantine('north-clinic', 'retry', '--all');
  expect(retried).toEqual({ published: [{ id: moved, partition: 1 }] });
  const summary = await workerSummary(startWorker(live, 'worker-again', ['--until-complete']));
  expect(summary.rowsCounted).toBeGreaterThan(0);
  const read = await readAs(live, READER);
  expect(codeOfEnd(read)).toBeUndefined();
  const lines = jsonLines<VisitsLine>(read.stdout);
  const hourly = lines.filter(({ query }) => query === 'hourly-visits');
  const totals = expectedTotals(ROWS_EACH);
  expect([sumOf(hourly, 'visits'), sumOf(hourly, 'weight')]).toEqual([totals.rows, totals.weight]);
});

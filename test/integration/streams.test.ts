import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { checkpointsTopic } from '@strongroom/protocol/record';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  codeOfEnd,
  type Deployment,
  jsonLines,
  publish,
  readAs,
  type Shipment,
  sayOnStream,
  startWorker,
  stateFolder,
  statusOf,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, inNamespace, openDeployment } from './open-deployment.ts';
import {
  cutByHours,
  expectedTotals,
  READER,
  STREAMED_VISITS_PLAN,
  sumOf,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/**
 * What owners do on their streams besides publishing, as processes over a real log: two producers
 * of one dataset, a batch that is taken back, a lost state folder, an input that has nothing to
 * say; and a log that compacts the checkpoints between two workers.
 */

const ROWS_EACH = 4_000;
const UNTIL_MS = 90_000;
/** An hour of visits is one of these. */
const BATCH_ROWS = ['--batch-rows', '512'];
const MORE_FOLLOWS = ['--no-final'];

let base: Deployment;
let live: Deployment;
let north: Shipment[];
let south: Shipment[];
let places: Shipment;

beforeAll(async () => {
  const opened = await openDeployment(STREAMED_VISITS_PLAN);
  base = { ...opened.base, agreement: opened.organisations };
  const [ofNorth, ofSouth, ofPlaces] = await writeVisits(base.folders.run, ROWS_EACH);
  if (!ofNorth || !ofSouth || !ofPlaces) throw new Error('three owners ship');
  north = await cutByHours(ofNorth, [2, 3]);
  south = await cutByHours(ofSouth, [2, 3, 5]);
  places = ofPlaces;
  live = await inNamespace(base, 'streams');
  await createEagerCheckpoints();
});

afterAll(() => closeDeployment(base));

/** What a broker does in days, within seconds. The worker leaves a topic that exists as it is. */
async function createEagerCheckpoints(): Promise<void> {
  const config = {
    'cleanup.policy': 'compact',
    'segment.ms': '200',
    'min.cleanable.dirty.ratio': '0.01',
    'max.compaction.lag.ms': '200',
    'delete.retention.ms': '0',
  };
  await base.log.createTopics([{ topic: topicOfCheckpoints(), config }]);
}

const topicOfCheckpoints = () => checkpointsTopic(base.agreement.contractId, 'streams');

const part = (parts: readonly Shipment[], index: number): Shipment =>
  parts[index] ?? expect.fail(`no part ${index}`);

/** Each producer keeps a state of its own. */
const onStream = (stream: string): string[] => [
  ...['--stream', stream],
  ...['--state', `${stateFolder(live, 'visits-north')}-${stream}`],
];

async function untilTrue(isTrue: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + UNTIL_MS;
  while (performance.now() < until) {
    if (await isTrue()) return true;
    await delay(200);
  }
  return false;
}

interface Status {
  readonly log: { readonly results: readonly { query: string; emissions: number }[] };
}

async function hourlyResults(): Promise<number> {
  const { log }: Status = JSON.parse((await statusOf(live)).stdout);
  return log.results.find(({ query }) => query === 'hourly-visits')?.emissions ?? 0;
}

const hasResults = (count: number) => untilTrue(async () => (await hourlyResults()) >= count);

/** Hours 0 and 1, a batch of somebody else's rows that is taken back, and hour 2. */
async function publishEast(): Promise<void> {
  const east = [...onStream('east'), ...BATCH_ROWS];
  const { batches } = await publish(live, part(north, 0), [...east, ...MORE_FOLLOWS]);
  const wrong = { ...part(north, 1), source: part(south, 1).source };
  const mistaken = await publish(live, wrong, [...onStream('east'), ...MORE_FOLLOWS]);
  expect(mistaken).toMatchObject({ batches: 1 });
  const retract = ['retract', ...onStream('east'), '--batch', `${batches}`];
  expect(await sayOnStream(live, part(north, 0), retract)).toMatchObject({
    rows: mistaken['rows'],
  });
  await publish(live, part(north, 1), [...east, '--allow-late']);
}

/** Hours 3 to 5, of which the producer has forgotten how far it came. */
async function publishWest(): Promise<void> {
  const west = [...onStream('west'), ...BATCH_ROWS];
  const some = ['--limit-rows', '1100', ...MORE_FOLLOWS];
  expect(await publish(live, part(north, 2), [...west, ...some])).toMatchObject({ rows: 1100 });
  await rm(`${stateFolder(live, 'visits-north')}-west`, { recursive: true });
  const recovered = await publish(live, part(north, 2), [...west, '--recover']);
  expect(recovered).toMatchObject({ totalRows: ROWS_EACH / 2, resumed: true, final: true });
}

/** How many records of the checkpoints' topic the broker has let go of. */
async function compacted(): Promise<number> {
  const topic = topicOfCheckpoints();
  const offset = await base.log.startOffset(topic);
  const offsets: number[] = [];
  for await (const entries of base.log.read([{ topic, offset }], { untilEnd: true })) {
    offsets.push(...entries.map((entry) => entry.offset));
  }
  // The first checkpoint of the first worker is the first record of all.
  return offsets[0] ?? 0;
}

test('streams, a retraction, a recovery, a heartbeat and a compaction on a real log', async () => {
  const first = startWorker(live, 'worker-first');
  await publish(live, places);
  await publishEast();
  for (const index of [0, 1]) {
    await publish(live, part(south, index), [...BATCH_ROWS, ...MORE_FOLLOWS]);
  }
  await publishWest();
  // The south is silent in hour 2: its watermark is inside of it.
  expect(await hasResults(2)).toBe(true);
  expect(await hourlyResults()).toBe(2);

  const hour = Math.floor(1_700_000_000_000 / 3_600_000) * 3_600_000;
  const upTo = new Date(hour + 3 * 3_600_000).toISOString();
  const heartbeat = ['heartbeat', '--watermark', upTo];
  expect(await sayOnStream(live, part(south, 0), heartbeat)).toMatchObject({
    watermark: hour + 3 * 3_600_000,
  });
  expect(await hasResults(3)).toBe(true);

  await publish(live, part(south, 2), [...BATCH_ROWS, ...MORE_FOLLOWS]);
  expect(await hasResults(4)).toBe(true);
  expect(await untilTrue(async () => (await compacted()) > 0)).toBe(true);
  process.kill(first.pid, 'SIGKILL');
  await first.done;

  await publish(live, part(south, 3), BATCH_ROWS);
  const summary = await workerSummary(startWorker(live, 'worker-second', ['--until-complete']));
  expect(summary.refusals).toEqual({});
  await expectTotals();
});

async function expectTotals(): Promise<void> {
  const read = await readAs(live, READER);
  expect(codeOfEnd(read)).toBeUndefined();
  const lines = jsonLines<VisitsLine>(read.stdout);
  const totals = expectedTotals(ROWS_EACH);
  for (const query of ['hourly-visits', 'visits-by-district']) {
    const told = lines.filter((line) => line.query === query);
    const sums = [sumOf(told, 'visits'), sumOf(told, 'weight')];
    expect([query, ...sums]).toEqual([query, totals.rows, totals.weight]);
  }
}

import { setUp } from '../deployment/organisations.ts';
import {
  type Deployment,
  prepareTopics,
  publish,
  type Shipment,
  workerSummary,
} from '../deployment/pipeline.ts';
import { say } from '../deployment/terminal.ts';
import type { Measured } from './measured.ts';
import { ORDERS_PLAN, writeOrders } from './orders.ts';
import { publishTwin, readyTwin, readyWorker, twinSummary, withKafka } from './worlds.ts';

/**
 * Worker and vault alone, against the plaintext twin: what the owner has published is on the log
 * when the clock starts, and it stops with the last committed result.
 */

const ROUNDS = 3;
const ROWS = 10_000_000;
/** As many as fit into a record: some 22,000. */
const LARGE_BATCHES = ['--batch-rows', '65536'];

export async function benchScan(rows = ROWS): Promise<Measured[]> {
  return await withKafka('scan', async ({ folders, processes, log, brokers }) => {
    const shipment = await writeOrders(folders.run, rows);
    const agreement = await setUp(processes, folders, ORDERS_PLAN);
    const deployment = { processes, folders, agreement, log, brokers };
    const seconds: { ours: number[]; twin: number[] } = { ours: [], twin: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const twin = await runTwin({ ...deployment, namespace: `twin-${round}` }, shipment);
      const ours = await runOurs({ ...deployment, namespace: `ours-${round}` }, shipment);
      if (twin.rows !== rows || ours.rows !== rows) throw new Error('rows differ');
      say(`round ${round + 1}: ${ours.seconds.toFixed(2)} s, twin ${twin.seconds.toFixed(2)} s`);
      seconds.ours.push(ours.seconds);
      seconds.twin.push(twin.seconds);
    }
    const rate = (all: number[]) => Number((rows / median(all) / 1e6).toFixed(2));
    const [ours, baseline] = [rate(seconds.ours), rate(seconds.twin)];
    const ratio = Number((median(seconds.twin) / median(seconds.ours)).toFixed(2));
    const name = 'worker and vault over a full log, against the plaintext twin';
    return [{ name, ours, baseline, ratio, unit: 'million rows/s' }];
  });
}

async function runOurs(deployment: Deployment, shipment: Shipment) {
  await prepareTopics(deployment);
  await publish(deployment, shipment, LARGE_BATCHES);
  const worker = await readyWorker(deployment);
  const began = performance.now();
  const { rowsCounted } = await workerSummary(worker);
  return { rows: rowsCounted, seconds: (performance.now() - began) / 1_000 };
}

async function runTwin(deployment: Deployment, shipment: Shipment) {
  await prepareTopics(deployment);
  await publishTwin(deployment, shipment, LARGE_BATCHES);
  const worker = await readyTwin(deployment);
  const began = performance.now();
  const rows = await twinSummary(worker);
  return { rows, seconds: (performance.now() - began) / 1_000 };
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}

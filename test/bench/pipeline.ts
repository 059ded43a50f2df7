import path from 'node:path';
import { demoPlan } from '../demo/contract.ts';
import { demoShipments } from '../demo/main-job.ts';
import { splitSources } from '../demo/sources.ts';
import { setUp } from '../deployment/organisations.ts';
import {
  type Deployment,
  prepareTopics,
  publish,
  type Shipment,
  workerSummary,
} from '../deployment/pipeline.ts';
import { say } from '../deployment/terminal.ts';
import { type Measured, median } from './measured.ts';
import { publishTwin, readyTwin, readyWorker, twinSummary, withKafka } from './worlds.ts';

/**
 * The whole pipeline against its plaintext twin: from the start of the producers, with the worker
 * up, to the last committed result. Same files, batches, Kafka, engine and SQL, in turn, one run.
 */

const ROUNDS = 3;

export async function benchPipeline(rowsMax: number | undefined): Promise<Measured[]> {
  return await withKafka('bench', async ({ folders, processes, log, brokers }) => {
    const sources = await splitSources(path.join(folders.run, 'owners'), rowsMax);
    const agreement = await setUp(processes, folders, demoPlan(false));
    const deployment = { processes, folders, agreement, log, brokers };
    const shipments = demoShipments(sources);
    const seconds = { ours: [0], twin: [0] };
    let bytes = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const twin = await runTwin({ ...deployment, namespace: `twin-${round}` }, shipments);
      const ours = await runOurs({ ...deployment, namespace: `ours-${round}` }, shipments);
      if (twin.rows !== sources.rows || ours.rows !== sources.rows) throw new Error('rows differ');
      say(`round ${round + 1}: ${ours.seconds.toFixed(1)} s, twin ${twin.seconds.toFixed(1)} s`);
      seconds.ours.push(ours.seconds);
      seconds.twin.push(twin.seconds);
      bytes = twin.bytes;
    }
    sayWhereTimeGoes(processes.cpuSeconds());
    return compare(sources.rows, bytes, seconds);
  });
}

async function runOurs(deployment: Deployment, shipments: readonly Shipment[]) {
  await prepareTopics(deployment);
  const worker = await readyWorker(deployment);
  const began = performance.now();
  await Promise.all(shipments.map((shipment) => publish(deployment, shipment)));
  const { rowsCounted } = await workerSummary(worker);
  return { rows: rowsCounted, seconds: (performance.now() - began) / 1_000 };
}

async function runTwin(deployment: Deployment, shipments: readonly Shipment[]) {
  await prepareTopics(deployment);
  const worker = await readyTwin(deployment);
  const began = performance.now();
  const sizes = await Promise.all(shipments.map((shipment) => publishTwin(deployment, shipment)));
  const rows = await twinSummary(worker);
  const seconds = (performance.now() - began) / 1_000;
  return { rows, seconds, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Processor seconds a round, of those who take part in it. */
function sayWhereTimeGoes(cpuSeconds: Readonly<Record<string, number>>): void {
  const parts: Record<string, number> = {};
  for (const [name, seconds] of Object.entries(cpuSeconds)) {
    const part = /^worker-(ours|twin)-\d(\/child)?$/.exec(name);
    const named = part ? `${part[1]} worker${part[2] ? ', vault' : ''}` : name;
    const isPart = part || /^(producer|twin)-/.test(name);
    if (isPart) parts[named] = (parts[named] ?? 0) + seconds / ROUNDS;
  }
  for (const [name, seconds] of Object.entries(parts)) {
    say(`${seconds.toFixed(1).padStart(6)} processor seconds a round  ${name}`);
  }
}

function compare(rows: number, bytes: number, seconds: { ours: number[]; twin: number[] }) {
  const ours = median(seconds.ours.slice(1));
  const twin = median(seconds.twin.slice(1));
  const name = 'pipeline end to end, against its plaintext twin';
  const measured = (unit: string, amount: number): Measured => ({
    name: `${name}, ${unit}`,
    ours: Number((amount / ours).toFixed(1)),
    baseline: Number((amount / twin).toFixed(1)),
    ratio: Number((twin / ours).toFixed(2)),
    unit,
  });
  return [measured('rows/s', rows), measured('MB/s', bytes / 1e6)];
}

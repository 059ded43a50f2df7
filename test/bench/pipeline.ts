import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@strongroom/record-log/free-port';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { findKafka } from '@strongroom/testkit/find-kafka';
import { demoPlan } from '../demo/contract.ts';
import { demoShipments } from '../demo/main-job.ts';
import { splitSources } from '../demo/sources.ts';
import { prepareFolders, setUp } from '../deployment/organisations.ts';
import {
  contractFile,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  type Shipment,
  startWorker,
  succeeded,
  workerSummary,
} from '../deployment/pipeline.ts';
import { Processes, type RunningProcess } from '../deployment/processes.ts';
import { say } from '../deployment/terminal.ts';
import type { Measured } from './measured.ts';

/**
 * The whole pipeline against its plaintext twin: from the start of the producers, with the worker
 * up, to the last committed result. Same files, batches, Kafka, engine and SQL, in turn, one run.
 */

const ROUNDS = 3;

export async function benchPipeline(rowsMax: number | undefined): Promise<Measured[]> {
  const root = path.resolve(import.meta.dirname, '../..');
  const folders = await prepareFolders(path.join(root, '.strongroom', `bench-${process.pid}`));
  const processes = new Processes(folders.logs);
  const kafka = await findKafka({ folder: path.join(folders.run, 'kafka'), onProgress: say });
  const { brokers } = kafka;
  const log = await connectKafkaLog({ brokers: brokers.split(','), clientId: 'bench' });
  try {
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
  } finally {
    await processes.stopAll();
    await log.close();
    await kafka.stop();
    await rm(folders.run, { recursive: true, force: true });
  }
}

async function runOurs(deployment: Deployment, shipments: readonly Shipment[]) {
  await prepareTopics(deployment);
  const port = await freePort();
  const worker = startWorker(deployment, `worker-${deployment.namespace}`, [
    ...['--until-complete', '--port', `${port}`],
  ]);
  await until(worker, async () => {
    const url = `http://127.0.0.1:${port}/readyz`;
    return await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const began = performance.now();
  await Promise.all(shipments.map((shipment) => publish(deployment, shipment)));
  const { rowsCounted } = await workerSummary(worker);
  return { rows: rowsCounted, seconds: (performance.now() - began) / 1_000 };
}

async function runTwin(deployment: Deployment, shipments: readonly Shipment[]) {
  await prepareTopics(deployment);
  const { processes, folders, brokers, namespace = '' } = deployment;
  const where = ['--contract', contractFile(deployment), '--brokers', brokers];
  const common = [...where, '--namespace', namespace];
  const name = `worker-${namespace}`;
  const worker = processes.start(name, 'test/bench/twin-worker.ts', common);
  const output = path.join(folders.logs, `${name}.stdout.log`);
  await until(worker, async () => (await readFile(output, 'utf8')).includes('ready'));
  const began = performance.now();
  const producers = shipments.map(async ({ dataset, source, columns }) => {
    const what = ['--dataset', dataset, '--source', source, '--columns', columns];
    const args = [...common, ...what];
    const started = processes.start(`twin-${dataset}`, 'test/bench/twin-producer.ts', args);
    return jsonLines<{ bytes: number }>((await succeeded(started)).stdout)[0]?.bytes ?? 0;
  });
  const sizes = await Promise.all(producers);
  const [summary] = jsonLines<{ rows: number }>((await succeeded(worker)).stdout);
  const seconds = (performance.now() - began) / 1_000;
  return { rows: summary?.rows ?? 0, seconds, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

async function until(worker: RunningProcess, isReady: () => Promise<boolean>): Promise<void> {
  let ended = false;
  void worker.done.finally(() => {
    ended = true;
  });
  while (!(await isReady().catch(() => false))) {
    if (ended) await succeeded(worker);
    await sleep(50);
  }
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

function median(values: number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}

import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@strongroom/record-log/free-port';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { findKafka } from '@strongroom/testkit/find-kafka';
import { type Folders, prepareFolders } from '../deployment/organisations.ts';
import {
  contractFile,
  type Deployment,
  jsonLines,
  type Shipment,
  startWorker,
  succeeded,
} from '../deployment/pipeline.ts';
import { Processes, type RunningProcess } from '../deployment/processes.ts';
import { say } from '../deployment/terminal.ts';

/** A Kafka of its own, our worker and its plaintext twin, for benches that need all of them. */

interface BenchWorld {
  readonly folders: Folders;
  readonly processes: Processes;
  readonly log: RecordLog;
  readonly brokers: string;
}

export async function withKafka<Result>(
  name: string,
  bench: (world: BenchWorld) => Promise<Result>,
): Promise<Result> {
  const root = path.resolve(import.meta.dirname, '../..');
  const folders = await prepareFolders(path.join(root, '.strongroom', `${name}-${process.pid}`));
  const processes = new Processes(folders.logs);
  const kafka = await findKafka({ folder: path.join(folders.run, 'kafka'), onProgress: say });
  const { brokers } = kafka;
  const log = await connectKafkaLog({ brokers: brokers.split(','), clientId: 'bench' });
  try {
    return await bench({ folders, processes, log, brokers });
  } finally {
    await processes.stopAll();
    await log.close();
    await kafka.stop();
    await rm(folders.run, { recursive: true, force: true });
  }
}

/** Our worker, as soon as it begins to read. */
export async function readyWorker(
  deployment: Deployment,
  /** Where it tells its health and its metrics. */
  at?: number,
): Promise<RunningProcess> {
  const port = at ?? (await freePort());
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
  return worker;
}

/** It collects its garbage as seldom as a vault does. */
const VAULT_HEAP = ['--initial-old-space-size=192'];

/** The worker's twin, as soon as it begins to read. */
export async function readyTwin(deployment: Deployment): Promise<RunningProcess> {
  const { processes, folders } = deployment;
  const name = `worker-${deployment.namespace}`;
  const main = 'test/bench/twin-worker.ts';
  const worker = processes.start(name, main, twinArguments(deployment), VAULT_HEAP);
  const output = path.join(folders.logs, `${name}.stdout.log`);
  await until(worker, async () => (await readFile(output, 'utf8')).includes('ready'));
  return worker;
}

/** @returns rows that it counted */
export async function twinSummary(worker: RunningProcess): Promise<number> {
  const [summary] = jsonLines<{ rows: number }>((await succeeded(worker)).stdout);
  return summary?.rows ?? 0;
}

/** @returns bytes of its batches */
export async function publishTwin(
  deployment: Deployment,
  shipment: Shipment,
  more: readonly string[] = [],
): Promise<number> {
  const { dataset, source, columns } = shipment;
  const what = ['--dataset', dataset, '--source', source, '--columns', columns];
  const started = deployment.processes.start(`twin-${dataset}`, 'test/bench/twin-producer.ts', [
    ...twinArguments(deployment),
    ...what,
    ...more,
  ]);
  return jsonLines<{ bytes: number }>((await succeeded(started)).stdout)[0]?.bytes ?? 0;
}

function twinArguments(deployment: Deployment): string[] {
  const { brokers, namespace = '' } = deployment;
  const where = ['--contract', contractFile(deployment), '--brokers', brokers];
  return [...where, '--namespace', namespace];
}

async function until(worker: RunningProcess, isReady: () => Promise<boolean>): Promise<void> {
  let ended = false;
  void worker.done.finally(() => {
    ended = true;
  });
  while (!(await isReady().catch(() => false))) {
    if (ended) await succeeded(worker);
    await sleep(20);
  }
}

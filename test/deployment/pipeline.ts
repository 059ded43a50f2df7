import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { partitionsOf } from '@strongroom/protocol/contract';
import { datasetTopic } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import {
  type Agreement,
  accessTokenFile,
  adminTokenFile,
  type Folders,
  identityFile,
  platformFolder,
} from './organisations.ts';
import type { Finished, Processes, RunningProcess } from './processes.ts';
import { workerCertificateFile } from './tls-files.ts';

/** Producers, worker and analysts as processes, over one real log. */

const WORKER = 'services/enclave-worker/src/main.insecure.ts';
/** As the images start it (deploy/images/Dockerfile). */
const WORKER_HEAP = ['--initial-old-space-size=96'];
const PRODUCER = 'services/producer/src/main.ts';
const COMMAND = 'services/cli/src/main.ts';
const ANALYST = 'services/analyst/src/main.insecure.ts';

export interface WorkerSummary {
  readonly rowsCounted: number;
  readonly windows: number;
  readonly aggregates: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** One owner's file on its way into a dataset; columns as `source=contract,…`. */
export interface Shipment {
  readonly dataset: string;
  readonly owner: string;
  readonly source: string;
  readonly columns: string;
}

export interface Deployment {
  readonly processes: Processes;
  readonly folders: Folders;
  readonly agreement: Agreement;
  readonly log: RecordLog;
  readonly brokers: string;
  /** Given to every process. */
  readonly logLevel?: string;
  /** Separates runs under one contract: other topics, other producers' state. */
  readonly namespace?: string;
  /** Where contracts run side by side: this one's file. */
  readonly contractFile?: string;
}

/** Writes the signed contract where every party finds it, and creates the datasets' topics. */
export async function prepareTopics(deployment: Deployment): Promise<void> {
  const { contract, contractId, signed } = deployment.agreement;
  await writeFile(contractFile(deployment), JSON.stringify(signed));
  const topics = contract.datasets.map((each) => ({
    topic: datasetTopic(contractId, each.id, deployment.namespace),
    partitions: partitionsOf(each),
  }));
  await deployment.log.createTopics(topics);
}

export function startProducer(
  deployment: Deployment,
  shipment: Shipment,
  more: readonly string[] = [],
): RunningProcess {
  const { processes, folders } = deployment;
  return processes.start(`producer-${shipment.dataset}`, PRODUCER, [
    'publish',
    ...common(deployment),
    ...['--dataset', shipment.dataset, '--identity', identityFile(folders, shipment.owner)],
    ...['--source', shipment.source, '--columns', shipment.columns],
    ...['--state', stateFolder(deployment, shipment.dataset)],
    ...more,
  ]);
}

/** `retract` or `heartbeat`: what an owner says without a row. */
export async function sayOnStream(
  deployment: Deployment,
  { dataset, owner }: Shipment,
  command: readonly string[],
): Promise<Record<string, unknown>> {
  const { processes, folders } = deployment;
  const [word = '', ...more] = command;
  const process = processes.start(`${word}-${dataset}`, PRODUCER, [
    ...[word, ...common(deployment)],
    ...['--dataset', dataset, '--identity', identityFile(folders, owner)],
    ...['--state', stateFolder(deployment, dataset)],
    ...more,
  ]);
  return lastJson(await succeeded(process));
}

export function stateFolder({ folders, namespace = '' }: Deployment, dataset: string): string {
  return path.join(folders.run, `stream-${namespace}-${dataset}`);
}

export async function publish(
  deployment: Deployment,
  shipment: Shipment,
  more: readonly string[] = [],
): Promise<Record<string, unknown>> {
  return lastJson(await succeeded(startProducer(deployment, shipment, more)));
}

export function startWorker(
  deployment: Deployment,
  name: string,
  more: readonly string[] = [],
): RunningProcess {
  const args = [...workerArguments(deployment), ...more];
  return deployment.processes.start(name, WORKER, args, WORKER_HEAP);
}

export function workerArguments(deployment: Deployment): string[] {
  const { folders } = deployment;
  return [
    'start',
    ...common(deployment),
    ...['--access-token-file', accessTokenFile(folders), '--ca-file', folders.caFile],
    ...['--client-certificate-file', workerCertificateFile(folders)],
    ...['--platform-dir', platformFolder(folders), '--port', '0'],
  ];
}

export async function workerSummary(worker: RunningProcess): Promise<WorkerSummary> {
  return lastJson(await succeeded(worker)) as unknown as WorkerSummary;
}

/** What a party reads from the aggregates topic: one JSON object a line of stdout. */
export async function readAs(
  deployment: Deployment,
  party: string,
  { name = `analyst-${party}`, more = [] }: { name?: string; more?: readonly string[] } = {},
): Promise<Finished> {
  const who = ['--identity', identityFile(deployment.folders, party)];
  const roots = ['--roots', platformFolder(deployment.folders)];
  const args = ['read', ...common(deployment), ...who, ...roots, ...more];
  return await deployment.processes.start(name, ANALYST, args).done;
}

/** Anybody's question to the running worker, through the log; with `--worker` over HTTP. */
export async function askForEvidence(
  deployment: Deployment,
  more: readonly string[] = [],
): Promise<Finished> {
  const { processes, folders, brokers, namespace = '' } = deployment;
  const where = ['--brokers', brokers, '--namespace', namespace];
  const roots = ['--simulated-roots', platformFolder(folders)];
  const args = ['evidence', '--contract', contractFile(deployment), ...where, ...roots, ...more];
  return await processes.start('evidence', COMMAND, args).done;
}

/** What an owner reads of its ledger of uses, one JSON object. */
export function usesOf(
  deployment: Deployment,
  owner: string,
  more: readonly string[] = [],
): Promise<Finished> {
  return asOwner(deployment, owner, ['uses', ...more]);
}

/** `strongroom quarantine …` of one owner, one JSON object. */
export function quarantineOf(
  deployment: Deployment,
  owner: string,
  command: readonly string[],
): Promise<Finished> {
  return asOwner(deployment, owner, ['quarantine', ...command]);
}

async function asOwner(
  deployment: Deployment,
  owner: string,
  command: readonly string[],
): Promise<Finished> {
  const { processes, folders, brokers, namespace = '' } = deployment;
  return await processes.start(`${command[0]}-${owner}`, COMMAND, [
    ...command,
    ...['--contract', contractFile(deployment), '--brokers', brokers, '--json'],
    ...['--namespace', namespace, '--identity', identityFile(folders, owner)],
    ...['--simulated-roots', platformFolder(folders)],
  ]).done;
}

/** What whoever operates it is told; with `--worker` by the worker too. */
export async function statusOf(
  deployment: Deployment,
  more: readonly string[] = [],
): Promise<Finished> {
  const { processes, brokers, namespace = '' } = deployment;
  const where = ['--contract', contractFile(deployment), '--brokers', brokers, '--json'];
  const args = ['status', ...where, '--namespace', namespace, ...more];
  return await processes.start('status', COMMAND, args).done;
}

/** One owner ends the contract, and watches the worker stop where one runs. */
export async function revokeAs(
  deployment: Deployment,
  owner: string,
  { watch = true }: { readonly watch?: boolean } = {},
): Promise<Finished> {
  const { processes, folders, brokers, namespace = '' } = deployment;
  return await processes.start('revoke', COMMAND, [
    ...['revoke', '--contract', contractFile(deployment), '--party', owner, '--yes', '--json'],
    ...['--admin-token-file', adminTokenFile(folders, owner), '--ca-file', folders.caFile],
    ...(watch ? ['--watch', '--brokers', brokers, '--namespace', namespace] : []),
    ...(watch ? ['--simulated-roots', platformFolder(folders)] : []),
  ]).done;
}

export async function succeeded(process: RunningProcess): Promise<Finished> {
  const finished = await process.done;
  if (finished.exitCode === 0) return finished;
  const end = finished.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${process.name} ended with ${finished.exitCode}: ${end}`);
}

export function jsonLines<Line>(text: string): Line[] {
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

/** The code that a command ended with: its last JSON line on stderr that is an error. */
export function codeOfEnd({ stderr }: Finished): string | undefined {
  const pattern = /^\{"error":\{"code":"(ERR_[A-Z_]+)"/;
  return stderr
    .split('\n')
    .map((line) => pattern.exec(line)?.[1])
    .findLast((code) => code !== undefined);
}

export function contractFile({ folders, contractFile }: Deployment): string {
  return contractFile ?? path.join(folders.run, 'contract.signed.json');
}

function common(deployment: Deployment): string[] {
  const { brokers, logLevel = 'info', namespace } = deployment;
  const where = ['--contract', contractFile(deployment), '--brokers', brokers];
  const inNamespace = namespace === undefined ? [] : ['--namespace', namespace];
  return [...where, ...inNamespace, '--json', '--log-level', logLevel];
}

function lastJson({ stdout }: Finished): Record<string, unknown> {
  const last = jsonLines<Record<string, unknown>>(stdout).at(-1);
  if (last === undefined) throw new Error('the command printed no JSON line');
  return last;
}

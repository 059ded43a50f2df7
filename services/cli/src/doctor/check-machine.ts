import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import process from 'node:process';
import { promisify } from 'node:util';
import { type Finding, fail, ok, skip, warn } from './checks.ts';

const NODE_MAJOR_MIN = 24;
const JAVA_MAJOR_MIN = 17;
const MIB = 1_048_576;
const FREE_MIB_FAIL = 256;
const FREE_MIB_WARN = 5_120;

export interface MachineQuestion {
  readonly folders: readonly string[];
  /** Brokers are named, so none has to run here. */
  readonly hasBrokers: boolean;
}

export async function checkMachine(question: MachineQuestion): Promise<Finding[]> {
  return [
    nodeVersion(process.versions.node),
    ...(await Promise.all(question.folders.map(freeSpace))),
    await localKafka(question.hasBrokers),
    await container(),
  ];
}

export function nodeVersion(version: string): Finding {
  const isNew = Number(version.split('.')[0]) >= NODE_MAJOR_MIN;
  return (isNew ? ok : fail)('node-version', `Node ${version}`);
}

async function freeSpace(folder: string): Promise<Finding> {
  const found = await statfs(folder).catch(() => undefined);
  if (!found) return fail('disk-space', `${folder}: no such folder`);
  return judgeSpace(folder, (found.bavail * found.bsize) / MIB);
}

export function judgeSpace(folder: string, mib: number): Finding {
  const says = `${folder}: ${Math.floor(mib).toLocaleString('en')} MiB free`;
  if (mib < FREE_MIB_FAIL) return fail('disk-space', says);
  return (mib < FREE_MIB_WARN ? warn : ok)('disk-space', says);
}

async function localKafka(hasBrokers: boolean): Promise<Finding> {
  if (hasBrokers) return skip('local-kafka', 'brokers are named: Java and Maven are not used');
  // Java tells its version on stderr.
  const java = /version "(\d+)/.exec((await run('java', '-version')) ?? '')?.[1];
  const maven = /Maven ([\d.]+)/.exec((await run('mvn', '--version')) ?? '')?.[1];
  const says = `Java ${java ?? 'missing'}, Maven ${maven ?? 'missing'}`;
  const isEnough = Number(java) >= JAVA_MAJOR_MIN && maven !== undefined;
  return (isEnough ? ok : warn)('local-kafka', says);
}

async function container(): Promise<Finding> {
  const client = await run('docker', '--version');
  if (client === undefined) return skip('container', 'no docker here');
  const engine = await run('docker', 'version', '--format', '{{.Server.Version}}');
  if (engine === undefined) return warn('container', 'docker is here, no engine answers');
  return ok('container', `Docker engine ${engine.trim()}`);
}

const RUN_MS_MAX = 10_000;

/** @returns what it printed; undefined when it failed or is not there */
async function run(command: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: RUN_MS_MAX });
    return `${stdout}${stderr}`;
  } catch {
    return undefined;
  }
}

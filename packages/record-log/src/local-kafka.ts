import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { exists, findJava, kafkaJars, kafkaSettingsPath, run } from './kafka-jars.ts';
import { LogError } from './log-error.ts';

/**
 * A real Apache Kafka on this machine: one node, KRaft, on 127.0.0.1, its data in a folder of its
 * own. It ends with the process that started it, also when that one is killed; `detached` keeps it.
 */

export interface RunningKafka {
  /** Bootstrap servers, comma-separated `host:port`. */
  readonly brokers: string;
  /** Of the Java process; 0 where this machine does not run it. */
  readonly pid: number;
  /** Data, settings and kafka.log; '' where this machine does not run it. */
  readonly folder: string;
  stop(): Promise<void>;
}

export interface LocalKafkaOptions {
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Outlive this process; `stopLocalKafka` ends it. */
  readonly detached?: boolean;
  /** For some minutes of little traffic: starts in half of the time, and serves less a second. */
  readonly shortLived?: boolean;
  /** Told in a line what takes time: Maven's downloads, the start. */
  readonly onProgress?: (line: string) => void;
}

/**
 * Starts Kafka and resolves when it answers; a detached one that runs already is returned. Rejects
 * with ERR_PORT_UNAVAILABLE, or with ERR_KAFKA_UNAVAILABLE: no Java 17, no Maven, or a Kafka that
 * ends at once (`log` says why).
 */
export async function startLocalKafka(options: LocalKafkaOptions): Promise<RunningKafka> {
  const { onProgress = () => undefined, detached = false } = options;
  const folder = resolve(options.folder);
  const running = detached ? await localKafkaStatus(folder) : undefined;
  if (running !== undefined) return { ...running, stop: () => stopLocalKafka(folder) };

  // Somebody else's answer would be taken for Kafka's.
  if (options.port !== undefined && (await answers(options.port))) {
    throw new LogError('ERR_PORT_UNAVAILABLE', { host: '127.0.0.1', port: options.port });
  }

  const java = await findJava();
  const jars = await kafkaJars(onProgress);
  await mkdir(folder, { recursive: true });
  const start = () => startIn(folder, java, jars, options);
  // A free port may be taken by somebody else before Kafka takes it.
  return start().catch((error: unknown) => {
    if (options.port === undefined && isEnded(error)) return start();
    throw error;
  });
}

async function startIn(
  folder: string,
  java: string,
  jars: string,
  options: LocalKafkaOptions,
): Promise<RunningKafka> {
  const { port: wanted, detached = false, onProgress = () => undefined } = options;
  const port = wanted ?? (await freePort());
  await writeSettings(folder, port);
  await formatStorage(java, jars, folder);
  onProgress('starting Kafka');
  const kafka = await spawnKafka(java, jars, folder, options.shortLived ? QUICK_START : []);
  const pid = kafka.pid ?? 0;
  const brokers = `127.0.0.1:${port}`;
  if (!detached) endWithThisProcess(kafka, pid);
  await untilItAnswers(kafka, port, folder);
  await writeFile(join(folder, ADDRESS_FILE), `${JSON.stringify({ brokers, pid })}\n`);
  onProgress(`Kafka answers at ${brokers}`);
  return { brokers, pid, folder, stop: () => stopLocalKafka(folder) };
}

/** The Kafka that was started in this folder, if it runs. */
export async function localKafkaStatus(
  folder: string,
): Promise<Omit<RunningKafka, 'stop'> | undefined> {
  const text = await readFile(join(folder, ADDRESS_FILE), 'utf8').catch(() => '{}');
  const { brokers, pid }: { brokers?: unknown; pid?: unknown } = JSON.parse(text);
  if (typeof brokers !== 'string' || typeof pid !== 'number') return undefined;
  // Both, because a number of a process is given again to another one.
  const runs = isAlive(pid) && (await answers(Number(brokers.split(':').at(-1))));
  return runs ? { brokers, pid, folder: resolve(folder) } : undefined;
}

/** Ends the Kafka that was started in this folder; none is no error. Its data stay. */
export async function stopLocalKafka(folder: string): Promise<void> {
  const running = await localKafkaStatus(folder);
  if (running !== undefined) await endProcess(running.pid);
  await rm(join(folder, ADDRESS_FILE), { force: true });
}

const ADDRESS_FILE = 'kafka.json';
const SETTINGS_FILE = 'server.properties';
const LOG_FILE = 'kafka.log';

async function writeSettings(folder: string, port: number): Promise<void> {
  const controllerPort = await freePort();
  const common = await readFile(kafkaSettingsPath('local.properties'), 'utf8');
  const own = [
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `log.dirs=${join(folder, 'data')}`,
  ];
  await writeFile(join(folder, SETTINGS_FILE), `${common}\n${own.join('\n')}\n`);
}

/** A cluster id is 16 bytes, base64url; it may begin with a hyphen, so it is no word of its own. */
async function formatStorage(java: string, jars: string, folder: string): Promise<void> {
  if (await exists(join(folder, 'data', 'meta.properties'))) return;
  const clusterId = `--cluster-id=${randomBytes(16).toString('base64url')}`;
  const settings = `--config=${join(folder, SETTINGS_FILE)}`;
  const tool = ['kafka.tools.StorageTool', 'format', clusterId, settings];
  const lines: string[] = [];
  const ended = await run(java, [...javaArguments(jars), ...QUICK_START, ...tool], (line) =>
    lines.push(line),
  );
  if (ended === 0) return;
  await writeFile(join(folder, LOG_FILE), `${lines.join('\n')}\n`);
  throw unavailable('format-failed', folder);
}

const HEAP = '-Xmx512m';
/** The first compiler only: the second one works for minutes on what then runs for seconds. */
const QUICK_START = ['-XX:TieredStopAtLevel=1'];

function javaArguments(jars: string): string[] {
  return [
    '-cp',
    join(jars, '*'),
    HEAP,
    // Two cores and a small heap: the simple collector starts faster and leaves more to others.
    '-XX:+UseSerialGC',
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=file:${kafkaSettingsPath('log4j2.properties')}`,
  ];
}

/** A process group of its own: Ctrl-C stops us first, and we stop Kafka. */
async function spawnKafka(
  java: string,
  jars: string,
  folder: string,
  more: readonly string[],
): Promise<ChildProcess> {
  const log = await open(join(folder, LOG_FILE), 'a');
  const args = [...javaArguments(jars), ...more, 'kafka.Kafka', join(folder, SETTINGS_FILE)];
  const kafka = spawn(java, args, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  kafka.unref();
  await log.close();
  return kafka;
}

/**
 * A shell that reads a pipe which only this process holds open. However this process ends, also by
 * SIGKILL, the pipe closes, and the shell ends Kafka.
 */
function endWithThisProcess(kafka: ChildProcess, pid: number): void {
  const watch = spawn('sh', ['-c', WATCH_SCRIPT, String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watch.unref();
  // The pipe must stay open and must not keep this process alive.
  if ('unref' in watch.stdin && typeof watch.stdin.unref === 'function') watch.stdin.unref();
  kafka.once('exit', () => {
    watch.kill();
    watch.stdin.destroy();
  });
}

const WATCH_SCRIPT = `
  cat >/dev/null
  kill -TERM "$0" 2>/dev/null || exit 0
  for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; kill -0 "$0" 2>/dev/null || exit 0; done
  kill -KILL "$0"
`;

const START_MS_MAX = 60_000;
const POLL_MS = 50;

async function untilItAnswers(kafka: ChildProcess, port: number, folder: string): Promise<void> {
  for (let waited = 0; waited < START_MS_MAX; waited += POLL_MS) {
    if (kafka.exitCode !== null || kafka.signalCode !== null || kafka.pid === undefined) {
      throw unavailable(ENDED, folder);
    }
    if (await answers(port)) return;
    await delay(POLL_MS);
  }
  kafka.kill('SIGKILL');
  throw unavailable('kafka-does-not-answer', folder);
}

const ENDED = 'kafka-ended';

function isEnded(error: unknown): boolean {
  return error instanceof LogError && error.facts['reason'] === ENDED;
}

function unavailable(reason: string, folder: string): LogError {
  return new LogError('ERR_KAFKA_UNAVAILABLE', { reason, log: join(folder, LOG_FILE) });
}

const STOP_MS_MAX = 10_000;

async function endProcess(pid: number): Promise<void> {
  sendSignal(pid, 'SIGTERM');
  for (let waited = 0; waited < STOP_MS_MAX; waited += POLL_MS) {
    if (!isAlive(pid)) return;
    await delay(POLL_MS);
  }
  sendSignal(pid, 'SIGKILL');
}

export function isAlive(pid: number): boolean {
  return sendSignal(pid, 0);
}

/** False when there is no such process. */
function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('connect', () => socket.destroy());
  });
}

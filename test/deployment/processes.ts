import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpsGet } from './https-json.ts';

/** Starts the services as a person would, one process each, and watches what they use. */

const ROOT = path.resolve(import.meta.dirname, '../..');
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;
const SAMPLE_EVERY_MS = 250;

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  readonly done: Promise<Finished>;
  stop(): Promise<void>;
}

export class Processes {
  readonly #running = new Map<string, RunningProcess>();
  readonly #peaksMb = new Map<string, number>();
  /** By `<name>#<pid>`: processor seconds when last looked at. */
  readonly #cpuSeconds = new Map<string, number>();
  readonly #logs: string;
  readonly #timer: NodeJS.Timeout;

  readonly #env: Readonly<Record<string, string>>;

  /** `env` is set for every process, above the environment of this one. */
  constructor(logFolder: string, env: Readonly<Record<string, string>> = {}) {
    this.#logs = logFolder;
    this.#env = env;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
    this.#timer.unref();
  }

  /** `main` is a path from the project root; stdout and stderr are kept in the log folder too. */
  start(
    name: string,
    main: string,
    args: readonly string[],
    nodeFlags: readonly string[] = [],
  ): RunningProcess {
    const flags = ['--conditions=strongroom:source', ...nodeFlags];
    const child = spawn(process.execPath, [...flags, main, ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...this.#env },
    });
    const done = collect(child, path.join(this.#logs, name));
    const running = {
      name,
      pid: child.pid ?? -1,
      done,
      stop: async () => {
        child.kill('SIGTERM');
        const killer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
        await done;
        clearTimeout(killer);
      },
    };
    this.#running.set(name, running);
    void done.then(() => {
      // A successor may have taken the name.
      if (this.#running.get(name) === running) this.#running.delete(name);
    });
    return running;
  }

  /** Starts a service and waits until /readyz says yes. */
  async startService(
    name: string,
    main: string,
    args: readonly string[],
    { url, ca }: { url: string; ca: string },
  ) {
    const service = this.start(name, main, args);
    const until = performance.now() + READY_WITHIN_MS;
    let ended: Finished | undefined;
    void service.done.then((finished) => {
      ended = finished;
    });
    while (performance.now() < until) {
      if (ended) throw new Error(`${name} ended with ${ended.exitCode}: ${tail(ended.stderr)}`);
      if ((await httpsGet(`${url}/readyz`, ca))?.status === 200) return service;
      await sleep(50);
    }
    throw new Error(`${name} was not ready within ${READY_WITHIN_MS} ms`);
  }

  /** Runs a command to its end; anything but exit code 0 throws, unless another is expected. */
  async run(name: string, main: string, args: readonly string[], expected = 0): Promise<Finished> {
    const finished = await this.start(name, main, args).done;
    if (finished.exitCode !== expected) {
      throw new Error(`${name} ended with ${finished.exitCode}: ${tail(finished.stderr)}`);
    }
    return finished;
  }

  /** Of the process that runs under this name now. */
  pidOf(name: string): number | undefined {
    return this.#running.get(name)?.pid;
  }

  /** Watches a process that somebody else started (Kafka's JVM, this one). */
  watch(name: string, pid: number): void {
    const never = new Promise<Finished>(() => {});
    this.#running.set(name, { name, pid, done: never, stop: async () => {} });
  }

  /** Peak resident memory of each process so far, MB; children count under `<name>/child`. */
  peaksMb(): Record<string, number> {
    this.#sample();
    return Object.fromEntries(
      [...this.#peaksMb].sort(([left], [right]) => (left < right ? -1 : 1)),
    );
  }

  /** Processor seconds by name, summed over the processes that had it; 250 ms exact. */
  cpuSeconds(): Record<string, number> {
    this.#sample();
    const sums: Record<string, number> = {};
    for (const [key, seconds] of this.#cpuSeconds) {
      const name = key.slice(0, key.lastIndexOf('#'));
      sums[name] = (sums[name] ?? 0) + seconds;
    }
    return sums;
  }

  async stopAll(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#running.values()].reverse().map((each) => each.stop()));
  }

  /** For a process that is told to end at once: nothing that it started outlives it. */
  killAll(): void {
    for (const { pid } of this.#running.values()) {
      if (pid > 0 && pid !== process.pid) process.kill(pid, 'SIGTERM');
    }
  }

  #sample(): void {
    const children = childrenByParent();
    for (const { name, pid } of this.#running.values()) {
      this.#note(name, pid);
      for (const child of descendantsOf(pid, children)) this.#note(`${name}/child`, child);
    }
  }

  #note(name: string, pid: number): void {
    const peak = peakMbOf(pid);
    if (peak !== undefined) this.#peaksMb.set(name, Math.max(peak, this.#peaksMb.get(name) ?? 0));
    const seconds = cpuSecondsOf(pid);
    if (seconds !== undefined) this.#cpuSeconds.set(`${name}#${pid}`, seconds);
  }
}

async function collect(child: ChildProcess, logFile: string): Promise<Finished> {
  const kept = { stdout: '', stderr: '' };
  for (const which of ['stdout', 'stderr'] as const) {
    const file = createWriteStream(`${logFile}.${which}.log`, { flags: 'a' });
    child[which]?.setEncoding('utf8').on('data', (text: string) => {
      kept[which] = (kept[which] + text).slice(-4_000_000);
      file.write(text);
    });
    child[which]?.on('end', () => file.end());
  }
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal ? 128 : -1)));
  });
  return { exitCode, ...kept };
}

function tail(text: string): string {
  return text.trim().split('\n').slice(-5).join('\n');
}

/** VmHWM is the kernel's own high-water mark; undefined where there is no /proc. */
function peakMbOf(pid: number): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Math.round(Number(found[1]) / 1024) : undefined;
  } catch {
    return undefined;
  }
}

/** User and system time (proc(5), /proc/pid/stat fields 14 and 15) in ticks of 10 ms. */
function cpuSecondsOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>();
  let entries: string[];
  try {
    entries = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return children;
  }
  for (const entry of entries) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // The process ended between the listing and the look.
    }
  }
  return children;
}

function descendantsOf(pid: number, children: Map<number, number[]>): number[] {
  const direct = children.get(pid) ?? [];
  return direct.flatMap((child) => [child, ...descendantsOf(child, children)]);
}

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { dispositionOf, isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { codeOfEnd, type Deployment, workerArguments } from '../deployment/pipeline.ts';
import type { Finished, RunningProcess } from '../deployment/processes.ts';
import type { Death, DyingPlan } from './failpoints.ts';

/**
 * What an operator's supervisor does: keeps one worker running and starts the next one at once,
 * whatever ended the last. Deaths at failpoints are handed to the workers as they start.
 */
export interface PlannedDeaths {
  readonly worker?: Death;
  readonly vaults?: readonly Death[];
}

interface Running {
  readonly process: RunningProcess;
  readonly files: { readonly reached: string; readonly history: string };
  readonly deaths: PlannedDeaths;
  isPaused: boolean;
}

/** How one worker died, for the measure of recovery. */
export interface Ended {
  readonly at: number;
  readonly byKill: boolean;
}

const ENTRY = 'test/faults/worker.dying.ts';
/** What ends with an error is started again so much later: a wrong clock is set right, say. */
const RESTART_MS = 200;
const RESTART_AFTER_HALT_MS = 1_000;

export class Workers {
  readonly #deployment: Deployment;
  readonly #name: string;
  readonly #deaths: PlannedDeaths[];
  readonly #running = new Set<Running>();
  readonly #all: Running[] = [];
  readonly ends: Ended[] = [];
  /** Codes with which a worker said that nothing helps. */
  readonly halted: string[] = [];
  #isWanted = false;
  #isDisarmed = false;
  #isDone = false;

  constructor(deployment: Deployment, name: string, deaths: readonly PlannedDeaths[]) {
    this.#deployment = deployment;
    this.#name = name;
    this.#deaths = [...deaths];
  }

  start(): void {
    this.#isWanted = true;
    this.#ensureOne();
  }

  /** A worker has said that every result is told. */
  get isDone(): boolean {
    return this.#isDone;
  }

  get isOver(): boolean {
    return this.#running.size === 0;
  }

  /** Ones more, which compete for the leases. */
  startMore(count: number): void {
    for (let more = 0; more < count; more += 1) this.#start({});
  }

  pidsOf(which: 'awake' | 'all'): number[] {
    const wanted = [...this.#running].filter(({ isPaused }) => which === 'all' || !isPaused);
    return wanted.map(({ process }) => process.pid);
  }

  killAll(): void {
    for (const { process: worker } of this.#running) signal(worker.pid, 'SIGKILL');
  }

  /** Puts all to sleep; the supervisor sees none that answers, and starts another one. */
  pauseAll(): () => void {
    const paused = [...this.#running].filter(({ isPaused }) => !isPaused);
    for (const each of paused) {
      each.isPaused = true;
      signal(each.process.pid, 'SIGSTOP');
    }
    this.#ensureOne();
    return () => {
      for (const each of paused) {
        each.isPaused = false;
        signal(each.process.pid, 'SIGCONT');
      }
    };
  }

  /** Deaths that are still to come; a worker that is given up takes its own with it. */
  get pendingDeaths(): number {
    return this.#deaths.length + [...this.#running].filter(isPending).length;
  }

  /** No further death: those that have one before them are ended, and replaced by plain ones. */
  disarm(): void {
    this.#deaths.length = 0;
    this.#isDisarmed = true;
    for (const each of this.#running) {
      if (isPending(each)) signal(each.process.pid, 'SIGKILL');
    }
  }

  /** Places at which a process died. */
  died(): string[] {
    return this.#all.flatMap(diedAt);
  }

  reached(): string[] {
    return [...new Set(this.#all.flatMap((each) => linesOf(each.files.reached)))];
  }

  /** One line for every commit that the log acknowledged to a worker. */
  commits(): { pid: number; topic: string; values: string[] }[] {
    const lines = this.#all.flatMap((each) => linesOf(each.files.history));
    return lines.map((line) => JSON.parse(line));
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    for (const each of this.#running) signal(each.process.pid, 'SIGKILL');
    await Promise.all([...this.#running].map(({ process }) => process.done));
  }

  #ensureOne(): void {
    if (!this.#isWanted || this.#isDone || this.pidsOf('awake').length > 0) return;
    this.#start(this.#deaths.shift() ?? {});
  }

  #start(deaths: PlannedDeaths): void {
    const { processes, folders } = this.#deployment;
    const name = `${this.#name}-worker-${this.#all.length}`;
    const files = {
      reached: path.join(folders.logs, `${name}.reached`),
      history: path.join(folders.logs, `${name}.history`),
    };
    const plan: DyingPlan = { ...deaths, ...files };
    const args = [JSON.stringify(plan), ...workerArguments(this.#deployment), '--until-complete'];
    const running = { process: processes.start(name, ENTRY, args), files, deaths, isPaused: false };
    this.#running.add(running);
    this.#all.push(running);
    void running.process.done.then((finished) => this.#ended(running, finished));
  }

  async #ended(running: Running, finished: Finished): Promise<void> {
    this.#running.delete(running);
    // Something else came first: the next worker dies in its place.
    if (isPending(running) && !this.#isDisarmed) this.#deaths.unshift(leftOf(running));
    const code = codeOfEnd(finished);
    const byKill = finished.exitCode === 128;
    this.ends.push({ at: performance.now(), byKill });
    if (finished.exitCode === 0) this.#isDone = true;
    else if (!byKill) await this.#failed(code ?? `exit ${finished.exitCode}`);
    this.#ensureOne();
  }

  async #failed(code: string): Promise<void> {
    const isHalt = !mayPass(code);
    if (isHalt) this.halted.push(code);
    await delay(isHalt ? RESTART_AFTER_HALT_MS : RESTART_MS);
  }
}

/** Comes when every result is told, so nobody waits for it. */
const AT_THE_END = /(http lease end|vault RowStore\.clear)$/;

function isPending(running: Running): boolean {
  const { worker, vaults = [] } = running.deaths;
  const places = [...vaults, ...(worker ? [worker] : [])].map(({ at = '' }) => at);
  return places.filter((at) => !AT_THE_END.test(at)).length > diedAt(running).length;
}

/** Its vaults die in their order, and then it does. */
function leftOf(running: Running): PlannedDeaths {
  const { worker, vaults = [] } = running.deaths;
  return { ...(worker ? { worker } : {}), vaults: vaults.slice(diedAt(running).length) };
}

const DIED = 'died ';

function diedAt({ files }: Running): string[] {
  const lines = linesOf(files.reached).filter((line) => line.startsWith(DIED));
  return lines.map((line) => line.slice(DIED.length));
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

function mayPass(code: string): boolean {
  return isErrorCode(code) && dispositionOf(new StrongroomError(code)) === 'retry';
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}

import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { aggregatesTopic } from '@strongroom/protocol/record';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { type Deployment, prepareTopics } from '../deployment/pipeline.ts';
import { checkHistory } from './check-history.ts';
import { type FaultTimes, runFaults } from './faults.ts';
import { gatherHistory } from './gather.ts';
import type { Anomaly } from './history.ts';
import { Publisher } from './publisher.ts';
import { Reader } from './readers.ts';
import { WINDOWS } from './rows.ts';
import type { Schedule } from './schedule.ts';
import { Workers } from './workers.ts';
import type { World } from './world.ts';

/** One line of a run's JSON. */
export interface Outcome {
  readonly mode: Schedule['mode'];
  readonly seed: number;
  readonly rows: number;
  readonly anomalies: readonly Anomaly[];
  readonly faults: Readonly<Record<string, number>>;
  /** Failpoints at which a process died. */
  readonly died: readonly string[];
  readonly reached: readonly string[];
  /** From the death of a worker until its successor announced itself, undisturbed ones only. */
  readonly recoveriesMs: readonly number[];
  /** From the last healing until a new result. */
  readonly progressMs: number | null;
  readonly seconds: number;
  /** Of the machine, over a minute, and its cores: figures under load say little about a quiet one. */
  readonly load: number;
  /** What was run. */
  readonly commit: string;
  readonly cores: number;
}

const HEAD = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
const COMMIT = HEAD.status === 0 ? HEAD.stdout.trim() : '';
const PROGRESS_MS_MAX = 30_000;
/** What a machine that is asked for several times what it has says of time is nothing. */
export const CROWDED_LOAD_A_CORE = 3;
const CROWDED_TIMES = 4;
/** A part follows its predecessor's result, or after so long. */
const PACE_MS = 2_500;
/** Deaths that have not come by then are given up. */
const DEATHS_MS = 30_000;
const IDLE_MS = 3_000;
const END_MS = 60_000;

export async function runSchedule(world: World, schedule: Schedule): Promise<Outcome> {
  const since = performance.now();
  const deployment = await agree(world, schedule);
  const run = new Run(world, deployment, schedule);
  try {
    const { times, progressMs, anomalies } = await run.play();
    const { history, refused } = await gatherHistory(world, deployment, run);
    const faults: Record<string, number> = {};
    for (const { kind } of times) faults[kind] = (faults[kind] ?? 0) + 1;
    return {
      ...{ mode: schedule.mode, seed: schedule.seed },
      rows: world.rows,
      anomalies: [...anomalies, ...refused, ...checkHistory(history)],
      faults,
      died: run.workers.died(),
      reached: run.workers.reached(),
      recoveriesMs: recoveriesOf(run, times),
      progressMs,
      seconds: Math.round((performance.now() - since) / 100) / 10,
      ...machine(),
    };
  } finally {
    await run.stop();
  }
}

export function machine() {
  const load = Math.round((os.loadavg()[0] ?? 0) * 10) / 10;
  return { load, cores: os.cpus().length, commit: COMMIT };
}

/** Several runs share a world, and seeds of each mode begin with one: folders and topics need both. */
function nameOf({ mode, seed }: Pick<Schedule, 'mode' | 'seed'>): string {
  return `${mode}-${seed}`;
}

/** A contract of its own, and so topics and leases of its own. */
async function agree(world: World, schedule: Schedule): Promise<Deployment> {
  const name = nameOf(schedule);
  const { processes, folders, organisations, node, links } = world;
  const agreement = await organisations.agreeAgain(`Faults ${name} ${Date.now()}`);
  const log = await connectKafkaLog({ brokers: [node.address], clientId: 'faults' });
  try {
    const deployment = {
      ...{ processes, folders, agreement, log, namespace: name, brokers: node.address },
      contractFile: path.join(folders.run, `contract-${name}.json`),
    };
    await prepareTopics(deployment);
    const topic = aggregatesTopic(agreement.contractId, deployment.namespace);
    await log.createTopics([{ topic, config: { 'retention.ms': '-1' } }]);
    await awaitTopic(log, topic);
    return { ...deployment, brokers: `127.0.0.1:${links.get('broker')?.port}` };
  } finally {
    await log.close();
  }
}

class Run {
  readonly workers: Workers;
  readonly publisher: Publisher;
  readonly reader: Reader;
  readonly #world: World;
  readonly #schedule: Schedule;
  readonly #stopping = new AbortController();

  constructor(world: World, deployment: Deployment, schedule: Schedule) {
    this.#world = world;
    this.#schedule = schedule;
    const name = nameOf(schedule);
    const direct = { ...deployment, brokers: world.node.address };
    const topic = aggregatesTopic(deployment.agreement.contractId, deployment.namespace);
    this.workers = new Workers(deployment, name, schedule.deaths);
    this.publisher = new Publisher(direct, world.parts, this.#stopping.signal);
    this.reader = new Reader(world.node.address, topic, name);
  }

  /** Faults while parts are published; the last part when all is healed, and then a result. */
  async play() {
    this.reader.start();
    await this.publisher.publish(0);
    this.workers.start();
    const [times] = await Promise.all([
      runFaults({ world: this.#world, workers: this.workers }, this.#schedule.faults),
      this.#publishPaced(),
    ]);
    await this.#untilDeaths();
    this.workers.disarm();
    const { progressMs, anomalies } = await this.#finish();
    return { times, progressMs, anomalies };
  }

  async #publishPaced(): Promise<void> {
    for (let part = 1; part < WINDOWS - 1; part += 1) {
      await this.publisher.publish(part);
      await this.#until(() => this.reader.results >= part, PACE_MS);
    }
  }

  /** Once every window that can be told is told, nothing more happens at most places. */
  async #untilDeaths(): Promise<void> {
    let idleSince: number | undefined;
    await this.#until(() => {
      const isIdle = this.reader.results >= WINDOWS - 2;
      idleSince = isIdle ? (idleSince ?? performance.now()) : undefined;
      const isLong = performance.now() - (idleSince ?? Number.POSITIVE_INFINITY) > IDLE_MS;
      return this.workers.pendingDeaths === 0 || isLong;
    }, DEATHS_MS);
  }

  async #finish() {
    const healed = performance.now();
    const before = this.reader.results;
    await this.publisher.publish(WINDOWS - 1);
    const anomalies: Anomaly[] = [];
    const hasMoved = () => this.reader.results > before;
    if (!(await this.#until(hasMoved, PROGRESS_MS_MAX * patience()))) {
      anomalies.push({ kind: 'no-progress', facts: { results: before } });
    }
    const progressMs = anomalies.length > 0 ? null : Math.round(performance.now() - healed);
    const isOver = () => this.workers.isDone && this.workers.isOver;
    if (!(await this.#until(isOver, END_MS * patience())) && anomalies.length === 0) {
      anomalies.push({ kind: 'no-progress', facts: { state: 'not done' } });
    }
    for (const code of this.workers.halted) {
      if (this.#mayHalt(code)) continue;
      anomalies.push({ kind: 'worker-halted', facts: { code } });
    }
    await this.workers.stop();
    await this.reader.stop();
    return { progressMs, anomalies };
  }

  /** Whoever asks for a token, or judges one, by a wrong clock takes it for forged and halts. */
  #mayHalt(code: string): boolean {
    const hasJumped = this.#schedule.faults.some(({ kind }) => kind === 'clock-jump');
    return hasJumped && code === 'ERR_TOKEN_INVALID';
  }

  /** @returns whether it came true in time */
  async #until(isTrue: () => boolean, ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    while (!isTrue()) {
      if (performance.now() > until) return false;
      await delay(50);
    }
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.workers.stop();
    await this.reader.stop();
  }
}

export function isCrowded({ load, cores }: Pick<Outcome, 'load' | 'cores'>): boolean {
  return load > cores * CROWDED_LOAD_A_CORE;
}

function patience(): number {
  return isCrowded(machine()) ? CROWDED_TIMES : 1;
}

/** Of workers that died alone: no other fault between the death and the successor's word. */
function recoveriesOf({ workers, reader }: Run, times: readonly FaultTimes[]): number[] {
  const deaths = workers.ends.filter(({ byKill }) => byKill).map(({ at }) => at);
  return deaths.flatMap((at, index) => {
    const announced = reader.announced.find((each) => each > at);
    const next = deaths[index + 1] ?? Number.POSITIVE_INFINITY;
    if (announced === undefined || announced > next) return [];
    const isDisturbed = times.some(
      ({ kind, from, until }) => kind !== 'kill-worker' && from < announced && until > at,
    );
    return isDisturbed ? [] : [Math.round(announced - at)];
  });
}

import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { freePort } from '@strongroom/record-log/free-port';
import { setUp } from '../deployment/organisations.ts';
import { type Deployment, prepareTopics, workerSummary } from '../deployment/pipeline.ts';
import type { DeploymentPlan } from '../deployment/plan.ts';
import { say } from '../deployment/terminal.ts';
import { type PhaseMeans, type Seen, type Told, watchResults } from './follow-results.ts';
import { LiveOrders } from './live-orders.ts';
import { openProbe } from './log-probe.ts';
import { type Measured, quantile } from './measured.ts';
import { ORDERS_PER_BATCH_MAX, type OrderMaker, orderMaker } from './order-batches.ts';
import { ORDERS_PLAN } from './orders.ts';
import { readyWorker, withKafka } from './worlds.ts';

/**
 * How long after the manifest that completes a window its analyst holds the result, verified,
 * decrypted and decoded. This process is the owner's producer and the analyst, so one clock counts;
 * Kafka, the worker and its vault are processes of their own. First with nothing else to do, at
 * several ticks; then with rows coming all the while, at a share of what the same run can take.
 */

const TICK_MS = 100;
/** 0 is what all but the tick takes. */
const OTHER_TICKS_MS = [50, 20, 0];
const WINDOWS = 200;
const WINDOWS_AT_OTHER_TICKS = 60;
/** Of an idle window; they make some 1,500 groups. */
const IDLE_ROWS = 2_000;
/** Neither in step with a tick nor with a poll. */
const PAUSE_MS = { least: 20, most: 150 };
/** Before these the engines of all processes have not compiled what is run again and again. */
const WARM_UP = 20;

const LOAD_SHARE = 0.8;
const BATCHES_A_WINDOW = 10;
const FLOOD_WINDOWS = 8;
const LOADED_SECONDS = 40;

const GOALS_MS = { p50: 150, p99: 500 };

export async function benchLatency(): Promise<Measured[]> {
  return await withKafka('latency', async ({ folders, processes, log, brokers }) => {
    let tickMs = TICK_MS;
    const plan: DeploymentPlan = {
      ...ORDERS_PLAN,
      contract: (parts) => withTick(ORDERS_PLAN.contract(parts), tickMs),
    };
    const organisations = await setUp(processes, folders, plan);
    const deployment = { processes, folders, log, brokers, agreement: organisations };

    const idle = await runIdle({ ...deployment, namespace: 'idle' }, WINDOWS, TICK_MS);
    const loaded = await runLoaded({ ...deployment, namespace: 'loaded' });
    const others: Measured[] = [];
    for (tickMs of OTHER_TICKS_MS) {
      const agreement = await organisations.agreeAgain(`Orders at a tick of ${tickMs} ms`);
      const at = { ...deployment, agreement, namespace: 'tick' };
      const told = await runIdle(at, WINDOWS_AT_OTHER_TICKS, tickMs);
      others.push(...compare(`idle, a tick of ${tickMs} ms`, told, idle));
    }
    return [...againstGoals(idle), ...compare('loaded', loaded, idle), ...others];
  });
}

function withTick(contract: Contract, tickMs: number): Contract {
  return parseContract({ ...contract, tickMs });
}

/** Windows of few rows, one after another, and between them what the log alone takes. */
async function runIdle(deployment: Deployment, windows: number, tickMs: number) {
  const maker = orderMaker(IDLE_ROWS);
  const probe = await openProbe(deployment);
  const alone: number[] = [];
  const { told, phases } = await withWorker(deployment, async (owner, seen) => {
    for (let hour = 0; hour < WARM_UP + windows; hour += 1) {
      await owner.publish(hour, maker, 0, 1);
      await delay(randomInt(PAUSE_MS.least, PAUSE_MS.most));
      alone.push(await probe.measure());
      await close(owner, seen, hour);
      await seen.result(hour);
    }
    return WARM_UP + windows;
  });
  await probe.stop();
  const measured = told.slice(WARM_UP);
  sayTimes(
    `idle, a tick of ${tickMs} ms`,
    measured.map(({ whole }) => whole),
  );
  sayPhases(measured, phases);
  sayTimes('  the log alone, from an append to its reading', alone.slice(WARM_UP));
  return measured;
}

/** Windows of many rows, at a steady pace, whether the one before was told or not. */
async function runLoaded(deployment: Deployment): Promise<Told[]> {
  const maker = orderMaker(ORDERS_PER_BATCH_MAX);
  let name = '';
  const { told } = await withWorker(deployment, async (owner, seen) => {
    const capacity = await flood(owner, seen, maker);
    const { windows, pace } = await keepPace(owner, seen, maker, LOAD_SHARE * capacity);
    name = `${million(pace)} million rows/s come, of ${million(capacity)} in a flood`;
    return FLOOD_WINDOWS + windows;
  });
  const measured = told.slice(FLOOD_WINDOWS);
  sayTimes(
    `${name}, a tick of ${TICK_MS} ms`,
    measured.map(({ whole }) => whole),
  );
  return measured;
}

/** @returns rows a second, from the first batch to the last result, the producer beside them */
async function flood(owner: LiveOrders, seen: Seen, maker: OrderMaker): Promise<number> {
  const began = performance.now();
  for (let hour = 0; hour < FLOOD_WINDOWS; hour += 1) {
    await publishAll(owner, maker, hour);
    await close(owner, seen, hour);
  }
  await seen.result(FLOOD_WINDOWS - 1);
  return (FLOOD_WINDOWS * rowsOfWindow(maker) * 1_000) / (performance.now() - began);
}

/** @returns windows that were sent, and rows a second that were really sent */
async function keepPace(owner: LiveOrders, seen: Seen, maker: OrderMaker, rowsPerSecond: number) {
  const everyMs = (maker.rows * 1_000) / rowsPerSecond;
  const began = performance.now();
  let due = began;
  const inTime = async () => {
    due += everyMs;
    await delay(Math.max(0, due - performance.now()));
  };
  const seconds = () => (performance.now() - began) / 1_000;
  let windows = 0;
  for (; seconds() < LOADED_SECONDS; windows += 1) {
    await publishAll(owner, maker, FLOOD_WINDOWS + windows, inTime);
    await close(owner, seen, FLOOD_WINDOWS + windows);
  }
  const pace = (windows * rowsOfWindow(maker)) / seconds();
  await seen.result(FLOOD_WINDOWS + windows - 1);
  return { windows, pace };
}

function rowsOfWindow({ rows }: OrderMaker): number {
  return BATCHES_A_WINDOW * rows;
}

async function publishAll(
  owner: LiveOrders,
  maker: OrderMaker,
  hour: number,
  before: () => Promise<void> = async () => undefined,
): Promise<void> {
  for (let index = 0; index < BATCHES_A_WINDOW; index += 1) {
    await before();
    await owner.publish(hour, maker, index, BATCHES_A_WINDOW);
  }
}

async function close(owner: LiveOrders, seen: Seen, hour: number): Promise<void> {
  const { send } = await owner.closing(hour);
  seen.closes(hour);
  await send();
  seen.acknowledged(hour);
}

/** A worker from its start to the end of the stream, and an analyst who follows it. */
async function withWorker(
  deployment: Deployment,
  /** @returns hours that were closed */
  run: (owner: LiveOrders, seen: Seen) => Promise<number>,
): Promise<{ told: Told[]; phases: PhaseMeans }> {
  await prepareTopics(deployment);
  const port = await freePort();
  const worker = await readyWorker(deployment, port);
  const owner = await LiveOrders.open(deployment);
  const seen = await watchResults(deployment, port);
  try {
    const hours = await run(owner, seen);
    const phases = await seen.phases();
    await (await owner.closing(hours, true)).send();
    await workerSummary(worker);
    return { told: seen.told(hours), phases };
  } finally {
    await seen.stop();
  }
}

function sayTimes(name: string, times: readonly number[]): void {
  const at = (share: number) => ms(quantile(times, share));
  say(`${name}: p10 ${at(0.1)}, p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, most ${at(1)}`);
}

/** Medians, which do not add up to the median of the whole. */
function sayPhases(told: readonly Told[], { prepare, commit }: PhaseMeans): void {
  const middle = (part: (each: Told) => number) => ms(quantile(told.map(part), 0.5));
  say(`  manifest to its acknowledgement ${middle(({ acknowledged }) => acknowledged)}`);
  say(`  manifest to the prepared step, readable ${middle(({ prepared }) => prepared)}`);
  say(`  from there to the result, readable ${middle(({ result }) => result)}`);
  say(`  from there to the decrypted result ${middle(({ opened }) => opened)}`);
  say(`  the worker says: prepare ${ms(prepare)}, commit ${ms(commit)} on the average`);
}

function againstGoals(idle: readonly Told[]): Measured[] {
  return (['p50', 'p99'] as const).map((which) => ({
    ...measured(`idle, ${which} against its limit`, idle, which, GOALS_MS[which]),
    goal: 1,
  }));
}

function compare(name: string, told: readonly Told[], idle: readonly Told[]): Measured[] {
  return (['p50', 'p99'] as const).map((which) =>
    measured(`${name}, ${which} against idle`, told, which, quantileOf(idle, which)),
  );
}

function measured(name: string, told: readonly Told[], which: Which, baseline: number): Measured {
  const ours = quantileOf(told, which);
  return {
    name: `from manifest to decrypted result, ${name}`,
    ours: Number(ours.toFixed(1)),
    baseline: Number(baseline.toFixed(1)),
    ratio: Number((baseline / ours).toFixed(2)),
    unit: 'ms',
  };
}

type Which = 'p50' | 'p99';

function quantileOf(told: readonly Told[], which: Which): number {
  return quantile(
    told.map(({ whole }) => whole),
    which === 'p50' ? 0.5 : 0.99,
  );
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function million(rows: number): string {
  return (rows / 1e6).toFixed(2);
}

import { setTimeout as delay } from 'node:timers/promises';
import { missingKinds } from './faults.ts';
import { machine, type Outcome, runSchedule } from './run-schedule.ts';
import { FAULT_KINDS, type FaultKind, type Schedule } from './schedule.ts';
import { openWorld, type World } from './world.ts';

/** One schedule, drawn from the kinds of faults that this machine can do. */
export type Job = (kinds: readonly FaultKind[]) => Schedule;

/** Schedules side by side: each lane has a broker and owners' services of its own. */
export interface LanesOptions {
  readonly jobs: readonly Job[];
  readonly rows: number;
  readonly lanes: number;
  readonly kinds?: readonly FaultKind[];
  readonly onOutcome: (outcome: LaneOutcome) => void;
  /** Kinds that this machine cannot do, once. */
  readonly onMissing?: (kinds: Partial<Record<FaultKind, string>>) => void;
  /** Leave folders of worlds that saw an anomaly. */
  readonly keep?: boolean;
  /** A test's own worlds. */
  readonly open?: (rows: number) => Promise<World>;
}

export interface LaneOutcome extends Outcome {
  /** Where the logs of all processes lie, if they were kept. */
  readonly folder?: string;
}

/** A broker's small disk and its start-up grow with what lies on it. */
const SCHEDULES_A_WORLD = 20;
/** Lanes begin one after the other: a start of Kafka and of four services fills a small machine. */
const STAGGER_MS = 3_000;

export async function runLanes(options: LanesOptions): Promise<void> {
  const queue = [...options.jobs];
  const count = Math.min(options.lanes, queue.length);
  const lanes = Array.from({ length: count }, async (_, index) => {
    await delay(index * STAGGER_MS);
    for (let isFirst = true; queue.length > 0; isFirst = false) {
      const world = await openOrFail(queue, options, isFirst);
      if (world) await runWorld(world, queue, options, isFirst && index === 0);
    }
  });
  await Promise.all(lanes);
}

/**
 * A world that does not come up on a machine that had one is one bad schedule, and not the end of
 * all others.
 */
async function openOrFail(
  queue: Job[],
  { open = openWorld, kinds = FAULT_KINDS, rows, onOutcome }: LanesOptions,
  isFirst: boolean,
): Promise<World | undefined> {
  try {
    return await open(rows);
  } catch (error) {
    if (isFirst) throw error;
    const job = queue.shift();
    if (job) onOutcome(failed(job(kinds), error));
    return undefined;
  }
}

async function runWorld(
  world: World,
  queue: Job[],
  options: LanesOptions,
  isFirst: boolean,
): Promise<void> {
  let hasFailed = false;
  try {
    const missing = missingKinds(world);
    if (isFirst) options.onMissing?.(missing);
    const kinds = (options.kinds ?? FAULT_KINDS).filter((kind) => missing[kind] === undefined);
    for (let done = 0; done < SCHEDULES_A_WORLD && !hasFailed; done += 1) {
      const job = queue.shift();
      if (job === undefined) return;
      const outcome = await runJob(world, job(kinds));
      hasFailed = outcome.anomalies.length > 0;
      const isKept = hasFailed && options.keep === true;
      options.onOutcome({ ...outcome, ...(isKept ? { folder: world.folders.run } : {}) });
    }
  } finally {
    await world.close({ keep: hasFailed && options.keep === true });
  }
}

async function runJob(world: World, schedule: Schedule): Promise<Outcome> {
  try {
    return await runSchedule(world, schedule);
  } catch (error) {
    return failed(schedule, error);
  }
}

/** Of the run itself: it is no evidence of anything, and must not be taken for a good one. */
function failed({ mode, seed }: Schedule, error: unknown): Outcome {
  const facts = { error: error instanceof Error ? error.message : String(error) };
  const nothing = { faults: {}, died: [], reached: [], recoveriesMs: [], progressMs: null };
  const anomalies = [{ kind: 'run-failed' as const, facts }];
  return { mode, seed, rows: 0, ...nothing, anomalies, seconds: 0, ...machine() };
}

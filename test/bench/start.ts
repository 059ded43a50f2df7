import { firstLogged } from '../deployment/log-times.ts';
import { setUp } from '../deployment/organisations.ts';
import {
  type Deployment,
  prepareTopics,
  publish,
  startWorker,
  succeeded,
} from '../deployment/pipeline.ts';
import { say } from '../deployment/terminal.ts';
import { type Measured, median } from './measured.ts';
import { ORDERS_PLAN, writeOrders } from './orders.ts';
import { withKafka } from './worlds.ts';

/**
 * From the start of the worker's process to each thing that it says of its start: Kafka, the
 * attestation service and the owner's key release are up, and the owner has published already.
 */

const ROUNDS = 5;
const ROWS = 10_000;
const GOAL_MS = 2_000;

/** What the worker logs, in the order in which it comes. */
const PHASES = {
  'worker-starting': 'modules loaded',
  'vault-isolation': 'vault spawned within its walls',
  'log-connected': 'Kafka connected',
  'contract-verified': 'vault up, engine open, contract checked',
  'evidence-collected': 'evidence collected',
  'token-received': 'token received',
  'key-received': 'first key released',
  'checkpoint-restored': 'checkpoint looked for',
  'epoch-claimed': 'reading begins',
  'windows-closed': 'first results',
};
const KEY = 'key-received';

export async function benchStart(): Promise<Measured[]> {
  return await withKafka('start', async ({ folders, processes, log, brokers }) => {
    const shipment = await writeOrders(folders.run, ROWS);
    const agreement = await setUp(processes, folders, ORDERS_PLAN);
    const deployment = { processes, folders, agreement, log, brokers };
    const rounds: ReadonlyMap<string, number>[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const named = { ...deployment, namespace: `start-${round}` };
      await prepareTopics(named);
      await publish(named, shipment);
      rounds.push(await runOnce(named));
    }
    sayPhases(rounds);
    const toKey = median(rounds.map((each) => each.get(KEY) ?? Number.NaN));
    return [
      {
        name: 'process start to the first released key, against the goal',
        unit: 'ms',
        ...{ ours: toKey, baseline: GOAL_MS, goal: 1 },
        ratio: Number((GOAL_MS / toKey).toPrecision(3)),
      },
    ];
  });
}

/** @returns milliseconds from the process's start to the first line of each kind */
async function runOnce(deployment: Deployment): Promise<ReadonlyMap<string, number>> {
  const began = Date.now();
  const worker = startWorker(deployment, `worker-${deployment.namespace}`, ['--until-complete']);
  const logged = firstLogged(await succeeded(worker));
  return new Map([...logged].map(([event, at]) => [event, at - began]));
}

function sayPhases(rounds: readonly ReadonlyMap<string, number>[]): void {
  for (const [phase, name] of Object.entries(PHASES)) {
    const all = rounds.map((each) => each.get(phase) ?? Number.NaN);
    say(`${String(median(all)).padStart(6)} ms (${all.join(', ')})  ${name}`);
  }
}

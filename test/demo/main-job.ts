import { DatasetIdSchema } from '@strongroom/protocol/fields';
import { firstLogged } from '../deployment/log-times.ts';
import {
  askForEvidence,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  type Shipment,
  startWorker,
  type WorkerSummary,
  workerSummary,
} from '../deployment/pipeline.ts';
import { say } from '../deployment/terminal.ts';
import { forgeBatch, replayBatch } from './adversary.ts';
import type { ShownAggregate } from './compare.ts';
import { AUTHORITY, COLUMN_NAMES } from './contract.ts';
import { type Refusal, truncatedStream } from './refusals.ts';
import { REGION_NAMES, type Sources } from './sources.ts';

/** Where the cheating operator appends: a small dataset, so that it surely happens in time. */
const ATTACKED_DATASET = DatasetIdSchema.parse('airports');

export interface MainJob {
  readonly worker: WorkerSummary;
  /** The verdict of somebody who asked the worker while it computed. */
  readonly evidence: 'accepted' | 'refused';
  readonly truncated: Refusal;
  /** In milliseconds since 1970. */
  readonly firstAggregateAt: number;
}

/** From the owners' files to sealed results on the log; the operator cheats on the way. */
export async function runMainJob(deployment: Deployment, sources: Sources): Promise<MainJob> {
  const { contract, contractId } = deployment.agreement;
  await prepareTopics(deployment);
  const shipments = demoShipments(sources);
  const registry = shipments.find(({ dataset }) => dataset === ATTACKED_DATASET);
  if (!registry) throw new Error('nobody ships the attacked dataset');
  await publish(deployment, registry, ['--no-final']);
  const truncated = await truncatedStream(deployment, ATTACKED_DATASET);
  await forgeBatch(deployment.log, contract, contractId, ATTACKED_DATASET);
  await replayBatch(deployment.log, contractId, ATTACKED_DATASET);
  say("the operator forged a batch in the registry's name and replayed a true one");
  const worker = startWorker(deployment, 'worker', ['--until-complete']);
  const ship = async (shipment: Shipment) => {
    await publish(deployment, shipment);
    say(`${shipment.owner} has published ${shipment.dataset}`);
  };
  const others = shipments.filter((shipment) => shipment !== registry);
  await Promise.all(others.map(ship));
  // The last owner's last word comes after the question: until then the worker computes.
  const evidence = await showEvidence(deployment);
  await ship(registry);
  const summary = await workerSummary(worker);
  const firstAggregateAt = firstLogged(await worker.done).get('windows-closed') ?? Number.NaN;
  return { worker: summary, evidence, truncated, firstAggregateAt };
}

/** One who trusts nobody asks the worker, through the operator's log, what and where it is. */
async function showEvidence(deployment: Deployment): Promise<MainJob['evidence']> {
  const { exitCode, stdout, stderr } = await askForEvidence(deployment, ['--timeout', '60']);
  const shown = stdout === '' ? stderr : stdout;
  for (const line of shown.trim().split('\n')) say(`evidence  ${line}`);
  return exitCode === 0 ? 'accepted' : 'refused';
}

export async function readAggregates(deployment: Deployment): Promise<ShownAggregate[]> {
  const finished = await readAs(deployment, AUTHORITY);
  if (finished.exitCode !== 0) throw new Error(`analyst: ${finished.stderr.slice(-1_000)}`);
  return jsonLines(finished.stdout);
}

export function demoShipments(sources: Sources): Shipment[] {
  const flights = REGION_NAMES.map((region) => ({
    dataset: `flights-${region}`,
    owner: `${region}-airports`,
    source: sources.flights[region],
    columns: COLUMN_NAMES.flights,
  }));
  const { airports, strikes } = sources;
  return [
    {
      dataset: ATTACKED_DATASET,
      owner: 'airport-registry',
      source: airports,
      columns: COLUMN_NAMES.airports,
    },
    {
      dataset: 'strikes',
      owner: 'wildlife-bureau',
      source: strikes,
      columns: COLUMN_NAMES.strikes,
    },
    ...flights,
  ];
}

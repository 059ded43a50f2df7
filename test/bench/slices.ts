import { hash } from 'node:crypto';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { setUp } from '../deployment/organisations.ts';
import {
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  type Shipment,
  startWorker,
  stateFolder,
  workerSummary,
} from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';
import { say } from '../deployment/terminal.ts';
import { compareSpeeds, type Measured } from './measured.ts';
import { ORDER_COLUMNS, ordersQuery, writeOrders } from './orders.ts';
import { withKafka } from './worlds.ts';

/**
 * The same rows on four streams, counted by one worker, by two slices and by four, each with one
 * more that merges. The clock runs from the start of the processes to the end of the last.
 */

const STREAMS = 4;
const WORKERS = [1, 2, 4];
const ROWS = 4_000_000;
const LARGE_BATCHES = ['--batch-rows', '65536'];
const [OWNER, ANALYST] = ['shop', 'office'];
const SQL = `SELECT region, category, count(*) AS orders, sum(qty) AS qty
FROM orders GROUP BY region, category ORDER BY region, category`;

/** Of contracts under the same organisations, one after the other. */
class SlicedPlan implements DeploymentPlan {
  readonly owners = [OWNER];
  readonly analysts = [ANALYST];
  /** Of the next contract. */
  slices = 1;

  contract(parts: PublicParts): Contract {
    return ordersContract(this, parts);
  }
}

function ordersContract(plan: SlicedPlan, parts: PublicParts): Contract {
  const { slices } = plan;
  const dataset = { relation: 'orders', columns: ORDER_COLUMNS, eventTime: 'at' };
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Orders',
    purpose: 'Orders by hour, region and category',
    version: 1,
    parties: partiesOf(plan, parts),
    datasets: [{ id: 'orders', ...ownedBy(parts, OWNER), ...dataset, streams: streams() }],
    queries: [ordersQuery(SQL, ANALYST)],
    ...(slices > 1 ? { slices } : {}),
    enclave: enclaveOf(parts),
  });
}

const streams = () =>
  Array.from({ length: STREAMS }, (_none, partition) => ({ id: `till-${partition}`, partition }));

interface Round {
  readonly seconds: number;
  /** Processor time of all workers and vaults. */
  readonly cpuSeconds: number;
  /** Of all results, without what names worker or contract. */
  readonly results: string;
}

export async function benchSlices(rows = ROWS): Promise<Measured[]> {
  return await withKafka('slices', async ({ folders, processes, log, brokers }) => {
    const shipments = await cutIntoStreams(await writeOrders(folders.run, rows));
    const plan = new SlicedPlan();
    const organisations = await setUp(processes, folders, plan);
    const base = { processes, folders, log, brokers };
    const rounds = new Map<number, Round>();
    for (const workers of WORKERS) {
      plan.slices = workers;
      const agreement =
        workers === 1 ? organisations : await organisations.agreeAgain(`${workers}`);
      const file = path.join(folders.run, `contract-${workers}.json`);
      const deployment = {
        ...{ ...base, agreement, namespace: `slices-${workers}`, contractFile: file },
      };
      const round = await runRound(deployment, shipments, rows, workers);
      rounds.set(workers, round);
      const { seconds, cpuSeconds, results } = round;
      say(`${workers}: ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of a processor`);
      if (results !== rounds.get(1)?.results) throw new Error('results differ');
    }
    return compare(rows, rounds);
  });
}

/** The rows of each stream in the order of time. */
async function cutIntoStreams(shipment: Shipment): Promise<Shipment[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const parts: Shipment[] = [];
  try {
    for (let part = 0; part < STREAMS; part += 1) {
      const source = shipment.source.replace('.parquet', `.${part}.parquet`);
      await connection.run(`COPY (SELECT * FROM read_parquet('${shipment.source}')
        WHERE id % ${STREAMS} = ${part} ORDER BY id) TO '${source}' (FORMAT parquet)`);
      parts.push({ ...shipment, source });
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return parts;
}

async function runRound(
  deployment: Deployment,
  shipments: readonly Shipment[],
  rows: number,
  workers: number,
): Promise<Round> {
  await prepareTopics(deployment);
  for (const [part, shipment] of shipments.entries()) {
    const state = `${stateFolder(deployment, 'orders')}-${part}`;
    const where = ['--stream', `till-${part}`, '--state', state];
    await publish(deployment, shipment, [...LARGE_BATCHES, ...where]);
  }
  const before = cpuOf(deployment);
  const began = performance.now();
  const slicesOf = Array.from({ length: workers === 1 ? 0 : workers }, (_none, slice) => slice);
  const counting = slicesOf.map((slice) =>
    startWorker(deployment, `slice-${workers}-${slice}`, [
      ...['--slice', `${slice}`, '--until-complete', '--json'],
    ]),
  );
  const telling = startWorker(deployment, `worker-${workers}`, ['--until-complete', '--json']);
  const summaries = await Promise.all([telling, ...counting].map(workerSummary));
  const seconds = (performance.now() - began) / 1_000;
  const counted = summaries.reduce((sum, { rowsCounted }) => sum + rowsCounted, 0);
  if (counted !== rows) throw new Error(`${counted} rows of ${rows}`);
  const cpuSeconds = cpuOf(deployment) - before;
  return { seconds, cpuSeconds, results: await resultsOf(deployment) };
}

/** Sampled four times a second: the end of each process is not in it. */
function cpuOf({ processes }: Deployment): number {
  return Object.entries(processes.cpuSeconds())
    .filter(([name]) => name.startsWith('worker-') || name.startsWith('slice-'))
    .reduce((sum, [, seconds]) => sum + seconds, 0);
}

interface Line {
  readonly query: string;
  readonly emission: number;
  readonly window: unknown;
  readonly rows: unknown;
}

async function resultsOf(deployment: Deployment): Promise<string> {
  const finished = await readAs(deployment, ANALYST, {
    name: `analyst-${deployment.namespace}`,
  });
  const told = jsonLines<Line>(finished.stdout).map(({ query, emission, window, rows }) => ({
    ...{ query, emission, window, rows },
  }));
  if (told.length === 0) throw new Error('no results');
  return hash('sha256', JSON.stringify(told), 'hex');
}

function compare(rows: number, rounds: ReadonlyMap<number, Round>): Measured[] {
  const [alone, ...more] = WORKERS.map((workers) => ({ workers, ...rounds.get(workers) }));
  const rate = (seconds = Number.NaN) => rows / seconds / 1e6;
  return more.flatMap(({ workers, seconds, cpuSeconds }) => [
    compareSpeeds(`${workers} slices and one that merges, against one worker`, 'million rows/s', {
      ...{ ours: rate(seconds), baseline: rate(alone?.seconds) },
    }),
    compareSpeeds(`${workers} slices, by processor time`, 'million rows a processor second', {
      ...{ ours: rate(cpuSeconds), baseline: rate(alone?.cpuSeconds) },
    }),
  ]);
}

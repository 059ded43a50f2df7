import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Contract, type Dataset, DatasetSchema } from '@strongroom/protocol/contract';
import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import { awaitTopic } from '@strongroom/record-log/await-topic';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Agreement, Organisations } from '../deployment/organisations.ts';
import {
  codeOfEnd,
  contractFile,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  type Shipment,
  startProducer,
  startWorker,
  workerSummary,
} from '../deployment/pipeline.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import {
  cutByHours,
  expectedTotals,
  LEASED_VISITS_PLAN,
  READER,
  sumOf,
  type VisitsLine,
  writeVisits,
} from './visits.ts';

/**
 * From one version of a contract to the next, as processes over a real log: what is not signed by
 * all changes nothing; what is stops the version before at the first owner that approves it.
 */

const ROWS_EACH = 2_000;
const WAIT_MS_MAX = 60_000;

let base: Omit<Deployment, 'agreement'>;
let organisations: Organisations;
let first: Deployment;
let shipments: readonly [Shipment, Shipment, Shipment];
let south: Shipment[];

beforeAll(async () => {
  ({ base, organisations } = await openDeployment(LEASED_VISITS_PLAN));
  const [north, last, places] = await writeVisits(base.folders.run, ROWS_EACH);
  if (!north || !last || !places) throw new Error('no shipments');
  shipments = [north, last, places];
  south = await cutByHours(last, [2, 3]);
  first = await begin(organisations, 'first');
});
afterAll(() => closeDeployment(base));

/** A version with its file, its topics and its producers' state. */
async function begin(agreement: Agreement, name: string): Promise<Deployment> {
  const file = path.join(base.folders.run, `${name}.json`);
  const deployment = { ...base, agreement, namespace: name, contractFile: file };
  await prepareTopics(deployment);
  const topic = aggregatesTopic(agreement.contractId, name);
  await base.log.createTopics([{ topic }]);
  await awaitTopic(base.log, topic);
  return deployment;
}

async function recordsOf({ agreement, namespace }: Deployment, type: string): Promise<number> {
  const from = [{ topic: aggregatesTopic(agreement.contractId, namespace), offset: 0 }];
  let count = 0;
  for await (const entries of base.log.read(from, { untilEnd: true })) {
    count += entries.filter(({ headers }) => headers['ce_type'] === type).length;
  }
  return count;
}

async function untilResults(deployment: Deployment, count: number): Promise<void> {
  const until = performance.now() + WAIT_MS_MAX;
  while ((await recordsOf(deployment, RECORD_TYPES.aggregate)) < count) {
    if (performance.now() > until) throw new Error(`no result ${count}`);
    await sleep(100);
  }
}

const part = (index: number) => south[index] ?? expect.fail('no part');

test('version 1 runs, is amended by all, stops for good, and version 2 runs', async () => {
  const [north, whole, places] = shipments;
  await publish(first, north);
  await publish(first, places);
  await publish(first, part(0), ['--no-final']);
  const worker = startWorker(first, 'worker-first', ['--until-complete']);
  await untilResults(first, 1);

  // One owner does not sign: no service takes it, and version 1 goes on.
  const members = { title: 'Visits, amended', datasets: withColumn(first.agreement.contract) };
  const most = [...LEASED_VISITS_PLAN.owners.slice(0, 2), READER];
  const unsigned = await organisations.amend(organisations, members, most);
  for (const owner of LEASED_VISITS_PLAN.owners) {
    await expect(organisations.approve(owner, unsigned)).rejects.toThrow('answered 400');
  }
  const told = await recordsOf(first, RECORD_TYPES.aggregate);
  await publish(first, part(1), ['--no-final']);
  await untilResults(first, told + 1);

  // All have signed: the first owner that approves it stops version 1, by a signed word.
  const agreement = await organisations.amend(organisations, members);
  await organisations.approve('north-clinic', agreement);
  const stopped = await worker.done;
  expect(codeOfEnd(stopped)).toBe('ERR_CONTRACT_SUPERSEDED');
  const late = await startWorker(first, 'worker-late', ['--until-complete']).done;
  expect(codeOfEnd(late)).toBe('ERR_CONTRACT_SUPERSEDED');
  expect(await recordsOf(first, RECORD_TYPES.notice)).toBeGreaterThan(0);

  // What left before is read, and the successor is named.
  const before = await readAs(first, READER);
  expect(before.exitCode).toBe(0);
  const successor = agreement.contractId;
  expect(jsonLines(before.stdout).at(-1)).toMatchObject({ ended: { successor } });
  expect(jsonLines(before.stdout).length).toBeGreaterThan(told + 1);

  // Whoever was shown the amendment does not begin under version 1.
  const file = path.join(base.folders.run, 'second.json');
  await writeFile(file, JSON.stringify(agreement.signed));
  const shown = ['--amendment', file];
  const refused = await startProducer(first, part(2), shown).done;
  expect(codeOfEnd(refused)).toBe('ERR_CONTRACT_SUPERSEDED');
  const again = await startWorker(first, 'worker-shown', shown).done;
  expect(codeOfEnd(again)).toBe('ERR_CONTRACT_SUPERSEDED');

  // Nor when it is shown nothing any more.
  const forgetful = await startProducer(first, part(2)).done;
  expect(codeOfEnd(forgetful)).toBe('ERR_CONTRACT_SUPERSEDED');

  // Producers begin again under the new id, and every row is counted there once: files of before
  // lack the column that was added.
  await organisations.changeOver(agreement);
  const second = await begin(agreement, 'second');
  expect(contractFile(second)).toBe(file);
  for (const shipment of [north, whole]) {
    const columns = `${shipment.columns},=${ADDED}`;
    const report = await publish(second, { ...shipment, columns });
    expect(report['absentColumns']).toEqual([ADDED]);
  }
  await publish(second, places);
  const summary = await workerSummary(startWorker(second, 'worker-second', ['--until-complete']));
  expect(summary.rowsCounted).toBe(expectedTotals(ROWS_EACH).rows + PLACES);
  const after = await readAs(second, READER);
  expect(codeOfEnd(after)).toBeUndefined();
  const totals = jsonLines<VisitsLine>(after.stdout).filter(({ query }) => query === TOTAL);
  expect(sumOf(totals, 'visits')).toBe(expectedTotals(ROWS_EACH).rows);
});

const ADDED = 'remark';

/** Visits have one more column, which files of before lack. */
function withColumn({ datasets }: Contract): readonly Dataset[] {
  const added = { name: ADDED, type: 'utf8', nullable: true, since: 2 };
  return datasets.map((dataset) =>
    dataset.eventTime === undefined
      ? dataset
      : DatasetSchema.parse({ ...dataset, columns: [...dataset.columns, added] }),
  );
}

/** The table of places has so many rows. */
const PLACES = 7;
const TOTAL = 'visits-by-district';

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Contract, parseContract, partyOf } from '@strongroom/protocol/contract';
import type { PartyId } from '@strongroom/protocol/fields';
import type { Privacy } from '@strongroom/protocol/privacy';
import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import { claimedAggregate } from '@strongroom/sealing/open';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminTokenFile } from '../deployment/organisations.ts';
import {
  codeOfEnd,
  contractFile,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  type Shipment,
  startWorker,
  workerSummary,
} from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import { READER } from './visits.ts';

/**
 * A query with noise as processes over a real log: keys are released and leases kept by one owner's
 * service, and by another's with a ledger beside it; both are debited over HTTP.
 */

const HOUR_MS = 3_600_000;
const WINDOWS = 3;
const EPSILON = '0.5';
/** What all windows use up, and what two of them do. */
const WHOLE = '1.5';
const TOO_LITTLE = '1.2';

const PLAN: DeploymentPlan = {
  owners: ['north-clinic', 'south-clinic'],
  analysts: [READER],
  contract: privateContract,
  leases: true,
  leaseBeside: 'south-clinic',
};

function privateContract(parts: PublicParts): Contract {
  const columns = [
    { name: 'at', type: 'timestamp-ms', nullable: false },
    { name: 'person', type: 'utf8', nullable: false },
    { name: 'place', type: 'utf8', nullable: false },
  ];
  const rules = {
    columns: {
      person: { contributor: true },
      place: { dimension: { values: ['JFK', 'SFO'] } },
    },
  };
  const privacy: Privacy = {
    ...{ mechanism: 'laplace', loss: { epsilon: EPSILON, delta: '0' }, confidence: '0.95' },
    ...{ groupsPerContributor: 1, rowsPerGroup: 2 },
  };
  const visits = { relation: 'visits', columns, eventTime: 'at', rules };
  return parseContract({
    ...{ strongroom: 'contract/v1', title: 'Visits', purpose: 'Visits by hour', version: 1 },
    parties: partiesOf(PLAN, parts),
    datasets: PLAN.owners.map((owner) => ({
      ...{ id: datasetOf(owner), ...ownedBy(parts, owner), ...visits },
    })),
    queries: [
      {
        ...{ id: 'hourly', relations: ['visits'], window: { kind: 'tumbling', sizeMs: HOUR_MS } },
        sql: 'SELECT place, count(*) AS visits FROM visits GROUP BY place',
        ...{ latenessMs: 0, readers: [READER], privacy },
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'visits' },
      },
    ],
    enclave: enclaveOf(parts),
  });
}

function datasetOf(owner: string): string {
  return owner.replace(/(\w+)-clinic/, 'visits-$1');
}

let deployment: Deployment;

beforeAll(async () => {
  const { base, organisations } = await openDeployment(PLAN);
  deployment = { ...base, agreement: organisations };
  await prepareTopics(deployment);
});

afterAll(() => closeDeployment(deployment));

async function shipmentOf(owner: string): Promise<Shipment> {
  const source = path.join(deployment.folders.run, `${owner}.csv`);
  const rows = Array.from({ length: WINDOWS * 20 }, (_none, row) => {
    const at = new Date(1_700_000_000_000 - (1_700_000_000_000 % HOUR_MS) + (row * HOUR_MS) / 20);
    return `${at.toISOString().replace('Z', '')},${owner} ${row},${row % 3 === 0 ? 'JFK' : 'SFO'}`;
  });
  await writeFile(source, `at,person,place\n${rows.join('\n')}\n`);
  return { dataset: datasetOf(owner), owner, source, columns: 'at=at,person=person,place=place' };
}

/** By the command line. @returns the owner's accounts */
async function setBudget(owner: string, epsilon: string): Promise<unknown> {
  const { processes, folders, agreement } = deployment;
  const { keyRelease } = partyOf(agreement.contract, owner as PartyId);
  const url = keyRelease?.lease?.url ?? expect.fail('an owner with a lease');
  const { stdout } = await processes.run(`budget-${owner}`, 'services/cli/src/main.ts', [
    ...['ledger', 'budget', 'set', '--vault', url, '--ca-file', folders.caFile, '--json'],
    ...['--token-file', adminTokenFile(folders, owner), '--contract', contractFile(deployment)],
    ...['--dataset', datasetOf(owner), '--epsilon', epsilon, '--delta', '0'],
  ]);
  return JSON.parse(stdout);
}

/** Of every result on the log, the worker that made it. */
async function makers(): Promise<string[]> {
  const topic = aggregatesTopic(deployment.agreement.contractId);
  const found: string[] = [];
  const from = [{ topic, offset: 0 }];
  for await (const entries of deployment.log.read(from, { untilEnd: true })) {
    const results = entries.filter(({ headers }) => headers['ce_type'] === RECORD_TYPES.aggregate);
    found.push(...results.map((entry) => claimedAggregate(entry).token));
  }
  return found;
}

interface Line {
  readonly window: unknown;
  readonly rows: readonly unknown[];
}

async function shown(): Promise<Line[]> {
  const finished = await readAs(deployment, READER);
  expect(codeOfEnd(finished)).toBeUndefined();
  return jsonLines<Line>(finished.stdout);
}

test('a budget stops the worker, and once raised lets go what was prepared', async () => {
  const shipments = await Promise.all(PLAN.owners.map(shipmentOf));
  await Promise.all([
    ...shipments.map((shipment) => publish(deployment, shipment)),
    setBudget('north-clinic', WHOLE),
    setBudget('south-clinic', TOO_LITTLE),
  ]);
  const stopped = await startWorker(deployment, 'worker-1', ['--until-complete']).done;
  expect([codeOfEnd(stopped), stopped.exitCode]).toEqual(['ERR_BUDGET_EXHAUSTED', 77]);
  const before = await shown();
  expect(before).toHaveLength(WINDOWS - 1);
  await setBudget('south-clinic', WHOLE);
  const next = startWorker(deployment, 'worker-2', ['--until-complete']);
  await workerSummary(next);
  const after = await shown();
  expect(after).toHaveLength(WINDOWS);
  expect(after.slice(0, -1)).toEqual(before);
  // The last window's result is the one that the first worker had prepared, byte for byte.
  expect(new Set(await makers()).size).toBe(1);
  for (const owner of PLAN.owners) {
    const account = { dataset: datasetOf(owner), debits: WINDOWS };
    const spent = { epsilon: WHOLE, delta: '0' };
    expect(await setBudget(owner, WHOLE)).toMatchObject([{ ...account, spent }]);
  }
});

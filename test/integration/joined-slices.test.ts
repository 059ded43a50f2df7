import path from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { EXIT_CODE_ENDED } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  codeOfEnd,
  type Deployment,
  jsonLines,
  prepareTopics,
  publish,
  readAs,
  revokeAs,
  type Shipment,
  startWorker,
  stateFolder,
  succeeded,
} from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';
import { closeDeployment, openDeployment } from './open-deployment.ts';
import { READER, type VisitsLine } from './visits.ts';

/**
 * One owner's visits and another's places, shared out to streams by place, joined in two slices as
 * processes over a real log: what is told is what DuckDB says of the plain rows. Here because only
 * real producers cut files by the column.
 */

const HOUR_MS = 3_600_000;
const BEGIN = Math.floor(1_700_000_000_000 / HOUR_MS) * HOUR_MS;
const HOURS = 4;
const ROWS = 3_000;
/** Of visits 0 to 49, listed 10 to 69: some of either without the other. */
const VISITED = 50;
const LISTED = [10, 70] as const;

/** In slice 0 and in slice 1, and not in the same partitions. */
const STREAMS = {
  visits: [0, 1].map((partition) => ({ id: `gate-${partition}`, partition })),
  places: [2, 1].map((partition) => ({ id: `list-${partition}`, partition })),
};

const hourly = { kind: 'tumbling', sizeMs: HOUR_MS };
const QUERIES = [
  {
    ...{ id: 'by-district', window: hourly, minimum: 200 },
    sql: `SELECT p.district AS district, count(*) AS visits, sum(v.weight) AS weight
FROM visits v JOIN places p USING (place) GROUP BY p.district`,
  },
  {
    ...{ id: 'unlisted', window: hourly, minimum: 15 },
    sql: `SELECT v.place AS place, count(*) AS visits, min(v.weight) AS least
FROM visits v ANTI JOIN places p ON v.place = p.place GROUP BY v.place`,
  },
  {
    ...{ id: 'all', window: { kind: 'whole' }, minimum: 1 },
    sql: `SELECT p.district AS district, count(*) AS visits, sum(v.weight) AS weight
FROM visits v LEFT JOIN places p ON p.place = v.place GROUP BY p.district`,
  },
] as const;

const PLAN: DeploymentPlan = {
  owners: ['north-clinic', 'place-registry'],
  analysts: [READER],
  contract: joinedContract,
};

function joinedContract(parts: PublicParts): Contract {
  const place = { name: 'place', type: 'utf8', nullable: false };
  const visits = [
    { name: 'at', type: 'timestamp-ms', nullable: false },
    ...[place, { name: 'weight', type: 'int64', nullable: false }],
  ];
  const places = [place, { name: 'district', type: 'utf8', nullable: false }];
  return parseContract({
    ...{ strongroom: 'contract/v1', title: 'Visits', purpose: 'Visits by district', version: 1 },
    ...{ parties: partiesOf(PLAN, parts), slices: 2 },
    datasets: [
      {
        ...{ id: 'visits', ...ownedBy(parts, 'north-clinic'), relation: 'visits' },
        ...{ columns: visits, eventTime: 'at', partitionBy: 'place', streams: STREAMS.visits },
      },
      {
        ...{ id: 'places', ...ownedBy(parts, 'place-registry'), relation: 'places' },
        ...{ columns: places, partitionBy: 'place', streams: STREAMS.places },
      },
    ],
    queries: QUERIES.map(({ minimum, ...query }) => ({
      ...{ ...query, relations: ['visits', 'places'], latenessMs: 0, readers: [READER] },
      disclosure: {
        ...{ minimumGroupRows: minimum, groupRowsColumn: 'visits', differences: 'accepted' },
      },
    })),
    enclave: enclaveOf(parts),
  });
}

let live: Deployment;
let connection: DuckDBConnection;

beforeAll(async () => {
  const { base, organisations } = await openDeployment(PLAN);
  live = { ...base, agreement: organisations };
  connection = await (await DuckDBInstance.create(':memory:')).connect();
  await prepareTopics(live);
});

afterAll(() => {
  connection.closeSync();
  return closeDeployment(live);
});

/** Both owners' plain rows, in tables and in files. */
async function writeRows(): Promise<Record<'visits' | 'places', Shipment>> {
  await connection.run(`CREATE TABLE visits AS SELECT
      epoch_ms(${BEGIN} + (i * ${HOURS * HOUR_MS} // ${ROWS})::BIGINT)::TIMESTAMP_MS AS at,
      'place-' || (i % ${VISITED}) AS place, i::BIGINT AS weight
    FROM range(${ROWS}) r(i) ORDER BY i`);
  await connection.run(`CREATE TABLE places AS SELECT 'place-' || i AS place,
      CASE WHEN i % 10 = 0 THEN 'small' ELSE 'large-' || (i % 2) END AS district
    FROM range(${LISTED[0]}, ${LISTED[1]}) r(i)`);
  const files = { visits: 'visits.parquet', places: 'places.csv' };
  for (const [table, file] of Object.entries(files)) {
    await connection.run(`COPY ${table} TO '${path.join(live.folders.run, file)}'`);
  }
  const sourceOf = (table: keyof typeof files) => path.join(live.folders.run, files[table]);
  return {
    visits: {
      ...{ dataset: 'visits', owner: 'north-clinic', source: sourceOf('visits') },
      columns: 'at=at,place=place,weight=weight',
    },
    places: {
      ...{ dataset: 'places', owner: 'place-registry', source: sourceOf('places') },
      columns: 'place=place,district=district',
    },
  };
}

/** Each stream has a producer of its own, which reads the whole file and takes its rows. */
async function publishStreams(shipments: Record<'visits' | 'places', Shipment>) {
  const producers = (['visits', 'places'] as const).flatMap((dataset) =>
    STREAMS[dataset].map(async ({ id }) => {
      const state = ['--state', `${stateFolder(live, dataset)}-${id}`];
      return await publish(live, shipments[dataset], ['--stream', id, ...state]);
    }),
  );
  return await Promise.all(producers);
}

/** What the query says of all rows of each hour, or of all. */
async function expectedLines(): Promise<VisitsLine[]> {
  const lines = QUERIES.map(async ({ id, sql, window, minimum }) => {
    const windows = window.kind === 'whole' ? [null] : [0, 1, 2, 3];
    const told = windows.map(async (hour) => {
      const start = BEGIN + Number(hour) * HOUR_MS;
      const rows = `(SELECT * FROM visits WHERE ${hour} IS NULL
        OR epoch_ms("at") >= ${start} AND epoch_ms("at") < ${start + HOUR_MS})`;
      const ofWindow = sql.replace('FROM visits', `FROM ${rows}`);
      const found = await connection.runAndReadAll(`${ofWindow} HAVING visits >= ${minimum}`);
      const rowsTold = inOrder(found.getRowObjects());
      return { query: id, window: hour === null ? null : start, rows: rowsTold };
    });
    return await Promise.all(told);
  });
  return (await Promise.all(lines)).flat();
}

/** As texts, since JSON has sums as such; groups have no order of their own. */
function inOrder(rows: VisitsLine['rows']): { [name: string]: string }[] {
  const texts = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])),
  );
  const whole = (row: object) => JSON.stringify(Object.entries(row).sort());
  return texts.sort((one, other) => whole(one).localeCompare(whole(other)));
}

test('two slices join what two owners share out alike, and tell what plain rows say', async () => {
  const shipments = await writeRows();
  const parts = [['--slice', '0'], ['--slice', '1'], []];
  const workers = parts.map((part, at) =>
    startWorker(live, `worker-${at}`, [...part, '--until-complete']),
  );
  const published = await publishStreams(shipments);
  // Each slice has rows of both.
  expect(published.map(({ rows }) => Number(rows) > 0)).toEqual([true, true, true, true]);
  await Promise.all(workers.map((worker) => succeeded(worker)));
  const finished = await readAs(live, READER);
  expect(codeOfEnd(finished)).toBeUndefined();
  const lines = jsonLines<VisitsLine & { window: { start: number } | null }>(finished.stdout);
  const told = lines.map(({ query, window, rows }) => {
    return { query, window: window?.start ?? null, rows: inOrder(rows) };
  });
  const expected = await expectedLines();
  const places = (each: readonly VisitsLine[], query: string) =>
    each.filter((line) => line.query === query);
  for (const { id } of QUERIES) expect(places(told, id)).toEqual(places(expected, id));
  expect(told).toHaveLength(2 * HOURS + 1);
});

test('an owner that keeps no lease ends it as well: nothing starts, and says so', async () => {
  const revoked = await revokeAs(live, 'place-registry', { watch: false });
  expect([revoked.exitCode, codeOfEnd(revoked)]).toEqual([0, undefined]);
  const ended = await startWorker(live, 'late-worker').done;
  expect([ended.exitCode, codeOfEnd(ended)]).toEqual([EXIT_CODE_ENDED, 'ERR_CONTRACT_REVOKED']);
});

import { DuckDBInstance } from '@duckdb/node-api';
import { type Contract, parseContract } from '@strongroom/protocol/contract';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import type { Shipment } from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';

/**
 * A small contract for the integration tests: two clinics' visits and a third party's table of
 * places. Each visit carries a power of two's worth of nothing: `weight` is unique to its row
 * number, so that a sum shows a lost or repeated batch.
 */

export const READER = 'health-office';
const HOUR_MS = 3_600_000;

export const VISITS_PLAN = visitsPlan();
export const LEASED_VISITS_PLAN = visitsPlan({ leases: true, leaseBeside: 'south-clinic' });

/** The north's one stream is in the second partition of its topic. */
export const PARTITIONED_VISITS_PLAN = visitsPlan({
  streams: { 'visits-north': [{ id: 'main', partition: 1 }] },
});

/** The north has two producers, each with a stream in a partition of its own. */
export const STREAMED_VISITS_PLAN = visitsPlan({
  streams: {
    'visits-north': [
      { id: 'east', partition: 0 },
      { id: 'west', partition: 1 },
    ],
  },
});

/** The result over all visits has three parts. */
export const LARGE_RESULT_PLAN: DeploymentPlan = {
  ...visitsPlan(),
  contract(parts) {
    const { queries, ...contract } = visitsContract(this, parts);
    const resultBytes = 2 * CIPHERTEXT_BYTES_MAX + 4_096;
    const withSize = queries.map((each) =>
      each.window.kind === 'whole'
        ? { ...each, disclosure: { ...each.disclosure, resultBytes } }
        : each,
    );
    return parseContract({ ...contract, queries: withSize });
  },
};

const GATES = ['gate-0', 'gate-1'].map((id, partition) => ({ id, partition }));

/** Counted in two slices, each with leases; nothing is joined, so one owner has no dataset. */
export const SLICED_VISITS_PLAN: DeploymentPlan = {
  ...visitsPlan({ leases: true, streams: { 'visits-north': GATES, 'visits-south': GATES } }),
  contract(parts) {
    const { datasets, queries, ...contract } = visitsContract(this, parts);
    return parseContract({
      ...contract,
      slices: GATES.length,
      datasets: datasets.filter(({ relation }) => relation === 'visits'),
      queries: queries.filter(({ relations }) => relations.length === 1),
    });
  },
};

function visitsPlan(
  more: Pick<DeploymentPlan, 'leases' | 'leaseBeside' | 'streams'> = {},
): DeploymentPlan {
  const plan: DeploymentPlan = {
    owners: ['north-clinic', 'south-clinic', 'place-registry'],
    analysts: [READER],
    uses: ['north-clinic', 'south-clinic'],
    contract: (parts) => visitsContract(plan, parts),
    ...more,
  };
  return plan;
}

export const VISIT_QUERIES = {
  'hourly-visits': `SELECT place, count(*) AS visits, sum(weight) AS weight
FROM visits GROUP BY place`,
  'visits-by-district': `SELECT p.district AS district, count(*) AS visits, sum(v.weight) AS weight
FROM visits v JOIN places p ON v.place = p.place GROUP BY p.district`,
} as const;

function visitsContract(plan: DeploymentPlan, parts: PublicParts): Contract {
  const visitColumns = [
    { name: 'at', type: 'timestamp-ms', nullable: false },
    { name: 'place', type: 'utf8', nullable: false },
    { name: 'weight', type: 'int64', nullable: false },
  ];
  const placeColumns = [
    { name: 'place', type: 'utf8', nullable: false },
    { name: 'district', type: 'utf8', nullable: false },
  ];
  const visits = { relation: 'visits', columns: visitColumns, eventTime: 'at' };
  const places = { relation: 'places', columns: placeColumns };
  const rule = {
    latenessMs: 0,
    readers: [READER],
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'visits' },
  };
  const streamsOf = (id: string) => (plan.streams?.[id] ? { streams: plan.streams[id] } : {});
  const hourly = { kind: 'tumbling', sizeMs: HOUR_MS };
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Visits',
    purpose: 'Visits by hour and by district',
    version: 1,
    parties: partiesOf(plan, parts),
    datasets: [
      {
        id: 'visits-north',
        ...ownedBy(parts, 'north-clinic'),
        ...visits,
        ...streamsOf('visits-north'),
      },
      {
        id: 'visits-south',
        ...ownedBy(parts, 'south-clinic'),
        ...visits,
        ...streamsOf('visits-south'),
      },
      { id: 'places', ...ownedBy(parts, 'place-registry'), ...places },
    ],
    queries: [
      visitQuery('hourly-visits', ['visits'], hourly, rule),
      visitQuery('visits-by-district', ['places', 'visits'], { kind: 'whole' }, rule),
    ],
    enclave: enclaveOf(parts),
  });
}

function visitQuery(
  id: keyof typeof VISIT_QUERIES,
  relations: string[],
  window: object,
  rule: object,
) {
  return { id, sql: VISIT_QUERIES[id], relations, window, ...rule };
}

export const PLACES = 7;
const HOURS = 6;

/** Writes the three owners' files and returns how to ship them. */
export async function writeVisits(folder: string, rowsEach: number): Promise<Shipment[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const shipments: Shipment[] = [];
  try {
    for (const [index, owner] of ['north-clinic', 'south-clinic'].entries()) {
      const source = `${folder}/${owner}.parquet`;
      await connection.run(`COPY (SELECT
          epoch_ms((1700000000000 // ${HOUR_MS}) * ${HOUR_MS}
            + (i * ${HOURS * HOUR_MS} // ${rowsEach})::BIGINT)::TIMESTAMP_MS AS at,
          'place-' || (i % ${PLACES}) AS place,
          (i + ${index * rowsEach})::BIGINT AS weight
        FROM range(${rowsEach}) r(i) ORDER BY i) TO '${source}' (FORMAT parquet)`);
      const dataset = owner.replace('-clinic', '').replace(/^/, 'visits-');
      shipments.push({ dataset, owner, source, columns: 'at=at,place=place,weight=weight' });
    }
    const source = `${folder}/places.csv`;
    await connection.run(`COPY (SELECT 'place-' || i AS place, 'district-' || (i % 2) AS district
      FROM range(${PLACES}) r(i)) TO '${source}' (FORMAT csv, HEADER)`);
    const columns = 'place=place,district=district';
    shipments.push({ dataset: 'places', owner: 'place-registry', source, columns });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return shipments;
}

/** The same rows in several files, cut before these hours: to be published one after the other. */
export async function cutByHours(
  shipment: Shipment,
  hours: readonly number[],
): Promise<Shipment[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const bounds = [0, ...hours, HOURS];
  const parts: Shipment[] = [];
  try {
    for (const [index, until] of bounds.slice(1).entries()) {
      const source = shipment.source.replace('.parquet', `.${index}.parquet`);
      await connection.run(`COPY (
          SELECT "at", place, weight
          FROM (SELECT *, epoch_ms("at" - min("at") OVER ()) AS since
            FROM read_parquet('${shipment.source}'))
          WHERE since >= ${(bounds[index] ?? 0) * HOUR_MS} AND since < ${until * HOUR_MS}
          ORDER BY "at", weight
        ) TO '${source}' (FORMAT parquet)`);
      parts.push({ ...shipment, source });
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return parts;
}

/** A line of what the reader is shown, as far as its rows are concerned. */
export interface VisitsLine {
  readonly query: string;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** Over all windows and groups. */
export function sumOf(lines: readonly VisitsLine[], name: 'visits' | 'weight'): number {
  return lines.flatMap((line) => line.rows).reduce((sum, row) => sum + Number(row[name]), 0);
}

/** What a correct pipeline must say in total: every row once, in closed form. */
export function expectedTotals(rowsEach: number) {
  const rows = 2 * rowsEach;
  return { rows, weight: (rows * (rows - 1)) / 2, hourlyWindows: HOURS };
}

import { type ColumnContract, type Contract, parseContract } from '@strongroom/protocol/contract';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';
import { REGION_NAMES } from './sources.ts';

/** The demo's contract: what is computed over whose data, and who may read which answer. */

/** Reads every query. */
export const AUTHORITY = 'aviation-authority';
/** Reads the query on bird strikes only. */
export const INSTITUTE = 'wildlife-institute';

export const DAY_MS = 86_400_000;
export const MINIMUM_GROUP_ROWS = 10;

const column = (name: string, type: ColumnContract['type'], nullable = false): ColumnContract => ({
  name,
  type,
  nullable,
});

export const FLIGHT_COLUMNS = [
  column('flight_time', 'timestamp-us'),
  column('delay', 'int32'),
  column('distance', 'int32'),
  column('origin', 'utf8'),
  column('destination', 'utf8'),
];
const AIRPORT_COLUMNS = [
  column('iata', 'utf8'),
  column('city', 'utf8', true),
  column('state', 'utf8'),
];
const STRIKE_COLUMNS = [
  column('flight_date', 'date32'),
  column('origin_state', 'utf8'),
  column('phase', 'utf8', true),
  column('cost_total', 'int64'),
];

/** How the columns of the files are called in the contract: source=contract. */
export const COLUMN_NAMES = {
  flights: 'date=flight_time,delay=delay,distance=distance,origin=origin,destination=destination',
  airports: 'iata=iata,city=city,state=state',
  strikes:
    'Flight Date=flight_date,Origin State=origin_state,Phase of flight=phase,Cost Total $=cost_total',
} as const;

const YEAR_MS = 364 * DAY_MS;
/** Two years by the year; and days of a state on which birds struck, one after the other. */
export const YEARS = { kind: 'hopping', sizeMs: 2 * YEAR_MS, advanceMs: YEAR_MS } as const;
export const SPELL = {
  ...{ kind: 'session', key: 'origin_state', gapMs: DAY_MS },
  ...{ maximumMs: YEAR_MS, sizeMs: 4 * YEAR_MS },
} as const;

/** The SQL is the same that the demo later runs on the raw files. */
export const QUERIES = {
  'delays-by-state': `SELECT a.state AS state, count(*) AS flights, sum(f.delay) AS delay_minutes,
  avg(f.delay) AS mean_delay, sum(CASE WHEN f.delay > 15 THEN 1 ELSE 0 END) AS late,
  max(f.distance) AS longest
FROM flights f JOIN airports a ON f.destination = a.iata
GROUP BY a.state`,
  'daily-delays': `SELECT origin, count(*) AS flights, sum(delay) AS delay_minutes,
  sum(CASE WHEN delay > 15 THEN 1 ELSE 0 END) AS late
FROM flights
GROUP BY origin`,
  'strikes-by-years': `SELECT origin_state, count(*) AS strikes, sum(cost_total) AS cost
FROM strikes
GROUP BY origin_state`,
  'strike-spells': `SELECT days, count(*) AS spells, sum(strikes) AS strikes
FROM (
  SELECT origin_state, date_diff('day', _session_start, _session_end) AS days, count(*) AS strikes
  FROM strikes
  GROUP BY origin_state, _session_start, _session_end
)
GROUP BY days`,
  'strikes-by-phase': `SELECT origin_state, phase, count(*) AS strikes, sum(cost_total) AS cost
FROM strikes
GROUP BY origin_state, phase`,
} as const;
export type DemoQuery = keyof typeof QUERIES;

/** @param leases whether one contract runs once; the bench runs it again and again */
export function demoPlan(leases: boolean): DeploymentPlan {
  const plan: DeploymentPlan = {
    leases,
    // Two of three: the last one never allows it, and is not missed.
    sharedKey: {
      owner: 'wildlife-bureau',
      threshold: 2,
      holders: ['wildlife-bureau', 'airport-registry', 'east-airports'],
    },
    owners: [
      'west-airports',
      'central-airports',
      'east-airports',
      'airport-registry',
      'wildlife-bureau',
    ],
    analysts: [AUTHORITY, INSTITUTE],
    contract: (parts) => demoContract(plan, parts),
  };
  return plan;
}

function demoContract(plan: DeploymentPlan, parts: PublicParts): Contract {
  const both = [AUTHORITY, INSTITUTE];
  const daily = { kind: 'tumbling', sizeMs: DAY_MS };
  const whole = { kind: 'whole' };
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Flight delays across operators',
    purpose: 'Delay and bird strike statistics for the aviation authority; no flight is shown.',
    version: 1,
    parties: partiesOf(plan, parts),
    datasets: datasets(parts),
    queries: [
      query('delays-by-state', ['airports', 'flights'], whole, [AUTHORITY], 'flights'),
      query('daily-delays', ['flights'], daily, [AUTHORITY], 'flights'),
      query('strikes-by-phase', ['strikes'], whole, both, 'strikes'),
      query('strikes-by-years', ['strikes'], YEARS, [AUTHORITY], 'strikes'),
      query('strike-spells', ['strikes'], SPELL, [AUTHORITY], 'spells'),
    ],
    enclave: enclaveOf(parts),
  });
}

function datasets(parts: PublicParts) {
  const flights = REGION_NAMES.map((region) => ({
    id: `flights-${region}`,
    ...ownedBy(parts, `${region}-airports`),
    relation: 'flights',
    columns: FLIGHT_COLUMNS,
    eventTime: 'flight_time',
  }));
  const airports = { relation: 'airports', columns: AIRPORT_COLUMNS };
  const strikes = {
    relation: 'strikes',
    columns: STRIKE_COLUMNS,
    eventTime: 'flight_date',
  };
  return [
    ...flights,
    { id: 'airports', ...ownedBy(parts, 'airport-registry'), ...airports },
    { id: 'strikes', ...ownedBy(parts, 'wildlife-bureau'), ...strikes },
  ];
}

function query(
  id: DemoQuery,
  relations: string[],
  window: object,
  readers: string[],
  groupRowsColumn: string,
) {
  // The files are public, and the queries show every kind of window and join: what one result has
  // more than another is not kept back here.
  const rule = { minimumGroupRows: MINIMUM_GROUP_ROWS, groupRowsColumn };
  const disclosure = { ...rule, differences: 'accepted' };
  return { id, sql: QUERIES[id], relations, window, latenessMs: 0, readers, disclosure };
}

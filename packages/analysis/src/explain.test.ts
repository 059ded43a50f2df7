import type { Contract, Query } from '@strongroom/protocol/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainQuery } from './explain.ts';
import { LockedEngine } from './locked-engine.ts';

const COLUMNS = [
  { name: 'person', type: 'utf8', nullable: false },
  { name: 'place', type: 'utf8', nullable: true },
  { name: 'seen', type: 'timestamp-us', nullable: false },
  { name: 'delay', type: 'int64', nullable: true },
  { name: 'note', type: 'utf8', nullable: true },
];
const RULES = {
  columns: {
    person: { contributor: true },
    place: { dimension: {} },
    seen: { dimension: {} },
    delay: { measure: {} },
  },
  minimumContributors: { group: 5 },
};

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
});
afterAll(() => engine.close());

/** What stands at each place, in the order in which they are told. */
async function refusedPlaces(sql: string): Promise<(string | undefined)[]> {
  const dataset = { id: 'd', owner: 'north', relation: 'flights', columns: COLUMNS, rules: RULES };
  const contract = {
    datasets: [dataset],
    parties: [{ id: 'north' }],
    queries: [],
  } as unknown as Contract;
  const disclosure = { minimumGroupRows: 1, groupRowsColumn: 'n' };
  const window = { kind: 'whole' };
  const query = { id: 'q', sql, relations: ['flights'], window, disclosure, readers: [] };
  const { refusals } = await explainQuery(engine, contract, query as unknown as Query);
  return refusals.map(({ facts }) => {
    const { position, place } = facts;
    return typeof position === 'number' ? `${position} ${place}` : String(place);
  });
}

/** The gate's come first, then the rules', then the engine's. */
const CASES: [string, string[]][] = [
  ['SELECT place, count(*) AS n FROM flights GROUP BY 1', []],
  [
    'SELECT md5(place) AS x, list(delay) AS y, count(*) AS n FROM flights WHERE random() < 1',
    ['7 function md5', '24 function list', '75 function random'],
  ],
  [
    'SELECT list(delay) AS x, note, count(*) AS n FROM flights WHERE delay > 3 GROUP BY note',
    ['7 function list', '64 column delay', '25 column note', '83 column note'],
  ],
  [
    "SELECT count(*) AS n FROM flights f JOIN other o ON f.x = o.y, read_text('x') t",
    ['CROSS join', '41 table other', '52 column f.x', '58 column o.y', '63 TABLE_FUNCTION'],
  ],
  ['SELECT note, count(*) AS m FROM flights GROUP BY 1', ['count(*) AS n', '7 column note']],
  [
    // Two that only the engine sees, and a type that no result can hold.
    `SELECT sum(delay) * 9 AS x, sum(delay) * 8 AS y, seen - seen AS w, count(*) AS n
      FROM flights GROUP BY w`,
    [
      'first of INTERVAL fails for some values; of DOUBLE it does not',
      'normalized_interval of INTERVAL fails for some values; of DOUBLE it does not',
      '18 * of HUGEINT, HUGEINT fails for some values; of DOUBLE it does not',
      '39 * of HUGEINT, HUGEINT fails for some values; of DOUBLE it does not',
      '54 a column of type INTERVAL, which no result can hold',
    ],
  ],
  [
    'SELECT min(delay) AS x, sum(delay) * 9 AS y, count(*) AS n FROM flights',
    ['11 column delay', '35 * of HUGEINT, HUGEINT fails for some values; of DOUBLE it does not'],
  ],
  ["SELECT count(*) AS n FROM flights WHERE place = '3' AND NOT", ['59 not a SELECT']],
];

describe('contract check tells all that is wrong with a query', () => {
  test.each(CASES)('%s', async (sql, places) => {
    expect(await refusedPlaces(sql)).toEqual(places);
  });
});

describe('a query with noise over slices', () => {
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const privacy = { loss: { epsilon: '1', delta: '0.01' }, groupsPerContributor: 1 };
  const reasonsOf = async (partitionBy: string) => {
    const shared = { relation: 'flights', columns: COLUMNS, rules: RULES, streams, partitionBy };
    const datasets = [{ id: 'd', owner: 'north', ...shared }];
    const parties = [{ id: 'north', keyRelease: { averaging: 'accepted' } }];
    const contract = { slices: 2, datasets, parties, queries: [] };
    const query = {
      ...{ id: 'q', sql: 'SELECT place, count(*) AS n FROM flights GROUP BY place', readers: [] },
      ...{ relations: ['flights'], window: { kind: 'whole' }, privacy },
      disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
    };
    const { refusals } = await explainQuery(
      engine,
      contract as unknown as Contract,
      query as unknown as Query,
    );
    return refusals.map(({ code, facts }) => `${code} ${facts['reason']}`);
  };

  test('is allowed where no contributor is in two of them', async () => {
    expect(await reasonsOf('person')).toEqual([]);
    expect(await reasonsOf('place')).toEqual(['ERR_QUERY_NOT_SLICED noise']);
  });
});

import { changeOf, widthOf } from '@strongroom/analysis/private-plan';
import type { Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { PRIVATE_ROWS_MAX } from '@strongroom/protocol/limits';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  openPrivate,
  PLACES,
  type Place,
  PRIVACY,
  privateQuery,
  type Stay,
  show,
  type Visit,
} from '../../../test/private-scene.ts';
import type { Aggregator, Statistics } from './aggregate.ts';

/** What one contributor can change before noise is added, searched for and never found too large. */

const person = fc.constantFrom('ann', 'ben', 'cid');
const odd = fc.constantFrom(
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  1e300,
);
const visit: fc.Arbitrary<Visit> = fc.record({
  person,
  place: fc.constantFrom(...PLACES, 'OSL', null),
  delay: fc.option(fc.oneof(fc.double({ min: -50, max: 200, noNaN: true }), odd), { nil: null }),
  bags: fc.constantFrom(0n, 1n, 3n, 9n, -(2n ** 63n), 2n ** 63n - 1n),
});
const stay: fc.Arbitrary<Stay> = fc.record({ person, nights: fc.constantFrom(0n, 2n, 40n) });
const place: fc.Arbitrary<Place> = fc.record({
  place: fc.constantFrom(...PLACES),
  region: fc.constantFrom('east', 'west'),
});

const MEASURES = `count(*) AS n, count(DISTINCT person) AS people, count(delay) AS known,
  sum(bags) AS bags, avg(delay) AS mean, var_pop(delay) AS spread, histogram(delay) AS bins`;

const QUERIES = {
  'a public domain': `SELECT place, ${MEASURES} FROM visits GROUP BY place`,
  'no group': `SELECT ${MEASURES} FROM visits WHERE place <> 'SFO'`,
  'groups of their own': `SELECT bags AS class, count(*) AS n, sum(delay) AS late,
    quantile_disc(delay, 0.5) AS median FROM visits GROUP BY bags`,
  'a join that multiplies rows': `SELECT region, ${MEASURES}
    FROM visits JOIN places ON visits.place = places.place GROUP BY region`,
  'a join by contributor': `SELECT place, count(*) AS n, sum(nights) AS nights
    FROM visits LEFT JOIN stays ON visits.person = stays.person GROUP BY place`,
  'a row bound before the join': `SELECT place, count(*) AS n, sum(nights) AS nights
    FROM stays JOIN visits USING (person) GROUP BY place`,
  'a semi join': `SELECT place, count(*) AS n, sum(bags) AS bags
    FROM visits SEMI JOIN stays ON visits.person = stays.person GROUP BY place`,
  'an anti join': `SELECT place, count(*) AS n, sum(bags) AS bags
    FROM visits ANTI JOIN stays ON visits.person = stays.person GROUP BY place`,
  'IN and NOT IN': `SELECT count(*) AS n, sum(bags) AS bags FROM visits
    WHERE person IN (SELECT person FROM stays)
    AND visits.person NOT IN (SELECT b.person FROM visits b JOIN places p ON b.place = p.place)`,
  'EXISTS and NOT EXISTS': `SELECT place, count(*) AS n FROM visits v
    WHERE EXISTS (SELECT 1 AS one FROM stays s WHERE s.person = v.person)
    AND NOT EXISTS (SELECT 1 AS one FROM places p WHERE p.place = v.place
      AND v.person IN (SELECT person FROM stays)) GROUP BY place`,
  'what nobody else has': `SELECT region, count(*) AS n, count(nights) AS known
    FROM places LEFT JOIN visits v ON places.place = v.place
    LEFT JOIN stays ON v.person = stays.person GROUP BY region`,
};
/** What `'a row bound before the join'` needs to bound anything in small scenes. */
const ROWS_PER_TABLE = 2;

describe.each(Object.entries(QUERIES))('%s', (name, sql) => {
  test('no contributor changes more than is declared, whatever its rows are', {
    timeout: 120_000,
  }, async () => {
    const rowsPerTable = name.includes('bound') ? { rowsPerTable: ROWS_PER_TABLE } : {};
    const query = privateQuery(sql, rowsPerTable);
    const aggregator = await openPrivate(query);
    try {
      await searchNeighbours(aggregator, query);
    } finally {
      aggregator.close();
    }
  });
});

/** Adds or takes all rows of one contributor, in every table at once. */
async function searchNeighbours(
  aggregator: Aggregator,
  query: Query,
  options: fc.Parameters<unknown> = { numRuns: 30 },
): Promise<void> {
  const scenes = fc.record({
    visits: fc.array(visit, { maxLength: 24 }),
    stays: fc.array(stay, { maxLength: 6 }),
    places: fc.array(place, { maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(scenes, person, async (scene, who) => {
      const isOther = (row: { person: string }) => row.person !== who;
      const visits = scene.visits.filter(isOther);
      const neighbour = { ...scene, visits, stays: scene.stays.filter(isOther) };
      await show(aggregator, scene);
      const all = await aggregator.statistics(query, null, 'ab');
      await show(aggregator, neighbour);
      expectNear(all, await aggregator.statistics(query, null, 'ab'));
    }),
    options,
  );
}

/** Ends with the first that is found; this seed comes to one soon in each. */
const SEARCH = { numRuns: 1_000, endOnFailure: true, seed: 1 };

describe('what is not tied by the contributor', () => {
  const statements = [
    'FROM visits LEFT JOIN stays ON visits.person = stays.person',
    'FROM visits ANTI JOIN stays ON visits.person = stays.person',
    'FROM visits WHERE EXISTS (SELECT 1 AS one FROM stays WHERE visits.person = stays.person)',
  ];
  test.each(statements)('is found by the same search: %s', async (rows) => {
    const query = privateQuery(`SELECT count(*) AS n, sum(bags) AS bags ${rows}`);
    const aggregator = await openPrivate(query);
    try {
      const plan = aggregator.planOf(query) ?? expect.fail('it has a plan');
      const untied = 'visits.person <> stays.person';
      const rowsSql = plan.rowsSql.replace(/\(?visits\.person = stays\.person\)?/, `(${untied})`);
      expect(rowsSql).toContain(untied);
      Object.assign(aggregator, { planOf: () => ({ ...plan, rowsSql }) });
      const found = searchNeighbours(aggregator, query, SEARCH);
      await expect(found).rejects.toMatchObject({
        cause: { message: expect.stringContaining('to be less than or equal to') },
      });
    } finally {
      aggregator.close();
    }
  });
});

/** Per statistic: the sum of the changes of all groups, and that of their squares. */
function expectNear(all: Statistics, fewer: Statistics): void {
  const { plan } = all;
  const groups = BigInt(plan.dimensions.length > 0 ? PRIVACY.groupsPerContributor : 1);
  const [one, other] = [byGroup(all), byGroup(fewer)];
  let at = 0;
  for (const statistic of plan.statistics) {
    const width = widthOf(statistic, plan.measures);
    let [sum, squares] = [0n, 0n];
    for (const name of new Set([...one.keys(), ...other.keys()])) {
      let change = 0n;
      for (let index = at; index < at + width; index += 1) {
        const difference = (one.get(name)?.[index] ?? 0n) - (other.get(name)?.[index] ?? 0n);
        change += difference < 0n ? -difference : difference;
      }
      sum += change;
      squares += change * change;
    }
    const most = changeOf(statistic, plan);
    expect(sum).toBeLessThanOrEqual(groups * most);
    expect(squares).toBeLessThanOrEqual(groups * most * most);
    at += width;
  }
}

function byGroup({ dimensions, groups }: Statistics): Map<string, readonly bigint[]> {
  const nameOf = (row: number) =>
    JSON.stringify(dimensions.map(({ values }) => String(values[row])));
  return new Map(groups.map((numbers, row) => [nameOf(row), numbers]));
}

async function groupsOf(sql: string, visits: readonly Visit[]): Promise<Record<string, string>> {
  const query = privateQuery(sql);
  const aggregator = await openPrivate(query);
  try {
    await show(aggregator, { visits });
    const found = byGroup(await aggregator.statistics(query, null, 'ab'));
    return Object.fromEntries([...found].map(([name, numbers]) => [name, numbers.join(' ')]));
  } finally {
    aggregator.close();
  }
}

describe('what counts', () => {
  const row = { person: 'ann', place: 'SFO', delay: 1, bags: 1n };

  test('every group of the domain is there, and no other', async () => {
    const sql = 'SELECT place, count(*) AS n FROM visits GROUP BY place';
    const visits = [row, { ...row, place: 'OSL' }, { ...row, place: null }];
    expect(await groupsOf(sql, visits)).toEqual({ '["JFK"]': '0', '["LHR"]': '0', '["SFO"]': '1' });
  });

  test('not a number is no value, an infinite one is at its bound', async () => {
    const sql = 'SELECT count(*) AS n, count(delay) AS known, sum(delay) AS late FROM visits';
    const delays = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, 2.26];
    const visits = delays.map((delay, at) => ({ ...row, person: `p${at}`, delay }));
    // 100.5 - 10 + 2.3 in tenths.
    expect(await groupsOf(sql, visits)).toEqual({ '[]': '5 3 928' });
  });

  test('more groups than a result may have stop nothing: few of them are shown', async () => {
    const sql = 'SELECT bags AS class, count(*) AS n FROM visits GROUP BY bags';
    const visits = Array.from({ length: PRIVATE_ROWS_MAX + 1 }, (_none, at) => ({
      ...row,
      person: `p${at}`,
      bags: BigInt(at),
    }));
    expect(Object.keys(await groupsOf(sql, visits))).toHaveLength(visits.length);
  });

  test('rows of one contributor are bounded, whatever order they come in', async () => {
    const sql = 'SELECT place, count(*) AS n, sum(bags) AS bags FROM visits GROUP BY place';
    const visits = PLACES.flatMap((at) =>
      [0n, 1n, 2n, 3n].map((bags) => ({ ...row, place: at, bags })),
    );
    const found = await groupsOf(sql, visits);
    expect(Object.values(found).filter((numbers) => numbers.startsWith('2 '))).toHaveLength(2);
    expect(await groupsOf(sql, visits.toReversed())).toEqual(found);
  });
});

/** Each was, or could be, taken for tied by an equality that holds somewhere else. */
const UNTIED = [
  `visits a JOIN visits b ON a.place = b.place
    ANTI JOIN stays c ON a.person = c.person AND b.person = c.person`,
  `visits a JOIN visits b ON a.place = b.place
    LEFT JOIN stays c ON a.person = c.person AND b.person = c.person`,
  'visits a JOIN visits b ON a.place = b.place',
  'visits a SEMI JOIN visits b ON a.place = b.place',
  'visits a ANTI JOIN visits b ON a.place = b.place',
  'visits a WHERE a.place IN (SELECT place FROM visits)',
  'visits a WHERE a.place NOT IN (SELECT place FROM visits)',
  'visits a WHERE EXISTS (SELECT 1 AS one FROM visits b WHERE b.place = a.place)',
  `visits a WHERE EXISTS (SELECT 1 AS one FROM places p WHERE p.place = a.place
    AND p.place IN (SELECT place FROM visits))`,
  `visits a LEFT JOIN stays s ON a.person = s.person
    WHERE s.person NOT IN (SELECT person FROM visits)`,
  `visits a WHERE a.person NOT IN (SELECT b.person FROM places p
    LEFT JOIN visits b ON b.place = p.place)`,
  'places p ANTI JOIN visits a ON p.place = a.place',
  'places p SEMI JOIN visits a ON p.place = a.place',
  'stays s JOIN (places p ANTI JOIN visits a ON p.place = a.place) ON s.person = a.person',
];

test('rows that a join would multiply are bounded before it, in whatever order', async () => {
  const sql = `SELECT count(*) AS n, sum(nights) AS nights
    FROM visits JOIN stays ON visits.person = stays.person`;
  const query = privateQuery(sql, { rowsPerGroup: 1_000, rowsPerTable: ROWS_PER_TABLE });
  const aggregator = await openPrivate(query);
  try {
    const stays = Array.from({ length: 20 }, (_none, at) => ({
      person: 'ann',
      nights: BigInt(at),
    }));
    const visits = stays.map(({ nights: bags }) => ({
      person: 'ann',
      place: 'SFO',
      delay: 1,
      bags,
    }));
    await show(aggregator, { visits, stays });
    const [found] = (await aggregator.statistics(query, null, 'ab')).groups;
    expect(found?.[0]).toBe(BigInt(ROWS_PER_TABLE ** 2));
    await show(aggregator, { visits: visits.toReversed(), stays: stays.toReversed() });
    expect((await aggregator.statistics(query, null, 'ab')).groups).toEqual([found]);
  } finally {
    aggregator.close();
  }
});

describe('what has no plain form is refused, with its place', () => {
  const cases: [string, string][] = [
    ['HAVING', 'SELECT place, count(*) AS n FROM visits GROUP BY place HAVING count(*) > 3'],
    ['ORDER BY', 'SELECT place, count(*) AS n FROM visits GROUP BY place ORDER BY n'],
    ['LIMIT', 'SELECT place, count(*) AS n FROM visits GROUP BY place LIMIT 1'],
    ['WITH', 'WITH v AS (SELECT * FROM visits) SELECT count(*) AS n FROM v'],
    ['a subquery', 'SELECT count(*) AS n FROM (SELECT * FROM visits) v'],
    ['FILTER', 'SELECT count(*) AS n, sum(bags) FILTER (WHERE bags > 1) AS b FROM visits'],
    ['an expression', 'SELECT count(*) AS n, sum(bags * 2) AS b FROM visits'],
    ['arithmetic of aggregates', 'SELECT count(*) AS n, sum(bags) + 1 AS b FROM visits'],
    ['the largest', 'SELECT count(*) AS n, max(bags) AS b FROM visits'],
    ['a deviation', 'SELECT count(*) AS n, stddev(bags) AS b FROM visits'],
    ['DISTINCT values', 'SELECT count(*) AS n, sum(DISTINCT bags) AS b FROM visits'],
    ['the contributor', 'SELECT person, count(*) AS n FROM visits GROUP BY person'],
    ['a measure as group', 'SELECT delay, count(*) AS n FROM visits GROUP BY delay'],
    ['a group that is not shown', 'SELECT count(*) AS n FROM visits GROUP BY place'],
    ['no bins', 'SELECT count(*) AS n, histogram(bags) AS b FROM visits'],
    ['a second name', 'SELECT count(*) AS n, count(*) AS n_low FROM visits'],
    ['no contributor', 'SELECT region, count(*) AS n FROM places GROUP BY region'],
    [
      'a join of contributors by something else',
      'SELECT count(*) AS n FROM visits JOIN stays ON visits.bags = stays.nights',
    ],
    ...UNTIED.map((rows, at): [string, string] => [
      `contributors that are not compared where they meet, ${at}`,
      `SELECT count(*) AS n FROM ${rows}`,
    ]),
  ];
  test.each(cases)('%s', async (_name, sql) => {
    const opened = openPrivate(privateQuery(sql));
    const error = await opened.then(
      (aggregator: Aggregator) => aggregator.close(),
      (thrown: unknown) => thrown,
    );
    expect(codeOf(error)).toMatch(/^ERR_QUERY_(REFUSED|AGAINST_RULES)$/);
    expect(error instanceof StrongroomError && error.facts['query']).toBe('q');
  });

  test('a variance between bounds so wide that squares could overflow', async () => {
    const open = (aggregate: string) => {
      const sql = `SELECT count(*) AS n, ${aggregate}(delay) AS v FROM visits`;
      const visits = {
        columns: {
          person: { contributor: true as const },
          delay: { measure: { low: '-9000', high: '9000' } },
        },
      };
      return openPrivate(privateQuery(sql, { fractionDigits: { delay: 9 }, bins: {} }), { visits });
    };
    expect(await open('var_pop').catch(codeOf)).toBe('ERR_QUERY_REFUSED');
    (await open('avg')).close();
  });
});

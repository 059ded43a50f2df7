import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { ColumnContract, Contract, Query } from '@strongroom/protocol/contract';
import { streamOfInteger, streamOfText } from '@strongroom/protocol/partitioning';
import { sliceOf as sliceOfPartition } from '@strongroom/protocol/slices';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';
import { planSlices, type SlicePlan } from './slice-plan.ts';
import { checkQuery } from './sql-gate.ts';

/** Visits of people (of two owners), what is known of people, and trips; `who` is shared out. */

const SLICES = 2;
const streamsIn = (...partitions: number[]) =>
  partitions.map((partition) => ({ id: `gate-${partition}`, partition }));
const column = (name: string, type: string, nullable = false) =>
  ({ name, type, nullable }) as ColumnContract;

/** Streams in as many ways as all mean the same slices. */
const DATASETS = {
  'visits-north': { relation: 'visits', streams: streamsIn(0, 1, 2, 3), partitionBy: 'who' },
  'visits-south': { relation: 'visits', streams: streamsIn(2, 3), partitionBy: 'who' },
  people: { relation: 'people', streams: streamsIn(0, 1), partitionBy: 'who' },
  trips: { relation: 'trips', streams: streamsIn(4, 1, 2, 5), partitionBy: 'rider' },
} as const;
type DatasetName = keyof typeof DATASETS;
const COLUMNS: Readonly<Record<string, readonly ColumnContract[]>> = {
  visits: [column('place', 'utf8', true), column('cost', 'int32', true), column('other', 'utf8')],
  people: [column('town', 'utf8', true), column('age', 'int16', true)],
  trips: [column('km', 'int64', true), column('place', 'utf8')],
};
type KeyTypes = Readonly<Record<string, string>>;
const TEXTS: KeyTypes = { visits: 'utf8', people: 'utf8', trips: 'utf8' };
/** Whole numbers of other widths and signs are hashed alike. */
const NUMBERS: KeyTypes = { visits: 'int64', people: 'uint64', trips: 'int8' };

function contractOf(
  keys: KeyTypes,
  changes: Partial<Record<DatasetName, object>> = {},
  rules: Readonly<Record<string, AnalysisRules>> = {},
): Contract {
  const datasets = Object.entries(DATASETS).map(([id, dataset]) => ({
    ...{ id, owner: `owner-${id}`, ...dataset, rules: rules[dataset.relation] },
    columns: [
      column(dataset.partitionBy, keys[dataset.relation] ?? 'utf8'),
      ...(COLUMNS[dataset.relation] ?? []),
    ],
    ...changes[id as DatasetName],
  }));
  return { slices: SLICES, datasets, queries: [] } as unknown as Contract;
}

function queryOf(sql: string): Query {
  const relations = Object.keys(COLUMNS).filter((name) =>
    new RegExp(`\\b${name}\\b`, 'i').test(sql),
  );
  return {
    ...{ id: 'q', sql, relations, window: { kind: 'whole' }, latenessMs: 0, readers: [] },
    disclosure: { minimumGroupRows: 2, groupRowsColumn: 'n', differences: 'accepted' },
  } as unknown as Query;
}

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
});
afterAll(() => engine.close());

async function planOf(sql: string, contract: Contract) {
  const checked = await checkQuery(engine, contract, queryOf(sql));
  const plan = await planSlices(engine, contract, checked);
  return { checked, plan: plan ?? expect.fail('a contract with slices') };
}

const reasonOf = (sql: string, contract: Contract) =>
  planOf(sql, contract).then(
    () => 'none',
    ({ code, facts: { query: _query, ...facts } }) => ({ code, ...facts }),
  );

const counted = (from: string) => `SELECT count(*) AS n FROM ${from}`;

describe('a join is counted in slices', () => {
  test.each([
    'visits JOIN people ON visits.who = people.who',
    'VISITS v JOIN People P ON p.WHO = V.who',
    'visits JOIN people USING (who)',
    'visits v LEFT JOIN people p ON v.who = p.who AND v.cost > p.age',
    'visits v SEMI JOIN people p ON v.who = p.who',
    'visits v ANTI JOIN people p USING (who)',
    'visits v JOIN visits w ON v.who = w.who',
    'visits v JOIN people p ON v.who = p.who JOIN trips t ON t.rider = p.who',
    'visits v JOIN people p USING (who) LEFT JOIN trips t ON t.rider = v.who',
    'people p JOIN (visits v JOIN trips t ON v.who = t.rider) ON p.who = t.rider',
    'trips t JOIN people p ON t.rider = p.who JOIN visits v USING (who)',
    'visits v SEMI JOIN people p ON v.who = p.who JOIN people q ON v.who = q.who',
  ])('%s', async (from) => {
    expect(await reasonOf(counted(from), contractOf(TEXTS))).toBe('none');
    expect(await reasonOf(counted(from), contractOf(NUMBERS))).toBe('none');
  });

  test.each([
    ['that compares other columns', 'visits v JOIN trips t ON v.place = t.place'],
    ['of a shared column with another', 'visits v JOIN trips t ON v.other = t.rider'],
    ['USING another column', 'visits JOIN trips USING (place)'],
    [
      'of two tables, beside a third',
      'visits v JOIN trips t ON v.place = t.place AND t.rider = t.rider',
    ],
    [
      'whose second join compares others',
      'people p JOIN visits v ON v.who = p.who LEFT JOIN trips t ON t.place = v.place',
    ],
    [
      'that says it inside of an OR',
      'visits v JOIN trips t ON v.place = t.place AND (v.who = t.rider OR v.cost > 1)',
    ],
    [
      'that says it of what it makes of one',
      'visits v JOIN trips t ON v.place = t.place AND lower(v.who) = t.rider',
    ],
    [
      'that asks for less than equality',
      'visits v JOIN trips t ON v.place = t.place AND v.who <= t.rider',
    ],
  ])('and not one %s', async (_what, from) => {
    expect(await reasonOf(counted(from), contractOf(TEXTS))).toMatchObject({
      ...{ code: 'ERR_QUERY_NOT_SLICED', reason: 'join-other-columns' },
      relation: expect.stringMatching(/visits|trips/),
    });
  });

  const JOIN = counted('visits v JOIN people p ON v.who = p.who');
  test.each([
    ['are not shared out', { people: { partitionBy: undefined } }, { relation: 'people' }],
    [
      'of one owner are not',
      { 'visits-south': { partitionBy: undefined } },
      { relation: 'visits' },
    ],
    [
      'of one owner are by another',
      { 'visits-north': { partitionBy: 'other' } },
      { relation: 'visits' },
    ],
  ])('and not where rows %s', async (_what, changes, where) => {
    expect(await reasonOf(JOIN, contractOf(TEXTS, changes))).toEqual({
      ...{ code: 'ERR_QUERY_NOT_SLICED', reason: 'join-not-shared-out', ...where },
    });
  });

  test.each([
    ['in other slices', { people: { streams: streamsIn(1, 0) } }, 'people'],
    ['in another number of them', { people: { streams: streamsIn(0, 1, 2) } }, 'people'],
    ['of one owner elsewhere', { 'visits-south': { streams: streamsIn(3, 2) } }, 'visits-south'],
  ])('and not where streams are %s', async (_what, changes, dataset) => {
    expect(await reasonOf(JOIN, contractOf(TEXTS, changes))).toMatchObject({
      ...{ reason: 'join-other-slices', dataset },
    });
  });

  test('and not where equal values are other bytes', async () => {
    const mixed = contractOf({ ...TEXTS, people: 'int32' });
    const sql = counted('visits v JOIN people p ON v.place = p.town');
    expect(await reasonOf(sql, mixed)).toMatchObject({
      ...{ reason: 'join-other-type', dataset: 'people' },
    });
  });

  test('and a table that has no part in it is where it wants to be', async () => {
    const contract = contractOf(TEXTS, { trips: { partitionBy: undefined } });
    expect(await reasonOf(JOIN, contract)).toBe('none');
  });

  test.each([
    [
      'distinct',
      `SELECT count(DISTINCT v.place) AS places, count(*) AS n
      FROM visits v JOIN people p USING (who)`,
    ],
  ])('and not %s', async (reason, sql) => {
    expect(await reasonOf(sql, contractOf(TEXTS))).toMatchObject({ reason });
  });
});

describe('IN and EXISTS are counted in slices', () => {
  test.each([
    'visits v WHERE v.who IN (SELECT p.who FROM people p)',
    'visits WHERE place IS NULL AND who NOT IN (SELECT who FROM people)',
    'VISITS v WHERE v.cost > 1 AND V.Who IN (SELECT v.RIDER FROM trips v WHERE v.km > 1)',
    'visits v WHERE EXISTS (SELECT 1 FROM people p WHERE p.who = v.who AND p.age > v.cost)',
    'visits v WHERE NOT EXISTS (SELECT * FROM trips t WHERE v.who = t.rider)',
    'visits v WHERE v.who IN (SELECT p.who FROM people p JOIN trips t ON t.rider = p.who)',
    `visits v WHERE EXISTS (SELECT 1 FROM people p WHERE p.who = v.who AND NOT EXISTS (
      SELECT 1 FROM trips t WHERE t.rider = p.who AND t.km > v.cost))`,
    `visits v LEFT JOIN people p ON v.who = p.who WHERE p.who IN (SELECT rider FROM trips)
      AND NOT EXISTS (SELECT 1 FROM trips t WHERE t.rider = p.who AND t.km > 3)`,
    `visits v LEFT JOIN people p USING (who) WHERE who NOT IN (SELECT rider FROM trips)`,
  ])('%s', async (from) => {
    expect(await reasonOf(counted(from), contractOf(TEXTS))).toBe('none');
    expect(await reasonOf(counted(from), contractOf(NUMBERS))).toBe('none');
  });

  test.each([
    ['people', 'visits v WHERE v.place IN (SELECT p.town FROM people p)'],
    ['people', 'visits v WHERE v.other IN (SELECT p.who FROM people p)'],
    ['people', 'visits v WHERE v.who NOT IN (SELECT p.town FROM people p)'],
    ['people', 'visits v WHERE EXISTS (SELECT 1 FROM people p WHERE p.town = v.place)'],
    [
      'people',
      `visits v WHERE NOT EXISTS (
        SELECT p.who FROM people p WHERE p.town = v.who AND p.who = p.who)`,
    ],
    [
      'trips',
      `visits v WHERE v.who IN (SELECT p.who FROM people p WHERE NOT EXISTS (
        SELECT 1 FROM trips t WHERE t.place = p.who))`,
    ],
    // The name means the table that is nearer.
    [
      'people',
      'visits v WHERE EXISTS (SELECT 1 FROM people p WHERE p.town = v.place AND who = who)',
    ],
  ])('and not with %s by other columns: %s', async (relation, from) => {
    expect(await reasonOf(counted(from), contractOf(TEXTS))).toEqual({
      ...{ code: 'ERR_QUERY_NOT_SLICED', reason: 'join-other-columns', relation },
    });
  });

  test.each([
    'visits v LEFT JOIN people p ON v.who = p.who WHERE p.who NOT IN (SELECT rider FROM trips)',
    `trips t WHERE t.rider NOT IN (
      SELECT p.who FROM visits v LEFT JOIN people p ON v.who = p.who)`,
  ])('and not where a null says something of all: %s', async (from) => {
    expect(await reasonOf(counted(from), contractOf(TEXTS))).toMatchObject({
      ...{ reason: 'not-in-nulls' },
    });
  });

  test.each([
    ['join-not-shared-out', { people: { partitionBy: undefined } }],
    ['join-other-slices', { people: { streams: streamsIn(1, 0) } }],
  ])('and not: %s', async (reason, changes) => {
    for (const not of ['', 'NOT ']) {
      const sql = counted(`visits v WHERE v.who ${not}IN (SELECT p.who FROM people p)`);
      expect(await reasonOf(sql, contractOf(TEXTS, changes))).toMatchObject({ reason });
    }
  });
});

describe('inner selects are counted in slices', () => {
  const grouped = (inner: string) => counted(`(${inner}) AS x`);
  test.each([
    counted('(SELECT place FROM visits WHERE cost > 1) x'),
    counted('(SELECT * FROM visits) v JOIN people p ON v.who = p.who'),
    counted('(SELECT who AS w, place FROM visits) v JOIN trips t ON t.rider = v.w'),
    `WITH c AS (SELECT who FROM visits) ${counted('c JOIN people p ON c.who = p.who')}`,
    `WITH c AS (SELECT who AS a FROM visits), D AS (SELECT a AS b FROM c)
      ${counted('C JOIN d ON c.a = d.B')}`,
    `SELECT bucket, count(*) AS n FROM (
      SELECT count(*) AS bucket FROM visits GROUP BY who) x GROUP BY 1`,
    grouped('SELECT who, max(cost) AS most FROM visits GROUP BY who, place'),
    grouped('SELECT place, who AS w, sum(cost) AS c FROM visits GROUP BY 1, 2 HAVING count(*) > 1'),
    grouped('SELECT who AS w, avg(cost) AS c FROM visits GROUP BY w'),
    grouped('SELECT v.who FROM visits v LEFT JOIN people p ON v.who = p.who GROUP BY v.who, p.who'),
    grouped('SELECT who FROM visits LEFT JOIN people USING (who) GROUP BY who'),
    counted(`(SELECT who, count(*) AS times FROM visits GROUP BY who) v
      JOIN (SELECT rider, sum(km)::DOUBLE AS km FROM trips GROUP BY rider) t ON v.who = t.rider`),
    counted('visits v WHERE v.who IN (SELECT who FROM people GROUP BY who HAVING count(*) > 1)'),
    counted(`(SELECT v.who FROM visits v WHERE v.who NOT IN (
      SELECT x.rider FROM (SELECT rider, max(km) AS km FROM trips GROUP BY rider) x
      WHERE x.km > 1)) y`),
  ])('%s', async (sql) => {
    expect(await reasonOf(sql, contractOf(TEXTS))).toBe('none');
    expect(await reasonOf(sql, contractOf(NUMBERS))).toBe('none');
  });

  test.each([
    ['inner-groups', grouped('SELECT place, count(*) AS c FROM visits GROUP BY place')],
    ['inner-groups', grouped('SELECT count(*) AS c FROM visits')],
    ['inner-groups', grouped('SELECT lower(who) AS who, count(*) AS c FROM visits GROUP BY 1')],
    [
      'inner-groups',
      grouped('SELECT p.who FROM visits v LEFT JOIN people p ON v.who = p.who GROUP BY p.who'),
    ],
    [
      'inner-groups',
      counted('visits v WHERE EXISTS (SELECT count(*) FROM people p WHERE p.who = v.who)'),
    ],
    [
      'inner-groups',
      `WITH c AS (SELECT place, count(*) AS n FROM visits GROUP BY place) ${counted('c')}`,
    ],
    [
      'inner-groups',
      grouped(`SELECT w, count(*) AS c FROM (
        SELECT p.who AS w FROM visits v LEFT JOIN people p ON v.who = p.who) y GROUP BY w`),
    ],
    [
      'join-other-columns',
      counted('(SELECT place AS who FROM visits) v JOIN people p ON v.who = p.who'),
    ],
    [
      'join-other-columns',
      counted('(SELECT lower(who) AS who FROM visits GROUP BY who) v JOIN people p USING (who)'),
    ],
    ['names', counted('(SELECT * FROM visits v JOIN people p ON v.who = p.who) x')],
    ['names', counted('(SELECT who, cost + 1 FROM visits) x')],
    ['function', grouped('SELECT who, stddev(cost) AS c FROM visits GROUP BY who')],
    ['floating-point', grouped('SELECT who, sum(cost / 3) AS c FROM visits GROUP BY who')],
    ['floating-point', grouped('SELECT who, max(cost / 3) AS c FROM visits GROUP BY who')],
    ['floating-point', grouped('SELECT who FROM visits GROUP BY who HAVING sum(cost / 3) > 1')],
    ['floating-point', grouped('SELECT who FROM visits GROUP BY who, cost / 3')],
    [
      'floating-point',
      `WITH c AS (SELECT who, cost / 3 AS third FROM visits)
        ${grouped('SELECT who, sum(third) AS c FROM c GROUP BY who')}`,
    ],
    [
      'distinct',
      'SELECT count(DISTINCT w) AS d, count(*) AS n FROM (SELECT place AS w FROM visits) x',
    ],
  ])('and not for %s: %s', async (reason, sql) => {
    expect(await reasonOf(sql, contractOf(TEXTS))).toMatchObject({ reason });
  });
});

describe('a join in windows', () => {
  const seen = column('seen', 'timestamp-us');
  /** Of people there are no times. */
  const found = async (from: string) => {
    const { datasets, ...rest } = contractOf(TEXTS);
    const timed = datasets.map((each) => {
      if (each.relation === 'people') return each;
      return { ...each, eventTime: 'seen', columns: [...each.columns, seen] };
    });
    const contract = { ...rest, datasets: timed } as Contract;
    const window = { kind: 'tumbling', sizeMs: 1_000 };
    const query = { ...queryOf(counted(from)), window } as Query;
    const checked = await checkQuery(engine, contract, query);
    return await planSlices(engine, contract, checked).then(
      () => 'none',
      ({ facts }) => `${facts.reason} ${facts.relation}`,
    );
  };

  test.each([
    'people p JOIN visits v ON p.who = v.who',
    'people p SEMI JOIN visits v ON p.who = v.who',
    'visits v LEFT JOIN people p USING (who)',
    'visits v ANTI JOIN people p USING (who)',
    'people p JOIN (people q JOIN visits v ON q.who = v.who) ON p.who = v.who',
    'people p WHERE p.who IN (SELECT v.who FROM visits v)',
    'people p WHERE EXISTS (SELECT 1 FROM visits v WHERE v.who = p.who)',
    'visits v WHERE v.who NOT IN (SELECT p.who FROM people p)',
    'people p JOIN (SELECT who, count(*) AS c FROM visits GROUP BY who) v ON p.who = v.who',
  ])('has a row with a time: %s', async (from) => {
    expect(await found(from)).toBe('none');
  });

  test.each([
    'people p LEFT JOIN visits v ON p.who = v.who',
    'people p ANTI JOIN visits v ON p.who = v.who',
    'people p LEFT JOIN (people q JOIN visits v ON q.who = v.who) ON p.who = v.who',
    'people p JOIN (people q LEFT JOIN visits v ON q.who = v.who) ON p.who = q.who',
    'people p WHERE p.who NOT IN (SELECT v.who FROM visits v)',
    'people p WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.who = p.who)',
    `people p WHERE p.who IN (SELECT q.who FROM people q WHERE q.who NOT IN (
      SELECT v.who FROM visits v))`,
    `(SELECT p.who FROM people p LEFT JOIN visits v ON p.who = v.who) x`,
  ])('would be missed in a slice without one: %s', async (from) => {
    expect(await found(from)).toBe('join-without-event-time people');
  });
});

describe('distinct values are counted in slices', () => {
  test.each([
    ['none', 'count(DISTINCT v.who)', 'visits v'],
    ['none', 'count(DISTINCT who)', 'visits JOIN people USING (who)'],
    ['none', 'count(DISTINCT t.rider)', 'visits v LEFT JOIN trips t ON t.rider = v.who'],
    ['distinct', 'count(DISTINCT other)', 'visits'],
    ['distinct', 'sum(DISTINCT cost)', 'visits'],
  ])('%s: %s of %s', async (reason, item, from) => {
    const found = await reasonOf(
      `SELECT ${item} AS x, count(*) AS n FROM ${from}`,
      contractOf(TEXTS),
    );
    expect(typeof found === 'string' ? found : found.reason).toBe(reason);
  });
});

describe('sessions of the shared column are counted in slices', () => {
  const seen = column('seen', 'timestamp-us');
  const timed = (partitionBy = 'who', types = TEXTS) => {
    const { datasets, ...rest } = contractOf(types);
    const changed = datasets.map(({ columns, relation, ...each }) => {
      const isVisits = relation === 'visits';
      const more = isVisits ? { eventTime: 'seen', partitionBy } : {};
      return { ...each, ...more, relation, columns: isVisits ? [...columns, seen] : columns };
    });
    return { ...rest, datasets: changed } as Contract;
  };
  const window = { kind: 'session', key: 'who', gapMs: 10, maximumMs: 1_000, sizeMs: 1_000 };
  const found = async (sql: string, contract: Contract) => {
    const query = { ...queryOf(sql), window } as Query;
    const checked = await checkQuery(engine, contract, query);
    return await planSlices(engine, contract, checked).then(
      () => 'none',
      ({ facts }) => facts.reason,
    );
  };
  const COUNTED = 'count(DISTINCT _session_number)';

  test.each([
    ['none', 'SELECT place, count(*) AS n FROM visits GROUP BY place'],
    ['none', `SELECT place, ${COUNTED} AS s, count(*) AS n FROM visits GROUP BY place`],
    ['none', 'SELECT _session_start AS began, count(*) AS n FROM visits GROUP BY 1'],
    [
      'none',
      `SELECT town, count(DISTINCT v._session_number) AS s, count(*) AS n
        FROM visits v JOIN people p USING (who) GROUP BY town`,
    ],
    [
      'none',
      `SELECT spent, count(*) AS n FROM (
        SELECT who, _session_number, date_diff('second', _session_start, _session_end) AS spent
        FROM visits v GROUP BY who, v._session_number, _session_start, _session_end) x GROUP BY 1`,
    ],
    [
      'none',
      `SELECT rows, count(*) AS n, count(DISTINCT _session_number) AS s FROM (
        SELECT _session_number, count(*) AS rows FROM visits GROUP BY _session_number) x
        GROUP BY 1`,
    ],
    [
      'none',
      `SELECT often, count(*) AS n FROM (
        SELECT who, ${COUNTED} AS often FROM visits GROUP BY who) x GROUP BY often`,
    ],
    [
      'sessions',
      `SELECT s, count(*) AS n FROM (SELECT who, _session_number AS s FROM visits) x GROUP BY s`,
    ],
    ['sessions', `SELECT _session_number, count(*) AS n FROM (SELECT * FROM visits) x GROUP BY 1`],
    [
      'sessions',
      `SELECT count(*) AS n FROM (
        SELECT who, _session_number + 1 AS c FROM visits GROUP BY who, 2) x`,
    ],
    ['sessions', 'SELECT _session_number AS s, count(*) AS n FROM visits GROUP BY 1'],
    ['sessions', 'SELECT count(*) AS n FROM visits WHERE _session_number < 3'],
    ['sessions', 'SELECT max(_session_number) AS most, count(*) AS n FROM visits'],
    [
      'sessions',
      `SELECT ${COUNTED} FILTER (WHERE _session_number > 1) AS s, count(*) AS n FROM visits`,
    ],
  ])('%s: %s', async (reason, sql) => {
    expect(await found(sql, timed())).toBe(reason);
  });

  test('and their numbers are compared with no shared column', async () => {
    const sql = counted('visits v WHERE v.who IN (SELECT _session_number FROM visits w)');
    expect(await found(sql, timed('who', NUMBERS))).toBe('join-other-columns');
  });

  test('and of another column are not', async () => {
    const sql = 'SELECT place, count(*) AS n FROM visits GROUP BY place';
    expect(await found(sql, timed('other'))).toBe('sessions');
  });
});

describe('keys with a bound', () => {
  const rulesWith = (of: string, rowsPerKey: number) => ({
    columns: {
      ...{ who: { joinKey: {} }, rider: { joinKey: {} }, place: { joinKey: {} } },
      [of]: { joinKey: { rowsPerKey } },
    },
  });
  const bounded = (of: string) => contractOf(TEXTS, {}, { trips: rulesWith(of, 2) });
  const sql = counted('visits v JOIN trips t ON v.who = t.rider AND v.place = t.place');

  test('are those that rows are shared out by', async () => {
    expect(await reasonOf(sql, bounded('rider'))).toBe('none');
    expect(await reasonOf(sql, bounded('place'))).toMatchObject({
      ...{ reason: 'bounded-keys', relation: 'trips', column: 'place' },
    });
  });
});

/** By dataset, rows as SQL; the first value is the shared one. */
type Rows = Readonly<Record<DatasetName, readonly (readonly string[])[]>>;

const text = (...values: readonly string[]) =>
  fc.constantFrom(...values.map((each) => `'${each}'`));
const maybe = (values: fc.Arbitrary<string>) => fc.oneof(values, fc.constant('NULL'));
const number = (min: number, max: number) => fc.integer({ min, max }).map(String);
const KEYS = {
  texts: text('ann', 'ben', 'cid', 'dee', 'zoë', '', 'ANN'),
  numbers: fc.constantFrom('0', '1', '2', '7', '100', '126'),
};

/** Few keys and several rows of each: pairs, and keys that one table alone has. */
function rowsArbitrary(keys: fc.Arbitrary<string>): fc.Arbitrary<Rows> {
  const rows = (...values: readonly fc.Arbitrary<string>[]) =>
    fc.array(fc.tuple(keys, ...values), { maxLength: 9 });
  const visits = rows(maybe(text('x', 'y')), maybe(number(-3, 9)), text('ann', 'x'));
  return fc.record({
    ...{ 'visits-north': visits, 'visits-south': visits },
    people: rows(maybe(text('Bern', 'Rom')), maybe(number(-3, 9))),
    trips: rows(maybe(fc.oneof(number(-9, 9), fc.constant('9223372036854775807'))), text('x', 'y')),
  });
}

function sliceOfRow(id: string, key: string): number {
  const { streams } = DATASETS[id as DatasetName];
  const at = key.startsWith("'")
    ? streamOfText(new TextEncoder().encode(key.slice(1, -1)), streams.length)
    : streamOfInteger(Number(key), 0, streams.length);
  return sliceOfPartition(streams[at]?.partition ?? expect.fail('a stream'), SLICES);
}

/** Makes a view of each relation over those of its rows. */
async function show(
  contract: Contract,
  rows: Rows,
  isShown: (id: string, key: string) => boolean,
): Promise<void> {
  const ofRelations = new Map<string, string[]>();
  for (const [at, { id, relation, columns }] of contract.datasets.entries()) {
    const values = rows[id as string as DatasetName]
      .filter(([key = '']) => isShown(id, key))
      .map((row) => `(${row.join(', ')}, ${1 << at})`);
    const nothing = columns.map(() => 'NULL').join(', ');
    const from = values.length > 0 ? `VALUES ${values.join(', ')}` : `VALUES (${nothing}, 0)`;
    const typed = columns.map(
      ({ name, type }, place) => `col${place}::${SQL_TYPES[type]} AS "${name}"`,
    );
    const isAny = values.length > 0 ? 'true' : 'false';
    const select = `SELECT ${typed.join(', ')}, col${columns.length}::UBIGINT AS "owner bit"
      FROM (${from}) r(${[...columns, null].map((_none, place) => `col${place}`).join(', ')})
      WHERE ${isAny}`;
    ofRelations.set(relation, [...(ofRelations.get(relation) ?? []), select]);
  }
  for (const [relation, parts] of ofRelations) {
    await engine.run(`CREATE OR REPLACE VIEW "${relation}" AS ${parts.join(' UNION ALL ')}`);
  }
}

const SQL_TYPES: Readonly<Record<string, string>> = {
  ...{ utf8: 'VARCHAR', int8: 'TINYINT', int16: 'SMALLINT', int32: 'INTEGER', int64: 'BIGINT' },
  uint64: 'UBIGINT',
};

/** What the query gives over all rows, and what is merged of the slices. */
async function bothWays(
  contract: Contract,
  rows: Rows,
  sql: string,
  plan: SlicePlan,
  sliceOf = sliceOfRow,
) {
  await show(contract, rows, () => true);
  const direct = await engine.read(sql);
  const declared = plan.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
  await engine.run(`CREATE OR REPLACE TABLE "${plan.table}" (${declared})`);
  for (let slice = 0; slice < SLICES; slice += 1) {
    await show(contract, rows, (id, key) => sliceOf(id, key) === slice);
    await engine.run(`INSERT INTO "${plan.table}" ${plan.partialSql('')}`);
  }
  const merged = await engine.read(plan.mergeSql);
  return [direct, merged].map((reader) => ({
    names: reader.columnNames(),
    types: reader.columnTypes().map(String),
    rows: reader.getRowsJson(),
  }));
}

/** Each with what may be grouped by and added up above it. */
const FORMS = [
  [
    `(SELECT who, count(*) AS times, sum(cost) AS spent FROM visits GROUP BY who) x`,
    ['times', 'spent > 3'],
    ['max(spent)', 'count(DISTINCT x.who)', 'sum(times)'],
  ],
  [
    `(SELECT v.who AS w, "place" AS "Where", max(p.age) AS age FROM visits v
      LEFT JOIN people p USING (who) GROUP BY 1, 2 HAVING count(*) > 1) x`,
    ['"where"', 'age'],
    ['count(DISTINCT w)', 'min(age)'],
  ],
  [
    `a JOIN b ON a.who = b.rider`,
    ['a.times', 'b.place'],
    ['sum(km)', 'max(spent)', 'count(DISTINCT rider)'],
    `WITH v AS (SELECT * FROM visits WHERE cost IS NOT NULL),
      a AS (SELECT who, count(*) AS times, avg(cost) > 2 AS dear, min(cost) AS spent FROM v
        GROUP BY who),
      b AS (SELECT rider, place, km FROM trips
        WHERE rider IN (SELECT who FROM v WHERE v.place = 'x'))`,
  ],
  [
    `people p LEFT JOIN (
        SELECT rider, sum(DISTINCT km)::DOUBLE > 4 AS far FROM trips GROUP BY rider) t
      ON p.who = t.rider WHERE NOT EXISTS (SELECT 1 FROM (
        SELECT who, count(*) AS times FROM visits GROUP BY who) v
        WHERE v.who = t.rider AND v.times > 2)`,
    ['far', 'town'],
    ['sum(age)', 'count(t.rider)'],
  ],
  [
    `(SELECT bucket, w FROM (
        SELECT who AS w, count(DISTINCT place) AS bucket FROM visits GROUP BY who) y
      WHERE w IN (SELECT who FROM people GROUP BY who HAVING count(*) < 3)) x`,
    ['bucket'],
    ['count(DISTINCT w)', 'sum(bucket)'],
  ],
  [
    'visits v JOIN people p ON v.who = p.who',
    ['v.place', 'p.town'],
    ['sum(v.cost)', 'max(age)', 'count(DISTINCT p.who)'],
  ],
  ['visits JOIN people USING (who)', ['who', 'town'], ['sum(cost * age)', 'min(people.age)']],
  [
    'visits v LEFT JOIN people p ON p.who = v.who AND p.age > v.cost',
    ['v.place', 'town', 'p.who IS NULL'],
    ['count(p.who)', 'avg(p.age)', 'count(*) FILTER (WHERE p.who IS NULL)'],
  ],
  ['visits v SEMI JOIN people p ON v.who = p.who', ['place', 'who'], ['sum(v.cost)']],
  ['visits v ANTI JOIN people p USING (who)', ['place', 'v.who'], ['sum(cost)', 'count(cost)']],
  ['visits v SEMI JOIN trips t ON t.rider = v.who AND t.km > v.cost', ['place'], ['sum(cost)']],
  [
    'visits v JOIN people p USING (who) LEFT JOIN trips t ON t.rider = p.who',
    ['p.town', 't.place'],
    ['sum(km)', 'count(t.rider)', 'avg(cost)'],
  ],
  [
    'visits v LEFT JOIN people p ON v.who = p.who LEFT JOIN trips t ON p.who = t.rider',
    ['p.who', 't.place'],
    ['max(t.km)', 'sum(p.age)', 'count(t.km)'],
  ],
  [
    'people p LEFT JOIN (visits v JOIN trips t ON v.who = t.rider) ON p.who = v.who',
    ['p.town', 'v.place'],
    ['count(t.km)', 'sum(v.cost)', 'max(age)'],
  ],
  [
    'visits v JOIN visits w ON v.who = w.who AND v.cost < w.cost',
    ['v.place', 'w.other'],
    ['sum(w.cost - v.cost)'],
  ],
  [
    `visits v WHERE v.who IN (SELECT p.who FROM people p WHERE p.age > 2)`,
    ['place', 'v.who'],
    ['sum(v.cost)', 'count(DISTINCT who)'],
  ],
  ['visits WHERE who NOT IN (SELECT rider FROM trips)', ['place'], ['sum(cost)']],
  [
    `visits v LEFT JOIN people p ON p.who = v.who WHERE NOT EXISTS (
      SELECT 1 FROM trips t WHERE t.rider = p.who AND t.km > v.cost)`,
    ['p.town', 'v.place'],
    ['sum(v.cost)', 'count(p.who)'],
  ],
  [
    `visits v LEFT JOIN people p ON p.who = v.who WHERE p.who IN (SELECT rider FROM trips)
      AND v.who NOT IN (SELECT w.who FROM visits w WHERE w.cost > 4)`,
    ['p.town'],
    ['sum(v.cost)'],
  ],
  [
    `trips t WHERE t.rider IN (SELECT v.who FROM visits v WHERE NOT EXISTS (
      SELECT 1 FROM people p WHERE p.who = v.who AND p.age > v.cost))`,
    ['place'],
    ['sum(km)', 'max(t.km)'],
  ],
  [
    'trips t ANTI JOIN (visits v SEMI JOIN people p ON v.who = p.who) ON t.rider = v.who',
    ['place'],
    ['sum(km)', 'count(km)'],
  ],
] as const;
type Form = readonly [string, readonly string[], readonly string[], string?];
const RESTS = ['', 'HAVING count(*) > 1'];
const ORDERS = ['', 'ORDER BY n DESC LIMIT 2'];

const sqlArbitrary = fc.constantFrom<Form>(...FORMS).chain(([from, groups, folds, ctes = '']) =>
  fc
    .record({
      groups: fc.subarray([...groups]),
      folds: fc.subarray([...folds]),
      rest: fc.constantFrom(...RESTS),
      order: fc.constantFrom(...ORDERS),
    })
    .map(({ groups: by, folds: over, rest, order }) => {
      const items = [
        ...by.map((each, at) => `${each} AS g${at}`),
        ...over.map((each, at) => `${each} AS f${at}`),
        'count(*) AS n',
      ];
      const grouped = by.length === 0 ? '' : `GROUP BY ${by.join(', ')}`;
      return `${ctes} SELECT ${items.join(', ')} FROM ${from} ${grouped} ${rest} ${order}`;
    }),
);

const RUNS = process.env['STRONGROOM_LONG'] ? 700 : 12;

describe('what slices count of a join', () => {
  test.each([
    ['texts', TEXTS],
    ['numbers', NUMBERS],
  ] as const)('of %s gives what the query gives, value by value', async (keys, types) => {
    const contract = contractOf(types);
    await fc.assert(
      fc.asyncProperty(rowsArbitrary(KEYS[keys]), sqlArbitrary, async (rows, sql) => {
        const { checked, plan } = await planOf(sql, contract);
        const [direct, merged] = await bothWays(contract, rows, checked.sql, plan);
        expect(merged).toEqual(direct);
      }),
      { numRuns: RUNS },
    );
  });

  const person = { contributor: true, joinKey: { matches: 'exact' } } as const;
  const shown = { dimension: {} };
  const RULES: Readonly<Record<string, AnalysisRules>> = {
    visits: {
      columns: { who: person, place: shown, cost: { measure: { weights: 'accepted' } } },
      minimumContributors: { group: 2, ofOwner: 1 },
    },
    people: {
      columns: { who: person, town: shown, age: shown },
      minimumContributors: { group: 2 },
    },
  };
  test('has the contributors of both tables, and those without a partner', async () => {
    const contract = contractOf(TEXTS, {}, RULES);
    const forms = fc.constantFrom(
      'visits v JOIN people p ON v.who = p.who',
      'visits v LEFT JOIN people p USING (who)',
      'visits v SEMI JOIN people p ON v.who = p.who',
      'visits v ANTI JOIN people p ON v.who = p.who',
      'visits v WHERE v.who IN (SELECT p.who FROM people p)',
      'visits v WHERE v.who NOT IN (SELECT p.who FROM people p)',
      'visits v WHERE NOT EXISTS (SELECT 1 FROM people p WHERE p.who = v.who)',
      '(SELECT * FROM visits) v JOIN (SELECT who AS w FROM people) p ON v.who = p.w',
      '(SELECT who, place, count(*) AS cost FROM visits GROUP BY who, place) v',
    );
    await fc.assert(
      fc.asyncProperty(rowsArbitrary(KEYS.texts), forms, async (rows, from) => {
        const sql = `SELECT v.place, count(*) AS n, avg(v.cost) AS mean FROM ${from}
          GROUP BY v.place`;
        const { checked, plan } = await planOf(sql, contract);
        const isTold = from.includes('JOIN') && !/SEMI|ANTI/.test(from);
        const { length } = checked.controls.counts;
        expect(length).toBe(isTold ? (from.includes('LEFT') ? 3 : 2) : 1);
        const [direct, merged] = await bothWays(contract, rows, checked.sql, plan);
        expect(merged).toEqual(direct);
      }),
      { numRuns: RUNS },
    );
  });

  test('is none of rows that lie elsewhere: this test could fail', async () => {
    const contract = contractOf(TEXTS);
    const sql = counted('visits v JOIN people p ON v.who = p.who');
    const { checked, plan } = await planOf(sql, contract);
    const people = ['ann', 'ben', 'cid', 'dee'].map((name) => [`'${name}'`, 'NULL', '1']);
    const visits = people.map(([who = '']) => [who, "'x'", '1', "'x'"]);
    const rows: Rows = { 'visits-north': visits, 'visits-south': [], people, trips: [] };
    const swapped = (id: string, key: string) =>
      id === 'people' ? 1 - sliceOfRow(id, key) : sliceOfRow(id, key);
    const [direct, merged] = await bothWays(contract, rows, checked.sql, plan, swapped);
    expect([direct?.rows, merged?.rows]).toEqual([[['4']], [['0']]]);
  });
});

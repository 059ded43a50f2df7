import type { ColumnContract, Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, PartyId, QueryId } from '@strongroom/protocol/fields';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';
import { type PartialOptions, type PartialPlan, planPartials } from './partial-plan.ts';
import { checkQuery } from './sql-gate.ts';

const columns: ColumnContract[] = [
  { name: 'town', type: 'utf8', nullable: true },
  { name: 'kind', type: 'int8', nullable: false },
  { name: 'amount', type: 'int64', nullable: true },
  { name: 'price', type: 'decimal128', precision: 12, scale: 2, nullable: true },
  { name: 'rate', type: 'float64', nullable: true },
  { name: 'moment', type: 'timestamp-us', nullable: false },
  { name: 'day', type: 'date32', nullable: true },
  { name: 'open', type: 'bool', nullable: true },
  { name: 'person', type: 'int32', nullable: true },
];
const measure = { measure: { functions: ['sum', 'avg', 'count', 'min', 'max'] } };
const rules = {
  columns: {
    ...Object.fromEntries(
      ['town', 'kind', 'day', 'open', 'moment'].map((n) => [n, { dimension: {} }]),
    ),
    ...Object.fromEntries(['amount', 'price', 'rate'].map((name) => [name, measure])),
    person: { contributor: true, measure: { functions: ['count', 'count_distinct'] } },
  },
  minimumContributors: { group: 3, ofOwner: 2 },
};

function contractWith(more: object): Contract {
  const dataset = (owner: string) => ({
    id: `sales-${owner}` as DatasetId,
    owner: owner as PartyId,
    relation: 'sales',
    columns,
    keyId: 'kek',
    wrappingKey: { kty: 'RSA', n: 'x', e: 'AQAB' },
    ...more,
  });
  return { datasets: [dataset('north'), dataset('south')], queries: [] } as unknown as Contract;
}
const plain = contractWith({});
/** Each slice has all rows of its persons. */
const streams = [0, 1].map((partition) => ({ id: `till-${partition}`, partition }));
const shared = { ...contractWith({ rules, partitionBy: 'person', streams }), slices: 2 };

function queryOf(sql: string, more: Partial<Query> = {}): Query {
  return {
    id: 'q' as QueryId,
    sql,
    relations: ['sales'],
    window: { kind: 'whole' },
    latenessMs: 0,
    readers: [],
    disclosure: { minimumGroupRows: 2, groupRowsColumn: 'n' },
    ...more,
  };
}

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
});
afterAll(() => engine.close());

const table = 'parts of q';
async function planOf(sql: string, options: Partial<PartialOptions> = {}, contract = plain) {
  const checked = await checkQuery(engine, contract, queryOf(sql));
  return planPartials(engine, contract, checked, { table, ...options });
}

/** The query over all rows, and put together from partials of the parts. */
async function bothWays(rows: readonly Row[], sql: string, plan: PartialPlan) {
  const values = rows.map((row) => `(${[...row.values, row.owner, row.part].join(', ')})`);
  const names = [...columns.map(({ name }) => name), '"owner bit"', '"part"'].join(', ');
  await engine.run(`CREATE OR REPLACE TABLE "all rows" (town VARCHAR, kind TINYINT, amount BIGINT,
    price DECIMAL(12, 2), rate DOUBLE, moment TIMESTAMP, day DATE, open BOOLEAN, person INTEGER,
    "owner bit" UBIGINT, "part" INTEGER)`);
  if (values.length > 0) await engine.run(`INSERT INTO "all rows" VALUES ${values.join(', ')}`);
  const show = (where: string) =>
    engine.run(`CREATE OR REPLACE VIEW sales AS SELECT ${names} FROM "all rows" ${where}`);
  await show('');
  const direct = await engine.read(sql);
  const declared = plan.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
  await engine.run(`CREATE OR REPLACE TABLE "${table}" (${declared})`);
  for (const part of [0, 1, 2]) {
    await show(`WHERE "part" = ${part}`);
    await engine.run(`INSERT INTO "${table}" ${plan.partialSql}`);
    if (part !== 1) continue;
    await engine.run(`CREATE OR REPLACE TABLE "fewer" AS ${plan.combineSql}`);
    await engine.run(`CREATE OR REPLACE TABLE "${table}" AS SELECT * FROM "fewer"`);
  }
  const merged = await engine.read(plan.mergeSql);
  return [direct, merged].map((reader) => ({
    names: reader.columnNames(),
    types: reader.columnTypes().map(String),
    rows: reader.getRowsJson(),
  }));
}

interface Row {
  readonly values: readonly (string | number)[];
  readonly owner: number;
  readonly part: number;
}

/** @param isApart all rows of a person are in one part */
function rowsArbitrary(isApart: boolean): fc.Arbitrary<Row[]> {
  const maybe = <T>(values: fc.Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: values }, NULL);
  const NULL = fc.constant('NULL');
  const small = fc.integer({ min: -4, max: 4 });
  const row = fc
    .record({
      values: fc.tuple(
        maybe(fc.constantFrom("'a'", "'A'", "'b'", "''")),
        fc.constantFrom(-1, 0, 1),
        maybe(fc.oneof(small, fc.constantFrom('9223372036854775807', '-9223372036854775808'))),
        maybe(fc.constantFrom('0.10', '1234567890.12', '-7.35', '2')),
        maybe(fc.double({ min: -9, max: 9, noNaN: true }))
          .map(String)
          .map((text) => `'${text}'`),
        fc.constantFrom("'2026-01-01 00:00:00'", "'2026-01-01 23:59:59.5'", "'1969-12-31 01:00'"),
        maybe(fc.constantFrom("'2026-02-01'", "'2026-03-01'")),
        maybe(fc.boolean().map(String)),
        maybe(fc.integer({ min: 1, max: 6 })),
      ),
      owner: fc.constantFrom(1, 2),
      part: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ values, ...row }): Row => {
      const all = values.map((value) => (value === "'NULL'" ? 'NULL' : value));
      const [person] = all.slice(-1);
      return { ...row, values: all, ...(isApart ? { part: (Number(person) || 0) % 3 } : {}) };
    });
  return fc.array(row, { maxLength: 30 });
}

const GROUPS = [
  ['town', 'town'],
  ['upper(town) AS loud', 'loud'],
  ['kind', '@'],
  ["date_trunc('day', moment) AS since", 'since'],
  ["CASE WHEN kind > 0 THEN 'some' ELSE coalesce(town, 'none') END AS which", '@'],
  ['s.open', 'open'],
  ['day AS day', 's.day'],
  ['kind + 1 AS more', 'kind + 1'],
] as const;
const UPS = 'count(*) FILTER (WHERE kind > 0) AS ups';
const FOLDS = [
  'sum(amount) AS amount',
  'avg(amount) AS mean',
  'sum(price) AS total, avg(price) AS price_mean',
  'count(town) AS towns',
  UPS,
  'min(price) AS low, max(amount) AS high',
  'round(avg(price) FILTER (WHERE open), 2) AS tidy',
  'sum(amount)::DOUBLE - count(amount) AS less',
  'coalesce(sum(kind * 2), 0) AS twice',
  'CASE WHEN count(*) > 3 THEN sum(price) END AS only',
  'max(kind) AS top, top AS top_again',
  'sum(price) / sum(kind) AS ratio',
  '1 AS one',
  "min(date_diff('day', day, moment)) AS apart",
];
const RESTS = ['', 'HAVING count(*) > 1', 'HAVING sum(amount) > 0 OR n > 2'];
const ORDERS = [
  '',
  'ORDER BY n DESC LIMIT 2',
  'ORDER BY sum(amount) NULLS FIRST',
  'ORDER BY 1 DESC',
];
const WHERES = ['', 'WHERE open', "WHERE s.kind >= 0 AND town LIKE 'a%'", 'WHERE kind > 5'];
/** What rules let through: nothing is chosen by a measure, and no contributor is a value. */
const OF_PERSONS = ['count(DISTINCT person) AS persons', 'count(person) AS named'];

const sqlArbitrary = fc
  .record({
    groups: fc.subarray([...GROUPS], { maxLength: 3 }),
    folds: fc.subarray(FOLDS, { maxLength: 4 }),
    rest: fc.constantFrom(...RESTS),
    order: fc.constantFrom(...ORDERS),
    where: fc.constantFrom(...WHERES),
  })
  .map(({ groups, folds, rest, order, where }) => {
    const items = [...groups.map(([item]) => item), ...folds, 'count(*) AS n'].join(', ');
    const keys = groups.map(([, key], at) => (key === '@' ? at + 1 : key)).join(', ');
    const by = keys === '' ? '' : `GROUP BY ${keys}`;
    return `SELECT ${items} FROM sales s ${where} ${by} ${rest} ${order}`;
  });

const isLong = process.env['STRONGROOM_LONG'] === '1';
const runs = isLong ? 3_000 : 40;
/** A long run takes minutes, and beside other work a quarter of an hour. */
const time = isLong ? { timeout: 1_800_000 } : {};

describe('partials', () => {
  test(
    'of any parts give what the query gives, value by value and type by type',
    time,
    async () => {
      await fc.assert(
        fc.asyncProperty(rowsArbitrary(false), sqlArbitrary, async (rows, sql) => {
          const checked = await checkQuery(engine, plain, queryOf(sql));
          const plan = await planPartials(engine, plain, checked, { table });
          expect({ sql, ...plan }).toMatchObject({ kind: 'partials' });
          if (plan.kind !== 'partials') return;
          const [direct, merged] = await bothWays(rows, checked.sql, plan);
          expect(merged).toEqual(direct);
        }),
        { numRuns: runs },
      );
    },
  );

  const persons = fc.record({
    groups: fc.subarray(['town', 'kind', 'day'], { maxLength: 2 }),
    folds: fc.subarray([...OF_PERSONS, 'sum(price) AS total', 'avg(amount) AS mean', UPS], {
      maxLength: 3,
    }),
  });
  const arbitrary = persons.chain((each) =>
    fc.record({ each: fc.constant(each), rows: rowsArbitrary(true) }),
  );
  test('count contributors as the query does, of all owners and of each', time, async () => {
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ each: { groups, folds }, rows }) => {
        const items = [...groups, ...folds, 'count(*) AS n'].join(', ');
        const by = groups.length > 0 ? `GROUP BY ${groups.join(', ')}` : '';
        const sql = `SELECT ${items} FROM sales ${by}`;
        const checked = await checkQuery(engine, shared, queryOf(sql));
        const plan = await planPartials(engine, shared, checked, { table, isOfSlices: true });
        expect({ sql, ...plan }).toMatchObject({ kind: 'partials' });
        if (plan.kind !== 'partials') return;
        const [direct, merged] = await bothWays(rows, checked.sql, plan);
        expect(merged).toEqual(direct);
      }),
      { numRuns: runs },
    );
  });

  test('say what each column is', async () => {
    const plan = await planOf(
      'SELECT town, avg(price) AS m, max(kind) AS x, count(*) AS n FROM sales GROUP BY town'.replace(
        'max(at)',
        'max(kind)',
      ),
      {
        moreKeys: [{ name: 'pane start', type: 'BIGINT' }],
      },
    );
    expect(plan).toMatchObject({
      kind: 'partials',
      columns: [
        { name: 'pane start', type: 'BIGINT', role: 'key' },
        { name: 'partial key 0', type: 'VARCHAR', role: 'key' },
        { name: 'partial sum 0', type: 'DECIMAL(38,2)', role: 'sum' },
        { name: 'partial count 1', type: 'BIGINT', role: 'count' },
        { name: 'partial max 2', type: 'TINYINT', role: 'max' },
        { name: 'partial count 3', type: 'BIGINT', role: 'count' },
      ],
    });
  });

  test.each([
    ['SELECT sum(rate) AS x, count(*) AS n FROM sales', 'floating-point'],
    ['SELECT max(rate) AS x, count(*) AS n FROM sales', 'floating-point'],
    ['SELECT avg(amount / kind) AS x, count(*) AS n FROM sales', 'floating-point'],
    ['SELECT rate, count(*) AS n FROM sales GROUP BY rate', 'floating-point'],
    ['SELECT stddev(amount) AS x, count(*) AS n FROM sales', 'function'],
    ['SELECT count(DISTINCT town) AS x, count(*) AS n FROM sales', 'distinct'],
    ['SELECT count(DISTINCT person) AS x, count(*) AS n FROM sales', 'distinct'],
    ['SELECT sum(DISTINCT amount) AS x, count(*) AS n FROM sales', 'distinct'],
    ['WITH c AS (SELECT * FROM sales) SELECT count(*) AS n FROM c', 'with'],
    ['SELECT count(*) AS n FROM (SELECT town FROM sales) AS c', 'subquery'],
    ['SELECT count(*) AS n FROM sales WHERE town IN (SELECT s.town FROM sales s)', 'subquery'],
    ['SELECT count(*) AS n FROM sales a JOIN sales b ON a.town = b.town', 'join'],
    ['SELECT count(*) AS "partial n", count(*) AS n FROM sales', 'names'],
  ])('%s needs rows', async (sql, reason) => {
    expect(await planOf(sql)).toEqual({ kind: 'rows', reason, facts: {} });
  });

  test('are not of rows that are bounded, cut into sessions, or compared', async () => {
    const sql = 'SELECT town, count(*) AS n FROM sales GROUP BY town';
    const query = queryOf(sql);
    const checked = await checkQuery(engine, plain, query);
    const reasonOf = async (
      more: Partial<Query>,
      contract = plain,
      bounded = checked.boundedKeys,
    ) =>
      planPartials(
        engine,
        contract,
        { ...checked, query: { ...query, ...more }, boundedKeys: bounded },
        { table },
      );
    const window = { kind: 'session', key: 'town', gapMs: 1, maximumMs: 2, sizeMs: 9 } as const;
    expect(await reasonOf({ window })).toEqual({ kind: 'rows', reason: 'sessions', facts: {} });
    expect(await reasonOf({ privacy: {} as NonNullable<Query['privacy']> })).toMatchObject({
      reason: 'noise',
    });
    const hopping = { ...query, window: { kind: 'hopping', sizeMs: 9, advanceMs: 3 } as const };
    const set = { ...plain, queries: [hopping] };
    expect(await reasonOf({ ...hopping }, set)).toMatchObject({ reason: 'compared' });
    const bounded = [{ relation: 'sales', column: 'town', rows: 2 }];
    expect(await reasonOf({}, plain, bounded)).toMatchObject({ reason: 'bounded-keys' });
  });
});

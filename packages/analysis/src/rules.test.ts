import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';
import { sqlDigest } from './rules.ts';
import { checkQuery } from './sql-gate.ts';

const SALES = [
  { name: 'person', type: 'utf8', nullable: false },
  { name: 'city', type: 'utf8', nullable: true },
  { name: 'segment', type: 'utf8', nullable: true },
  { name: 'amount', type: 'int64', nullable: true },
  { name: 'paid', type: 'int64', nullable: true },
  { name: 'day', type: 'date32', nullable: false },
  { name: 'secret', type: 'int64', nullable: true },
];
const VIEWS = [
  { name: 'viewer', type: 'utf8', nullable: false },
  { name: 'campaign', type: 'utf8', nullable: false },
  { name: 'seconds', type: 'int64', nullable: false },
];
const SALES_RULES: AnalysisRules = {
  columns: {
    person: {
      contributor: true,
      joinKey: { matches: 'exact' },
      measure: { functions: ['count_distinct'] },
    },
    city: { dimension: {} },
    segment: { dimension: { values: ['gold', 'tin'] } },
    amount: { measure: { low: '0', high: '500', functions: ['sum', 'avg', 'count'] } },
    paid: { measure: { functions: ['sum', 'avg', 'count'] } },
    day: { dimension: {} },
  },
};
const VIEWS_RULES: AnalysisRules = {
  columns: {
    viewer: { contributor: true, joinKey: { matches: 'exact' } },
    campaign: { dimension: {} },
    seconds: { measure: { functions: ['avg', 'max'] } },
  },
};

interface Plan {
  readonly sales?: Partial<AnalysisRules>;
  readonly others?: AnalysisRules;
  readonly views?: Partial<AnalysisRules> | null;
}

function contractOf({ sales, others, views }: Plan): Contract {
  const dataset = (id: string, relation: string, columns: unknown, rules?: unknown) => ({
    id,
    owner: `owner-${id}`,
    relation,
    columns,
    ...(rules ? { rules } : {}),
  });
  const datasets = [
    dataset('north', 'sales', SALES, { ...SALES_RULES, ...sales }),
    dataset('south', 'sales', SALES, others),
    dataset('views', 'views', VIEWS, views === null ? undefined : { ...VIEWS_RULES, ...views }),
  ];
  const parties = datasets.map(({ owner }) => ({ id: owner }));
  return { datasets, parties, queries: [] } as unknown as Contract;
}

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
  await engine.run(`CREATE TABLE sales (person VARCHAR, city VARCHAR, segment VARCHAR,
    amount BIGINT, paid BIGINT, day DATE, secret BIGINT, "owner bit" UBIGINT)`);
  await engine.run(
    'CREATE TABLE views (viewer VARCHAR, campaign VARCHAR, seconds BIGINT, "owner bit" UBIGINT)',
  );
});
afterAll(() => engine.close());

const BOTH = ['sales', 'views'];

function queryOf(sql: string, minimumGroupRows = 1): Query {
  const relations = BOTH.filter((name) => new RegExp(`\\b${name}\\b`).test(sql));
  const disclosure = { minimumGroupRows, groupRowsColumn: 'n' };
  const window = { kind: 'whole' };
  return { id: 'q', sql, relations, window, disclosure, readers: [] } as unknown as Query;
}

const check = (sql: string, plan: Plan = {}) => checkQuery(engine, contractOf(plan), queryOf(sql));

async function refusalOf(sql: string, plan: Plan = {}) {
  const thrown: unknown = await check(sql, plan).catch((error: unknown) => error);
  return thrown instanceof StrongroomError ? thrown : expect.fail('it was let through');
}

const JOIN = 'FROM sales s JOIN views v ON s.person = v.viewer';
const PER_PERSON = '(SELECT person, sum(amount) AS total FROM sales GROUP BY person) AS p';
const GOOD = [
  'SELECT city, count(*) AS n, sum(amount) AS total FROM sales GROUP BY city',
  'SELECT city AS place, count(*) AS n FROM sales GROUP BY place ORDER BY n DESC LIMIT 5',
  "SELECT date_trunc('month', day) AS m, avg(amount) AS mean, count(*) AS n FROM sales GROUP BY 1",
  "SELECT count(*) AS n FROM sales WHERE city LIKE 'S%' AND day > DATE '2026-01-01'",
  'SELECT upper(city) AS c, sum(amount::DOUBLE * 2 + 1) AS x, count(*) AS n FROM sales GROUP BY 1',
  'SELECT sum(amount::DOUBLE * paid / 100 - 0.5) AS x, count(*) AS n FROM sales',
  'SELECT sum(amount)::DOUBLE * 2 + count(*) AS x, sum(amount::DECIMAL(24, 2)) AS y, count(*) AS n FROM sales',
  'SELECT sum(coalesce(amount, 0)) AS x, count(*) AS n FROM sales',
  `SELECT avg(m) AS x, count(*) AS n FROM (SELECT person, sum(amount) / count(*) AS m FROM sales
    GROUP BY person) AS p`,
  'SELECT count(DISTINCT person) AS people, count(*) AS n FROM sales',
  'SELECT count(DISTINCT city) AS cities, count(amount) AS known, count(*) AS n FROM sales',
  'SELECT segment, count(*) AS n FROM sales GROUP BY segment',
  "SELECT sum(amount) AS x, count(*) AS n FROM sales WHERE segment = 'gold'",
  "SELECT sum(amount) AS x, count(*) AS n FROM sales WHERE segment IN ('gold', 'tin')",
  "SELECT sum(CASE WHEN city = 'Oslo' THEN amount ELSE 0 END) AS x, count(*) AS n FROM sales",
  "SELECT sum(amount) FILTER (WHERE city = 'Oslo') AS x, count(*) AS n FROM sales",
  'SELECT city, sum(amount) AS x, count(*) AS n FROM sales GROUP BY city HAVING sum(amount) > 9',
  'SELECT city, sum(amount) AS x, count(*) AS n FROM sales GROUP BY city ORDER BY x DESC',
  `SELECT v.campaign, sum(s.amount) AS x, count(*) AS n FROM sales s
    JOIN (SELECT viewer, campaign FROM views GROUP BY viewer, campaign) v ON s.person = v.viewer
    GROUP BY v.campaign`,
  `SELECT v.campaign, count(*) AS n FROM sales s LEFT JOIN views v ON s.person = v.viewer
    AND v.campaign = 'a' GROUP BY v.campaign`,
  `SELECT campaign, count(*) AS n FROM (SELECT person AS viewer, city FROM sales) AS s
    JOIN views USING (viewer) GROUP BY campaign`,
  `SELECT avg(p.total::DOUBLE) AS mean, count(*) AS n FROM ${PER_PERSON}`,
  `WITH p AS (SELECT * FROM sales) SELECT p.city, sum(p.amount) AS x, count(*) AS n
    FROM p GROUP BY p.city`,
  `WITH p AS (SELECT person, count(*) AS visits FROM sales GROUP BY person)
    SELECT visits, count(*) AS n FROM p GROUP BY visits`,
  'SELECT max(seconds) AS longest, round(avg(seconds), 1) AS mean, count(*) AS n FROM views',
];

const BAD: [string, string, string][] = [
  // What is hidden is named nowhere.
  ['SELECT secret, count(*) AS n FROM sales GROUP BY secret', 'secret', 'hidden'],
  ['SELECT count(*) AS n FROM sales WHERE secret = 7', 'secret', 'hidden'],
  ['SELECT sum(secret) AS x, count(*) AS n FROM sales', 'secret', 'hidden'],
  ['SELECT sum(amount) AS x, count(*) AS n FROM sales ORDER BY sum(secret)', 'secret)', 'hidden'],
  ['SELECT city, count(*) AS n FROM sales GROUP BY city, secret', 'secret', 'hidden'],
  ['SELECT city, count(*) AS n FROM sales GROUP BY city HAVING max(secret) > 1', 'secret', 'hid'],
  ['SELECT sum(x) AS y, count(*) AS n FROM (SELECT secret AS x FROM sales) AS s', 'secret', 'hid'],
  ['SELECT sum(secret) AS y, count(*) AS n FROM (SELECT * FROM sales) AS s', 'secret', 'hidden'],
  ['SELECT count(*) FILTER (WHERE secret > 3) AS x, count(*) AS n FROM sales', 'secret', 'hid'],
  // Measures are folded only, by the functions that they have.
  ['SELECT amount, count(*) AS n FROM sales GROUP BY amount', 'amount', 'no dimension'],
  ['SELECT amount AS city, count(*) AS n FROM sales GROUP BY city', 'amount', 'no dimension'],
  ['SELECT count(*) AS n FROM sales WHERE amount > 100', 'amount', 'nothing is chosen'],
  ['SELECT max(amount) AS x, count(*) AS n FROM sales', 'amount', 'no measure for max'],
  ['SELECT count(DISTINCT amount) AS x, count(*) AS n FROM sales', 'amount', 'count_distinct'],
  ['SELECT sum(DISTINCT amount) AS x, count(*) AS n FROM sales', 'amount', 'sum_distinct'],
  [
    'SELECT sum(CASE WHEN amount > 9 THEN 1 ELSE 0 END) AS x, count(*) AS n FROM sales',
    'amount',
    'nothing is chosen',
  ],
  ['SELECT sum((amount > 9)::INTEGER) AS x, count(*) AS n FROM sales', 'amount', 'nothing is cho'],
  // Arithmetic compares as well.
  [
    'SELECT sum(1 / (amount::DOUBLE - 7)) AS x, count(*) AS n FROM sales',
    'amount',
    'nothing is divided',
  ],
  ['SELECT sum(amount / paid) AS x, count(*) AS n FROM sales', 'amount', 'nothing is divided'],
  ['SELECT count(amount + 100) AS x, count(*) AS n FROM sales', 'amount', 'DOUBLE'],
  ['SELECT sum(-amount) AS x, count(*) AS n FROM sales', 'amount', 'DOUBLE'],
  ['SELECT count(amount::TINYINT) AS x, count(*) AS n FROM sales', 'amount', 'holds all'],
  ['SELECT sum(amount::FLOAT + 1e9) AS x, count(*) AS n FROM sales', 'amount', 'six powers'],
  ['SELECT sum(amount::DOUBLE + 1e17 - 1e17) AS x, count(*) AS n FROM sales', 'amount', 'six pow'],
  ["SELECT sum(amount::DOUBLE * '1e300'::DOUBLE) AS x, count(*) AS n FROM sales", 'amount', 'six'],
  ['SELECT sum(amount::DOUBLE * 1000 * 1001) AS x, count(*) AS n FROM sales', 'amount', 'six pow'],
  ['SELECT sum(amount::DOUBLE * amount) AS x, count(*) AS n FROM sales', 'amount', 'stands once'],
  [
    'SELECT sum(paid + amount::DOUBLE - paid) AS x, count(*) AS n FROM sales',
    'paid',
    'stands once',
  ],
  [
    'SELECT sum(y) AS x, count(*) AS n FROM (SELECT amount + 1000 AS y FROM sales) AS s',
    'amount',
    'DOUBLE',
  ],
  [
    `SELECT sum(y::DOUBLE * amount) AS x, count(*) AS n
      FROM (SELECT amount AS y, amount FROM sales) AS s`,
    'y::DOUBLE',
    'stands once',
  ],
  [`SELECT sum(p.total * 2) AS x, count(*) AS n FROM ${PER_PERSON}`, 'p.total', 'DOUBLE'],
  ['SELECT sum(amount::BOOLEAN::INT) AS x, count(*) AS n FROM sales', 'amount', 'not cut'],
  ['SELECT sum(sign(amount - 9)) AS x, count(*) AS n FROM sales', 'amount', 'not cut'],
  ['SELECT sum(amount % 10) AS x, count(*) AS n FROM sales', 'amount', 'not cut'],
  ['SELECT sum(nullif(amount, 9)) AS x, count(*) AS n FROM sales', 'amount', 'not cut'],
  ['SELECT count(*) FILTER (WHERE amount > 1) AS x, count(*) AS n FROM sales', 'amount', 'chosen'],
  ['SELECT sum(amount) AS x, count(*) AS n FROM sales GROUP BY amount // 10', 'amount', 'no dim'],
  [`SELECT total, count(*) AS n FROM ${PER_PERSON} GROUP BY total`, 'total,', 'no dimension'],
  [`SELECT max(total) AS m, count(*) AS n FROM ${PER_PERSON}`, 'total)', 'no measure for max'],
  [`SELECT count(*) AS n FROM ${PER_PERSON} WHERE total > 5`, 'total >', 'nothing is chosen'],
  [
    `SELECT count(*) AS n FROM (SELECT person FROM sales GROUP BY person
      HAVING sum(amount) > 5) AS p`,
    'amount',
    'nothing is chosen',
  ],
  ['SELECT sum(x) AS y, count(*) AS n FROM (SELECT amount > 3 AS x FROM sales) s', 'amount', 'cho'],
  ['SELECT max(year(day)) AS x, count(*) AS n FROM sales', 'day', 'no measure'],
  ['SELECT sum(quarter(day)) AS x, count(*) AS n FROM sales', 'day', 'no measure'],
  // Join keys and contributors.
  ['SELECT person, count(*) AS n FROM sales GROUP BY person', 'person', 'no dimension'],
  ["SELECT count(*) AS n FROM sales WHERE person = 'ann'", 'person', 'nothing is chosen'],
  ['SELECT p, count(*) AS n FROM (SELECT person AS p FROM sales) s GROUP BY p', 'p, ', 'no dim'],
  [`SELECT count(*) AS n ${JOIN} AND s.person = 'ann'`, "s.person = 'ann'", 'nothing is chosen'],
  ['SELECT count(*) AS n FROM sales s JOIN views v ON s.city = v.campaign', 's.city', 'no join'],
  [
    'SELECT count(*) AS n FROM sales s JOIN views v ON s.person = v.viewer AND s.city = v.campaign',
    's.city',
    'no join key',
  ],
  [
    `SELECT count(*) AS n FROM (SELECT lower(person) AS p FROM sales) s
      JOIN views v ON s.p = v.viewer`,
    's.p',
    '',
  ],
  [
    `SELECT count(*) AS n FROM (SELECT lower(person) AS p FROM (SELECT upper(person) AS person
      FROM sales) t) s JOIN views v ON s.p = v.viewer`,
    's.p',
    '',
  ],
  // Domains.
  ['SELECT upper(segment) AS x, count(*) AS n FROM sales GROUP BY x', 'segment', 'as it is'],
  ['SELECT count(*) AS n FROM sales GROUP BY segment', 'segment', 'show its value'],
  ["SELECT count(*) AS n FROM sales WHERE segment = 'bronze'", 'segment', 'of its domain'],
  ["SELECT count(*) AS n FROM sales WHERE segment LIKE 'g%'", 'segment', 'of its domain'],
  ["SELECT count(*) AS n FROM sales WHERE segment IN ('gold', 'bronze')", 'segment', 'its domain'],
  ['SELECT count(*) AS n FROM sales WHERE segment IS NULL AND segment > 1', 'segment', 'its dom'],
];

describe('a query that keeps to the rules', () => {
  test.each(GOOD)('%s', async (sql) => {
    const checked = await check(sql);
    await engine.read(checked.sql);
    expect(checked.controls.firstIndex).toBeNull();
  });

  test.each(GOOD)('also where contributors are counted: %s', async (sql) => {
    const minimumContributors = { group: 5, ofOwner: 2 };
    const checked = await check(sql, {
      sales: { minimumContributors },
      views: { minimumContributors },
    });
    const names = (await engine.read(checked.sql)).columnNames();
    expect(names[checked.groupRowsIndex]).toBe('n');
    const added = names.slice(checked.controls.firstIndex ?? expect.fail('none is added'));
    const { counts, parts } = checked.controls;
    expect(added).toEqual([...counts, ...parts].map((_each, index) => `count ${index}`));
  });
});

describe('a query against the rules is refused at its place', () => {
  test.each(BAD)('%s', async (sql, place, rule) => {
    const { code, facts } = await refusalOf(sql);
    if (rule === '') {
      expect(code).toMatch(/ERR_QUERY_(AGAINST_RULES|REFUSED)/);
      return;
    }
    expect(code).toBe('ERR_QUERY_AGAINST_RULES');
    expect(facts['rule']).toContain(rule);
    expect(sql.slice(Number(facts['position']))).toMatch(
      place.split(/\W/)[0]
        ? new RegExp(`^(\\w+\\()?${place.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)
        : /./,
    );
  });
});

test('min and max show the value of one row, and are allowed where they are named', async () => {
  const sql = 'SELECT min(seconds) AS x, sum(seconds) AS y, count(*) AS n FROM views';
  const rules = (measure: object) => ({
    views: { columns: { ...VIEWS_RULES.columns, seconds: { measure } } },
  });
  const { facts } = await refusalOf(sql, rules({}));
  expect(facts).toMatchObject({ column: 'seconds', rule: 'it is no measure for min' });
  await check(sql, rules({ functions: ['min', 'sum'] }));
});

test('an inner group says whose column it lacks, for each use of a table', async () => {
  const sales = { minimumContributors: { group: 5 } };
  const sql = `SELECT count(*) AS n FROM (SELECT a.person FROM sales a
    JOIN sales b ON a.person = b.person GROUP BY a.person) AS s`;
  expect((await refusalOf(sql, { sales })).facts).toMatchObject({
    relation: 'sales',
    column: 'person',
    rule:
      'each group of an inner select is about one contributor of sales: ' +
      'add b.person to its GROUP BY',
  });
});

describe('what holds for a query as a whole', () => {
  const BY_CITY = 'SELECT city, count(*) AS n FROM sales GROUP BY city';

  test('functions beyond an owner’s list are refused', async () => {
    const sales = { functions: ['count', 'date_trunc'] };
    await check(BY_CITY, { sales });
    const { facts } = await refusalOf(`${BY_CITY} HAVING lower(city) > 'a'`, { sales });
    expect(facts).toMatchObject({ place: 'function lower' });
    const sum = 'SELECT sum(amount) AS x, count(*) AS n FROM sales';
    expect((await refusalOf(sum, { sales })).facts).toMatchObject({ place: 'function sum' });
  });

  test('only approved queries, word for word', async () => {
    const approve = (sql: string, id = 'q') => {
      const digest = sqlDigest({ sql });
      return { sales: { approvedQueries: [{ id, sqlSha256: digest }] } } as unknown as Plan;
    };
    await check(BY_CITY, approve(BY_CITY));
    for (const plan of [approve(`${BY_CITY} `), approve(BY_CITY, 'p')]) {
      expect((await refusalOf(BY_CITY, plan)).facts).toMatchObject({ owner: 'owner-north' });
    }
  });

  test('a dataset that is read joined only', async () => {
    const views = { joinRequired: true };
    await check(`SELECT count(*) AS n ${JOIN}`, { views });
    await check('SELECT count(*) AS n FROM sales s LEFT JOIN views v ON s.person = v.viewer', {
      views,
    });
    for (const sql of [
      'SELECT count(*) AS n FROM views',
      'SELECT count(*) AS n FROM views v LEFT JOIN sales s ON s.person = v.viewer',
      'SELECT count(*) AS n FROM views a JOIN views b ON a.viewer = b.viewer',
      `WITH alone AS (SELECT viewer, campaign FROM views GROUP BY viewer, campaign)
        SELECT count(*) AS n FROM alone a JOIN views b ON a.viewer = b.viewer`,
    ]) {
      expect((await refusalOf(sql, { views })).facts).toMatchObject({ place: 'relation views' });
    }
  });

  test('the strictest of two owners of one table decides', async () => {
    const others: AnalysisRules = {
      columns: { ...SALES_RULES.columns, city: {} },
      maximumGroups: 7,
    };
    expect((await refusalOf(BY_CITY, { others })).facts['rule']).toBe('it is hidden');
    const checked = await check('SELECT count(*) AS n FROM sales', { others });
    expect(checked.controls.maximumGroups).toBe(7);
  });

  test('a table without rules is bound by the gate alone', async () => {
    await check('SELECT viewer, count(*) AS n FROM views GROUP BY viewer', { views: null });
    await check(`SELECT v.viewer, count(*) AS n ${JOIN} GROUP BY v.viewer`, { views: null });
  });

  test('groups of a domain are known by the column that shows it', async () => {
    const sql = 'SELECT count(*) AS n, segment AS s FROM sales GROUP BY 2';
    expect((await check(sql)).controls.domains).toEqual([
      { index: 1, values: new Set(['=gold', '=tin']) },
    ]);
  });
});

describe('what is compared between owners', () => {
  const keyed = { viewer: { contributor: true, joinKey: {} } } as const;
  const noisy = { columns: { ...VIEWS_RULES.columns, ...keyed } };
  const sql = `SELECT count(*) AS n ${JOIN}`;
  const exactly = { matches: 'exact' } as const;
  const isTold = "how many match another owner's is told with noise only";

  test.each([
    sql,
    'SELECT count(*) AS n FROM sales s LEFT JOIN views v ON s.person = v.viewer',
    'SELECT count(*) AS n FROM sales s SEMI JOIN views v ON s.person = v.viewer',
    'SELECT count(*) AS n FROM sales s ANTI JOIN views v ON s.person = v.viewer',
    'SELECT count(*) AS n FROM sales WHERE person IN (SELECT viewer FROM views)',
    'SELECT count(*) AS n FROM sales WHERE person NOT IN (SELECT viewer FROM views)',
    `SELECT count(*) AS n FROM sales s
      WHERE NOT EXISTS (SELECT 1 AS one FROM views v WHERE v.viewer = s.person)`,
    `SELECT count(*) AS n FROM sales s JOIN (SELECT viewer AS who FROM views) v
      ON s.person = v.who`,
    'SELECT count(*) AS n FROM (SELECT person AS viewer FROM sales) s JOIN views USING (viewer)',
  ])('matches are told with noise, unless both owners say exactly: %s', async (each) => {
    await check(each);
    const told = { relation: 'views', column: 'viewer', rule: isTold };
    expect((await refusalOf(each, { views: noisy })).facts).toMatchObject(told);
    const person = { contributor: true, joinKey: {} } as const;
    const sales = { columns: { ...SALES_RULES.columns, person } };
    expect((await refusalOf(each, { sales })).facts).toMatchObject({ relation: 'sales' });
  });

  test('also of two owners of one table, and of an owner with one without rules', async () => {
    const own = 'SELECT count(*) AS n FROM sales a JOIN sales b ON a.person = b.person';
    const person = { contributor: true, joinKey: {} } as const;
    const sales = { columns: { ...SALES_RULES.columns, person } };
    expect((await refusalOf(own, { sales })).facts).toMatchObject({ rule: isTold });
    expect((await refusalOf(sql, { sales, views: null })).facts).toMatchObject({ rule: isTold });
    await check('SELECT count(*) AS n FROM views a JOIN views b ON a.viewer = b.viewer', {
      views: noisy,
    });
  });

  test.each<[string, object, object, boolean]>([
    ['a dimension with reference data', { dimension: {} }, {}, true],
    ['what is no dimension with a list of candidates', {}, {}, false],
    ['the same, where its owner says exactly', { joinKey: exactly }, {}, true],
    ['a dimension with what is about people', { dimension: {} }, { contributor: true }, false],
  ])('%s', async (_name, city, viewer, isLetThrough) => {
    const key = { joinKey: {} };
    const plan: Plan = {
      sales: { columns: { ...SALES_RULES.columns, city: { ...key, ...city } } },
      views: { columns: { ...VIEWS_RULES.columns, viewer: { ...key, ...viewer } } },
    };
    const byCity = 'SELECT count(*) AS n FROM sales s JOIN views v ON s.city = v.viewer';
    if (isLetThrough) await check(byCity, plan);
    else expect((await refusalOf(byCity, plan)).facts).toMatchObject({ rule: isTold });
  });

  const hashed = { form: 'phone/1', hashedWith: 'a'.repeat(64) };
  test.each<[string, object | undefined, object | undefined, boolean]>([
    ['one form', { form: 'email/1' }, { form: 'email/1' }, true],
    ['none', undefined, undefined, true],
    ['a form and none', { form: 'email/1' }, undefined, false],
    ['two forms', { form: 'email/1' }, { form: 'trimmed/1' }, false],
    ['one key', hashed, hashed, true],
    ['two countries', { ...hashed, region: 'CH' }, { ...hashed, region: 'DE' }, true],
    ['a key and none', hashed, { form: 'phone/1' }, false],
    ['two keys', hashed, { ...hashed, hashedWith: 'b'.repeat(64) }, false],
  ])('in one canonical form: %s', async (_name, person, viewer, isOne) => {
    const contract = structuredClone(contractOf({}));
    for (const column of contract.datasets.flatMap((dataset) => dataset.columns)) {
      const canonical = { person, viewer }[String(column.name)];
      if (canonical) Object.assign(column, { canonical });
    }
    const checked = checkQuery(engine, contract, queryOf(sql));
    if (isOne) await checked;
    else await expect(checked).rejects.toMatchObject({ code: 'ERR_QUERY_AGAINST_RULES' });
  });
});

describe('parts of a group that a sum would tell', () => {
  const minimumContributors = { group: 3 };
  const weight = { measure: {} };
  const plan: Plan = {
    sales: { minimumContributors },
    views: { minimumContributors, columns: { ...VIEWS_RULES.columns, seconds: weight } },
  };
  const isMixed = 'it is not folded together with what another owner writes';

  test.each([
    `SELECT sum(s.amount::DOUBLE * v.seconds) AS x, count(*) AS n ${JOIN}`,
    `SELECT sum(coalesce(v.seconds, s.amount)) AS x, count(*) AS n FROM sales s
      LEFT JOIN views v ON s.person = v.viewer`,
    `SELECT sum(y) AS x, count(*) AS n FROM (SELECT s.amount::DOUBLE + v.seconds AS y ${JOIN}) z`,
    `WITH p AS (SELECT * FROM sales) SELECT sum(a.amount::DOUBLE * b.paid) AS x, count(*) AS n
      FROM p a JOIN p b ON a.person = b.person`,
  ])('another owner chooses none of them: %s', async (sql) => {
    const both = { ...plan, others: { ...SALES_RULES, minimumContributors } };
    expect((await refusalOf(sql, both)).facts).toMatchObject({ rule: isMixed });
    // Who is asked for no minimum has none that could be evaded.
    await check(sql, { views: { columns: { ...VIEWS_RULES.columns, seconds: weight } } });
  });

  test.each([
    `SELECT sum(y) AS x, count(*) AS n FROM
      (SELECT CASE WHEN campaign = 'a' THEN seconds ELSE 0 END AS y FROM views) AS s`,
    `SELECT count(y) AS x, count(*) AS n FROM (SELECT nullif(campaign, 'a') AS y FROM views) AS s`,
    `SELECT sum(y) AS x, count(*) AS n FROM (SELECT z AS y FROM
      (SELECT (campaign = 'a')::INTEGER AS z FROM views) AS t) AS s`,
    `WITH p AS (SELECT viewer, count(*) FILTER (WHERE campaign = 'a') AS y FROM views
      GROUP BY viewer) SELECT sum(y::DOUBLE) AS x, count(*) AS n FROM p`,
    `SELECT sum(y) AS x, count(*) AS n FROM
      (SELECT starts_with(campaign, 'a')::INTEGER AS y FROM views) AS s`,
  ])('no condition hides in an inner select: %s', async (sql) => {
    const contract = contractOf({ views: null });
    const thrown = await checkQuery(engine, contract, queryOf(sql, 3)).catch((error) => error);
    const place = 'a sum over what an inner select tells apart';
    expect(thrown).toMatchObject({ code: 'ERR_QUERY_REFUSED', facts: { place } });
    // Where a group may be small, its parts may.
    await checkQuery(engine, contract, queryOf(sql));
  });

  test.each([
    "sum((campaign LIKE 'a%')::INTEGER)",
    "sum((campaign NOT LIKE 'a%')::INTEGER)",
    "sum(starts_with(campaign, 'a')::INTEGER)",
    "sum(contains(campaign, 'a')::INTEGER)",
    "sum((campaign = 'a')::INTEGER)",
  ])('a pattern is a condition: %s', async (sum) => {
    const query = queryOf(`SELECT ${sum} AS x, count(*) AS n FROM views`, 3);
    const { controls, sql } = await checkQuery(engine, contractOf({ views: null }), query);
    // It is met or not; that it is there is another one.
    expect(controls.parts).toHaveLength(2);
    expect(sql).not.toContain('IS NULL');
  });

  test('groups may be made of what an inner select tells apart', async () => {
    await check(
      `SELECT y, sum(amount) AS x, count(*) AS n FROM (SELECT CASE WHEN city = 'Oslo' THEN 'here'
        ELSE 'there' END AS y, amount FROM sales) AS s GROUP BY y`,
      plan,
    );
  });

  test.each([
    ["count(nullif(city, 'Oslo'))", 2],
    ["count(nullif(city, 'Oslo')) AS y, count(CASE WHEN city = 'Rome' THEN 1 END)", 4],
    ['count(city)', 0],
    ["count(nullif(city LIKE 'O%', false))", 4],
    ['count(TRY(city::INTEGER))', 2],
    ['sum(amount::DECIMAL(24, 2))', 0],
  ])('rows that %s leaves out are a part: %s', async (sum, parts) => {
    const { controls } = await check(`SELECT ${sum} AS x, count(*) AS n FROM sales`, plan);
    // Rows and contributors of each.
    expect(controls.parts).toHaveLength(2 * parts);
  });
});

describe('contributors are counted through whatever lies between', () => {
  const counted = { sales: { minimumContributors: { group: 3, ofOwner: 2 } } };

  beforeAll(async () => {
    // Two owners, of bits 0 and 1; ann is known to both.
    await engine.run(`INSERT INTO sales
      SELECT person, city, 'gold', 1, 1, DATE '2026-01-01', 1, owner FROM (VALUES
        ('ann', 'Oslo', 1), ('ann', 'Oslo', 1), ('bob', 'Oslo', 1), ('ann', 'Oslo', 2),
        ('eve', 'Oslo', 2), ('eve', 'Rome', 2)) AS rows(person, city, owner)`);
    await engine.run(`INSERT INTO views VALUES ('ann', 'a', 1, 4), ('bob', 'a', 2, 4),
      ('bob', 'b', 3, 4)`);
  });

  test.each([
    'SELECT city, count(*) AS n FROM sales GROUP BY city',
    'SELECT x.city, count(*) AS n FROM (SELECT city FROM sales) AS x GROUP BY x.city',
    'SELECT x.city, count(*) AS n FROM (SELECT * FROM (SELECT * FROM sales) AS y) AS x GROUP BY 1',
    `WITH y AS (SELECT city, amount FROM sales), x AS (SELECT y.city FROM y)
      SELECT x.city, count(*) AS n FROM x GROUP BY 1`,
    `SELECT x.city, count(*) AS n FROM (SELECT person, city, count(*) AS visits FROM sales
      GROUP BY person, city) AS x GROUP BY x.city`,
    `SELECT x.city, count(*) AS n FROM (SELECT person AS who, city FROM sales
      GROUP BY 1, 2) AS x GROUP BY x.city`,
    `SELECT x.city, count(*) AS n FROM (SELECT q.person, q.city FROM sales AS q
      GROUP BY q.person, q.city) AS x GROUP BY x.city`,
  ])('%s', async (sql) => {
    const { sql: run, controls } = await check(sql, counted);
    const rows = (await engine.read(run)).getRowsJS();
    const found = Object.fromEntries(
      rows.map((row) => [String(row[0]), row.slice(controls.firstIndex ?? 0).map(Number)]),
    );
    // Together, of the first owner, of the second.
    expect(found).toEqual({ Oslo: [3, 2, 2], Rome: [1, 0, 1] });
    expect(controls.counts.map(({ minimum }) => minimum)).toEqual([3, 2, 2]);
  });

  const BY_CITY = 'GROUP BY s.city';
  const VIEWED = 'v.viewer = s.person';
  const matched = { Oslo: [2, 2, 1] };
  const unmatched = { Oslo: [1, 0, 1], Rome: [1, 0, 1] };
  // Of sales: together, of either owner; of views; of sales that nobody viewed, in the same way.
  const both = { Oslo: [3, 2, 2, 2, 1, 0, 1], Rome: [1, 0, 1, 0, 1, 0, 1] };
  test.each<[string, string, object]>([
    ['SEMI', `sales s SEMI JOIN views v ON ${VIEWED} ${BY_CITY}`, matched],
    ['ANTI', `sales s ANTI JOIN views v ON ${VIEWED} ${BY_CITY}`, unmatched],
    ['IN', `sales s WHERE s.person IN (SELECT viewer FROM views) ${BY_CITY}`, matched],
    ['NOT IN', `sales s WHERE s.person NOT IN (SELECT viewer FROM views) ${BY_CITY}`, unmatched],
    [
      'IN groups of one person each',
      `sales s WHERE s.person IN (SELECT viewer FROM views GROUP BY viewer HAVING count(*) > 1)
        ${BY_CITY}`,
      { Oslo: [1, 1, 0] },
    ],
    [
      'EXISTS',
      `sales s WHERE EXISTS (SELECT 1 AS one FROM views v WHERE ${VIEWED}) ${BY_CITY}`,
      matched,
    ],
    [
      'NOT EXISTS',
      `sales s WHERE NOT EXISTS (SELECT 1 AS one FROM views v WHERE ${VIEWED}) ${BY_CITY}`,
      unmatched,
    ],
    ['LEFT', `sales s LEFT JOIN views v ON ${VIEWED} ${BY_CITY}`, both],
    [
      'LEFT through an inner select',
      `(SELECT a.city, v.campaign FROM sales a LEFT JOIN views v ON v.viewer = a.person) AS s
        ${BY_CITY}`,
      both,
    ],
    [
      'LEFT through inner groups',
      `(SELECT a.city, a.person, v.viewer FROM sales a LEFT JOIN views v ON v.viewer = a.person
        GROUP BY a.city, a.person, v.viewer) AS s ${BY_CITY}`,
      both,
    ],
  ])('who has a partner of another owner, and who has none: %s', async (_name, rows, expected) => {
    const { sql: run, controls } = await check(
      `SELECT s.city, count(*) AS n FROM ${rows}`,
      counted,
    );
    const found = (await engine.read(run)).getRowsJS();
    expect(
      Object.fromEntries(
        found.map((row) => [String(row[0]), row.slice(controls.firstIndex ?? 0).map(Number)]),
      ),
    ).toEqual(expected);
  });

  const exact = { matches: 'exact' } as const;
  const byPlace: Plan = {
    sales: {
      minimumContributors: { group: 3 },
      columns: { ...SALES_RULES.columns, city: { joinKey: exact } },
    },
    views: { columns: { ...VIEWS_RULES.columns, campaign: { joinKey: exact } } },
  };
  const PLACE = 's.city = v.campaign';
  test.each<[string, Plan, string]>([
    [`sales s SEMI JOIN views v ON ${PLACE}`, byPlace, 'rows that stay'],
    [`sales s ANTI JOIN views v ON ${PLACE}`, byPlace, 'rows that stay'],
    ['sales s WHERE s.city IN (SELECT campaign FROM views)', byPlace, 'rows that stay'],
    [
      `sales s WHERE EXISTS (SELECT 1 AS one FROM views v WHERE ${PLACE})`,
      byPlace,
      'rows that stay',
    ],
    [
      `sales s SEMI JOIN (SELECT a.viewer FROM views a JOIN views b ON a.campaign = b.campaign) v
        ON s.person = v.viewer`,
      byPlace,
      'rows that stay',
    ],
    ['views v SEMI JOIN sales s ON s.person = v.viewer', counted, 'of which of its owners'],
  ])('or such a query is refused: %s', async (rows, plan, rule) => {
    const { code, facts } = await refusalOf(`SELECT count(*) AS n FROM ${rows}`, plan);
    expect(code).toBe('ERR_QUERY_AGAINST_RULES');
    expect(facts['rule']).toContain(rule);
  });

  test('of both tables of a join', async () => {
    const sql = `SELECT v.campaign, count(*) AS n ${JOIN} GROUP BY v.campaign`;
    const { sql: run, controls } = await check(sql, counted);
    const rows = (await engine.read(run)).getRowsJS();
    expect(rows.map((row) => row.slice(controls.firstIndex ?? 0).map(Number))).toEqual([
      [2, 2, 1, 2],
      [1, 1, 0, 1],
    ]);
    // Views have one owner: its minimum and that of the group are one.
    expect(controls.counts.map(({ minimum }) => minimum)).toEqual([3, 2, 2, 3]);
  });

  test.each([
    'SELECT sum(c) AS x, count(*) AS n FROM (SELECT city, count(*) AS c FROM sales GROUP BY 1) s',
    'SELECT sum(c) AS x, count(*) AS n FROM (SELECT count(*) AS c FROM sales) AS s',
    `SELECT count(*) AS n FROM (SELECT lower(person) AS p FROM sales GROUP BY lower(person)) AS s`,
    `SELECT count(*) AS n FROM (SELECT a.person FROM sales a JOIN sales b ON a.person = b.person
      GROUP BY a.person) AS s`,
    'SELECT count(*) AS n FROM (SELECT city AS "contributor 1.0" FROM sales) AS s',
    'SELECT count(*) AS n FROM (SELECT city AS "owner bit" FROM sales) AS s',
    'SELECT count(*) AS n FROM (SELECT * FROM sales)',
    'SELECT "owner bit", count(*) AS n FROM sales GROUP BY 1',
    'SELECT count(*) AS n FROM sales WHERE "owner bit" = 1',
    'SELECT city, 9007199254740993 AS x, count(*) AS n FROM sales GROUP BY 1',
  ])('or the query is refused: %s', async (sql) => {
    expect((await refusalOf(sql, counted)).code).toMatch(/^ERR_QUERY_(AGAINST_RULES|REFUSED)$/);
  });
});

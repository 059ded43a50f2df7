import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';
import { checkQuery } from './sql-gate.ts';

/** Which joins let another owner's rows decide how often a measure counts. */

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
});
afterAll(() => engine.close());

type Columns = Readonly<Record<string, string>>;
/** North sells by cards of its own; south knows who saw what, and west what that is about. */
const TABLES: Readonly<Record<string, { readonly owner: string; readonly columns: Columns }>> = {
  sales: { owner: 'north', columns: { person: 'utf8', card: 'utf8', city: 'utf8', paid: 'int64' } },
  cards: { owner: 'north', columns: { card: 'utf8', kind: 'utf8', owed: 'int64' } },
  views: {
    owner: 'south',
    columns: { viewer: 'utf8', page: 'utf8', code: 'int64', day: 'date32', seconds: 'int64' },
  },
  pages: { owner: 'west', columns: { page: 'utf8', topic: 'utf8', kind: 'utf8' } },
};
const PEOPLE: readonly string[] = ['person', 'viewer'];
const MEASURES: readonly string[] = ['paid', 'seconds', 'owed'];

interface Options {
  /** `relation.column` of which one row a key counts, and how many. */
  readonly bound?: string;
  readonly rows?: number;
  readonly weights?: 'accepted';
  readonly minimum?: false;
  /** Of sales, besides north. */
  readonly owner?: string;
  readonly differences?: 'accepted';
  readonly privacy?: Query['privacy'];
}

function contractOf({ bound, rows = 1, weights, minimum, owner }: Options): Contract {
  const ruleOf = (relation: string, name: string) => {
    const isBounded = bound === `${relation}.${name}`;
    const joinKey = { matches: 'exact', ...(isBounded ? { rowsPerKey: rows } : {}) };
    if (MEASURES.includes(name)) {
      const functions = ['sum', 'avg', 'count', 'min', 'sum_distinct'];
      return { measure: { functions, ...(weights ? { weights } : {}) } };
    }
    return PEOPLE.includes(name) ? { contributor: true, joinKey } : { dimension: {}, joinKey };
  };
  const datasets = Object.entries(TABLES).map(([relation, table]) => ({
    ...{ id: relation, relation, owner: table.owner },
    columns: Object.entries(table.columns).map(([name, type]) => ({ name, type, nullable: false })),
    rules: {
      columns: Object.fromEntries(
        Object.keys(table.columns).map((name) => [name, ruleOf(relation, name)]),
      ),
      ...(relation === 'sales' && minimum !== false ? { minimumContributors: { group: 5 } } : {}),
    } as AnalysisRules,
  }));
  const more = datasets.filter(({ relation }) => owner !== undefined && relation === 'sales');
  const all = [...datasets, ...more.map((each) => ({ ...each, id: 'more', owner }))];
  const parties = ['north', 'south', 'west'].map((id) => ({ id }));
  return { datasets: all, parties, queries: [] } as unknown as Contract;
}

/** The rule that a query is against; undefined: it may run. */
async function ruleAgainst(sql: string, options: Options = {}): Promise<string | undefined> {
  const relations = Object.keys(TABLES).filter((name) => new RegExp(`\\b${name}\\b`).test(sql));
  const { differences, privacy } = options;
  const disclosure = {
    minimumGroupRows: 1,
    groupRowsColumn: 'n',
    ...(differences && { differences }),
  };
  const more = { window: { kind: 'whole' }, readers: [], ...(privacy && { privacy }) };
  const query = { id: 'q', sql, relations, disclosure, ...more } as unknown as Query;
  try {
    await checkQuery(engine, contractOf(options), query);
    return undefined;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    expect(error.code, `${sql} ${error.message}`).toBe('ERR_QUERY_AGAINST_RULES');
    return String(error.facts['rule']);
  }
}

const SUM = 'SELECT sum(s.paid) AS x, count(*) AS n FROM';
const VIEWED = 'sales s JOIN views v ON s.person = v.viewer';
const ONE = { bound: 'views.viewer' };
const PER = '(SELECT viewer FROM views GROUP BY viewer)';
const PER_PAGE = '(SELECT viewer, page FROM views GROUP BY viewer, page)';

test.each<[string, Options]>([
  // One row of each key, by rules.
  [`${SUM} ${VIEWED}`, ONE],
  [`${SUM} sales s LEFT JOIN views v ON s.person = v.viewer`, ONE],
  [`${SUM} views v JOIN sales s ON s.person = v.viewer`, ONE],
  [`${SUM} ${VIEWED} AND v.page = 'a'`, ONE],
  [`${SUM} (SELECT person AS viewer, paid FROM sales) s JOIN views v USING (viewer)`, ONE],
  [`${SUM} sales s JOIN (SELECT viewer AS who, page FROM views) v ON s.person = v.who`, ONE],
  [`${SUM} sales s JOIN (SELECT * FROM views) v ON s.person = v.viewer`, ONE],
  // By groups.
  [`${SUM} sales s JOIN ${PER} v ON s.person = v.viewer`, {}],
  [`WITH v AS ${PER} ${SUM} sales s JOIN v ON s.person = v.viewer`, {}],
  [
    `${SUM} sales s JOIN (SELECT viewer AS w, count(*) AS c FROM views GROUP BY 1) v
      ON s.person = v.w`,
    {},
  ],
  [
    `${SUM} sales s JOIN (SELECT v.viewer AS w FROM views v GROUP BY v.viewer) v ON s.person = v.w`,
    {},
  ],
  [
    `SELECT v.page, sum(s.paid) AS x, count(*) AS n FROM sales s JOIN ${PER_PAGE} v
    ON s.person = v.viewer GROUP BY v.page`,
    {},
  ],
  [
    `SELECT v.page AS p, sum(s.paid) AS x, count(*) AS n FROM sales s JOIN ${PER_PAGE} v
    ON s.person = v.viewer GROUP BY p`,
    {},
  ],
  [`${SUM} sales s JOIN ${PER_PAGE} v ON s.person = v.viewer AND v.page = s.city`, {}],
  // Whether there is a partner.
  [`${SUM} sales s SEMI JOIN views v ON s.person = v.viewer`, {}],
  [`${SUM} sales s ANTI JOIN views v ON s.person = v.viewer`, {}],
  [`${SUM} sales s WHERE s.person IN (SELECT viewer FROM views)`, {}],
  [`${SUM} sales s WHERE EXISTS (SELECT 1 AS one FROM views v WHERE v.viewer = s.person)`, {}],
  // What the weighed owner has itself.
  [`${SUM} sales s JOIN cards c ON s.card = c.card`, {}],
  [`${SUM} sales s JOIN sales t ON s.person = t.person`, {}],
  [`${SUM} sales s JOIN cards c ON s.card = c.card JOIN views v ON s.person = v.viewer`, ONE],
  // What no measure of people's is folded by.
  [`SELECT count(*) AS n, count(s.city) AS x FROM ${VIEWED}`, {}],
  [`SELECT min(s.paid) AS x, sum(DISTINCT s.paid) AS y, count(*) AS n FROM ${VIEWED}`, {}],
  [`SELECT sum(c.owed) AS x, count(*) AS n FROM ${VIEWED} JOIN cards c ON s.card = c.card`, {}],
  // What its owner accepts, or is asked for no minimum of.
  [`${SUM} ${VIEWED}`, { weights: 'accepted' }],
  [
    'SELECT sum(s.paid::DOUBLE * v.seconds) AS x, count(*) AS n FROM sales s JOIN views v ' +
      'ON s.person = v.viewer',
    { ...ONE, weights: 'accepted' },
  ],
  [`${SUM} ${VIEWED}`, { minimum: false }],
])('nobody else weighs it: %s %o', async (sql, options) => {
  expect(await ruleAgainst(sql, options)).toBeUndefined();
});

const BY_VIEWS = /^it counts as often as a key has rows in views: /;
const BY_PAGES = /^it counts as often as a key has rows in pages: /;
const BY_BOTH = /^it counts as often as a key has rows in (pages|cards|views)/;
const MIXED = /^it is not folded together with what another owner writes$/;

test.each<[string, Options, RegExp]>([
  [`${SUM} ${VIEWED}`, {}, BY_VIEWS],
  [`${SUM} ${VIEWED}`, { ...ONE, rows: 2 }, BY_VIEWS],
  [`${SUM} ${VIEWED}`, { differences: 'accepted' }, BY_VIEWS],
  [`${SUM} sales s LEFT JOIN views v ON s.person = v.viewer`, {}, BY_VIEWS],
  [`SELECT avg(s.paid) AS x, count(*) AS n FROM ${VIEWED}`, {}, BY_VIEWS],
  [`SELECT count(s.paid) AS x, count(*) AS n FROM ${VIEWED}`, {}, BY_VIEWS],
  [
    `SELECT s.city, count(*) AS n FROM ${VIEWED} GROUP BY s.city HAVING sum(s.paid) > 9`,
    {},
    BY_VIEWS,
  ],
  // Both sides are people: the bound is asked of the other one.
  [`SELECT sum(v.seconds) AS x, count(*) AS n FROM ${VIEWED}`, ONE, /rows in sales: /],
  // The bound is of another column than what is compared.
  [`${SUM} ${VIEWED}`, { bound: 'views.page' }, BY_VIEWS],
  [`${SUM} sales s JOIN views v ON s.city = v.page`, ONE, BY_VIEWS],
  [
    `${SUM} sales s JOIN (SELECT page AS viewer, viewer AS w FROM views) v ON s.person = v.viewer`,
    ONE,
    BY_VIEWS,
  ],
  // Of two types many keys are one.
  [`${SUM} sales s JOIN views v ON s.city = v.code`, { bound: 'views.code' }, BY_VIEWS],
  // Groups of something else, or more than one of a key.
  [`${SUM} sales s JOIN ${PER_PAGE} v ON s.person = v.viewer`, {}, BY_VIEWS],
  [
    `${SUM} sales s JOIN ${PER_PAGE} v ON s.person = v.viewer LEFT JOIN pages p ON p.page = s.city
    AND v.page = s.city`,
    { bound: 'pages.page' },
    BY_VIEWS,
  ],
  [
    `SELECT s.city, sum(s.paid) AS x, count(*) AS n FROM sales s JOIN ${PER_PAGE} v
    ON s.person = v.viewer GROUP BY s.city`,
    {},
    BY_VIEWS,
  ],
  [
    `SELECT sum(t.y) AS x, count(*) AS n FROM (SELECT s.person, v.viewer, v.page,
    sum(s.paid) AS y FROM sales s JOIN ${PER_PAGE} v ON s.person = v.viewer
    GROUP BY s.person, v.viewer, v.page) t`,
    {},
    BY_VIEWS,
  ],
  [
    `${SUM} sales s JOIN (SELECT viewer, page AS p FROM views GROUP BY viewer, page, day) v
    ON s.person = v.viewer AND s.city = v.p`,
    {},
    BY_VIEWS,
  ],
  // Within an inner select, a CTE, and where groups come behind.
  [`SELECT sum(t.paid) AS x, count(*) AS n FROM (SELECT s.paid FROM ${VIEWED}) t`, {}, BY_VIEWS],
  [
    `WITH t AS (SELECT s.person, v.viewer, sum(s.paid) AS paid FROM ${VIEWED}
    GROUP BY s.person, v.viewer) SELECT sum(t.paid) AS x, count(*) AS n FROM t`,
    {},
    BY_VIEWS,
  ],
  [
    `WITH t AS (SELECT person, sum(paid) AS paid FROM sales GROUP BY person)
    SELECT sum(t.paid) AS x, count(*) AS n FROM t JOIN views v ON t.person = v.viewer`,
    {},
    BY_VIEWS,
  ],
  // A bounded table that was multiplied before.
  [
    `${SUM} sales s JOIN (SELECT a.viewer FROM views a JOIN views b ON a.viewer = b.viewer) v
    ON s.person = v.viewer`,
    ONE,
    BY_VIEWS,
  ],
  // Through another table, somebody else's or one's own that others lead to.
  [`${SUM} ${VIEWED} JOIN pages p ON v.page = p.page`, ONE, BY_PAGES],
  [`${SUM} sales s JOIN cards c ON s.card = c.card JOIN pages p ON p.kind = c.kind`, {}, BY_PAGES],
  [`${SUM} ${VIEWED} JOIN cards c ON v.page = c.kind`, ONE, BY_BOTH],
  // What is about nobody weighs as well, and so do two owners of one table.
  [`${SUM} sales s JOIN pages p ON s.city = p.page`, {}, BY_PAGES],
  [`${SUM} sales s JOIN sales t ON s.person = t.person`, { owner: 'west' }, /rows in sales: /],
  [`${SUM} sales s JOIN cards c ON s.card = c.card`, { owner: 'west' }, /rows in cards: /],
  // How many rows there are is a number as others are.
  [
    `SELECT sum(s.paid::DOUBLE * v.c) AS x, count(*) AS n FROM sales s JOIN
    (SELECT viewer, count(*) AS c FROM views GROUP BY viewer) v ON s.person = v.viewer`,
    {},
    MIXED,
  ],
  [
    `SELECT sum(s.paid::DOUBLE * v.c) AS x, count(*) AS n FROM sales s JOIN
    (SELECT viewer, count(page) + 1 AS c FROM views GROUP BY viewer) v ON s.person = v.viewer`,
    {},
    MIXED,
  ],
  [
    `SELECT sum(s.paid::DOUBLE * v.seconds) AS x, count(*) AS n FROM ${VIEWED}`,
    {
      ...ONE,
      differences: 'accepted',
    },
    MIXED,
  ],
])('another owner would weigh it: %s %o', async (sql, options, rule) => {
  expect(await ruleAgainst(sql, options)).toMatch(rule);
});

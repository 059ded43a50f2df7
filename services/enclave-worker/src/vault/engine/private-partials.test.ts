import { planPrivatePartials } from '@strongroom/analysis/private-partials';
import { planPrivateQuery } from '@strongroom/analysis/private-plan';
import type { Contract, Query } from '@strongroom/protocol/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLACES, privateContract, privateQuery } from '../../../test/private-scene.ts';
import { Engine } from './engine.ts';
import { statisticsSql } from './private-sql.ts';

const table = 'parts of q';
let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open({});
});
afterAll(() => engine.close());

const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));

/** @param partitionBy of all rows that are about somebody */
async function planOf(query: Query, partitionBy = 'person') {
  const { datasets, ...rest } = privateContract([query]);
  const sliced = datasets.map((each) =>
    each.id === 'places' ? each : { ...each, partitionBy, streams },
  );
  const contract = { ...rest, datasets: sliced, slices: 2 } as unknown as Contract;
  const plan = await planPrivateQuery(engine, contract, query);
  const sql = statisticsSql(plan, 'ab');
  return { sql, merge: await planPrivatePartials(engine, contract, plan, sql, table) };
}

const MEASURES = `count(*) AS n, count(DISTINCT person) AS people, count(delay) AS known,
  sum(bags) AS bags, avg(delay) AS mean, var_pop(delay) AS spread, histogram(delay) AS bins`;
const QUERIES = {
  'a public domain': `SELECT place, ${MEASURES} FROM visits GROUP BY place`,
  'no group': `SELECT ${MEASURES} FROM visits WHERE place <> 'SFO'`,
  'groups of their own': `SELECT bags AS class, count(*) AS n, sum(delay) AS late
    FROM visits GROUP BY bags`,
  'a join': `SELECT place, count(*) AS n, count(DISTINCT v.person) AS people, sum(nights) AS nights
    FROM visits v JOIN stays s ON v.person = s.person GROUP BY place`,
  'who has no partner too': `SELECT bags AS class, count(*) AS n, count(nights) AS stayed
    FROM visits LEFT JOIN stays USING (person) GROUP BY bags`,
  'those without a partner': `SELECT place, count(*) AS n
    FROM visits v ANTI JOIN stays s ON v.person = s.person GROUP BY place`,
  'those with a partner': `SELECT place, count(*) AS n, sum(bags) AS bags FROM visits v
    WHERE v.person IN (SELECT s.person FROM stays s) GROUP BY place`,
  'those of whom there is no such row': `SELECT place, count(*) AS n FROM visits v WHERE NOT EXISTS (
    SELECT 1 FROM stays s WHERE s.person = v.person AND s.nights > v.bags) GROUP BY place`,
};

const visit = fc.tuple(
  fc.constantFrom('ann', 'ben', 'cid', 'dee'),
  fc.constantFrom(...PLACES, 'OSL'),
  fc.constantFrom('NULL', '-50', '0.25', '99'),
  fc.integer({ min: -1, max: 4 }),
);
const stay = fc.tuple(fc.constantFrom('ann', 'ben', 'cid', 'eve'), fc.integer({ min: 0, max: 40 }));
const TABLES = {
  visits: '(person VARCHAR, place VARCHAR, delay DOUBLE, bags BIGINT)',
  stays: '(person VARCHAR, nights BIGINT)',
};

async function showWhere(condition: string): Promise<void> {
  for (const name of Object.keys(TABLES)) {
    const rows = `SELECT * FROM "all ${name}" WHERE ${condition}`;
    await engine.run(`CREATE OR REPLACE VIEW ${name} AS ${rows}`);
  }
}

describe('statistics of parts that have no contributor in common', () => {
  test.each(Object.entries(QUERIES))('of %s add up to those of all rows', async (_name, sql) => {
    const { sql: direct, merge } = await planOf(privateQuery(sql));
    if (merge.kind === 'rows') throw new Error(merge.reason);
    const declared = merge.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
    const scene = fc.record({
      visits: fc.array(visit, { maxLength: 24 }),
      stays: fc.array(stay, { maxLength: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ visits, stays }) => {
        for (const [name, columns] of Object.entries(TABLES)) {
          await engine.run(`CREATE OR REPLACE TABLE "all ${name}" ${columns}`);
        }
        const values = {
          visits: visits.map(([who, at, delay, bags]) => `('${who}', '${at}', ${delay}, ${bags})`),
          stays: stays.map(([who, nights]) => `('${who}', ${nights})`),
        };
        for (const [name, rows] of Object.entries(values)) {
          if (rows.length === 0) continue;
          await engine.run(`INSERT INTO "all ${name}" VALUES ${rows.join(', ')}`);
        }
        await showWhere('true');
        const whole = await engine.read(direct);
        await engine.run(`CREATE OR REPLACE TABLE "${table}" (${declared})`);
        for (const people of ["('ann', 'cid')", "('ben')", "('dee', 'eve')"]) {
          await showWhere(`person IN ${people}`);
          await engine.run(`INSERT INTO "${table}" ${direct}`);
        }
        const merged = await engine.read(merge.mergeSql);
        expect(merged.columnNames()).toEqual(whole.columnNames());
        expect(merged.columnTypes().map(String)).toEqual(whole.columnTypes().map(String));
        expect(merged.getRowsJson()).toEqual(whole.getRowsJson());
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    [
      'join-not-shared-out',
      `SELECT region, count(*) AS n
        FROM visits JOIN places ON visits.place = places.place GROUP BY region`,
    ],
    ['floating-point', 'SELECT bags / 2 AS half, count(*) AS n FROM visits GROUP BY half'],
    [
      'join-not-shared-out',
      `SELECT place, count(*) AS n FROM visits
        WHERE place IN (SELECT p.place FROM places p) GROUP BY place`,
    ],
  ])('are not planned: %s', async (reason, sql) => {
    expect((await planOf(privateQuery(sql))).merge).toMatchObject({ kind: 'rows', reason });
  });

  test('are not planned for rows of a contributor that are in several slices', async () => {
    const query = privateQuery('SELECT place, count(*) AS n FROM visits GROUP BY place');
    expect((await planOf(query, 'place')).merge).toMatchObject({ reason: 'noise' });
  });
});

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

async function planOf(query: Query) {
  const contract: Contract = privateContract([query]);
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
};

const visit = fc.tuple(
  fc.constantFrom('ann', 'ben', 'cid', 'dee'),
  fc.constantFrom(...PLACES, 'OSL'),
  fc.constantFrom('NULL', '-50', '0.25', '99'),
  fc.integer({ min: -1, max: 4 }),
);

describe('statistics of parts that have no contributor in common', () => {
  test.each(Object.entries(QUERIES))('of %s add up to those of all rows', async (_name, sql) => {
    const { sql: direct, merge } = await planOf(privateQuery(sql));
    expect(merge).toBeDefined();
    const declared = merge?.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
    const visits = fc.array(visit, { maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(visits, async (rows) => {
        await engine.run(
          'CREATE OR REPLACE TABLE "all rows" (person VARCHAR, place VARCHAR, delay DOUBLE, bags BIGINT)',
        );
        const values = rows.map(
          ([who, at, delay, bags]) => `('${who}', '${at}', ${delay}, ${bags})`,
        );
        if (values.length > 0) {
          await engine.run(`INSERT INTO "all rows" VALUES ${values.join(', ')}`);
        }
        await engine.run('CREATE OR REPLACE VIEW visits AS SELECT * FROM "all rows"');
        const whole = await engine.read(direct);
        await engine.run(`CREATE OR REPLACE TABLE "${table}" (${declared})`);
        for (const people of ["('ann', 'cid')", "('ben')", "('dee')"]) {
          await engine.run(
            `CREATE OR REPLACE VIEW visits AS SELECT * FROM "all rows" WHERE person IN ${people}`,
          );
          await engine.run(`INSERT INTO "${table}" ${direct}`);
        }
        const merged = await engine.read(merge?.mergeSql ?? '');
        expect(merged.columnNames()).toEqual(whole.columnNames());
        expect(merged.columnTypes().map(String)).toEqual(whole.columnTypes().map(String));
        expect(merged.getRowsJson()).toEqual(whole.getRowsJson());
      }),
      { numRuns: 15 },
    );
  });

  test('are not planned for joins, nor for groups of floating-point numbers', async () => {
    const join = `SELECT region, count(*) AS n
      FROM visits JOIN places ON visits.place = places.place GROUP BY region`;
    expect((await planOf(privateQuery(join))).merge).toBeUndefined();
    const halves = `SELECT bags / 2 AS half, count(*) AS n FROM visits GROUP BY half`;
    expect((await planOf(privateQuery(halves))).merge).toBeUndefined();
  });
});

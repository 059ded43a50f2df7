import { LockedEngine } from '@strongroom/analysis/locked-engine';
import { checkQuery } from '@strongroom/analysis/sql-gate';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APPROVED, contract, EXTREMES, HOSTILE, queryOf, ROWS, TABLES } from './sql-walls/scene.ts';

let engine: LockedEngine;
let extreme: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open({ memoryMb: 256 });
  extreme = await LockedEngine.open({ memoryMb: 512 });
  for (const sql of [...TABLES, ...ROWS]) await engine.run(sql);
  for (const sql of [...TABLES, ...EXTREMES, ...ROWS]) await extreme.run(sql);
});
afterAll(() => {
  engine.close();
  extreme.close();
});

const check = (sql: string) => checkQuery(engine, contract, queryOf(sql));
const refusalOf = (sql: string) =>
  check(sql).then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the gate accepts, and no row makes it fail', () => {
  test('more than a hundred queries', () => {
    expect(APPROVED.length).toBeGreaterThan(100);
  });

  test.each(APPROVED)('%s', async (sql) => {
    const checked = await check(sql);
    const found = await engine.read(checked.sql);
    expect(found.columnNames()[checked.groupRowsIndex]).toBe('n');
    expect(found.getRows().length).toBeGreaterThan(0);
    // Every value at the end of its type, in every column at once.
    await extreme.read(checked.sql);
  });

  test('means what it meant before it was written again', async () => {
    for (const sql of APPROVED.filter((each) => !each.includes('LIMIT'))) {
      const rows = async (text: string, columns?: number) =>
        (await engine.read(text))
          .getRows()
          .map((row) => String(row.slice(0, columns)))
          .sort()
          .join('\n');
      const before = await rows(sql).catch(() => undefined);
      // What failed before gives NULL now. Behind a query's own columns are those that decide.
      if (before === undefined) continue;
      const { sql: checked, controls } = await check(sql);
      expect(await rows(checked, controls.firstIndex ?? undefined), sql).toBe(before);
    }
  });
});

describe('the gate refuses', () => {
  test.each(HOSTILE)('$kind: $sql', async ({ sql }) => {
    expect(codeOf(await refusalOf(sql))).toBe('ERR_QUERY_REFUSED');
  });

  test('what a statement is there for, not something beside it', async () => {
    const beside = /^(relation \w+ is not used|count\(\*\) AS n)$/;
    const kinds = ['fails or waits for some rows', 'uses up memory or time'];
    for (const { sql } of HOSTILE.filter(({ kind }) => kinds.includes(kind))) {
      const error = await refusalOf(sql);
      const facts = error instanceof StrongroomError ? error.facts : {};
      expect(String(facts['place']), sql).not.toMatch(beside);
    }
  });

  test('rows that are dressed as aggregates, behind a subquery and a CTE', async () => {
    const dressed = HOSTILE.filter(({ kind }) => kind === 'shows rows as aggregates').flatMap(
      ({ sql }) => /^SELECT (.*) AS x, count\(\*\) AS n FROM flights$/.exec(sql)?.[1] ?? [],
    );
    expect(dressed.length).toBeGreaterThan(40);
    for (const expression of dressed) {
      const inner = `SELECT ${expression} AS x FROM flights`;
      for (const sql of [
        `SELECT x, count(*) AS n FROM (${inner}) AS y GROUP BY x`,
        `WITH y AS (${inner}) SELECT x, count(*) AS n FROM y GROUP BY x`,
        `SELECT count(*) AS n FROM flights WHERE origin IN (${inner})`,
        `SELECT origin, count(*) AS n FROM flights GROUP BY origin HAVING ${expression} = 1`,
        `SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY ${expression}`,
      ]) {
        expect(codeOf(await refusalOf(sql)), sql).toBe('ERR_QUERY_REFUSED');
      }
    }
  });

  test('the same statements in another dress', async () => {
    const dresses: ((sql: string) => string)[] = [
      (sql) => sql.replace(/\b(SELECT|FROM|COPY|ATTACH|SET|WITH)\b/g, (word) => word.toLowerCase()),
      (sql) => sql.replaceAll(' ', '\n\t'),
      (sql) => `-- a comment\n/* and ; another */ ${sql} ;`,
    ];
    for (const [index, { sql }] of HOSTILE.entries()) {
      const dressed = dresses[index % dresses.length]?.(sql) ?? sql;
      expect(codeOf(await refusalOf(dressed)), dressed).toBe('ERR_QUERY_REFUSED');
    }
  });
});

import { codeOf } from '@strongroom/protocol/errors';
import { CELL_ATOMS_MAX } from '@strongroom/protocol/limits';
import { describe, expect, test } from 'vitest';
import {
  type Asked,
  ExactQueries,
  STAY_RULES,
  type Stay,
  stays,
} from '../../test/exact-queries.ts';
import { SharedAtoms } from './engine/atoms.ts';

/** What leaves of several exact queries over the same rows, and of windows that overlap. */

const TOTAL = { id: 'total', sql: 'SELECT count(*) AS n, sum(cost) AS cost FROM stays' };
const BY_WARD = { id: 'wards', sql: 'SELECT ward, count(*) AS n FROM stays GROUP BY ward' };
const BY_SEX = {
  id: 'sexes',
  sql: 'SELECT s.sex AS who, count(*) AS n FROM stays AS s GROUP BY who ORDER BY n',
};

async function allShown(
  rows: readonly Stay[],
  asked: readonly Asked[],
  rules: typeof STAY_RULES | undefined = STAY_RULES,
) {
  const queries = await ExactQueries.over(rows, asked, rules);
  const shown: Record<string, Record<string, unknown>[]> = {};
  const atoms = new CountedAtoms();
  for (const { id } of asked) {
    shown[id] = await queries.shown(id, null, atoms);
    // What one query of a set found, the others find too.
    expect(shown[id]).toEqual(await queries.shown(id));
  }
  expect(atoms.searches).toBeLessThanOrEqual(1);
  queries.close();
  return shown;
}

class CountedAtoms extends SharedAtoms {
  searches = 0;

  override panesOf(...[rows, find]: Parameters<SharedAtoms['panesOf']>) {
    return super.panesOf(rows, () => {
      this.searches += 1;
      return find();
    });
  }
}

test('atoms are found once for each window, and no more are kept than one may have', async () => {
  const atoms = new CountedAtoms();
  const pane = { atoms: Array.from({ length: CELL_ATOMS_MAX }, () => ATOM), groups: [] };
  const ask = (window: number) => atoms.panesOf(['sql', window], async () => [pane]);
  await ask(1);
  await ask(1);
  expect(atoms.searches).toBe(1);
  await ask(2);
  await ask(2);
  expect(atoms.searches).toBe(3);
});
const ATOM = { cells: [], counts: [] };

describe('exact queries over the same rows', () => {
  const rows = [...stays('A', 5), ...stays('B', 4), ...stays('C', 1)];

  test('a total is not shown beside all of its parts but a small one', async () => {
    const { total, wards } = await allShown(rows, [TOTAL, BY_WARD]);
    expect(total).toEqual([{ n: 10, cost: expect.anything() }]);
    expect(wards).toEqual([{ ward: 'A', n: 5 }]);
  });

  test('one alone shows every group that is large enough', async () => {
    expect(await allShown(rows, [BY_WARD])).toEqual({
      wards: [
        { ward: 'A', n: 5 },
        { ward: 'B', n: 4 },
      ],
    });
  });

  test('a filter leaves as many out as a group has, or its result is withheld', async () => {
    const most = { id: 'most', sql: "SELECT count(*) AS n FROM stays WHERE ward <> 'C'" };
    const { total, most: without } = await allShown(rows, [TOTAL, most]);
    expect([total, without]).toEqual([[{ n: 10, cost: expect.anything() }], []]);
    const larger = [...rows, ...stays('C', 3)];
    const both = await allShown(larger, [TOTAL, most]);
    expect([both['total']?.length, both['most']?.length]).toEqual([1, 1]);
  });

  test('margins are shown though their crossings are small', async () => {
    const crossed = ['A', 'B', 'C'].flatMap((ward) => [
      ...stays(ward, 2, { sex: 'f' }),
      ...stays(ward, 2, { sex: 'm' }),
    ]);
    const { wards, sexes } = await allShown(crossed, [BY_WARD, BY_SEX]);
    expect(wards?.map(({ n }) => n)).toEqual([4, 4, 4]);
    expect(sexes).toEqual([
      { who: 'f', n: 6 },
      { who: 'm', n: 6 },
    ]);
  });

  test('contributors count, not their rows', async () => {
    const often = stays('C', 1).flatMap((row) => Array.from({ length: 50 }, () => row));
    const { total, wards } = await allShown([...rows, ...often], [TOTAL, BY_WARD]);
    expect([total?.length, wards]).toEqual([1, [{ ward: 'A', n: 5 }]]);
  });

  test('rows count where no rule names whom they are about', async () => {
    const asked = [TOTAL, BY_WARD].map((each) => ({ ...each, minimumGroupRows: 3 }));
    const queries = await ExactQueries.over(rows, asked);
    expect(await queries.shown('wards')).toEqual([{ ward: 'A', n: 5 }]);
    queries.close();
  });

  test('what all parties accept is shown as it is', async () => {
    const asked = [TOTAL, BY_WARD].map((each) => ({ ...each, differences: 'accepted' as const }));
    const { total, wards } = await allShown(rows, asked);
    expect([total?.length, wards?.length]).toEqual([1, 2]);
  });
});

describe('parts of a group that a sum is about', () => {
  const rows = [
    ...stays('A', 5, { sex: 'f' }),
    ...stays('A', 5, { sex: 'm' }),
    ...stays('B', 9, { sex: 'f' }),
    ...stays('B', 1, { sex: 'm' }),
    ...stays('C', 4, { sex: 'm' }),
  ];

  test.each([
    "count(*) FILTER (WHERE sex = 'm')",
    "sum(CASE WHEN sex = 'm' THEN 1 ELSE 0 END)",
    "sum(CASE WHEN sex = 'f' THEN NULL ELSE cost END)",
    "sum((sex = 'm')::INTEGER)",
    "avg(cost) FILTER (WHERE NOT sex = 'f')",
  ])('hold nobody or enough: %s', async (item) => {
    const sql = `SELECT ward, count(*) AS n, ${item} AS part FROM stays GROUP BY ward`;
    const plain = { columns: STAY_RULES.columns, minimumContributors: { group: 3 } };
    const { q } = await allShown(rows, [{ id: 'q', sql }], plain);
    expect(q?.map(({ ward }) => ward)).toEqual(['A', 'C']);
    const byRows = [{ id: 'q', sql, minimumGroupRows: 3 }];
    const queries = await ExactQueries.over(rows, byRows);
    expect((await queries.shown('q')).map(({ ward }) => ward)).toEqual(['A', 'C']);
    queries.close();
    const accepted = { id: 'q', sql, minimumGroupRows: 3, differences: 'accepted' as const };
    expect((await allShown(rows, [accepted]))['q']).toHaveLength(3);
  });

  test('and so do all parts that several of them tell apart together', async () => {
    const parts =
      "count(*) FILTER (WHERE sex = 'f') AS f, count(*) FILTER (WHERE cost > 1) AS dear";
    const sql = `SELECT ward, count(*) AS n, ${parts} FROM stays GROUP BY ward`;
    const dear = stays('A', 4, { sex: 'f', cost: 2n });
    const one = { ...(rows[5] ?? expect.fail('a stay')), cost: 2n, patient: 'other' };
    const asked = [{ id: 'q', sql, minimumGroupRows: 3 }];
    const withFour = await ExactQueries.over([...rows, ...dear], asked);
    expect((await withFour.shown('q')).map(({ ward }) => ward)).toEqual(['A', 'C']);
    withFour.close();
    const withOne = await ExactQueries.over([...rows, ...dear, one], asked);
    expect((await withOne.shown('q')).map(({ ward }) => ward)).toEqual(['C']);
    withOne.close();
  });
});

describe('windows that overlap', () => {
  const hopping = { kind: 'hopping', sizeMs: 3_000, advanceMs: 1_000 } as const;
  const hourly = { ...BY_WARD, window: hopping };
  const at = (second: number) => ({ at: second * 1_000 });

  test('show a group with nobody or enough in each part of time alone', async () => {
    const rows = [
      ...stays('A', 3, at(0)),
      ...stays('A', 3, at(2)),
      // The window that begins with this one differs from the one before by a person.
      ...stays('A', 1, at(3)),
      ...stays('B', 4, at(3)),
    ];
    const queries = await ExactQueries.over(rows, [hourly], STAY_RULES);
    const of = async (start: number) =>
      (await queries.shown('wards', { start, end: start + 3_000 })).map(({ ward, n }) => [ward, n]);
    expect(await of(0)).toEqual([['A', 6]]);
    expect(await of(1_000)).toEqual([['B', 4]]);
    expect(await of(3_000)).toEqual([['B', 4]]);
    queries.close();
  });

  test('of another size, too', async () => {
    const asked = [
      { ...BY_WARD, window: { kind: 'tumbling', sizeMs: 1_000 } as const },
      { ...TOTAL, window: { kind: 'tumbling', sizeMs: 3_000 } as const },
    ];
    const rows = [...stays('A', 5, at(0)), ...stays('A', 5, at(1)), ...stays('B', 1, at(1))];
    const queries = await ExactQueries.over(rows, asked, STAY_RULES);
    // Of the second second, the ward is the smaller of two results that would tell of one person.
    expect(await queries.shown('wards', { start: 0, end: 1_000 })).toHaveLength(1);
    expect(await queries.shown('wards', { start: 1_000, end: 2_000 })).toEqual([]);
    expect(await queries.shown('total', { start: 0, end: 3_000 })).toHaveLength(1);
    queries.close();
  });

  test('leave out what came behind one that has closed', async () => {
    const rows = [...stays('A', 3, at(2)), ...stays('A', 7, { ...at(2), lateBelow: 3_000 })];
    const queries = await ExactQueries.over(rows, [hourly], STAY_RULES);
    expect(await queries.shown('wards', { start: 1_000, end: 4_000 })).toEqual([
      { ward: 'A', n: 3 },
    ]);
    queries.close();
  });
});

describe('queries that cannot be compared are refused', () => {
  const joined = 'FROM stays JOIN wards ON stays.ward = wards.name';
  test.each<[string, string, string]>([
    ['another FROM', `SELECT count(*) AS n ${joined}`, 'another FROM'],
    ['an inner select', 'SELECT count(*) AS n FROM (SELECT ward FROM stays) x', 'a subquery'],
    ['WITH', 'WITH x AS (SELECT ward FROM stays) SELECT count(*) AS n FROM x', 'WITH'],
    ['HAVING', 'SELECT ward, count(*) AS n FROM stays GROUP BY ward HAVING n > 9', 'HAVING'],
    ['LIMIT', 'SELECT ward, count(*) AS n FROM stays GROUP BY ward LIMIT 3', 'LIMIT'],
    ['distinct values', 'SELECT count(DISTINCT ward) AS w, count(*) AS n FROM stays', 'DISTINCT'],
    ['extremes', 'SELECT max(cost) AS most, count(*) AS n FROM stays', 'max'],
    [
      'FILTER',
      "SELECT count(*) FILTER (WHERE ward = 'A') AS a, count(*) AS n FROM stays",
      'FILTER',
    ],
    ['CASE', "SELECT sum(CASE WHEN ward = 'A' THEN 1 END) AS a, count(*) AS n FROM stays", 'CASE'],
    [
      'membership',
      'SELECT count(*) AS n FROM stays WHERE ward IN (SELECT name FROM wards)',
      'IN or EXISTS',
    ],
  ])('%s', async (_name, sql, place) => {
    const asked = [TOTAL, { id: 'other', sql }].map((each) => ({ ...each, minimumGroupRows: 2 }));
    const refusal = await ExactQueries.over([], asked).catch((error: unknown) => error);
    expect(codeOf(refusal)).toBe('ERR_QUERY_DIFFERENCE');
    expect(JSON.stringify(refusal)).toContain(place);
    // Alone it may run, or where nothing is kept back.
    (await ExactQueries.over([], asked.slice(1))).close();
    (await ExactQueries.over([], [TOTAL, { id: 'other', sql }])).close();
  });

  test('windows of another kind', async () => {
    const daily = { ...BY_WARD, window: { kind: 'tumbling', sizeMs: 1_000 } as const };
    const refusal = await ExactQueries.over([], [TOTAL, daily], STAY_RULES).catch((error) => error);
    expect(codeOf(refusal)).toBe('ERR_QUERY_DIFFERENCE');
  });
});

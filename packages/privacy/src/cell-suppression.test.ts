import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { derives, determined, type Table } from '../test/slow-attacker.ts';
import { type Atom, cellsToShow } from './cell-suppression.ts';

/** Rows alone, atom by atom: the cell in each query, and how many. */
function atomsOf(rows: readonly (readonly [readonly (number | null)[], number])[]): Atom[] {
  return rows.map(([cells, count]) => ({ cells, counts: [{ count }] }));
}

function show(atoms: readonly Atom[], minimum: number): number[] {
  const all = new Set(atoms.flatMap(({ cells }) => cells.filter((cell) => cell !== null)));
  return [...cellsToShow(atoms, [minimum], all)].sort((one, other) => one - other);
}

describe('cells that are shown side by side', () => {
  test('a total and its parts: with a small part, the next smallest goes as well', () => {
    const atoms = atomsOf([
      [[0, 1], 30],
      [[0, 2], 20],
      [[0, 3], 4],
    ]);
    expect(show(atoms, 10)).toEqual([0, 1]);
    expect(show(atoms, 4)).toEqual([0, 1, 2, 3]);
    // Without the total nothing follows of the parts.
    const parts = atoms.map(({ cells: [, cell = null], counts }) => ({ cells: [cell], counts }));
    expect(show(parts, 10)).toEqual([1, 2]);
  });

  test('a filter that leaves a few out', () => {
    expect(
      show(
        atomsOf([
          [[0, 1], 30],
          [[0, null], 2],
        ]),
        10,
      ),
    ).toEqual([0]);
    expect(
      show(
        atomsOf([
          [[0, 1], 30],
          [[0, null], 12],
        ]),
        10,
      ),
    ).toEqual([0, 1]);
  });

  test('two filters that overlap: what one has more than the other is not known', () => {
    const atoms = atomsOf([
      [[0, null], 3],
      [[0, 1], 30],
      [[null, 1], 3],
    ]);
    expect(show(atoms, 10)).toEqual([0, 1]);
    // With a third one it is.
    const both = atoms.map(({ cells, counts }, at) => ({
      cells: [...cells, at < 2 ? 2 : null],
      counts,
    }));
    expect(show(both, 10)).toEqual([0, 1, 2]);
    const union = atoms.map(({ cells, counts }) => ({ cells: [...cells, 2], counts }));
    expect(show(union, 10)).toEqual([2]);
  });

  test('margins of two dimensions: cells inside are small, and safe', () => {
    const counts = [
      [3, 4, 5],
      [5, 4, 3],
      [4, 4, 4],
    ];
    const atoms = counts.flatMap((row, i) =>
      row.map((count, j): Atom => ({ cells: [i, 10 + j], counts: [{ count }] })),
    );
    expect(show(atoms, 10)).toEqual([0, 1, 2, 10, 11, 12]);
    // With an empty corner, the row and two columns would tell the rest of a column.
    const holes = atomsOf([
      [[0, 10], 12],
      [[0, 11], 12],
      [[1, 10], 12],
      [[1, 11], 12],
      [[1, 12], 2],
    ]);
    expect(show(holes, 10)).not.toContain(12);
    expect(show(holes, 10).length).toBe(3);
  });

  test('what is split further by a third query is still a difference', () => {
    // 40 of A, 2 of another city, one of each sex: the total without A.
    const atoms = atomsOf([
      [[0, 1, 2], 20],
      [[0, 1, 3], 20],
      [[0, null, 2], 1],
      [[0, null, 3], 1],
    ]);
    const shown = show(atoms, 10);
    expect(shown.includes(0) && shown.includes(1)).toBe(false);
    expect(shown.length).toBe(3);
  });

  test('contributors count once, however many atoms they are in', () => {
    const people = (...members: string[]) => ({ count: members.length, members });
    const atoms: Atom[] = [
      { cells: [0, 1, 5], counts: [{ count: 50 }, { count: 900 }] },
      { cells: [0, null, 5], counts: [people('ann', 'bob'), { count: 90 }] },
      { cells: [0, null, 6], counts: [people('ann', 'bob'), { count: 90 }] },
    ];
    expect([...cellsToShow(atoms, [3, 3], new Set([0, 1, 5, 6]))].sort()).toEqual([0]);
    expect([...cellsToShow(atoms, [2, 3], new Set([0, 1, 5, 6]))].sort()).toEqual([0, 1, 5, 6]);
  });

  test('who knows all rows of the others learns no more of an owner', () => {
    // 40 of one owner everywhere, of the other 5 in one of two parts.
    const atoms: Atom[] = [
      { cells: [0, 1], counts: [{ count: 45 }, { count: 40 }, { count: 5 }] },
      { cells: [0, null], counts: [{ count: 40 }, { count: 38 }, { count: 2 }] },
    ];
    expect([...cellsToShow(atoms, [10, 10, 3], new Set([0, 1]))]).toEqual([0]);
    expect([...cellsToShow(atoms, [10, 10, 2], new Set([0, 1]))]).toEqual([0, 1]);
  });

  test('ten thousand groups and their total', () => {
    const atoms = Array.from({ length: 10_000 }, (_none, at): Atom => {
      return { cells: [0, 1 + at], counts: [{ count: at % 100 === 0 ? 3 : 20 + (at % 7) }] };
    });
    const began = process.cpuUsage();
    const shown = show(atoms, 10);
    expect(shown.length).toBe(1 + 9_900);
    expect(process.cpuUsage(began).user / 1_000).toBeLessThan(5_000);
  });

  test('one that only whole numbers give away is withheld as well', () => {
    // Everybody alone; from what is shown, halves could be moved, and no whole person.
    const cells = [
      [0, null, 20, 31],
      [0, 10, 20, 30],
      [0, 10, 21, 30],
      [0, 10, 20, 31],
      [null, 10, 21, 31],
    ];
    const table = { minimum: 2, atoms: cells.map((each, at) => ({ cells: each, people: [at] })) };
    const shown = planOf(table);
    expect(derives(table, shown)).toBeUndefined();
    expect(determined(table, shown)).toBeUndefined();
    expect(shown.size).toBeGreaterThan(0);
  });

  test('what would take too long shows less, and never more', () => {
    // A square of 140 by 140 with holes: every row meets every column.
    const atoms = Array.from({ length: 19_600 }, (_none, at): Atom => {
      const [i, j] = [at % 140, Math.floor(at / 140)];
      return { cells: [i, 200 + j, 400 + ((i * j) % 97)], counts: [{ count: (i + j) % 5 }] };
    });
    const began = process.cpuUsage();
    const shown = show(atoms, 50);
    expect(shown.length).toBeGreaterThan(90);
    expect(process.cpuUsage(began).user / 1_000).toBeLessThan(20_000);
  });
});

const tables: fc.Arbitrary<Table> = fc
  .record({ queries: fc.integer({ min: 1, max: 4 }), groups: fc.integer({ min: 1, max: 3 }) })
  .chain(({ queries, groups }) =>
    fc.record({
      minimum: fc.integer({ min: 2, max: 6 }),
      atoms: fc.array(
        fc.record({
          cells: fc.tuple(
            ...Array.from({ length: queries }, (_none, query) =>
              fc
                .integer({ min: -1, max: groups - 1 })
                .map((group) => (group < 0 ? null : query * 10 + group)),
            ),
          ),
          people: fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 8 }),
        }),
        { minLength: 1, maxLength: 9 },
      ),
    }),
  )
  .map(({ atoms, minimum }) => {
    const distinct = new Map(atoms.map((atom) => [atom.cells.join(), atom]));
    return { minimum, atoms: [...distinct.values()] };
  });

function planOf({ atoms, minimum }: Table): ReadonlySet<number> {
  const counted = atoms.map(({ cells, people }): Atom => {
    const members = people.map(String);
    return { cells, counts: [{ count: people.length, members }, { count: people.length }] };
  });
  const all = new Set(atoms.flatMap(({ cells }) => cells.filter((cell) => cell !== null)));
  return cellsToShow(counted, [minimum, minimum], all);
}

describe('a slow attacker', () => {
  const numRuns = process.env['STRONGROOM_LONG'] === '1' ? 20_000 : 400;

  test('never derives a set of too few by elimination over the rationals', () => {
    fc.assert(
      fc.property(tables, (table) => {
        expect(derives(table, planOf(table))).toBeUndefined();
      }),
      { numRuns },
    );
  });

  test('nor a small atom by trying all numbers that there could be', () => {
    fc.assert(
      fc.property(tables, (table) => {
        expect(determined(table, planOf(table))).toBeUndefined();
      }),
      { numRuns: numRuns / 4 },
    );
  }, 600_000);

  test('does so where only small cells are withheld', () => {
    const table: Table = {
      minimum: 3,
      atoms: [
        { cells: [0, 10], people: [1, 2, 3, 4] },
        { cells: [0, 11], people: [5] },
      ],
    };
    expect(derives(table, new Set([0, 10]))).toBeDefined();
    expect(determined(table, new Set([0, 10]))).toBeDefined();
  });
});

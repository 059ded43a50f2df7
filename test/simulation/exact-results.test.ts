import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isCombination } from '../../packages/privacy/test/slow-attacker.ts';
import {
  type Asked,
  ExactQueries,
  STAY_RULES,
  type Stay,
} from '../../services/enclave-worker/test/exact-queries.ts';

/**
 * From rows to results: whoever sees every window of every query, and knows which rows would count
 * in which cell, never works out a set of rows about too few patients. Rows, filters and windows
 * are told apart here in JavaScript and there in SQL.
 */

type Filter = (row: Stay) => boolean;
type Group = (row: Stay) => string;

interface Pooled {
  readonly sql: string;
  readonly filter: Filter;
  readonly group: Group;
  /** Of a row that is shown. */
  readonly name: (shown: Record<string, unknown>) => string;
}

const all: Filter = () => true;
const POOL: readonly Pooled[] = [
  { sql: 'SELECT count(*) AS n FROM stays', filter: all, group: () => '', name: () => '' },
  {
    sql: 'SELECT ward, count(*) AS n FROM stays GROUP BY ward',
    filter: all,
    group: ({ ward }) => ward,
    name: ({ ward }) => `${ward}`,
  },
  {
    sql: 'SELECT sex AS s, count(*) AS n FROM stays x GROUP BY s',
    filter: all,
    group: ({ sex }) => `${sex}`,
    name: ({ s }) => `${s}`,
  },
  {
    sql: 'SELECT ward, sex, count(*) AS n FROM stays GROUP BY 1, 2',
    filter: all,
    group: ({ ward, sex }) => `${ward}${sex}`,
    name: ({ ward, sex }) => `${ward}${sex}`,
  },
  {
    sql: "SELECT count(*) AS n FROM stays WHERE ward <> 'C'",
    filter: ({ ward }) => ward !== 'C',
    group: () => '',
    name: () => '',
  },
  {
    sql: "SELECT ward, count(*) AS n FROM stays WHERE sex = 'f' GROUP BY ward",
    filter: ({ sex }) => sex === 'f',
    group: ({ ward }) => ward,
    name: ({ ward }) => `${ward}`,
  },
];

const SECONDS = 5;
const windows = fc.constantFrom(
  { kind: 'tumbling', sizeMs: 1_000 } as const,
  { kind: 'tumbling', sizeMs: 2_000 } as const,
  { kind: 'hopping', sizeMs: 3_000, advanceMs: 1_000 } as const,
  { kind: 'hopping', sizeMs: 2_500, advanceMs: 1_000 } as const,
);
const queries = fc
  .uniqueArray(fc.nat(POOL.length - 1), { minLength: 1, maxLength: 3 })
  .chain((chosen) =>
    fc.oneof(
      fc.constant(chosen.map((at) => ({ at, window: { kind: 'whole' } as const }))),
      fc
        .array(windows, { minLength: chosen.length, maxLength: chosen.length })
        .map((cut) => chosen.map((at, index) => ({ at, window: cut[index] ?? cut[0] }))),
    ),
  );
const rows = fc.array(
  fc.record({
    patient: fc.nat(9).map((number) => `p${number}`),
    ward: fc.constantFrom('A', 'B', 'C'),
    sex: fc.constantFrom('f', 'm'),
    at: fc.nat(SECONDS * 1_000 - 1),
  }),
  { minLength: 1, maxLength: 24 },
);

/** Every cell that could be shown, and whether it is: which rows are in it. */
interface Cell {
  readonly name: string;
  readonly isIn: readonly boolean[];
}

test('all windows of all queries together tell of no set of too few', async () => {
  const numRuns = process.env['STRONGROOM_LONG'] === '1' ? 2_000 : 12;
  let shownCells = 0;
  await fc.assert(
    fc.asyncProperty(
      rows,
      queries,
      fc.integer({ min: 2, max: 4 }),
      async (stays, drawn, minimum) => {
        const asked = drawn.map(({ at, window }, index): Asked => {
          return { id: `q${index}`, sql: POOL[at]?.sql ?? '', ...(window ? { window } : {}) };
        });
        const rules = { ...STAY_RULES, minimumContributors: { group: minimum } };
        const engine = await ExactQueries.over(stays, asked, rules);
        const [cells, shown]: [Cell[], Cell[]] = [[], []];
        for (const [index, { at, window }] of drawn.entries()) {
          const pooled = POOL[at] ?? expect.fail('a query');
          for (const span of spansOf(window)) {
            const own = cellsIn(stays, pooled, span);
            cells.push(...own);
            for (const row of await engine.shown(`q${index}`, span)) {
              const cell = own.find(({ name }) => name === pooled.name(row));
              expect(cell?.isIn.filter(Boolean).length).toBe(row['n']);
              if (cell) shown.push(cell);
            }
          }
        }
        engine.close();
        shownCells += shown.length;
        expect(tooFew(stays, cells, shown, minimum)).toEqual([]);
      },
    ),
    { numRuns },
  );
  expect(shownCells).toBeGreaterThan(0);
}, 3_600_000);

type Span = { readonly start: number; readonly end: number } | null;

function spansOf(window: Asked['window']): Span[] {
  if (!window || !('sizeMs' in window)) return [null];
  const advance = window.kind === 'hopping' ? window.advanceMs : window.sizeMs;
  const spans: Span[] = [];
  for (let start = -3 * advance; start < SECONDS * 1_000; start += advance) {
    spans.push({ start, end: start + window.sizeMs });
  }
  return spans;
}

function cellsIn(stays: readonly Stay[], { filter, group }: Pooled, span: Span): Cell[] {
  const isCounted = (row: Stay) => {
    const { at = 0 } = row;
    return filter(row) && (!span || (at >= span.start && at < span.end));
  };
  const names = new Set(stays.filter(isCounted).map(group));
  return [...names].map((name) => ({
    name,
    isIn: stays.map((row) => isCounted(row) && group(row) === name),
  }));
}

/** Small sets that follow from what is shown: atoms, cells, differences of cells. */
function tooFew(
  stays: readonly Stay[],
  cells: readonly Cell[],
  shown: readonly Cell[],
  minimum: number,
): string[] {
  const matrix = shown.map(({ isIn }) => isIn);
  const signatures = stays.map((_row, at) => cells.map(({ isIn }) => isIn[at]).join());
  const atoms = signatures.map((one) => signatures.map((other) => one === other));
  const differences = cells.flatMap(({ isIn: outer }) =>
    cells
      .filter(({ isIn }) => isIn.every((isInner, at) => !isInner || outer[at]))
      .map(({ isIn }) => outer.map((isOuter, at) => isOuter && !isIn[at])),
  );
  const sets = new Map(
    [...atoms, ...cells.map(({ isIn }) => isIn), ...differences].map((set) => [set.join(), set]),
  );
  return [...sets.values()].flatMap((set) => {
    const patients = new Set(stays.filter((_row, at) => set[at]).map(({ patient }) => patient));
    const isSmall = patients.size > 0 && patients.size < minimum;
    return isSmall && isCombination(matrix, set) ? [set.join()] : [];
  });
}

import type { Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import type { SessionWindow } from '@strongroom/protocol/windows';
import { describe, expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';

/** Sessions by hand: which rows are together, where they are cut, and in which window they end. */

const columns = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'who', type: 'utf8', nullable: false },
] as const;
const ids = ['east', 'west'] as const;
const datasets = ids.map((id) =>
  datasetWith(columns, { id: id as DatasetId, relation: 't', eventTime: 'at' }),
);
const WINDOW = {
  kind: 'session',
  key: 'who',
  gapMs: 100,
  maximumMs: 1_000,
  sizeMs: 1_000,
} as const;

function queryOf(window: SessionWindow, sql: string): Query {
  return {
    ...{ id: 'q' as QueryId, sql, relations: ['t'], window, latenessMs: 0, readers: [] },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  };
}

const SQL = `SELECT _session_number AS number, _session_start AS began, _session_end AS ended,
  count(*) AS n FROM t GROUP BY _session_number, _session_start, _session_end`;

/** `[milliseconds, who]`; a third member puts the row to the other owner. */
type Cell = readonly [at: number, who: string, dataset?: (typeof ids)[number]];

async function withRows<T>(
  rows: readonly Cell[],
  run: (aggregator: Aggregator, query: Query) => Promise<T>,
  { lateBelow, ...more }: Partial<SessionWindow> & { lateBelow?: number } = {},
): Promise<T> {
  const query = queryOf({ ...WINDOW, ...more }, SQL);
  const contract = { datasets, queries: [query] } as unknown as Contract;
  const aggregator = await Aggregator.open(contract, { memoryMb: 64 });
  for (const dataset of datasets) {
    const mine = rows.filter(([, , id = 'east']) => id === dataset.id);
    if (mine.length === 0) continue;
    const bytes = encodeColumns([
      { contract: columns[0], values: mine.map(([at]) => BigInt(Math.round(at * 1_000))) },
      { contract: columns[1], values: mine.map(([, who]) => who) },
    ]);
    const late = new Map(lateBelow === undefined ? [] : [[query.id, lateBelow]]);
    const arrowBatch = readArrowBatch(bytes, dataset, mine.length);
    await aggregator.append(
      dataset.id,
      [{ arrowBatch, stream: 0, batchNumber: 0, lateBelow: late }],
      -Infinity,
    );
  }
  try {
    return await run(aggregator, query);
  } finally {
    aggregator.close();
  }
}

/** `[number, first row, end, rows]` of the sessions that end in [start, start + size). */
function sessionsIn(rows: readonly Cell[], start: number, more = {}): Promise<number[][]> {
  return withRows(
    rows,
    async (aggregator, query) => {
      const sizeMs = query.window.kind === 'session' ? query.window.sizeMs : 0;
      const window = { start, end: start + sizeMs };
      await aggregator.prepare(query, [window]);
      const { columns: found } = await aggregator.aggregate(query, window);
      const cells = found.map(({ values }) => values.map(asNumber));
      return (cells[0] ?? []).map((_none, row) => cells.map((column) => column[row] ?? 0));
    },
    more,
  );
}

function asNumber(value: unknown): number {
  if (typeof value === 'bigint') return Number(value);
  const { micros } = value as { micros: bigint };
  return Number(micros) / 1_000;
}

describe('sessions', () => {
  test.each<[string, readonly Cell[], number, number[][], object?]>([
    ['one row is a session that ends a gap later', [[5, 'a']], 0, [[1, 5, 105, 1]]],
    [
      'rows exactly a gap apart are together',
      [
        [0, 'a'],
        [100, 'a'],
      ],
      0,
      [[1, 0, 200, 2]],
    ],
    [
      'rows a millisecond more than a gap apart are not',
      [
        [0, 'a'],
        [101, 'a'],
      ],
      0,
      [
        [1, 0, 100, 1],
        [2, 101, 201, 1],
      ],
    ],
    [
      'microseconds are rounded down first',
      [
        [0.999, 'a'],
        [100.999, 'a'],
        [-0.001, 'b'],
      ],
      0,
      [
        [1, -1, 99, 1],
        [2, 0, 200, 2],
      ],
    ],
    ['an end on a boundary is of the later window', [[900, 'a']], 1_000, [[1, 900, 1_000, 1]]],
    ['and not of the earlier one', [[900, 'a']], 0, []],
    ['an end before the boundary is of the earlier one', [[899, 'a']], 0, [[1, 899, 999, 1]]],
    [
      'before 1970 all is the same',
      [
        [-1_150, 'a'],
        [-1_050, 'a'],
        [-901, 'a'],
      ],
      -1_000,
      [
        [1, -1_150, -950, 2],
        [2, -901, -801, 1],
      ],
    ],
    [
      'keys are apart, owners are not',
      [
        [0, 'a'],
        [50, 'a', 'west'],
        [60, 'b', 'west'],
      ],
      0,
      [
        [1, 0, 150, 2],
        [2, 60, 160, 1],
      ],
    ],
    [
      'equal starts are numbered by key',
      [
        [7, 'b'],
        [7, 'a', 'west'],
        [8, 'b'],
      ],
      0,
      [
        [1, 7, 107, 1],
        [2, 7, 108, 2],
      ],
    ],
    ['a window that no session ends in is empty', [[5, 'a']], 1_000, []],
    [
      'a session that began windows ago is shown whole where it ends',
      [800, 890, 980, 1_070].map((at): Cell => [at, 'a']),
      1_000,
      [[1, 800, 1_170, 4]],
    ],
    [
      'a session as long as the maximum is not cut',
      every(90, 100, 1_100).map((at): Cell => [at, 'a']),
      1_000,
      [[1, 100, 1_190, 12]],
    ],
    [
      'one that goes on is cut at the first multiple that it reached with more than a maximum',
      every(90, 990, 3_240).map((at): Cell => [at, 'a']),
      2_000,
      // Begun at 990, at 2,000 it is longer than the maximum: the last row before is at 1,980.
      [[1, 990, 2_080, 12]],
    ],
    [
      'and again at the next',
      every(90, 990, 3_240).map((at): Cell => [at, 'a']),
      3_000,
      [
        [1, 2_070, 3_070, 11],
        [2, 3_060, 3_340, 3],
      ],
    ],
    [
      'rows that came too late are of none',
      [
        [0, 'a'],
        [100, 'a'],
        [200, 'a'],
      ],
      0,
      [[1, 100, 300, 2]],
      { lateBelow: 100 },
    ],
  ])('%s', async (_name, rows, start, expected, more) => {
    expect(await sessionsIn(rows, start, more)).toEqual(expected);
  });

  test('rows that are counted are those that are shown', async () => {
    const rows: Cell[] = [
      [0, 'a'],
      [50, 'a', 'west'],
      [950, 'a'],
      [2_000, 'b', 'west'],
    ];
    await withRows(rows, async (aggregator, query) => {
      const window = { start: 0, end: 1_000 };
      await aggregator.prepare(query, [window]);
      const counts = await Promise.all(
        ids.map((id) => aggregator.rows.countByStream(query, id as DatasetId, window)),
      );
      expect(counts).toEqual([new Map([[0, 1]]), new Map([[0, 1]])]);
    });
  });

  test('columns of a session are known to queries over sessions, and to no other', async () => {
    const open = (query: Query) =>
      Aggregator.open({ datasets, queries: [query] } as unknown as Contract);
    const sql = `WITH s AS (SELECT _session_number AS s, count(*) AS rows,
      max(_session_number) AS m,
      date_diff('second', _session_start, _session_end) AS seconds
      FROM t GROUP BY _session_number, _session_start, _session_end)
      SELECT rows, avg(seconds) AS mean, count(*) AS n FROM s GROUP BY rows`;
    (await open(queryOf(WINDOW, sql))).close();
    const plain = { ...queryOf(WINDOW, SQL), window: { kind: 'tumbling', sizeMs: 1_000 } } as Query;
    await expect(open(plain)).rejects.toMatchObject({
      code: 'ERR_QUERY_REFUSED',
      facts: { place: 'column _session_number' },
    });
    // The smallest start would be the time of one row.
    const first = queryOf(WINDOW, 'SELECT min(_session_start) AS first, count(*) AS n FROM t');
    await expect(open(first)).rejects.toMatchObject({ code: 'ERR_QUERY_REFUSED' });
  });
});

function every(step: number, from: number, to: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_n, i) => from + i * step);
}

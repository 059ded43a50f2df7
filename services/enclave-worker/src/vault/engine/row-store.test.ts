import type { Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import { expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';

const DAY_MS = 86_400_000;
const ROWS = 30_000;
const columns = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'n', type: 'int64', nullable: false },
  { name: 'unused', type: 'float64', nullable: true },
] as const;
const dataset = datasetWith(columns, {
  id: 'd' as DatasetId,
  relation: 't',
  eventTime: 'at',
});
const query: Query = {
  id: 'q' as QueryId,
  sql: 'SELECT count(*) AS rows, sum(n) AS total, max(n) AS most FROM t',
  relations: ['t'],
  window: { kind: 'tumbling', sizeMs: DAY_MS },
  latenessMs: 0,
  readers: [],
  disclosure: { minimumGroupRows: 1, groupRowsColumn: 'rows' },
};
const contract = { datasets: [dataset], queries: [query] } as unknown as Contract;

/** Day `day` holds the numbers day * ROWS …, at a place in the day that depends on the number. */
function dayOf(day: number) {
  const numbers = Array.from({ length: ROWS }, (_none, index) => day * ROWS + index);
  return readArrowBatch(
    encodeColumns([
      { contract: columns[0], values: numbers.map((n) => BigInt(day * DAY_MS + (n % DAY_MS))) },
      { contract: columns[1], values: numbers.map(BigInt) },
      { contract: columns[2], values: numbers.map(() => null) },
    ]),
    dataset,
    ROWS,
  );
}

test('rows of closed windows go, and the windows after them stay exact', async () => {
  const aggregator = await Aggregator.open(contract, { memoryMb: 64 });
  // 64 MiB hold about two million of these rows: forty days fit only if days are forgotten.
  for (let day = 0; day < 120; day += 1) {
    await aggregator.append(
      dataset.id,
      [{ arrowBatch: dayOf(day), stream: 0, batchNumber: 0 }],
      (day - 1) * DAY_MS,
    );
    const window = { start: day * DAY_MS, end: (day + 1) * DAY_MS };
    const { columns: found } = await aggregator.aggregate(query, window);
    const first = BigInt(day * ROWS);
    const most = first + BigInt(ROWS - 1);
    const total = ((first + most) * BigInt(ROWS)) / 2n;
    expect(found.map(({ values }) => values[0])).toEqual([BigInt(ROWS), total, most]);
    await aggregator.rows.dropBefore(dataset.id, window.end);
  }
  expect(await aggregator.rows.count(dataset.id, null)).toBeLessThan(ROWS * 10);
  await aggregator.rows.clear(dataset.id);
  expect(await aggregator.rows.count(dataset.id, null)).toBe(0);
  aggregator.close();
}, 60_000);

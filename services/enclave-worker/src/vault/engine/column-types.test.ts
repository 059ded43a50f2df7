import type { ColumnContract, Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId } from '@strongroom/protocol/fields';
import { Timestamp, TimeUnit, tableFromIPC } from 'apache-arrow';
import { expect, test } from 'vitest';
import { datasetWith, encodeColumns, type TestColumn } from '../../../test/arrow-tables.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { eventTimeColumnOf, eventTimeRange } from './event-time.ts';
import { encodeResult } from './result-types.ts';

/** What a query makes of each type, from a batch to the bytes of a result. */

const HOUR_MS = 3_600_000;

async function answer(
  columns: readonly TestColumn[],
  sql: string,
  window: { start: number; end: number },
) {
  const query: Query = {
    ...{ id: 'q' as QueryId, sql, relations: ['t'], latenessMs: 0, readers: [] },
    window: { kind: 'tumbling', sizeMs: window.end - window.start },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  };
  const contracts = columns.map(({ contract }) => contract);
  const dataset = datasetWith(contracts, {
    ...{ id: 'd' as DatasetId, relation: 't', eventTime: 'seen' },
  });
  const contract = { datasets: [dataset], queries: [query] } as unknown as Contract;
  const aggregator = await Aggregator.open(contract, { memoryMb: 64 });
  const rows = columns[0]?.values.length ?? 0;
  const arrowBatch = readArrowBatch(encodeColumns(columns), dataset, rows);
  await aggregator.append(dataset.id, [{ arrowBatch, stream: 0, batchNumber: 0 }], -Infinity);
  const { columns: found } = await aggregator.aggregate(query, window);
  const column = eventTimeColumnOf(dataset);
  const all = Array.from(found[0]?.values ?? [], (_value, row) => row);
  const taken = found.map((each) => each.take(all));
  aggregator.close();
  const table = tableFromIPC(encodeResult(taken, all.length));
  return { table, times: column && eventTimeRange(arrowBatch, column) };
}

function times(type: 'timestamp-ms' | 'timestamp-us' | 'timestamp-us-utc', all: number[]) {
  const contract: ColumnContract = { name: 'seen', type, nullable: false };
  const perMs = type === 'timestamp-ms' ? 1 : 1_000;
  return { contract, values: all.map((ms) => BigInt(Math.floor(ms * perMs))) };
}

test.each(['timestamp-ms', 'timestamp-us', 'timestamp-us-utc'] as const)(
  'windows of %s begin with their start and end before their end, also before 1970',
  async (type) => {
    for (const start of [0, -HOUR_MS, 31 * 24 * HOUR_MS]) {
      const end = start + HOUR_MS;
      const all = [start - 1, start, start + 1, end - 1, end, end + 1];
      const found = await answer([times(type, all)], 'SELECT count(*) AS n FROM t', { start, end });
      expect(found.times).toEqual({ min: start - 1, max: end + 1 });
      expect(found.table.getChildAt(0)?.get(0)).toBe(3n);
    }
  },
);

test('an instant is cut by the hour of UTC, and stays an instant in the result', async () => {
  const at = times('timestamp-us-utc', [5, HOUR_MS + 5, HOUR_MS + 6]);
  const sql = `SELECT date_trunc('hour', seen) AS begun, count(*) AS n FROM t
    WHERE seen >= TIMESTAMP '1970-01-01' GROUP BY date_trunc('hour', seen) ORDER BY begun`;
  const { table } = await answer([at], sql, { start: 0, end: 2 * HOUR_MS });
  expect(table.schema.fields[0]?.type).toEqual(new Timestamp(TimeUnit.MICROSECOND, 'UTC'));
  expect([...(table.getChildAt(0) ?? [])].map(Number)).toEqual([0, HOUR_MS]);
  expect([...(table.getChildAt(1) ?? [])]).toEqual([1n, 2n]);
});

test('unsigned integers and half-size floats keep their type and value', async () => {
  const numbers: TestColumn[] = [
    { contract: { name: 'i8', type: 'int8', nullable: false }, values: [-128, 127] },
    { contract: { name: 'u8', type: 'uint8', nullable: false }, values: [0, 255] },
    { contract: { name: 'u16', type: 'uint16', nullable: false }, values: [0, 65_535] },
    { contract: { name: 'u32', type: 'uint32', nullable: false }, values: [0, 2 ** 32 - 1] },
    { contract: { name: 'u64', type: 'uint64', nullable: false }, values: [0n, 2n ** 64n - 1n] },
    { contract: { name: 'f32', type: 'float32', nullable: false }, values: [-1.5, 0.5] },
  ];
  const names = numbers.map(({ contract }) => contract.name);
  const extremes = names
    .map((name) => `min(${name}) AS least_${name}, max(${name}) AS most_${name}`)
    .join(', ');
  const sql = `SELECT count(*) AS n, ${extremes}, sum(u32) AS s FROM t`;
  const { table } = await answer([times('timestamp-ms', [1, 2]), ...numbers], sql, {
    start: 0,
    end: HOUR_MS,
  });
  const cells = table.schema.fields.map((field, index) => [
    `${field.type}`,
    table.getChildAt(index)?.get(0),
  ]);
  const pair = (type: string, least: unknown, most: unknown) => [
    [type, least],
    [type, most],
  ];
  expect(cells.slice(1, -1)).toEqual([
    ...pair('Int8', -128, 127),
    ...pair('Uint8', 0, 255),
    ...pair('Uint16', 0, 65_535),
    ...pair('Uint32', 0, 2 ** 32 - 1),
    ...pair('Uint64', 0n, 2n ** 64n - 1n),
    ...pair('Float32', -1.5, 0.5),
  ]);
  expect(cells.at(-1)?.[0]).toContain('Decimal');
});

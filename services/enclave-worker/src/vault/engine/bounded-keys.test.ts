import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { Contract, Query } from '@strongroom/protocol/contract';
import type { DatasetId, PartyId, QueryId } from '@strongroom/protocol/fields';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';

/** `rowsPerKey`: which rows of a key a query without noise joins. */

const columns = [
  { name: 'k', type: 'utf8', nullable: true },
  { name: 'v', type: 'int64', nullable: false },
] as const;
const rules: AnalysisRules = {
  columns: { k: { joinKey: { rowsPerKey: 2 } }, v: { measure: { functions: ['sum'] } } },
};
const datasetOf = (id: string, relation: string) => ({
  ...datasetWith(columns, { id: id as DatasetId, relation }),
  ...{ rules, owner: `owner-${id}` as PartyId },
});
const datasets = [datasetOf('east', 't'), datasetOf('west', 't'), datasetOf('other', 'r')];
const queryOf = (sql: string, relations: string[]) =>
  ({
    ...{ id: sql.length as unknown as QueryId, sql, relations, latenessMs: 0, readers: [] },
    window: { kind: 'whole' },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  }) as unknown as Query;
const SELECT = 'SELECT count(*) AS n, sum(t.v) AS total FROM t';
const joined = queryOf(`${SELECT} LEFT JOIN r ON t.k = r.k`, ['t', 'r']);
const alone = queryOf(SELECT, ['t']);

let aggregator: Aggregator;
beforeAll(async () => {
  const contract = { datasets, queries: [joined, alone] } as unknown as Contract;
  aggregator = await Aggregator.open(contract);
});
afterAll(() => aggregator.close());

/** Replaces the rows of one owner. */
async function show(id: string, rows: readonly (readonly [string | null, number])[]) {
  const dataset = datasets.find((each) => each.id === id) ?? expect.fail(id);
  await aggregator.rows.clear(dataset.id);
  const bytes = encodeColumns([
    { contract: columns[0], values: rows.map(([k]) => k) },
    { contract: columns[1], values: rows.map(([, v]) => BigInt(v)) },
  ]);
  const arrowBatch = readArrowBatch(bytes, dataset, rows.length);
  await aggregator.append(dataset.id, [{ arrowBatch, stream: 0, batchNumber: 0 }], -Infinity);
}

async function numbers(query: Query, orderKey: string): Promise<string> {
  const { columns: found } = await aggregator.aggregate(query, null, orderKey);
  return found.map(({ values }) => String(values[0])).join(' ');
}

const powers = (key: string | null, first: number, count: number) =>
  Array.from({ length: count }, (_none, at): [string | null, number] => [key, 2 ** (first + at)]);

test('so many of each key and of each owner, and all without a key', async () => {
  const east = [...powers('a', 0, 5), ...powers('b', 5, 1), ...powers(null, 6, 3)];
  await show('east', east);
  await show('west', powers('a', 10, 5));
  await show('other', [
    ['a', 0],
    ['a', 0],
    ['a', 0],
  ]);
  // Two of a and one of b of east, two of a of west; r has two of a left.
  const found = await numbers(joined, 'ab');
  expect(found).toMatch(new RegExp(`^${2 * 2 + 1 + 3 + 2 * 2} `));
  expect(await numbers(alone, 'ab')).toMatch(/^14 /);

  await show('east', east.toReversed());
  expect(await numbers(joined, 'ab')).toBe(found);
  const others = new Set<string>();
  for (const orderKey of ['ac', 'ad', 'ae', 'af']) others.add(await numbers(joined, orderKey));
  expect(others.size).toBeGreaterThan(1);
});

import type { Contract, Query } from '@strongroom/protocol/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { encodeResult } from './result-types.ts';
import type { StoredBatch } from './row-store.ts';
import type { TimeWindow } from './window.ts';

/** What a slice tells of rows that were folded is what it tells of the rows: the same bytes. */

const SECOND = 1_000;
const columns = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'town', type: 'utf8', nullable: true },
  { name: 'open', type: 'bool', nullable: true },
  { name: 'day', type: 'date32', nullable: false },
  { name: 'size', type: 'int64', nullable: true },
  { name: 'price', type: 'decimal128', precision: 12, scale: 2, nullable: true },
] as const;
const dataset = datasetWith(columns, { relation: 't', eventTime: 'at' });
const TUMBLING = { kind: 'tumbling', sizeMs: 2 * SECOND } as const;
const HOPPING = { kind: 'hopping', sizeMs: 3 * SECOND, advanceMs: 2 * SECOND } as const;
const QUERIES = [
  ['towns', TUMBLING, 'SELECT town, count(*) AS n, sum(size) AS size FROM t GROUP BY town'],
  ['hops', HOPPING, 'SELECT town, day, count(*) AS n, max(price) AS p FROM t GROUP BY town, day'],
  ['flags', HOPPING, 'SELECT open, count(*) AS n, avg(price) AS p FROM t GROUP BY open'],
  ['all', TUMBLING, 'SELECT count(*) AS n, count(size) AS known, min(size) AS least FROM t'],
  ['none', TUMBLING, "SELECT count(*) AS n, sum(price) AS price FROM t WHERE town = 'no'"],
  ['whole', { kind: 'whole' }, 'SELECT upper(town) AS town, count(*) AS n FROM t GROUP BY 1'],
].map(
  ([id, window, sql]) =>
    ({
      ...{ id, sql, window, relations: ['t'], latenessMs: 0, readers: [] },
      disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
    }) as unknown as Query,
);
const contract = { datasets: [dataset], queries: QUERIES, slices: 2 } as unknown as Contract;

let folded: Aggregator;
let plain: Aggregator;
beforeAll(async () => {
  folded = await Aggregator.open(contract);
  plain = await Aggregator.open(contract, { keepsRows: true });
});
afterAll(() => {
  for (const each of [folded, plain]) each.close();
});

const row = fc.record({
  at: fc.integer({ min: -2 * SECOND, max: 8 * SECOND }).map(BigInt),
  town: fc.option(fc.constantFrom('', 'a', 'A', 'b', 'c', 'd', 'zürich', 'östra')),
  open: fc.option(fc.boolean()),
  day: fc.integer({ min: -1, max: 1 }),
  size: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  price: fc.option(fc.bigInt({ min: -(10n ** 12n) + 1n, max: 10n ** 12n - 1n })),
});
const batches = fc.array(fc.array(row, { minLength: 1, maxLength: 24 }), { maxLength: 5 });
type Row = ReturnType<typeof row.generate>['value'];

function stored(rows: readonly Row[], batchNumber: number): StoredBatch {
  const bytes = encodeColumns(
    columns.map((each) => ({ contract: each, values: rows.map((cells) => cells[each.name]) })),
  );
  const times = rows.map(({ at }) => Number(at));
  const eventTime = { min: Math.min(...times), max: Math.max(...times) };
  return {
    ...{ stream: 0, batchNumber, eventTime },
    arrowBatch: readArrowBatch(bytes, dataset, rows.length),
  };
}

function windowsOf({ window }: Query): (TimeWindow | null)[] {
  if (window.kind === 'whole') return [null];
  const advanceMs = window.kind === 'hopping' ? window.advanceMs : window.sizeMs;
  return Array.from({ length: 7 }, (_none, at) => {
    const start = (at - 2) * advanceMs;
    return { start, end: start + window.sizeMs };
  });
}

async function told(aggregator: Aggregator, query: Query, window: TimeWindow | null) {
  const counts = await aggregator.rows.countByStream(query, dataset.id, window);
  const partial = await aggregator.partial(query, window);
  const arrow = encodeResult(partial.columns, partial.groups);
  return { rows: counts.get(0) ?? 0, arrow: Buffer.from(arrow).toString('base64') };
}

test('partials of folded rows are those of the rows, byte by byte', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(4), async (all, first) => {
      for (const each of [folded, plain]) {
        await each.rows.clear(dataset.id);
        const parts = all.map(stored);
        // Some come together, others by themselves.
        if (first > 0 && all.length > 0)
          await each.append(dataset.id, parts.slice(0, first), -Infinity);
        for (const part of parts.slice(first)) await each.append(dataset.id, [part], -Infinity);
      }
      for (const query of contract.queries) {
        for (const window of windowsOf(query)) {
          const found = await told(folded, query, window);
          expect(found, `${query.id} ${window?.start}`).toEqual(await told(plain, query, window));
        }
      }
    }),
    { numRuns: process.env['STRONGROOM_LONG'] === '1' ? 500 : 12 },
  );
});

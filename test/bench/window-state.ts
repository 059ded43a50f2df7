import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { Aggregator } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { readArrowBatch } from '../../services/enclave-worker/src/vault/engine/arrow-batch.ts';
import { datasetWith, encodeColumns } from '../../services/enclave-worker/test/arrow-tables.ts';
import type { Measured } from './measured.ts';

/**
 * What an open window takes when its rows are folded as they come, beside the same window kept as
 * rows: processor time and the largest memory of a process that does nothing else, from the opened
 * batch to the groups of the result. The same batches come again and again.
 */

const ROWS_PER_BATCH = 20_000;
/** As many as the vault is handed in at once. */
const BATCHES_AT_ONCE = 16;

const columns = [
  { name: 'id', type: 'int64', nullable: false },
  { name: 'quantity', type: 'int64', nullable: false },
  { name: 'price', type: 'decimal128', precision: 12, scale: 2, nullable: true },
  { name: 'region', type: 'utf8', nullable: false },
  { name: 'category', type: 'utf8', nullable: false },
  { name: 'at', type: 'timestamp-ms', nullable: false },
] as const;
const SQL = `SELECT region, category, count(*) AS n, sum(quantity) AS quantity, avg(price) AS price
  FROM orders GROUP BY region, category`;
const HOUR_MS = 3_600_000;
const WINDOWS: Readonly<Record<string, Query['window']>> = {
  whole: { kind: 'whole' },
  hourly: { kind: 'tumbling', sizeMs: HOUR_MS },
  hopping: { kind: 'hopping', sizeMs: 24 * HOUR_MS, advanceMs: HOUR_MS },
};

interface Cost {
  readonly seconds: number;
  readonly megabytes: number;
  readonly groups: number;
}

/** Of windows over so many rows, one process each; a size that memory is not enough for is left. */
export function benchWindowState(sizes: readonly number[] = [1_000_000, 4_000_000]): Measured[] {
  return Object.keys(WINDOWS).flatMap((kind) =>
    sizes.flatMap((rows): Measured[] => {
      const [folded, kept] = [costOf('folded', kind, rows), costOf('rows', kind, rows)];
      return [
        told(`${kind} window of ${rows} rows, time`, folded.seconds, kept.seconds, 's'),
        told(`${kind} window of ${rows} rows, memory`, folded.megabytes, kept.megabytes, 'MiB'),
      ];
    }),
  );
}

function told(name: string, ours: number, baseline: number, unit: string): Measured {
  return { name, ours, baseline, ratio: Number((baseline / ours).toFixed(2)), unit };
}

function costOf(way: 'folded' | 'rows', kind: string, rows: number): Cost {
  const args = ['--conditions=strongroom:source', fileURLToPath(import.meta.url)];
  return JSON.parse(execFileSync(process.execPath, [...args, way, kind, `${rows}`]).toString());
}

async function measure(way: string, kind: string, rows: number, groups: number): Promise<Cost> {
  const dataset = datasetWith(columns, { relation: 'orders', eventTime: 'at' });
  const window = WINDOWS[kind] ?? { kind: 'whole' };
  const query = {
    ...{ id: 'q', sql: SQL, relations: ['orders'], window, latenessMs: 0, readers: [] },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  } as unknown as Query;
  const contract = { datasets: [dataset], queries: [query] } as unknown as Contract;
  const memoryMb = way === 'rows' ? 8_192 : 600;
  const aggregator = await Aggregator.open(contract, { keepsRows: way === 'rows', memoryMb });
  const step = (240 * HOUR_MS) / rows;
  let spent = 0;
  let closedUntil = 0;
  let results = 0;
  const timed = async (work: () => Promise<unknown>) => {
    const began = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(began);
    spent += user + system;
  };
  const close = async (until: number) => {
    const { sizeMs, advanceMs } = { sizeMs: 0, advanceMs: 0, ...window };
    const advance = kind === 'hopping' ? advanceMs : sizeMs;
    for (; closedUntil + advance <= until; closedUntil += advance) {
      const end = closedUntil + advance;
      const shown = { start: end - sizeMs, end };
      results += (await aggregator.aggregate(query, shown)).columns[0]?.values.length ?? 0;
      await aggregator.rows.countByStream(query, dataset.id, shown);
    }
    await aggregator.rows.dropBefore(dataset.id, closedUntil - sizeMs + advance);
  };
  for (let row = 0; row < rows; row += ROWS_PER_BATCH * BATCHES_AT_ONCE) {
    const stored = Array.from({ length: BATCHES_AT_ONCE }, (_none, index) => {
      const first = row + index * ROWS_PER_BATCH;
      const arrowBatch = readArrowBatch(encoded(first, step, groups), dataset, ROWS_PER_BATCH);
      const [min, max] = [first, first + ROWS_PER_BATCH - 1].map((n) => Math.floor(n * step));
      const eventTime = { min: min ?? 0, max: max ?? 0 };
      return { arrowBatch, stream: 0, batchNumber: first, eventTime };
    });
    await timed(() => aggregator.append(dataset.id, stored, Number.NEGATIVE_INFINITY));
    const until = Math.floor((row + ROWS_PER_BATCH * BATCHES_AT_ONCE) * step);
    if (kind !== 'whole') await timed(() => close(until));
  }
  if (kind === 'whole') {
    await timed(async () => {
      results = (await aggregator.aggregate(query, null)).columns[0]?.values.length ?? 0;
    });
  }
  aggregator.close();
  const megabytes = Math.round(process.resourceUsage().maxRSS / 1_024);
  return { seconds: Number((spent / 1e6).toFixed(2)), megabytes, groups: results };
}

/** Values of a batch are the same for each; its times are its own. */
let texts: { region: string[]; category: string[] } | undefined;
function encoded(first: number, step: number, groups: number): Uint8Array {
  const numbers = Array.from({ length: ROWS_PER_BATCH }, (_none, index) => index);
  texts ??= {
    region: numbers.map((n) => `region-${(n * 7_919) % 20}`),
    category: numbers.map((n) => `category-${(n * 104_729) % Math.ceil(groups / 20)}`),
  };
  return encodeColumns([
    { contract: columns[0], values: numbers.map((n) => BigInt(first + n)) },
    { contract: columns[1], values: numbers.map((n) => BigInt((n * 31) % 100)) },
    { contract: columns[2], values: numbers.map((n) => (n % 100 === 0 ? null : BigInt(n * 7))) },
    { contract: columns[3], values: texts.region },
    { contract: columns[4], values: texts.category },
    { contract: columns[5], values: numbers.map((n) => BigInt(Math.floor((first + n) * step))) },
  ]);
}

const [way, kind, rows, groups = '4000'] = process.argv.slice(2);
if (process.argv[1] === fileURLToPath(import.meta.url) && way && kind) {
  console.log(JSON.stringify(await measure(way, kind, Number(rows), Number(groups))));
}

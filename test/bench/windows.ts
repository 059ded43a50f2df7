import type { Contract, Dataset, Query } from '@strongroom/protocol/contract';
import { Aggregator } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { readArrowBatch } from '../../services/enclave-worker/src/vault/engine/arrow-batch.ts';
import {
  type TimeWindow,
  windowRuleOf,
} from '../../services/enclave-worker/src/vault/engine/window.ts';
import { datasetWith, encodeColumns } from '../../services/enclave-worker/test/arrow-tables.ts';
import type { Measured } from './measured.ts';

/**
 * What one window costs when rows of ten thousand others are open, beside the same window with no
 * other row in the store: a window that scanned all rows would cost 160 times as much.
 */

const MINUTE_MS = 60_000;
const ROWS = 1_000_000;
const OPEN_WINDOWS = 10_000;
const ROWS_PER_BATCH = 8_192;
const MEASURED_WINDOWS = 256;
/** As many as the vault closes before it seals what it has. */
const WINDOWS_AT_ONCE = 64;

const columns = [
  { name: 'at', type: 'timestamp-ms', nullable: false },
  { name: 'who', type: 'utf8', nullable: false },
  { name: 'n', type: 'int64', nullable: false },
] as const;

const WINDOWS: Readonly<Record<string, Query['window']>> = {
  tumbling: { kind: 'tumbling', sizeMs: MINUTE_MS },
  hopping: { kind: 'hopping', sizeMs: 60 * MINUTE_MS, advanceMs: MINUTE_MS },
  session: {
    ...{ kind: 'session', key: 'who', sizeMs: MINUTE_MS },
    ...{ gapMs: 5 * MINUTE_MS, maximumMs: 60 * MINUTE_MS },
  },
};

export async function benchWindows(): Promise<Measured[]> {
  const results: Measured[] = [];
  for (const [kind, window] of Object.entries(WINDOWS)) {
    const query = queryOver(window);
    const from = (OPEN_WINDOWS / 2) * MINUTE_MS;
    const until = from + MEASURED_WINDOWS * MINUTE_MS;
    const ours = await measure(query, { start: 0, end: OPEN_WINDOWS * MINUTE_MS }, from);
    // Sessions and hopping windows hold rows from before their start: two hours are enough.
    const near = { start: from - 120 * MINUTE_MS, end: until + 60 * MINUTE_MS };
    const baseline = await measure(query, near, from);
    results.push({
      name: `${kind} window among ${OPEN_WINDOWS}`,
      ours: Number(ours.toFixed(2)),
      baseline: Number(baseline.toFixed(2)),
      ratio: Number((baseline / ours).toFixed(2)),
      unit: 'ms of a processor',
    });
  }
  return results;
}

function queryOver(window: Query['window']): Query {
  const sql =
    window.kind === 'session'
      ? 'SELECT count(*) AS n, sum(n) AS total FROM t'
      : 'SELECT who, count(*) AS n, sum(n) AS total FROM t GROUP BY who';
  return {
    ...{ id: 'q', sql, relations: ['t'], window, latenessMs: 0, readers: [] },
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
  } as unknown as Query;
}

/** Processor time of one window, from `from` on, over the rows in a span of event time. */
async function measure(query: Query, span: TimeWindow, from: number): Promise<number> {
  const dataset = datasetWith(columns, { relation: 't', eventTime: 'at' });
  const contract = { datasets: [dataset], queries: [query] } as unknown as Contract;
  const aggregator = await Aggregator.open(contract);
  await fill(aggregator, dataset, span);
  const { sizeMs, advanceMs } = windowRuleOf(query) ?? { sizeMs: 0, advanceMs: 0 };
  const began = process.cpuUsage();
  for (let done = 0; done < MEASURED_WINDOWS; done += WINDOWS_AT_ONCE) {
    const windows = Array.from({ length: WINDOWS_AT_ONCE }, (_none, index) => {
      const start = from + (done + index) * advanceMs;
      return { start, end: start + sizeMs };
    });
    await aggregator.prepare(query, windows);
    for (const window of windows) {
      await aggregator.aggregate(query, window);
      await aggregator.rows.countByStream(query, dataset.id, window);
    }
  }
  const { user, system } = process.cpuUsage(began);
  aggregator.close();
  return (user + system) / 1_000 / MEASURED_WINDOWS;
}

async function fill(aggregator: Aggregator, dataset: Dataset, span: TimeWindow): Promise<void> {
  const step = (OPEN_WINDOWS * MINUTE_MS) / ROWS;
  const last = Math.floor(span.end / step);
  for (let row = Math.floor(span.start / step); row < last; row += ROWS_PER_BATCH) {
    const count = Math.min(ROWS_PER_BATCH, last - row);
    const numbers = Array.from({ length: count }, (_none, index) => row + index);
    const bytes = encodeColumns([
      { contract: columns[0], values: numbers.map((n) => BigInt(Math.floor(n * step))) },
      { contract: columns[1], values: numbers.map((n) => `who ${(n * 7_919) % 50}`) },
      { contract: columns[2], values: numbers.map(BigInt) },
    ]);
    const arrowBatch = readArrowBatch(bytes, dataset, count);
    await aggregator.append(
      dataset.id,
      [{ arrowBatch, stream: 0, batchNumber: row }],
      Number.NEGATIVE_INFINITY,
    );
  }
}

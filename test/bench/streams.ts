import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { say } from '../deployment/terminal.ts';
import { runStreams } from './kafka-programs.ts';
import { ORDER_HOUR_MS } from './orders.ts';

/**
 * Kafka Streams over the same rows, in plain. Its clock runs from the first row that it counts,
 * when each of its threads has its partition and all rows are on the log, to the last group read
 * from its state; every group is then compared with DuckDB's.
 */

/** And as many threads, so that it can use both processors, as worker and vault do. */
const PARTITIONS = 2;
const PRICE_TOLERANCE = 1e-9;

interface StreamsWork {
  readonly brokers: string;
  readonly folder: string;
  /** The orders' file. */
  readonly source: string;
  readonly rows: number;
}

interface StreamsAnswer {
  /** Seconds from its start to the first row, which its clock leaves out. */
  readonly waited: number;
  readonly seconds: number;
  /** Seconds until the last row was counted; then the state is read. */
  readonly counted: number;
  readonly bytes: number;
}

/** @returns rows/s */
export async function streamsSpeed(
  { brokers, folder, source, rows }: StreamsWork,
  format: 'json' | 'avro',
): Promise<number> {
  const csv = path.join(folder, 'orders.csv');
  const results = path.join(folder, `streams-${format}.csv`);
  await inDuckDb(`COPY (SELECT id, qty, price, region, category, epoch_ms("at") FROM '${source}'
    ORDER BY id) TO '${csv}' (FORMAT csv, HEADER false)`);
  const where = [brokers, `plain-orders-${format}`, format, `${PARTITIONS}`];
  const answer = await runStreams<StreamsAnswer>([...where, ...[csv, `${rows}`, results]]);
  const { waited, seconds, counted, bytes } = answer;
  await compareWithDuckDb(source, results);
  const bytesARow = (bytes / rows).toFixed(1);
  const parts = `${seconds.toFixed(2)} s, of them ${counted.toFixed(2)} s until all was counted`;
  const before = `${waited.toFixed(2)} s before the first row left out`;
  say(`Kafka Streams, ${format}: ${parts}; ${before}; ${bytesARow} bytes a row`);
  return rows / seconds;
}

async function compareWithDuckDb(source: string, results: string): Promise<void> {
  const [found] = await inDuckDb(`
    WITH theirs AS (
      SELECT * FROM read_csv('${results}', header = false, columns = {
        start: 'BIGINT', region: 'VARCHAR', category: 'VARCHAR', orders: 'BIGINT', qty: 'BIGINT',
        price: 'DOUBLE', prices: 'BIGINT'})),
    expected AS (
      SELECT (epoch_ms("at") // ${ORDER_HOUR_MS}) * ${ORDER_HOUR_MS} AS start, region, category,
        count(*) AS orders, sum(qty)::BIGINT AS qty, coalesce(sum(price), 0) AS price,
        count(price) AS prices
      FROM '${source}' GROUP BY ALL)
    SELECT count(*)::INTEGER AS groups, (count(*) FILTER (
        e.orders IS DISTINCT FROM t.orders OR e.qty IS DISTINCT FROM t.qty
        OR e.prices IS DISTINCT FROM t.prices
        OR abs(e.price - t.price) > ${PRICE_TOLERANCE} * greatest(1, abs(e.price))
      ))::INTEGER AS wrong
    FROM expected e FULL JOIN theirs t USING (start, region, category)`);
  const { groups, wrong } = found as { groups: number; wrong: number };
  if (groups === 0 || wrong > 0) throw new Error(`${wrong} of ${groups} groups differ`);
}

async function inDuckDb(sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjects();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { COLUMN_NAMES, type DemoQuery, QUERIES } from './contract.ts';
import { REGION_NAMES, type Sources } from './sources.ts';

/**
 * The other side of the proof: the same SQL, run by DuckDB directly on the raw files, without
 * Kafka, keys or enclave. Every disclosed group must be equal, and none may be missing.
 */

/** One result as the analyst printed it. */
export interface ShownAggregate {
  readonly query: DemoQuery;
  readonly window: { readonly start: number; readonly end: number } | null;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export interface Comparison {
  readonly matches: boolean;
  readonly comparedAggregates: number;
  readonly comparedGroups: number;
  /** Names of aggregates that differ or are missing; no values. */
  readonly differences: readonly string[];
}

export async function compareWithPlaintext(
  shown: readonly ShownAggregate[],
  sources: Sources,
  minimumGroupRows: number,
): Promise<Comparison> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const differences: string[] = [];
  let comparedGroups = 0;
  try {
    await createTables(connection, sources);
    const expected = await expectedWindows(connection);
    for (const { query, window } of expected) {
      const label = window === null ? query : `${query} ${new Date(window.start).toISOString()}`;
      const found = shown.filter((each) => each.query === query && sameWindow(each.window, window));
      if (found.length !== 1) {
        differences.push(`${label}: ${found.length} results`);
        continue;
      }
      const right = await plaintextRows(connection, query, window, minimumGroupRows);
      const left = (found[0]?.rows ?? []).map(rowText).sort();
      comparedGroups += right.length;
      if (left.length !== right.length || left.some((row, index) => row !== right[index])) {
        differences.push(`${label}: rows differ (${left.length} shown, ${right.length} expected)`);
      }
    }
    if (shown.length !== expected.length) {
      differences.push(`${shown.length} aggregates shown, ${expected.length} expected`);
    }
    const matches = differences.length === 0 && comparedGroups > 0;
    return { matches, comparedAggregates: expected.length, comparedGroups, differences };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const DAY_MS = 86_400_000;

async function createTables(connection: DuckDBConnection, sources: Sources): Promise<void> {
  const parquet = REGION_NAMES.map((region) => `'${sources.flights[region]}'`).join(', ');
  await connection.run(`CREATE VIEW all_flights AS
    SELECT ${renamed(COLUMN_NAMES.flights)} FROM read_parquet([${parquet}])`);
  await connection.run(`CREATE TABLE airports AS
    SELECT ${renamed(COLUMN_NAMES.airports)} FROM read_csv('${sources.airports}')`);
  await connection.run(`CREATE TABLE strikes AS
    SELECT ${renamed(COLUMN_NAMES.strikes)} FROM read_csv('${sources.strikes}')`);
}

function renamed(mapping: string): string {
  return mapping
    .split(',')
    .map((pair) => pair.replace(/^(.*)=(.*)$/, '"$1" AS $2'))
    .join(', ');
}

async function expectedWindows(connection: DuckDBConnection) {
  const reader = await connection.runAndReadAll(`SELECT
    epoch_ms(min(flight_time))::BIGINT, epoch_ms(max(flight_time))::BIGINT FROM all_flights`);
  const [first, last] = (reader.getRows()[0] ?? []).map(Number);
  if (first === undefined || last === undefined) throw new Error('the source has no rows');
  const expected: Pick<ShownAggregate, 'query' | 'window'>[] = [
    { query: 'delays-by-state', window: null },
    { query: 'strikes-by-phase', window: null },
  ];
  const from = Math.floor(first / DAY_MS) * DAY_MS;
  for (let start = from; start <= last; start += DAY_MS) {
    expected.push({ query: 'daily-delays', window: { start, end: start + DAY_MS } });
  }
  return expected;
}

async function plaintextRows(
  connection: DuckDBConnection,
  query: DemoQuery,
  window: ShownAggregate['window'],
  minimumGroupRows: number,
): Promise<string[]> {
  const where =
    window === null
      ? ''
      : `WHERE flight_time >= epoch_ms(${window.start}) AND flight_time < epoch_ms(${window.end})`;
  await connection.run(`CREATE OR REPLACE TEMP VIEW flights AS SELECT * FROM all_flights ${where}`);
  const reader = await connection.runAndReadAll(QUERIES[query]);
  const rowsColumn = query === 'strikes-by-phase' ? 'strikes' : 'flights';
  return reader
    .getRowObjects()
    .filter((row) => Number(row[rowsColumn]) >= minimumGroupRows)
    .map(rowText)
    .sort();
}

/** Values as text, by column name: 64-bit integers travel as strings in JSON, doubles as shortest. */
function rowText(row: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(row).sort();
  return JSON.stringify(names.map((name) => [name, row[name] === null ? null : String(row[name])]));
}

function sameWindow(left: ShownAggregate['window'], right: ShownAggregate['window']): boolean {
  return left?.start === right?.start && left?.end === right?.end;
}

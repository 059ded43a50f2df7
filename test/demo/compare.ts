import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { COLUMN_NAMES, DAY_MS, type DemoQuery, QUERIES, SPELL, YEARS } from './contract.ts';
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

async function createTables(connection: DuckDBConnection, sources: Sources): Promise<void> {
  const parquet = REGION_NAMES.map((region) => `'${sources.flights[region]}'`).join(', ');
  await connection.run(`CREATE VIEW all_flights AS
    SELECT ${renamed(COLUMN_NAMES.flights)} FROM read_parquet([${parquet}])`);
  await connection.run(`CREATE TABLE airports AS
    SELECT ${renamed(COLUMN_NAMES.airports)} FROM read_csv('${sources.airports}')`);
  await connection.run(`CREATE TABLE all_strikes AS
    SELECT ${renamed(COLUMN_NAMES.strikes)} FROM read_csv('${sources.strikes}')`);
}

function renamed(mapping: string): string {
  return mapping
    .split(',')
    .map((pair) => pair.replace(/^(.*)=(.*)$/, '"$1" AS $2'))
    .join(', ');
}

/** How each windowed query is cut: `shiftMs` from a row to the moment that decides its window. */
const CUTS = [
  { query: 'daily-delays', sizeMs: DAY_MS, advanceMs: DAY_MS, shiftMs: 0 },
  { query: 'strikes-by-years', ...YEARS, shiftMs: 0 },
  { query: 'strike-spells', ...SPELL, advanceMs: SPELL.sizeMs, shiftMs: SPELL.gapMs },
] as const;

async function expectedWindows(connection: DuckDBConnection) {
  const expected: Pick<ShownAggregate, 'query' | 'window'>[] = [
    { query: 'delays-by-state', window: null },
    { query: 'strikes-by-phase', window: null },
  ];
  for (const { query, sizeMs, advanceMs, shiftMs } of CUTS) {
    const { table, time } = timedTable(query);
    const reader = await connection.runAndReadAll(`SELECT epoch_ms(min(${time})::TIMESTAMP)::BIGINT,
      epoch_ms(max(${time})::TIMESTAMP)::BIGINT FROM ${table}`);
    const [first, last] = (reader.getRows()[0] ?? []).map((ms) => Number(ms) + shiftMs);
    if (first === undefined || last === undefined) throw new Error('the source has no rows');
    const from = (Math.floor((first - sizeMs) / advanceMs) + 1) * advanceMs;
    for (let start = from; start <= last; start += advanceMs) {
      expected.push({ query, window: { start, end: start + sizeMs } });
    }
  }
  return expected;
}

function timedTable(query: DemoQuery) {
  return query.startsWith('strike')
    ? { table: 'all_strikes', time: 'flight_date' }
    : { table: 'all_flights', time: 'flight_time' };
}

/** Of each query, the column that counts the rows of a group. */
const ROWS_COLUMNS: Record<DemoQuery, string> = {
  'delays-by-state': 'flights',
  'daily-delays': 'flights',
  'strikes-by-phase': 'strikes',
  'strikes-by-years': 'strikes',
  'strike-spells': 'spells',
};

async function plaintextRows(
  connection: DuckDBConnection,
  query: DemoQuery,
  window: ShownAggregate['window'],
  minimumGroupRows: number,
): Promise<string[]> {
  const { table, time } = timedTable(query);
  const [rows, moment] =
    query === 'strike-spells' ? [`(${SPELLS})`, '_session_end'] : [table, time];
  const where =
    window === null
      ? ''
      : `WHERE ${moment} >= epoch_ms(${window.start}) AND ${moment} < epoch_ms(${window.end})`;
  await connection.run(`CREATE OR REPLACE TEMP VIEW ${table.replace('all_', '')} AS
    SELECT * FROM ${rows} ${where}`);
  const reader = await connection.runAndReadAll(QUERIES[query]);
  return reader
    .getRowObjects()
    .filter((row) => Number(row[ROWS_COLUMNS[query]]) >= minimumGroupRows)
    .map(rowText)
    .sort();
}

/** Each day minus its rank among the days of its state is the same for days that follow. */
const SPELLS = `SELECT *, (min(flight_date) OVER spell)::TIMESTAMP AS _session_start,
    (max(flight_date) OVER spell)::TIMESTAMP + INTERVAL 1 DAY AS _session_end
  FROM (SELECT *, flight_date - dense_rank() OVER (
      PARTITION BY origin_state ORDER BY flight_date)::INTEGER AS island FROM all_strikes)
  WINDOW spell AS (PARTITION BY origin_state, island)`;

/** Values as text, by column name: 64-bit integers travel as strings in JSON, doubles as shortest. */
function rowText(row: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(row).sort();
  return JSON.stringify(names.map((name) => [name, row[name] === null ? null : String(row[name])]));
}

function sameWindow(left: ShownAggregate['window'], right: ShownAggregate['window']): boolean {
  return left?.start === right?.start && left?.end === right?.end;
}

import {
  type ColumnOfSource,
  type DescribedRows,
  demandRoom,
  describeTexts,
  type TextColumn,
} from './described-rows.ts';
import type { DuckDbSession } from './duckdb-session.ts';
import { cellMisfit, cellsOf, ndjsonLines } from './ndjson-source.ts';
import { malformedSource } from './row-reader.ts';

/** A decimal is a text in JSON, and most texts of digits are none. */
const LADDER = [
  ...(['int64', 'uint64', 'float64', 'bool'] as const),
  ...(['date32', 'timestamp-us-utc', 'timestamp-us', 'utf8'] as const),
];

/** The members of a file of JSON objects. */
export async function describeNdjson(session: DuckDbSession, path: string): Promise<DescribedRows> {
  const lines = ndjsonLines(path);
  const [[others] = []] = await session.texts(
    `SELECT count(*) FILTER (WHERE json_type(json) <> 'OBJECT') FROM ${lines}`,
  );
  if (others !== '0') throw malformedSource('ndjson', { problem: 'a line that is no object' });
  const names = await namesIn(session, lines);
  const named = names.filter((name) => name !== '');
  demandRoom(named.length);
  const columns = named.map((name, at): TextColumn => {
    const cell = `cells[${at + 1}]`;
    const value = `nullif(CAST(${cell} AS VARCHAR), 'null')`;
    const column = { name, nullable: true };
    return { name, value, misfit: (shape) => cellMisfit({ ...column, ...shape }, cell) };
  });
  const { rows, found } = await describeTexts(session, cellsOf(lines, named), columns, LADDER);
  const unnamed: ColumnOfSource[] = names
    .filter((name) => name === '')
    .map((name) => ({ name, nullable: true, type: undefined, problem: 'it has no name' }));
  return { rows, found: [...found, ...unnamed] };
}

/** Those of the first line first. */
async function namesIn(session: DuckDbSession, lines: string): Promise<string[]> {
  const keys = `SELECT unnest(json_keys(json)) AS key FROM`;
  const first = await session.texts(`${keys} (SELECT json FROM ${lines} LIMIT 1)`);
  const all = await session.texts(`SELECT DISTINCT key FROM (${keys} ${lines}) ORDER BY key`);
  return [...new Set([...first, ...all].map(([name = '']) => name))];
}

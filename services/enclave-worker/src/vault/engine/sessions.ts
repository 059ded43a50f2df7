import assert from 'node:assert/strict';
import type { Query } from '@strongroom/protocol/contract';
import { SESSION_COLUMNS, type SessionWindow, sessionReachMs } from '@strongroom/protocol/windows';
import { type EventTimeColumn, millisecondsOf, timeLiteral } from './event-time.ts';
import type { TimeWindow } from './window.ts';

/** SQL that cuts the rows of session queries; the names of tables are the row store's. */

export type SessionQuery = Query & { readonly window: SessionWindow };

export function isSessionQuery(query: Query): query is SessionQuery {
  return query.window.kind === 'session';
}

/** A table with rows of the query, and which of its columns are none of the contract's. */
export interface SessionInput {
  readonly table: string;
  readonly time: EventTimeColumn;
  /** True for rows that came too late to be of any session. */
  readonly late: string;
}

/**
 * The sessions that end in one of consecutive windows, each with its window's start and its number
 * there. Rows of one key are linked while the next one is at most a gap away. What has gone on for
 * more than a maximum before a multiple of the maximum is cut there: that depends on nothing that
 * lies farther back than `sessionReachMs`, so that a restart needs nothing from before.
 */
export function sessionsSql(
  { window }: SessionQuery,
  inputs: readonly SessionInput[],
  span: TimeWindow,
): string {
  const { gapMs, maximumMs, sizeMs } = window;
  const rows = inputs.map((input) => {
    const when = within(input, { start: span.start - sessionReachMs(window), end: span.end });
    const time = millisecondsOf(input.time);
    return `SELECT "${window.key}" AS key, ${time} AS ms FROM ${input.table} WHERE ${when}`;
  });
  const byKey = 'OVER (PARTITION BY key ORDER BY ms ROWS UNBOUNDED PRECEDING)';
  return `WITH times AS (SELECT key, ms FROM (${rows.join(' UNION ALL ')}) GROUP BY key, ms),
  linked AS (
    SELECT key, ms, lag(ms) OVER (PARTITION BY key ORDER BY ms) AS previous,
      ${multipleBelow('ms', maximumMs)} AS line FROM times),
  begun AS (
    SELECT *, max(CASE WHEN previous IS NULL OR ms - previous > ${gapMs} THEN ms END) ${byKey}
      AS began FROM linked),
  cut AS (
    SELECT key, ms, max(CASE WHEN ms = began
      OR (previous < line AND began < line - ${maximumMs}) THEN ms END) ${byKey} AS first_ms
    FROM begun),
  whole AS (
    SELECT key, first_ms, max(ms) AS last_ms, max(ms) + ${gapMs} AS end_ms
    FROM cut GROUP BY key, first_ms),
  placed AS (
    SELECT *, ${multipleBelow('end_ms', sizeMs)} AS window_ms
    FROM whole WHERE end_ms >= ${span.start} AND end_ms < ${span.end})
  SELECT *, row_number() OVER (PARTITION BY window_ms ORDER BY first_ms, key) AS number
  FROM placed`;
}

/** FROM and WHERE of a table's rows of the sessions that end in a window: `r`, with `s`. */
export function sessionRowsSql(
  { window }: SessionQuery,
  sessions: string,
  input: SessionInput,
  { start, end }: TimeWindow,
): string {
  const reach = { start: start - sessionReachMs(window), end };
  return `FROM ${input.table} r JOIN ${sessions} s ON r."${window.key}" = s.key
    AND ${millisecondsOf(input.time, 'r.')} BETWEEN s.first_ms AND s.last_ms
    WHERE s.window_ms = ${start} AND ${within(input, reach, 'r.')}`;
}

/** The columns that `SESSION_COLUMNS` names. */
export const SESSION_SELECTION = [
  `make_timestamp(s.first_ms * 1000) AS ${SESSION_COLUMNS.start}`,
  `make_timestamp(s.end_ms * 1000) AS ${SESSION_COLUMNS.end}`,
  `s.number AS ${SESSION_COLUMNS.number}`,
].join(', ');

function within({ time, late }: SessionInput, { start, end }: TimeWindow, of = ''): string {
  assert(start < end);
  const column = `${of}"${time.name}"`;
  const [from, until] = [timeLiteral(time, start), timeLiteral(time, end)];
  return `NOT ${of}${late} AND ${column} >= ${from} AND ${column} < ${until}`;
}

/** The engine's remainder has the sign of the dividend; multiples go on below zero. */
export function multipleBelow(value: string, of: number): string {
  return `${value} - ((${value} % ${of} + ${of}) % ${of})`;
}

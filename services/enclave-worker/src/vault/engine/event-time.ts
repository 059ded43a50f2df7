import assert from 'node:assert/strict';
import type { Dataset } from '@strongroom/protocol/contract';
import type { ArrowBatch, ArrowColumn } from './arrow-batch.ts';

/**
 * Event times of a batch in milliseconds, rounded down. Compared as pairs of 32-bit halves: a
 * BigInt for each row would cost more than opening the batch.
 */

const DAY_MS = 86_400_000;

const EVENT_TIME_TYPES = ['date32', 'timestamp-ms', 'timestamp-us', 'timestamp-us-utc'] as const;
type EventTimeType = (typeof EVENT_TIME_TYPES)[number];

/** The event-time column of a dataset that has one, and how its units become milliseconds. */
export interface EventTimeColumn {
  readonly name: string;
  readonly index: number;
  readonly type: EventTimeType;
}

export function eventTimeColumnOf(dataset: Dataset): EventTimeColumn | undefined {
  const index = dataset.columns.findIndex((column) => column.name === dataset.eventTime);
  const column = dataset.columns[index];
  if (!column) return undefined;
  const type = EVENT_TIME_TYPES.find((each) => each === column.type);
  return type && { name: column.name, index, type };
}

/** Smallest and largest event time of at least one row. */
export function eventTimeRange(
  arrowBatch: ArrowBatch,
  column: EventTimeColumn,
): { min: number; max: number } {
  const times = timesOf(arrowBatch, column);
  let smallest = 0;
  let largest = 0;
  for (let row = 1; row < arrowBatch.rows; row++) {
    if (times.compare(row, smallest) < 0) smallest = row;
    if (times.compare(row, largest) > 0) largest = row;
  }
  return { min: times.milliseconds(smallest), max: times.milliseconds(largest) };
}

/** How many rows have an event time below `ms`, and the largest of these times. */
export function timesBelow(
  arrowBatch: ArrowBatch,
  column: EventTimeColumn,
  ms: number,
): { rows: number; max: number } {
  const times = timesOf(arrowBatch, column);
  let rows = 0;
  let max = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < arrowBatch.rows; row++) {
    const time = times.milliseconds(row);
    if (time >= ms) continue;
    rows += 1;
    max = Math.max(max, time);
  }
  return { rows, max };
}

/** A literal of the column's own type for the first moment that is not before `ms`. */
export function timeLiteral(column: EventTimeColumn, ms: number): string {
  if (column.type === 'date32') return `(DATE '1970-01-01' + ${Math.ceil(ms / DAY_MS)})`;
  const timestamp = `make_timestamp(${BigInt(ms) * 1000n})`;
  if (column.type === 'timestamp-us') return timestamp;
  // The engine's zone is UTC, so that the cast keeps the number.
  return `${timestamp}::${column.type === 'timestamp-ms' ? 'TIMESTAMP_MS' : 'TIMESTAMPTZ'}`;
}

/** SQL for a row's event time in milliseconds, rounded down. */
export function millisecondsOf({ name, type }: EventTimeColumn, of = ''): string {
  const column = `${of}"${name}"`;
  if (type === 'date32') return `(${column} - DATE '1970-01-01') * ${DAY_MS}`;
  if (type === 'timestamp-ms') return `epoch_ms(${column})`;
  // Integer division rounds towards zero, so that the remainder is taken off first.
  const us = `epoch_us(${column})`;
  return `((${us} - ((${us} % 1000 + 1000) % 1000)) // 1000)`;
}

/** One byte a row: 1 where the event time is below `ms`. */
export function flagsBelow(arrowBatch: ArrowBatch, column: EventTimeColumn, ms: number) {
  const flags = new Uint8Array(arrowBatch.rows);
  if (ms === Number.NEGATIVE_INFINITY) return flags;
  const times = timesOf(arrowBatch, column);
  for (let row = 0; row < flags.length; row++) flags[row] = times.milliseconds(row) < ms ? 1 : 0;
  return flags;
}

interface Times {
  compare(one: number, other: number): number;
  milliseconds(row: number): number;
}

function timesOf(arrowBatch: ArrowBatch, column: EventTimeColumn): Times {
  const values = bytesOf(arrowBatch.columns[column.index]);
  if (column.type === 'date32') {
    const days = new Int32Array(values.buffer, values.byteOffset, arrowBatch.rows);
    return {
      compare: (one, other) => (days[one] ?? 0) - (days[other] ?? 0),
      milliseconds: (row) => (days[row] ?? 0) * DAY_MS,
    };
  }
  const high = new Int32Array(values.buffer, values.byteOffset, arrowBatch.rows * 2);
  const low = new Uint32Array(values.buffer, values.byteOffset, arrowBatch.rows * 2);
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const perMs = column.type === 'timestamp-ms' ? 1n : 1000n;
  return {
    compare: (one, other) =>
      (high[one * 2 + 1] ?? 0) - (high[other * 2 + 1] ?? 0) ||
      (low[one * 2] ?? 0) - (low[other * 2] ?? 0),
    milliseconds: (row) => Number(floorDivide(view.getBigInt64(row * 8, true), perMs)),
  };
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor < 0n ? quotient - 1n : quotient;
}

function bytesOf(column: ArrowColumn | undefined): Uint8Array {
  assert(column?.kind === 'fixed', 'an event time is a fixed-width column');
  return column.values;
}

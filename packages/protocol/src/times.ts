import { TIME_DAYS_MAX, TIME_DAYS_MIN } from './limits.ts';

/**
 * Dates and times of rows lie in the years 1 to 9999 (ISO 9075-2, 4.6.2). Engines hold more, but
 * not all of them in every type: a cast or a function that fails for one row would tell of it.
 */

export const TIME_RANGE = '0001-01-01 to 9999-12-31';

export type TimeUnit = 'ms' | 'us';

/** @returns the first of these days since 1970 that lies outside; -1 when there is none */
export function firstDayOutside(days: Int32Array, from: number, until: number): number {
  for (let at = from; at < until; at += 1) {
    const day = days[at] ?? 0;
    if (day < TIME_DAYS_MIN || day > TIME_DAYS_MAX) return at;
  }
  return -1;
}

/**
 * @param words times since 1970 in 64 bits: pairs of words, the low one first
 * @returns the first one that lies outside; -1 when there is none
 */
export function firstTimeOutside(
  words: Int32Array,
  unit: TimeUnit,
  from: number,
  until: number,
): number {
  const { least, most } = BOUNDS[unit];
  for (let at = from; at < until; at += 1) {
    const high = words[2 * at + 1] ?? 0;
    if (high > least.high && high < most.high) continue;
    const low = (words[2 * at] ?? 0) >>> 0;
    const isAbove = high > least.high || (high === least.high && low >= least.low);
    const isBelow = high < most.high || (high === most.high && low <= most.low);
    if (!isAbove || !isBelow) return at;
  }
  return -1;
}

/** Both bounds are times themselves. */
const BOUNDS = { ms: boundsOf(86_400_000n), us: boundsOf(86_400_000_000n) };

function boundsOf(unitsPerDay: bigint) {
  return {
    least: wordsOf(BigInt(TIME_DAYS_MIN) * unitsPerDay),
    most: wordsOf(BigInt(TIME_DAYS_MAX + 1) * unitsPerDay - 1n),
  };
}

function wordsOf(value: bigint): { readonly low: number; readonly high: number } {
  return { low: Number(BigInt.asUintN(32, value)), high: Number(value >> 32n) };
}

import type { Query } from '@strongroom/protocol/contract';
import { sessionReachMs } from '@strongroom/protocol/windows';

/**
 * Which windows of a query are complete: arithmetic on event times, without rows. Times are
 * milliseconds since 1970; a window is [start, end). Windows close in the order of their ends, so
 * one number says which are closed: the end of the newest, `closedUntil`; null before the first.
 */

export interface TimeWindow {
  readonly start: number;
  readonly end: number;
}

/** The numbers of a query's window; windows begin at multiples of `advanceMs`. */
export interface WindowRule {
  readonly sizeMs: number;
  readonly advanceMs: number;
  /** How long after the watermark a window stays open: Kafka Streams' grace period. */
  readonly latenessMs: number;
  /** A row lies in the window of a time that is so much later: the end of its session, at least. */
  readonly gapMs: number;
  /** Rows that lie so far before the first open window are needed to cut the sessions in it. */
  readonly reachMs: number;
}

/** @returns null for a query over the whole dataset */
export function windowRuleOf({
  window,
  latenessMs,
}: Pick<Query, 'window' | 'latenessMs'>): WindowRule | null {
  if (window.kind === 'whole') return null;
  const { sizeMs } = window;
  const rule = { sizeMs, advanceMs: sizeMs, latenessMs, gapMs: 0, reachMs: 0 };
  if (window.kind === 'hopping') return { ...rule, advanceMs: window.advanceMs };
  if (window.kind === 'tumbling') return rule;
  return { ...rule, gapMs: window.gapMs, reachMs: sessionReachMs(window) };
}

/** What a query knows about one of its inputs. */
export interface InputProgress {
  readonly hasEventTime: boolean;
  /** Below this event time nothing more comes; null while no manifest said so. */
  readonly watermark: number | null;
  readonly final: boolean;
  /** Everything that an earlier run had counted has been read again. */
  readonly caughtUp: boolean;
  /** Event times of all rows so far; null while there is none. */
  readonly eventTime: { readonly min: number; readonly max: number } | null;
}

/** Up to which event time all inputs are complete: Infinity when all are final. */
export function frontierOf(inputs: readonly InputProgress[], latenessMs: number): number {
  return Math.min(
    ...inputs.map((input) => {
      if (!input.caughtUp) return Number.NEGATIVE_INFINITY;
      if (input.final) return Number.POSITIVE_INFINITY;
      if (!input.hasEventTime || input.watermark === null) return Number.NEGATIVE_INFINITY;
      return input.watermark - latenessMs;
    }),
  );
}

/**
 * The next windows to close, in order, at most `maximum` of them. The first window is the first of
 * the earliest row; an empty one is emitted only when a later row shows that it lies between.
 */
export function windowsToClose(
  inputs: readonly InputProgress[],
  rule: WindowRule,
  closedUntil: number | null,
  maximum: number,
): TimeWindow[] {
  const frontier = frontierOf(inputs, rule.latenessMs);
  const times = inputs.flatMap((input) => (input.eventTime ? [input.eventTime] : []));
  if (times.length === 0) return [];
  const first = Math.min(...times.map((time) => time.min));
  const last = Math.max(...times.map((time) => time.max)) + rule.gapMs;
  const windows: TimeWindow[] = [];
  let start = closedUntil === null ? firstStart(first, rule) : nextStart(rule, closedUntil);
  while (start <= last && start + rule.sizeMs <= frontier && windows.length < maximum) {
    windows.push({ start, end: start + rule.sizeMs });
    start += rule.advanceMs;
  }
  return windows;
}

/** Every window that can hold a row has been closed. */
export function allWindowsClosed(
  inputs: readonly InputProgress[],
  rule: WindowRule,
  closedUntil: number | null,
): boolean {
  const isComplete = inputs.every((input) => input.final && input.caughtUp);
  const times = inputs.flatMap((input) => (input.eventTime ? [input.eventTime.max] : []));
  if (times.length === 0) return isComplete;
  const last = Math.max(...times) + rule.gapMs;
  return isComplete && closedUntil !== null && last < nextStart(rule, closedUntil);
}

/** Where the first open window begins: a row with an earlier time lies in none. */
export function nextStart(rule: WindowRule, closedUntil: number): number {
  return closedUntil - rule.sizeMs + rule.advanceMs;
}

/** Event time below which no open window needs a row. */
export function neededFrom(rule: WindowRule, closedUntil: number | null): number {
  if (closedUntil === null) return Number.NEGATIVE_INFINITY;
  return nextStart(rule, closedUntil) - rule.reachMs;
}

/** Start of the first window that holds the time. */
export function firstStart(time: number, { sizeMs, advanceMs, gapMs }: WindowRule): number {
  return (Math.floor((time + gapMs - sizeMs) / advanceMs) + 1) * advanceMs;
}

/** End of the last window that holds the time. */
export function lastEnd(time: number, { sizeMs, advanceMs, gapMs }: WindowRule): number {
  return Math.floor((time + gapMs) / advanceMs) * advanceMs + sizeMs;
}

/** End of the last window that ends at the time or before. */
export function lastEndUntil(time: number, { sizeMs, advanceMs }: WindowRule): number {
  return Math.floor((time - sizeMs) / advanceMs) * advanceMs + sizeMs;
}

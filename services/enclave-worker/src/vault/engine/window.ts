/**
 * Which windows of a query are complete: arithmetic on event times, without rows. Times are
 * milliseconds since 1970; a window is [start, end).
 */

export interface TimeWindow {
  readonly start: number;
  readonly end: number;
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
 * The next tumbling windows to close, in order, at most `maximum` of them. The first window is that
 * of the earliest row; an empty one is emitted only when a later row shows that it lies between.
 */
export function windowsToClose(
  inputs: readonly InputProgress[],
  rule: { readonly sizeMs: number; readonly latenessMs: number },
  closedUntil: number | null,
  maximum: number,
): TimeWindow[] {
  const frontier = frontierOf(inputs, rule.latenessMs);
  const times = inputs.flatMap((input) => (input.eventTime ? [input.eventTime] : []));
  if (times.length === 0) return [];
  const first = Math.min(...times.map((time) => time.min));
  const last = Math.max(...times.map((time) => time.max));
  const windows: TimeWindow[] = [];
  let start = closedUntil ?? windowStart(first, rule.sizeMs);
  while (start <= last && start + rule.sizeMs <= frontier && windows.length < maximum) {
    windows.push({ start, end: start + rule.sizeMs });
    start += rule.sizeMs;
  }
  return windows;
}

/** Every window that can hold a row has been closed. */
export function allWindowsClosed(
  inputs: readonly InputProgress[],
  closedUntil: number | null,
): boolean {
  const isComplete = inputs.every((input) => input.final && input.caughtUp);
  const times = inputs.flatMap((input) => (input.eventTime ? [input.eventTime.max] : []));
  if (times.length === 0) return isComplete;
  return isComplete && closedUntil !== null && Math.max(...times) < closedUntil;
}

function windowStart(time: number, sizeMs: number): number {
  return Math.floor(time / sizeMs) * sizeMs;
}

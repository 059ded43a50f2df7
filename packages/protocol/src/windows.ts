import { z } from 'zod';
import { SqlNameSchema } from './fields.ts';
import { WINDOWS_PER_ROW_MAX } from './limits.ts';

/**
 * How a query cuts event time into windows. A window is [start, end) in milliseconds since 1970;
 * each is emitted once, when every input is complete up to its end. See docs/windows.md.
 */

const sizeMs = z.int().min(1_000);

export const WindowSchema = z.discriminatedUnion('kind', [
  /** [k * sizeMs, (k + 1) * sizeMs), k an integer. */
  z.strictObject({ kind: z.literal('tumbling'), sizeMs }),
  /** [k * advanceMs, k * advanceMs + sizeMs): a row lies in every one that holds its time. */
  z.strictObject({ kind: z.literal('hopping'), sizeMs, advanceMs: z.int().min(1_000) }),
  /**
   * Tumbling windows over sessions: each holds the rows of those that end in it. Rows of one `key`
   * are of one session while the next is at most `gapMs` away; it ends `gapMs` after its last row.
   */
  z.strictObject({
    kind: z.literal('session'),
    sizeMs,
    key: SqlNameSchema,
    gapMs: z.int().min(1),
    /** A session that goes on for longer is cut at multiples of this. */
    maximumMs: z.int().min(1_000),
  }),
  /** The whole dataset, once every input stream is final. */
  z.strictObject({ kind: z.literal('whole') }),
]);
export type Window = z.infer<typeof WindowSchema>;
export type SessionWindow = Extract<Window, { kind: 'session' }>;

/**
 * What the rows of a session query have besides the contract's columns. No contract can give a
 * column such a name: its names begin with a letter.
 */
export const SESSION_COLUMNS = {
  /** TIMESTAMP: of the session's first row. */
  start: '_session_start',
  /** TIMESTAMP: gapMs after its last row. */
  end: '_session_end',
  /** BIGINT: 1, 2, 3, … by start and key, among the sessions that end in the window. */
  number: '_session_number',
} as const;

/**
 * How far back from the end of the newest closed window a session query still needs rows. A session
 * lasts less than twice the maximum. Where rows before this are gone, a cut may be missed up to one
 * gap and one maximum later; what follows the next cut is right, and only that can still be open.
 */
export function sessionReachMs({ gapMs, maximumMs }: SessionWindow): number {
  return 2 * (maximumMs + gapMs);
}

/** Whether a result of such a query may be over that span; null: over the whole data. */
export function isWindowOf(
  window: Window,
  span: { readonly start: number; readonly end: number } | null,
): boolean {
  if (window.kind === 'whole' || span === null) return window.kind === 'whole' && span === null;
  const advanceMs = window.kind === 'hopping' ? window.advanceMs : window.sizeMs;
  return span.start % advanceMs === 0 && span.end - span.start === window.sizeMs;
}

interface WindowedQuery {
  readonly window: Window;
  readonly latenessMs: number;
}

interface WindowedDataset {
  readonly eventTime?: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly nullable: boolean;
  }[];
}

/** What makes a window impossible or without bounds over these datasets; undefined: nothing. */
export function windowProblemIn(
  { window, latenessMs }: WindowedQuery,
  datasets: readonly WindowedDataset[],
): string | undefined {
  if (window.kind === 'whole') {
    return latenessMs === 0 ? undefined : 'the whole data waits for its end: latenessMs is 0';
  }
  const timed = datasets.filter(({ eventTime }) => eventTime !== undefined);
  if (timed.length === 0) return 'a window needs a relation with an event time';
  if (window.kind === 'hopping') {
    if (window.advanceMs > window.sizeMs) return 'advanceMs is at most sizeMs: no row is left out';
    return tooMany(window.sizeMs / window.advanceMs);
  }
  return window.kind === 'session' ? sessionProblem(window, timed) : undefined;
}

function sessionProblem(window: SessionWindow, timed: readonly WindowedDataset[]) {
  const keys = timed.map(({ columns }) => columns.find(({ name }) => name === window.key));
  if (keys.some((column) => !column || column.nullable || /^float/.test(column.type))) {
    return `key: every relation with an event time has the column ${window.key}, without nulls`;
  }
  if (new Set(keys.map((column) => column?.type)).size > 1) {
    return `key: ${window.key} has one type in all relations`;
  }
  if (window.maximumMs < window.gapMs) return 'maximumMs is at least gapMs';
  return tooMany(sessionReachMs(window) / window.sizeMs);
}

function tooMany(windows: number): string | undefined {
  if (windows <= WINDOWS_PER_ROW_MAX) return undefined;
  return `a row would be kept for more than ${WINDOWS_PER_ROW_MAX} windows`;
}

import { describe, expect, test } from 'vitest';
import { WINDOWS_PER_ROW_MAX } from './limits.ts';
import {
  isWindowOf,
  SESSION_COLUMNS,
  sessionReachMs,
  type Window,
  WindowSchema,
  windowProblemIn,
} from './windows.ts';

const WHOLE = { kind: 'whole' } as const;
const TUMBLING = { kind: 'tumbling', sizeMs: 10_000 } as const;
const HOPPING = { kind: 'hopping', sizeMs: 10_000, advanceMs: 4_000 } as const;
const SESSION = {
  kind: 'session',
  sizeMs: 10_000,
  key: 'who',
  gapMs: 500,
  maximumMs: 2_000,
} as const;
const ALL = [WHOLE, TUMBLING, HOPPING, SESSION];

const timed = (columns: object[] = [{}], eventTime: object = { eventTime: 'at' }) => ({
  ...eventTime,
  columns: columns.map((more) => ({ name: 'who', type: 'utf8', nullable: false, ...more })),
});
const problem = (window: object, datasets = [timed()], latenessMs = 0) =>
  windowProblemIn({ window: WindowSchema.parse(window), latenessMs }, datasets);

describe('a window of a contract', () => {
  test.each(ALL)('of kind $kind has exactly its members', (window) => {
    expect(WindowSchema.parse(window)).toEqual(window);
    expect(WindowSchema.safeParse({ ...window, more: 1 }).success).toBe(false);
    for (const name of Object.keys(window)) {
      const { [name as keyof typeof window]: _left, ...rest } = window;
      expect(WindowSchema.safeParse(rest).success, name).toBe(false);
    }
  });

  test.each([
    { ...TUMBLING, sizeMs: 999 },
    { ...HOPPING, advanceMs: 999 },
    { ...HOPPING, advanceMs: 1_000.5 },
    { ...SESSION, gapMs: 0 },
    { ...SESSION, maximumMs: 999 },
    { ...SESSION, key: '_session_number' },
    { ...SESSION, kind: 'global' },
  ])('is refused: %j', (window) => {
    expect(WindowSchema.safeParse(window).success).toBe(false);
  });

  test.each(ALL)('of kind $kind fits to a relation with an event time', (window) => {
    expect(problem(window)).toBeUndefined();
    const whole = window.kind === 'whole';
    expect(problem(window, [timed([{}], {})]) === undefined).toBe(whole);
    expect(problem(window, [timed([{}], {}), timed()])).toBeUndefined();
    expect(problem(window, [timed()], 1) === undefined).toBe(!whole);
  });

  test('that overlaps leaves no row out, and covers each a bounded number of times', () => {
    const advanceMs = 1_000;
    const most = { ...HOPPING, sizeMs: WINDOWS_PER_ROW_MAX * advanceMs, advanceMs };
    expect(problem({ ...HOPPING, advanceMs: 10_000 })).toBeUndefined();
    expect(problem({ ...HOPPING, advanceMs: 10_001 })).toContain('at most sizeMs');
    expect(problem(most)).toBeUndefined();
    expect(problem({ ...most, sizeMs: most.sizeMs + 1 })).toContain('more than 1440 windows');
  });

  test.each([
    ['no such column', [timed([{ name: 'whom' }])]],
    ['in one relation no such column', [timed(), timed([{ name: 'whom' }])]],
    ['a column with nulls', [timed([{ nullable: true }])]],
    ['a column of floating-point numbers', [timed([{ type: 'float64' }])]],
    ['two types', [timed(), timed([{ type: 'int32' }])]],
  ])('of sessions is refused with %s as its key', (_name, datasets) => {
    expect(problem(SESSION, datasets)).toContain('key');
  });

  test('of sessions needs no key where nothing is cut', () => {
    expect(problem(SESSION, [timed(), timed([{ name: 'whom' }], {})])).toBeUndefined();
  });

  test('of sessions has a maximum from the gap up to what can be kept', () => {
    expect(problem({ ...SESSION, gapMs: 2_000 })).toBeUndefined();
    expect(problem({ ...SESSION, gapMs: 2_001 })).toContain('maximumMs');
    const maximumMs = (WINDOWS_PER_ROW_MAX * SESSION.sizeMs) / 2 - SESSION.gapMs;
    expect(sessionReachMs({ ...SESSION, maximumMs })).toBe(14_400_000);
    expect(problem({ ...SESSION, maximumMs })).toBeUndefined();
    expect(problem({ ...SESSION, maximumMs: maximumMs + 1 })).toContain('more than 1440 windows');
  });

  test('has columns of its own that no contract can name', () => {
    for (const key of Object.values(SESSION_COLUMNS)) {
      expect(WindowSchema.safeParse({ ...SESSION, key }).success).toBe(false);
    }
  });

  test.each<[Window, { start: number; end: number } | null, boolean]>([
    [WHOLE, null, true],
    [WHOLE, { start: 0, end: 10_000 }, false],
    [TUMBLING, null, false],
    [TUMBLING, { start: -10_000, end: 0 }, true],
    [TUMBLING, { start: 4_000, end: 14_000 }, false],
    [TUMBLING, { start: 0, end: 20_000 }, false],
    [HOPPING, { start: 4_000, end: 14_000 }, true],
    [HOPPING, { start: -8_000, end: 2_000 }, true],
    [HOPPING, { start: 10_000, end: 20_000 }, false],
    [HOPPING, { start: 4_000, end: 8_000 }, false],
    [SESSION, { start: 10_000, end: 20_000 }, true],
    [SESSION, { start: 500, end: 10_500 }, false],
    [SESSION, null, false],
  ])('%j has a result over %j: %j', (window, span, isOne) => {
    expect(isWindowOf(window, span)).toBe(isOne);
  });
});

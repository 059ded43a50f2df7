import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allWindowsClosed,
  firstStart,
  frontierOf,
  type InputProgress,
  lastEnd,
  neededFrom,
  nextStart,
  windowRuleOf,
  windowsToClose,
} from './window.ts';

const input = (more: Partial<InputProgress> = {}): InputProgress => ({
  hasEventTime: true,
  watermark: null,
  final: false,
  caughtUp: true,
  eventTime: null,
  ...more,
});
const rule = { sizeMs: 10, advanceMs: 10, latenessMs: 0, gapMs: 0, reachMs: 0 };
const hopping = { ...rule, sizeMs: 20, advanceMs: 6 };
const rows = (min: number, max: number) => ({ eventTime: { min, max } });
const ends = (inputs: InputProgress[], closedUntil: number | null = null, late = 0) =>
  windowsToClose(inputs, { ...rule, latenessMs: late }, closedUntil, 99).map(({ end }) => end);
const startsOf = (rows: object, closedUntil: number | null, more: Partial<typeof rule>) =>
  windowsToClose([input({ watermark: 1_000, ...rows })], { ...rule, ...more }, closedUntil, 99).map(
    ({ start }) => start,
  );

describe('windows', () => {
  test('close when every input has passed their end, and not before', () => {
    const ahead = input({ watermark: 100, ...rows(0, 35) });
    expect(ends([ahead, input()])).toEqual([]);
    expect(ends([ahead, input({ watermark: 9 })])).toEqual([]);
    expect(ends([ahead, input({ watermark: 10 })])).toEqual([10]);
    expect(ends([ahead, input({ watermark: 29 })])).toEqual([10, 20]);
    expect(ends([ahead, input({ final: true })])).toEqual([10, 20, 30, 40]);
  });

  test('wait for lateness', () => {
    expect(ends([input({ watermark: 14, ...rows(0, 9) })], null, 5)).toEqual([]);
    expect(ends([input({ watermark: 15, ...rows(0, 9) })], null, 5)).toEqual([10]);
  });

  test('wait for a table without event time until it is whole', () => {
    const timed = input({ final: true, ...rows(0, 9) });
    expect(ends([timed, input({ hasEventTime: false })])).toEqual([]);
    expect(ends([timed, input({ hasEventTime: false, final: true })])).toEqual([10]);
  });

  test('wait until what an earlier run counted is there again', () => {
    expect(ends([input({ final: true, caughtUp: false, ...rows(0, 9) })])).toEqual([]);
  });

  test('begin with the first row, fill gaps, and end with the last row', () => {
    const gap = [input({ watermark: 1_000, ...rows(25, 55) })];
    expect(ends(gap)).toEqual([30, 40, 50, 60]);
    expect(ends(gap, 50)).toEqual([60]);
    expect(ends(gap, 60)).toEqual([]);
    expect(ends([input({ final: true })])).toEqual([]);
  });

  test('before 1970 begin at multiples of their size too', () => {
    expect(ends([input({ final: true, ...rows(-11, -1) })])).toEqual([-10, 0]);
  });

  test('are all closed when inputs are final and no row lies behind', () => {
    expect(allWindowsClosed([input({ final: true })], rule, null)).toBe(true);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 9) })], rule, null)).toBe(false);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 9) })], rule, 10)).toBe(true);
    expect(allWindowsClosed([input({ watermark: 99, ...rows(0, 9) })], rule, 10)).toBe(false);
  });

  test('that overlap hold a row each time that they cover it, first to last', () => {
    // Size 20, advance 6: multiples of 6 above 5 - 20 up to 5.
    expect(startsOf(rows(5, 5), null, hopping)).toEqual([-12, -6, 0]);
    expect(startsOf(rows(6, 6), null, hopping)).toEqual([-12, -6, 0, 6]);
    expect(startsOf(rows(8, 8), null, hopping)).toEqual([-6, 0, 6]);
    expect(startsOf(rows(5, 5), 8, hopping)).toEqual([-6, 0]);
    expect(startsOf(rows(5, 5), 20, hopping)).toEqual([]);
    expect(nextStart(hopping, 20)).toBe(6);
    expect(neededFrom(hopping, 20)).toBe(6);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 5) })], hopping, 20)).toBe(true);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 6) })], hopping, 20)).toBe(false);
  });

  test('of sessions hold a row when its session can end in them, which is a gap later', () => {
    const session = { ...rule, gapMs: 4, reachMs: 42 };
    expect(startsOf(rows(5, 5), null, session)).toEqual([0]);
    expect(startsOf(rows(6, 6), null, session)).toEqual([10]);
    expect(startsOf(rows(-5, -5), null, session)).toEqual([-10]);
    expect(startsOf(rows(-4, 15), null, session)).toEqual([0, 10]);
    expect(neededFrom(session, 20)).toBe(-22);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 5) })], session, 10)).toBe(true);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 6) })], session, 10)).toBe(false);
  });

  test('take their numbers from the contract', () => {
    const of = (window: Parameters<typeof windowRuleOf>[0]['window']) =>
      windowRuleOf({ window, latenessMs: 3 });
    expect(of({ kind: 'whole' })).toBeNull();
    const tumbling = { sizeMs: 10, advanceMs: 10, latenessMs: 3, gapMs: 0, reachMs: 0 };
    expect(of({ kind: 'tumbling', sizeMs: 10 })).toEqual(tumbling);
    expect(of({ kind: 'hopping', sizeMs: 10, advanceMs: 4 })).toEqual({
      ...tumbling,
      advanceMs: 4,
    });
    const session = { kind: 'session', sizeMs: 10, key: 'k', gapMs: 2, maximumMs: 5 } as const;
    expect(of(session)).toEqual({ ...tumbling, gapMs: 2, reachMs: 14 });
  });

  test('that hold a time are those from the first start to the last end, by plain search', () => {
    const small = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(small, small, fc.integer({ min: -60, max: 60 }), (size, advance, time) => {
        const each = { ...rule, sizeMs: Math.max(size, advance), advanceMs: advance };
        const holding = Array.from({ length: 200 }, (_none, index) => (index - 100) * advance)
          .map((start) => ({ start, end: start + each.sizeMs }))
          .filter(({ start, end }) => start <= time && time < end);
        expect(firstStart(time, each)).toBe(holding[0]?.start);
        expect(lastEnd(time, each)).toBe(holding.at(-1)?.end);
        expect(holding.length).toBeLessThanOrEqual(Math.ceil(each.sizeMs / advance));
        // Whatever is closed, a row below the next start lies in no open window, and no other does.
        for (const { start, end } of holding) {
          expect(time < nextStart(each, end)).toBe(start === holding.at(-1)?.start);
        }
      }),
    );
  });

  test('come in order, once, whatever the steps of the watermark', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(steps, fc.integer({ min: -50, max: 50 }), (increments, first) => {
        let watermark = first;
        let closedUntil: number | null = null;
        const closed: number[] = [];
        const last = first + 100;
        const take = (state: Partial<InputProgress>) => {
          const inputs = [input({ ...state, ...rows(first, last) })];
          for (const { start, end } of windowsToClose(inputs, rule, closedUntil, 3)) {
            expect(start).toBe(closedUntil ?? Math.floor(first / 10) * 10);
            closed.push(start);
            closedUntil = end;
          }
        };
        for (const increment of increments) {
          watermark += increment;
          take({ watermark });
          expect(closedUntil ?? -Infinity).toBeLessThanOrEqual(watermark);
        }
        for (let round = 0; round < 9; round += 1) take({ final: true });
        expect(closed[0]).toBe(Math.floor(first / 10) * 10);
        expect(closed.at(-1)).toBe(Math.floor(last / 10) * 10);
      }),
    );
  });

  test('the frontier of final inputs has no end', () => {
    expect(frontierOf([input({ final: true })], 5)).toBe(Number.POSITIVE_INFINITY);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allWindowsClosed, frontierOf, type InputProgress, windowsToClose } from './window.ts';

const input = (more: Partial<InputProgress> = {}): InputProgress => ({
  hasEventTime: true,
  watermark: null,
  final: false,
  caughtUp: true,
  eventTime: null,
  ...more,
});
const rule = { sizeMs: 10, latenessMs: 0 };
const rows = (min: number, max: number) => ({ eventTime: { min, max } });
const ends = (inputs: InputProgress[], closedUntil: number | null = null, late = 0) =>
  windowsToClose(inputs, { ...rule, latenessMs: late }, closedUntil, 99).map(({ end }) => end);

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
    expect(allWindowsClosed([input({ final: true })], null)).toBe(true);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 9) })], null)).toBe(false);
    expect(allWindowsClosed([input({ final: true, ...rows(0, 9) })], 10)).toBe(true);
    expect(allWindowsClosed([input({ watermark: 99, ...rows(0, 9) })], 10)).toBe(false);
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

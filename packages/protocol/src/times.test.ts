import { expect, test } from 'vitest';
import { firstDayOutside, firstTimeOutside, TIME_RANGE, type TimeUnit } from './times.ts';

const [FIRST = 0, LAST = 0] = TIME_RANGE.split(' to ').map((day) => Date.parse(`${day}T00:00:00Z`));
const DAY_MS = 86_400_000;

test('days of the years 1 to 9999, and no other', () => {
  const [first, last] = [FIRST / DAY_MS, LAST / DAY_MS];
  const days = Int32Array.of(first, 0, last, first - 1, last + 1, 2 ** 31 - 1, -(2 ** 31));
  expect([0, 1, 2].map((at) => firstDayOutside(days, at, 3))).toEqual([-1, -1, -1]);
  expect([3, 4, 5, 6].map((at) => firstDayOutside(days, at, 7))).toEqual([3, 4, 5, 6]);
  expect(firstDayOutside(days, 0, 7)).toBe(3);
});

test.each([
  ['ms', 1n],
  ['us', 1_000n],
] as const)('times of the years 1 to 9999 in %s, and no other', (unit: TimeUnit, perMs) => {
  const least = BigInt(FIRST) * perMs;
  const most = BigInt(LAST + DAY_MS) * perMs - 1n;
  const within = [least, least + 1n, -1n, 0n, 1n, most - 1n, most];
  const far = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n, least - 2n ** 32n, most + 2n ** 32n];
  const outside = [least - 1n, most + 1n, ...far];
  const wordsOf = (times: bigint[]) => new Int32Array(BigInt64Array.from(times).buffer);
  expect(firstTimeOutside(wordsOf(within), unit, 0, within.length)).toBe(-1);
  for (const time of outside) {
    expect(firstTimeOutside(wordsOf([0n, time, 0n]), unit, 0, 3), `${time}`).toBe(1);
  }
});

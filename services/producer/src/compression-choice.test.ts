import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { CompressionChoice } from './compression-choice.ts';

const REPEATED = Buffer.alloc(100_000, 'flight,origin,destination\n');
const RANDOM = randomBytes(100_000);

/** Every look is so many milliseconds after the one before. */
function clockOf(milliseconds: number) {
  let now = 0;
  return () => {
    now += 1_000 * milliseconds;
    return now;
  };
}

function levelsOf(choice: CompressionChoice, plaintext: Uint8Array, batches: number) {
  return Array.from({ length: batches }, () => choice.levelFor(plaintext));
}

test.each([
  ['none', REPEATED, 1, undefined, 'none'],
  ['zstd', RANDOM, 1, 3, 'zstd'],
  ['auto', REPEATED, 1, 3, 'zstd'],
  ['auto', RANDOM, 1, undefined, 'none'],
  // A hundred kilobytes in ten milliseconds is ten megabytes a second: the link is faster.
  ['auto', REPEATED, 10, undefined, 'none'],
] as const)('%s', (how, plaintext, milliseconds, level, chosen) => {
  const choice = new CompressionChoice({ how, level: 3 }, clockOf(milliseconds));
  expect(choice.report()).toBeNull();
  expect(levelsOf(choice, plaintext, 20)).toEqual(Array.from({ length: 20 }, () => level));
  expect(choice.report()).toMatchObject({ how, chosen });
});

test('auto measures eight batches and says what it saw', () => {
  const choice = new CompressionChoice({ how: 'auto', level: 1 }, clockOf(1));
  levelsOf(choice, REPEATED, 30);
  const report = choice.report();
  expect(report?.sample).toMatchObject({ batches: 8, plainBytes: 800_000, milliseconds: 8 });
  expect(report?.why).toMatch(/^the first 8 batches lost 100 % of their bytes, \d+ MB in a second/);
});

test('what comes later changes nothing', () => {
  const choice = new CompressionChoice({ how: 'auto', level: 1 }, clockOf(1));
  levelsOf(choice, RANDOM, 8);
  expect(choice.levelFor(REPEATED)).toBeUndefined();
});

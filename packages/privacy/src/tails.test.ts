import { describe, expect, test } from 'vitest';
import { type Density, EXACT } from '../test/statistics.ts';
import { drawNoise, gaussianNoise, laplaceNoise, type Noise } from './noise.ts';
import { selectionThreshold } from './partition-selection.ts';
import { noiseSeed, seededSource } from './random-source.ts';
import { ONE, type Rational, rational, rationalOf } from './rational.ts';
import { reachedWith, tail } from './tails.ts';

const numberOf = ({ numerator, denominator }: Rational) =>
  Number((numerator << 128n) / denominator) / 2 ** 128;

const NOISES: readonly (readonly [string, Noise])[] = [
  ['laplace 10', laplaceNoise(rationalOf('0.1'), ONE)],
  ['laplace 0.2', laplaceNoise(rational(5n), ONE)],
  ['gaussian 0.3', gaussianNoise(rationalOf('5.5'), ONE)],
  ['gaussian 1', gaussianNoise(rationalOf('0.5'), ONE)],
  ['gaussian 3', gaussianNoise(rationalOf('0.05'), ONE)],
  ['gaussian 100', gaussianNoise(rationalOf('0.00005'), ONE)],
];

/** By adding up the terms, in floating-point numbers. */
function exactTail(density: Density, m: number): number {
  let sum = 0;
  for (let value = m; density(value) > 1e-25 && value < m + 10_000; value++) sum += density(value);
  return sum;
}

/** Of the sum of so many draws: the density convolved with itself. */
function exactTailOfSum(density: Density, terms: number, m: number): number {
  const reach = 400;
  const one = Array.from({ length: 2 * reach + 1 }, (_, index) => density(index - reach));
  let sum = one;
  for (let term = 1; term < terms; term++) {
    sum = sum.map((_, index) => {
      let total = 0;
      for (
        let shift = Math.max(0, index - reach);
        shift <= Math.min(2 * reach, index + reach);
        shift++
      ) {
        total += (sum[shift] ?? 0) * (one[index - shift + reach] ?? 0);
      }
      return total;
    });
  }
  return sum.slice(m + reach).reduce((total, each) => total + each, 0);
}

describe('tails', () => {
  test.each(NOISES)('%s: never below the truth, and near it', (_, noise) => {
    const density = EXACT[noise.kind](noise);
    for (const m of [1, 2, 3, 5, 8, 13, 20, 40, 60, 100, 200, 300, 500]) {
      const [bound, truth] = [numberOf(tail(noise, BigInt(m))), exactTail(density, m)];
      if (truth < 1e-18) continue;
      expect(bound).toBeGreaterThanOrEqual(truth * (1 - 1e-9));
      // At most a quarter above, where it matters for thresholds and intervals.
      if (truth < 0.03) expect(bound).toBeLessThanOrEqual(truth * 1.25);
    }
  });

  test.each(NOISES)('%s: is reached as rarely as said, one draw or several added', (_, noise) => {
    const density = EXACT[noise.kind](noise);
    for (const probability of ['0.05', '0.01', '0.000001']) {
      const m = reachedWith(noise, 1, rationalOf(probability));
      expect(exactTail(density, Number(m))).toBeLessThanOrEqual(Number(probability) * (1 + 1e-9));
    }
    if (numberOf(rational(reachedWith(noise, 4, rationalOf('0.01')))) > 300) return;
    for (const terms of [2, 4]) {
      const m = Number(reachedWith(noise, terms, rationalOf('0.01')));
      expect(exactTailOfSum(density, terms, m)).toBeLessThanOrEqual(0.01);
      // A bound that is far too careful would be of no use.
      expect(exactTailOfSum(density, terms, Math.floor(m * 0.6) - 1)).toBeGreaterThan(0.01);
    }
  });

  test('ranges', () => {
    const noise = laplaceNoise(ONE, ONE);
    expect(() => tail(noise, 0n)).toThrow();
    expect(() => reachedWith(noise, 0, rationalOf('0.5'))).toThrow();
    expect(() => reachedWith(noise, 1, rational(0n))).toThrow();
    expect(() => reachedWith(noise, 1, ONE)).toThrow();
  });
});

describe('partition selection', () => {
  const delta = rationalOf('0.01');

  test.each(NOISES)(
    '%s: a group of one contributor is seen with probability delta at most',
    (name, noise) => {
      const threshold = selectionThreshold({ noise, groups: 1n, delta });
      const source = seededSource(noiseSeed(new Uint8Array(32), ['groups', name]));
      const draws = drawNoise(noise, 30_000, source);
      const seen = draws.filter((drawn) => 1n + drawn >= threshold).length;
      // Four standard deviations above what is declared.
      expect(seen / draws.length).toBeLessThan(0.01 + 4 * Math.sqrt((0.01 * 0.99) / draws.length));
      // One less would let too many through.
      const density = EXACT[noise.kind](noise);
      expect(exactTail(density, Number(threshold) - 2)).toBeGreaterThan(0.0095);
    },
  );

  test('more groups of one contributor, or a smaller delta, need a higher threshold', () => {
    const noise = laplaceNoise(rationalOf('0.1'), ONE);
    const thresholds = [
      selectionThreshold({ noise, groups: 1n, delta }),
      selectionThreshold({ noise, groups: 10n, delta }),
      selectionThreshold({ noise, groups: 10n, delta: rationalOf('0.000001') }),
    ];
    expect(thresholds).toEqual([41n, 64n, 156n]);
  });
});

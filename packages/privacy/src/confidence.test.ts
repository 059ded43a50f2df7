import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binOf, cumulative, quantilesOver } from './bins.ts';
import { errorBound, estimate, estimateAverage, estimateVariance } from './confidence.ts';
import { addNoise, drawNoise, gaussianNoise, laplaceNoise, type Noise } from './noise.ts';
import { noiseSeed, type RandomSource, seededSource } from './random-source.ts';
import { compare, ONE, type Rational, rational, rationalOf } from './rational.ts';

const LEVEL = rationalOf('0.95');
const ROUNDS = process.env['STRONGROOM_LONG'] === '1' ? 5_000 : 400;

const sourceOf = (name: string) => seededSource(noiseSeed(new Uint8Array(32), ['bounds', name]));
const numberOf = ({ numerator, denominator }: Rational) => Number(numerator) / Number(denominator);
const isWithin = (truth: Rational, { low, high }: { low: Rational; high: Rational }) =>
  compare(low, truth) <= 0 && compare(truth, high) <= 0;

const laplace = laplaceNoise(rationalOf('0.2'), ONE);
const gaussian = gaussianNoise(rationalOf('0.01'), ONE);

/** How often bounds hold the truth, over fresh noise; four standard deviations below the level. */
function expectCoverage(name: string, holds: (source: RandomSource) => boolean): void {
  const source = sourceOf(name);
  let held = 0;
  for (let round = 0; round < ROUNDS; round++) if (holds(source)) held++;
  expect(held / ROUNDS).toBeGreaterThan(0.95 - 4 * Math.sqrt((0.95 * 0.05) / ROUNDS));
}

function noisy(value: bigint, noise: Noise, source: RandomSource) {
  const [released = 0n] = addNoise([value], drawNoise(noise, 1, source));
  return { value: released, noise };
}

describe('bounds hold the truth as often as they say', () => {
  test.each([
    ['laplace', laplace],
    ['gaussian', gaussian],
  ])('of a count, %s', (name, noise) => {
    const bound = errorBound(noise, 1, LEVEL);
    expectCoverage(name, (source) => {
      const [drawn = 0n] = drawNoise(noise, 1, source);
      return drawn <= bound && -drawn <= bound;
    });
  });

  test.each([
    ['laplace', laplace],
    ['gaussian', gaussian],
  ])('of a sum of seven, %s', (name, noise) => {
    const bound = errorBound(noise, 7, LEVEL);
    expectCoverage(`${name} 7`, (source) => {
      const drawn = drawNoise(noise, 7, source).reduce((sum, each) => sum + each, 0n);
      return drawn <= bound && -drawn <= bound;
    });
  });

  test('of average and variance', () => {
    const values = Array.from({ length: 400 }, (_, index) => BigInt((index * 37) % 101));
    const [count, sum, squares] = [
      BigInt(values.length),
      values.reduce((total, each) => total + each, 0n),
      values.reduce((total, each) => total + each * each, 0n),
    ];
    const clamp = { low: rational(0n), high: rational(100n) };
    const average = rational(sum, count);
    const variance = rational(squares * count - sum * sum, count * count);
    const noises = [100n, 10_000n].map((l1) => laplaceNoise(rationalOf('0.2'), rational(l1)));
    const [sumNoise = laplace, squareNoise = laplace] = noises;
    let widest = 0;
    expectCoverage('average', (source) => {
      const [n, s, q] = [
        noisy(count, laplace, source),
        noisy(sum, sumNoise, source),
        noisy(squares, squareNoise, source),
      ];
      const averages = estimateAverage(n, s, clamp, LEVEL);
      widest = Math.max(widest, numberOf(averages.high) - numberOf(averages.low));
      return (
        isWithin(average, averages) &&
        isWithin(averages.value, averages) &&
        isWithin(variance, estimateVariance(n, s, q, clamp, LEVEL))
      );
    });
    // Bounds that only repeat the clamp would always hold.
    expect(widest).toBeLessThan(20);
  });

  test('of quantiles', () => {
    const edges = Array.from({ length: 21 }, (_, index) => rational(BigInt(5 * index)));
    const counts = Array.from({ length: 20 }, (_, bin) => BigInt(100 + 20 * (bin % 7)));
    const total = counts.reduce((sum, each) => sum + each, 0n);
    // The edge at and the edge behind which half of all values lie: the median is between.
    let [below, bin] = [0n, 0];
    while (2n * (below + (counts[bin] ?? 0n)) < total) below += counts[bin++] ?? 0n;
    const inside = rational(BigInt(5 * bin + 2));
    const quantileOf = quantilesOver(edges, gaussian, LEVEL);
    let widest = 0;
    expectCoverage('median', (source) => {
      const released = addNoise(counts, drawNoise(gaussian, counts.length, source));
      const median = quantileOf(released, rational(1n, 2n));
      widest = Math.max(widest, numberOf(median.high) - numberOf(median.low));
      return isWithin(inside, median) && isWithin(median.value, median);
    });
    expect(widest).toBeLessThan(30);
  });
});

describe('estimates', () => {
  const clamp = { low: rational(-10n), high: rational(50n) };

  test('a count with its bounds', () => {
    const { value, low, high } = estimate({ value: 100n, noise: laplace }, LEVEL);
    expect([value, low, high].map(numberOf)).toEqual([100, 85, 115]);
  });

  test('whatever the noise does, averages and variances stay where they can be', () => {
    const integers = fc.bigInt(-1_000n, 1_000n);
    fc.assert(
      fc.property(integers, integers, integers, (count, sum, squares) => {
        const [n, s, q] = [count, sum, squares].map((value) => ({ value, noise: laplace }));
        if (!n || !s || !q) return;
        const average = estimateAverage(n, s, clamp, LEVEL);
        const variance = estimateVariance(n, s, q, clamp, LEVEL);
        for (const each of [average.low, average.value, average.high]) {
          expect(isWithin(each, clamp)).toBe(true);
        }
        for (const each of [variance.low, variance.value, variance.high]) {
          expect(isWithin(each, { low: rational(0n), high: rational(900n) })).toBe(true);
        }
        expect(isWithin(average.value, average)).toBe(true);
      }),
    );
  });

  test('ranges', () => {
    const one = { value: 1n, noise: laplace };
    expect(() => estimate(one, ONE)).toThrow();
    expect(() => estimate(one, rational(0n))).toThrow();
    expect(() => estimateAverage(one, one, { low: ONE, high: rational(0n) }, LEVEL)).toThrow();
  });
});

describe('bins', () => {
  const edges = [0n, 10n, 20n, 30n].map((edge) => rational(edge));
  const quantileOf = quantilesOver(edges, laplace, LEVEL);

  test.each([
    [-5n, 0],
    [0n, 0],
    [9n, 0],
    [10n, 1],
    [29n, 2],
    [1_000n, 2],
  ])('%s is in bin %s', (value, bin) => {
    expect(binOf(edges, rational(value))).toBe(bin);
  });

  test('sums that fall are pooled, and none is below 0', () => {
    expect(cumulative([5n, -3n, 4n, 2n]).map(numberOf)).toEqual([0, 3.5, 3.5, 6, 8]);
    expect(cumulative([-4n, 1n, 9n]).map(numberOf)).toEqual([0, 0, 0, 6]);
  });

  test('quantiles without visible noise are interpolated', () => {
    const counts = [1_000_000n, 2_000_000n, 1_000_000n];
    const quantile = (share: string) => quantileOf(counts, rationalOf(share));
    expect(numberOf(quantile('0.5').value)).toBe(15);
    expect(numberOf(quantile('0.125').value)).toBe(5);
    const { low, high } = quantile('0.5');
    expect([numberOf(low), numberOf(high)]).toEqual([10, 20]);
  });

  test('rising shares have rising quantiles, inside of the edges', () => {
    const counts = fc.array(fc.bigInt(-50n, 200n), { minLength: 3, maxLength: 3 });
    const shares = fc.tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }));
    fc.assert(
      fc.property(counts, shares, (values, [one, other]) => {
        const [first, second] = [Math.min(one, other), Math.max(one, other)].map((share) =>
          quantileOf(values, rational(BigInt(share), 100n)),
        );
        if (!first || !second) return;
        expect(compare(first.value, second.value) <= 0).toBe(true);
        for (const { value, low, high } of [first, second]) {
          expect(isWithin(value, { low: rational(0n), high: rational(30n) })).toBe(true);
          expect(compare(low, high) < 0).toBe(true);
        }
      }),
    );
  });

  test('edges that do not rise, or do not fit, are refused', () => {
    const half = rational(1n, 2n);
    expect(() => quantilesOver([...edges].reverse(), laplace, LEVEL)).toThrow();
    expect(() => quantilesOver([ONE], laplace, LEVEL)).toThrow();
    expect(() => quantileOf([1n], half)).toThrow();
    expect(() => quantileOf([1n, 1n, 1n], ONE)).toThrow();
  });
});

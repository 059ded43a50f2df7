import assert from 'node:assert/strict';
import type { Noise } from './noise.ts';
import {
  compare,
  divide,
  isPositive,
  larger,
  multiply,
  ONE,
  type Rational,
  rational,
  smaller,
  subtract,
  ZERO,
} from './rational.ts';
import { reachedWith } from './tails.ts';

/**
 * What an analyst may conclude from noisy numbers: an estimate, and bounds between which the
 * number without noise lies with at least the given probability. Clamping and contribution
 * bounding come before; the bounds are about the clamped data. Nothing here looks at data again:
 * it is post-processing and costs no privacy.
 */
export interface Estimate {
  readonly value: Rational;
  readonly low: Rational;
  readonly high: Rational;
}

/** Released numbers and the noise that each bears. */
export interface Noisy {
  readonly value: bigint;
  readonly noise: Noise;
  /** How many draws of the noise are in it: 1, or more for sums of noisy numbers. */
  readonly terms?: number;
}

/** What values were clamped to, in the unit of the sum: low is below high. */
export interface Clamp {
  readonly low: Rational;
  readonly high: Rational;
}

/**
 * The noise is within plus and minus this many units with at least the given probability. Computed
 * once for each noise: results have thousands of cells that share one.
 * @param level such as 0.95: above 0, below 1
 */
export function errorBound(noise: Noise, terms: number, level: Rational): bigint {
  assert(isPositive(level) && compare(level, ONE) < 0, 'a level is above 0 and below 1');
  const known = KNOWN_BOUNDS.get(noise) ?? new Map<string, bigint>();
  KNOWN_BOUNDS.set(noise, known);
  const name = `${terms} ${level.numerator}/${level.denominator}`;
  const outside = divide(subtract(ONE, level), rational(2n));
  const bound = known.get(name) ?? reachedWith(noise, terms, outside) - 1n;
  known.set(name, bound);
  return bound;
}

const KNOWN_BOUNDS = new WeakMap<Noise, Map<string, bigint>>();

/** Of one noisy number, such as a count or a sum, in its own unit. */
export function estimate({ value, noise, terms = 1 }: Noisy, level: Rational): Estimate {
  const bound = errorBound(noise, terms, level);
  return {
    value: rational(value),
    low: rational(value - bound),
    high: rational(value + bound),
  };
}

/**
 * The average of clamped values, in the unit of the sum. The bounds of count and sum hold together
 * by the union bound; where they say little, the clamp does.
 */
export function estimateAverage(count: Noisy, sum: Noisy, clamp: Clamp, level: Rational): Estimate {
  assertClamp(clamp);
  const [counted, summed] = [count, sum].map((each) => estimate(each, shared(level, 2n)));
  assert(counted !== undefined && summed !== undefined, 'two numbers in, two out');
  return within(ratio(summed, counted), clamp);
}

/**
 * The variance of clamped values (of the whole population: divided by n), in the square of the
 * sum's unit, by sum of squares / n - (sum / n)^2. It is between 0 and a quarter of the clamp's
 * width squared (Popoviciu 1935), and so are the bounds.
 * @param squares of the clamped values, in the square of the sum's unit
 */
export function estimateVariance(
  count: Noisy,
  sum: Noisy,
  squares: Noisy,
  clamp: Clamp,
  level: Rational,
): Estimate {
  assertClamp(clamp);
  const [counted, summed, squared] = [count, sum, squares].map((each) =>
    estimate(each, shared(level, 3n)),
  );
  assert(counted !== undefined && summed !== undefined && squared !== undefined, 'three');
  const mean = within(ratio(summed, counted), clamp);
  const [lowest, highest] = [multiply(clamp.low, clamp.low), multiply(clamp.high, clamp.high)];
  const straddles = !isPositive(clamp.low) && compare(clamp.high, ZERO) >= 0;
  const meanOfSquares = within(ratio(squared, counted), {
    low: straddles ? ZERO : smaller(lowest, highest),
    high: larger(lowest, highest),
  });
  const meanSquared = square(mean);
  const width = subtract(clamp.high, clamp.low);
  const difference = {
    value: subtract(meanOfSquares.value, meanSquared.value),
    low: subtract(meanOfSquares.low, meanSquared.high),
    high: subtract(meanOfSquares.high, meanSquared.low),
  };
  return within(difference, { low: ZERO, high: divide(multiply(width, width), rational(4n)) });
}

/** The level of each of several bounds that hold together at this level (Boole's inequality). */
export function shared(level: Rational, bounds: bigint): Rational {
  return subtract(ONE, divide(subtract(ONE, level), rational(bounds)));
}

/** Of two numbers that are known by bounds; nobody divides by fewer than one. */
function ratio(dividend: Estimate, divisor: Estimate): Estimate {
  const [least, most] = [larger(divisor.low, ONE), larger(divisor.high, ONE)];
  return {
    value: divide(dividend.value, larger(divisor.value, ONE)),
    low: smaller(divide(dividend.low, least), divide(dividend.low, most)),
    high: larger(divide(dividend.high, least), divide(dividend.high, most)),
  };
}

function square({ value, low, high }: Estimate): Estimate {
  const [first, second] = [multiply(low, low), multiply(high, high)];
  const straddles = !isPositive(low) && compare(high, ZERO) >= 0;
  return {
    value: multiply(value, value),
    low: straddles ? ZERO : smaller(first, second),
    high: larger(first, second),
  };
}

function within({ value, low, high }: Estimate, clamp: Clamp): Estimate {
  const into = (each: Rational) => larger(clamp.low, smaller(clamp.high, each));
  return { value: into(value), low: into(low), high: into(high) };
}

function assertClamp({ low, high }: Clamp): void {
  assert(compare(low, high) <= 0, 'the lower bound of a clamp is not above the upper');
}

import assert from 'node:assert/strict';
import { Interval, PI } from './interval.ts';
import type { Noise } from './noise.ts';
import {
  ceiling,
  compare,
  divide,
  isPositive,
  multiply,
  ONE,
  type Rational,
  rational,
  smaller,
} from './rational.ts';

/**
 * How far noise goes: upper bounds that hold whatever is rounded. They set thresholds under which
 * a single contributor stays unseen, and the intervals that analysts are shown.
 */

/**
 * The smallest m that is known to be reached by the sum of some draws with at most this
 * probability: P(x1 + ... + xk >= m) <= probability. By symmetry the same holds for -m.
 * @param terms k, how many independent draws are added
 * @param probability above 0, below 1
 * @throws AssertionError when one of them is out of its range
 */
export function reachedWith(noise: Noise, terms: number, probability: Rational): bigint {
  assert(Number.isSafeInteger(terms) && terms > 0, 'at least one draw');
  assert(isPositive(probability) && compare(probability, ONE) < 0, 'a probability');
  if (terms === 1) return smallestWith((m) => compare(tail(noise, m), probability) <= 0);
  return noise.kind === 'laplace'
    ? reachedByLaplaceSum(noise.scale, terms, probability)
    : reachedByGaussianSum(noise.variance, terms, probability);
}

/** An upper bound of the probability that one draw is m or more. @param m at least 1 */
export function tail(noise: Noise, m: bigint): Rational {
  assert(m >= 1n, 'the bound is for what is above 0');
  const bound =
    noise.kind === 'laplace' ? laplaceTail(noise.scale, m) : gaussianTail(noise.variance, m);
  return smaller(bound, ONE);
}

/** q^m / (1 + q) with q = exp(-1 / scale): the geometric series. */
function laplaceTail(scale: Rational, m: bigint): Rational {
  const ratio = Interval.of(divide(rational(-1n), scale)).exp();
  const power = Interval.of(divide(rational(-m), scale)).exp();
  return power.over(Interval.integer(1n).plus(ratio)).upper;
}

function gaussianTail(variance: Rational, m: bigint): Rational {
  return smaller(gaussianTailBySeries(variance, m), gaussianTailByNormal(variance, m));
}

/**
 * The terms from m on, over the sum of all. Each term is at most exp(-(2 m + 1) / (2 variance)) of
 * the one before; the sum of all is at least sqrt(2 pi variance) by Poisson's summation formula,
 * and at least that of the terms at 0, 1 and -1. Sharp for narrow noise and far out.
 */
function gaussianTailBySeries(variance: Rational, m: bigint): Rational {
  const one = Interval.integer(1n);
  const first = gaussianWeight(variance, m);
  const ratio = Interval.of(divide(rational(-(2n * m + 1n), 2n), variance)).exp();
  const around = one.plus(Interval.integer(2n).times(gaussianWeight(variance, 1n)));
  const wide = Interval.integer(2n).times(PI).times(Interval.of(variance)).squareRoot();
  const total = compare(around.lower, wide.lower) > 0 ? around : wide;
  // Rounding may leave no bound at all for noise of enormous width near 0.
  const rest = one.minus(ratio);
  return isPositive(rest.lower) ? first.over(rest).over(total).upper : ONE;
}

/**
 * The normal distribution's tail from m - 1 on (Canonne, Kamath, Steinke 2020, proposition 25), by
 * Sampford's bound of Mills' ratio, 4 / (3 x + sqrt(x^2 + 8)) with x = (m - 1) / sigma ("Some
 * inequalities on Mill's ratio", Annals of Mathematical Statistics 1953). Sharp for wide noise.
 */
function gaussianTailByNormal(variance: Rational, m: bigint): Rational {
  const [two, four] = [Interval.integer(2n), Interval.integer(4n)];
  const x = Interval.integer(m - 1n).over(Interval.of(variance).squareRoot());
  const root = x.times(x).plus(Interval.integer(8n)).squareRoot();
  const ratio = four.over(Interval.integer(3n).times(x).plus(root));
  const density = gaussianWeight(variance, m - 1n).over(two.times(PI).squareRoot());
  return density.times(ratio).upper;
}

/** exp(-x^2 / (2 variance)) */
function gaussianWeight(variance: Rational, x: bigint): Interval {
  return Interval.of(divide(rational(-x * x, 2n), variance)).exp();
}

/**
 * The sum is as good as a discrete Gaussian of the summed variance: no probability is larger by
 * more than a factor of exp(5 k exp(-pi^2 variance)) (Kairouz, Liu, Steinke, ICML 2021, theorem 9,
 * applied k - 1 times). Narrow noise is bounded by what it is too: sub-Gaussian of its variance.
 */
function reachedByGaussianSum(variance: Rational, terms: number, probability: Rational): bigint {
  const summed = multiply(rational(BigInt(terms)), variance);
  if (compare(variance, rational(2n)) < 0) {
    // exp(-m^2 / (2 k variance)) <= probability
    const exponent = Interval.of(probability).ln().negative();
    const square = Interval.of(multiply(rational(2n), summed)).times(exponent);
    return ceiling(square.squareRoot().upper);
  }
  // exp(y) <= 1 + 2 y for y up to 1, and pi^2 > 9.
  const weight = Interval.of(multiply(rational(-9n), variance)).exp();
  const factor = Interval.integer(1n).plus(Interval.integer(10n * BigInt(terms)).times(weight));
  assert(compare(factor.upper, rational(3n)) < 0, 'fewer draws than there are atoms');
  const within = divide(probability, factor.upper);
  const noise: Noise = { kind: 'gaussian', variance: summed };
  return smallestWith((m) => compare(tail(noise, m), within) <= 0);
}

/**
 * Chernoff's bound: P(sum >= m) <= M(s)^k exp(-s m) for every s below 1 / scale, with the moment
 * generating function M(s) = (1 - q)^2 / ((1 - q e^s)(1 - q e^-s)) and q = exp(-1 / scale).
 */
function reachedByLaplaceSum(scale: Rational, terms: number, probability: Rational): bigint {
  const one = Interval.integer(1n);
  const ratio = Interval.of(divide(rational(-1n), scale)).exp();
  const needed = Interval.of(probability).ln().negative();
  const square = one.minus(ratio).times(one.minus(ratio));
  let reached: bigint | undefined;
  for (let part = 1n; part < CHERNOFF_STEPS; part++) {
    const s = divide(rational(part, CHERNOFF_STEPS), scale);
    const [up, down] = [add(s, scale, 1n), add(s, scale, -1n)];
    const moments = square.over(one.minus(up).times(one.minus(down))).ln();
    const bound = needed.plus(Interval.integer(BigInt(terms)).times(moments)).over(Interval.of(s));
    const candidate = ceiling(bound.upper);
    if (reached === undefined || candidate < reached) reached = candidate;
  }
  assert(reached !== undefined, 'at least one s was tried');
  return reached > 1n ? reached : 1n;
}

const CHERNOFF_STEPS = 64n;

/** q e^s or q e^-s: exp(-1 / scale + sign s). */
function add(s: Rational, scale: Rational, sign: bigint): Interval {
  const inverse = Interval.of(divide(rational(-1n), scale));
  return inverse.plus(Interval.of(multiply(rational(sign), s))).exp();
}

/** The smallest m from 1 on for which this holds; it holds for all above the first. */
function smallestWith(holds: (m: bigint) => boolean): bigint {
  let high = 1n;
  while (!holds(high)) high *= 2n;
  let low = high / 2n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

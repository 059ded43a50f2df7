import assert from 'node:assert/strict';
import type { RandomSource } from './random-source.ts';
import {
  bitLength,
  floor,
  isPositive,
  magnitude,
  type Rational,
  squareRootFloor,
} from './rational.ts';

/**
 * Exact samplers of integers: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential
 * Privacy", NeurIPS 2020, algorithms 1 to 3. Only integers are added, multiplied and compared, so
 * each value has the very probability that the paper gives it.
 *
 * How many bytes a draw takes depends on what is drawn, never on data: no sampler is given any. Who
 * sees the time of one draw learns about that noise (Jin, McMurtry, Rubinstein, Ohrimenko, IEEE
 * S&P 2022); callers draw all noise of a result together and let results leave on a tick.
 */

/** True with probability numerator / denominator. @param numerator from 0 to the denominator */
export function bernoulli(numerator: bigint, denominator: bigint, source: RandomSource): boolean {
  assert(numerator >= 0n && numerator <= denominator && denominator > 0n, 'a probability');
  // A uniform number of [0, 1) is drawn digit by digit (base 256), until it differs from the
  // probability's digits: the second byte is needed once in 256 times.
  let rest = numerator;
  for (;;) {
    rest <<= 8n;
    const digit = rest / denominator;
    rest -= digit * denominator;
    const drawn = BigInt(source.byte());
    if (drawn !== digit) return drawn < digit;
    if (rest === 0n) return false;
  }
}

/** Uniform on the integers from 0 to below the limit, by rejection. @param limit above 0 */
export function uniformBelow(limit: bigint, source: RandomSource): bigint {
  assert(limit > 0n, 'there is something below the limit');
  const bits = bitLength(limit - 1n);
  const bytes = Math.ceil(bits / 8);
  const mask = (1n << BigInt(bits)) - 1n;
  for (;;) {
    let drawn = 0n;
    for (let index = 0; index < bytes; index++) drawn = (drawn << 8n) | BigInt(source.byte());
    drawn &= mask;
    if (drawn < limit) return drawn;
  }
}

/** True with probability exp(-numerator / denominator), which is not above 1: algorithm 1. */
export function bernoulliExp(
  numerator: bigint,
  denominator: bigint,
  source: RandomSource,
): boolean {
  assert(numerator >= 0n && denominator > 0n, 'an exponent that is not above 0');
  let rest = numerator;
  for (; rest > denominator; rest -= denominator) {
    if (!bernoulliExpOfFraction(1n, 1n, source)) return false;
  }
  return bernoulliExpOfFraction(rest, denominator, source);
}

/** The same for an exponent from -1 to 0. */
function bernoulliExpOfFraction(
  numerator: bigint,
  denominator: bigint,
  source: RandomSource,
): boolean {
  let isOdd = true;
  for (let divisor = denominator; ; divisor += denominator) {
    if (!bernoulli(numerator, divisor, source)) return isOdd;
    isOdd = !isOdd;
  }
}

/**
 * The discrete Laplace distribution: x has a probability proportional to exp(-|x| / scale).
 * Algorithm 2.
 * @param scale above 0, in the unit of what it is added to
 * @throws AssertionError when the scale is not positive
 */
export function discreteLaplace(scale: Rational, source: RandomSource): bigint {
  assert(isPositive(scale), 'a scale is positive');
  const { numerator, denominator } = scale;
  for (;;) {
    const fine = uniformBelow(numerator, source);
    if (!bernoulliExp(fine, numerator, source)) continue;
    let coarse = 0n;
    while (bernoulliExpOfFraction(1n, 1n, source)) coarse++;
    const distance = (fine + numerator * coarse) / denominator;
    const isNegative = (source.byte() & 1) === 1;
    // 0 has no sign: of its two spellings one is drawn again.
    if (isNegative && distance === 0n) continue;
    return isNegative ? -distance : distance;
  }
}

/**
 * The discrete Gaussian distribution: x has a probability proportional to
 * exp(-x^2 / (2 variance)). Algorithm 3: a discrete Laplace draw, kept with the right probability.
 * @param variance sigma squared, above 0, in the square of the unit of what it is added to
 * @throws AssertionError when the variance is not positive
 */
export function discreteGaussian(variance: Rational, source: RandomSource): bigint {
  assert(isPositive(variance), 'a variance is positive');
  const { numerator, denominator } = variance;
  // t = floor(sigma) + 1
  const scale = squareRootFloor(floor(variance)) + 1n;
  const laplace = { numerator: scale, denominator: 1n };
  // (|y| - variance / t)^2 / (2 variance), over one denominator.
  const divisor = 2n * numerator * denominator * scale * scale;
  for (;;) {
    const drawn = discreteLaplace(laplace, source);
    const distance = magnitude(drawn) * scale * denominator - numerator;
    if (bernoulliExp(distance * distance, divisor, source)) return drawn;
  }
}

import assert from 'node:assert/strict';
import type { RandomSource } from './random-source.ts';
import { divide, isPositive, multiply, type Rational, rational } from './rational.ts';
import { discreteGaussian, discreteLaplace } from './sample.ts';

/**
 * How much noise hides a contributor, by how much one contributor can change what is released.
 * What is released is a vector of integers (counts, or sums in units of the contract's last digit).
 */

/** One distribution of integers around 0. */
export type Noise =
  | { readonly kind: 'laplace'; readonly scale: Rational }
  | { readonly kind: 'gaussian'; readonly variance: Rational };

/**
 * Each coordinate with discrete Laplace noise of scale l1 / epsilon is epsilon-DP (Dwork, McSherry,
 * Nissim, Smith 2006; for integers Ghosh, Roughgarden, Sundararajan 2009).
 * @param l1 most that one contributor changes all coordinates together: the sum of the changes
 * @throws AssertionError when epsilon or l1 is not positive
 */
export function laplaceNoise(epsilon: Rational, l1: Rational): Noise {
  assert(isPositive(epsilon) && isPositive(l1), 'epsilon and sensitivity are positive');
  return { kind: 'laplace', scale: divide(l1, epsilon) };
}

/**
 * Each coordinate with discrete Gaussian noise of variance l2^2 / (2 rho) is rho-zCDP (Canonne,
 * Kamath, Steinke 2020, theorem 4 and its form for vectors, theorem 14).
 * @param l2Squared most that one contributor changes all coordinates: the sum of the squares
 * @throws AssertionError when rho or l2Squared is not positive
 */
export function gaussianNoise(rho: Rational, l2Squared: Rational): Noise {
  assert(isPositive(rho) && isPositive(l2Squared), 'rho and sensitivity are positive');
  return { kind: 'gaussian', variance: divide(l2Squared, multiply(rational(2n), rho)) };
}

/**
 * Independent draws. Called before the data is looked at, or apart from it: the time that it takes
 * says something about the noise and nothing about the data.
 */
export function drawNoise(noise: Noise, count: number, source: RandomSource): bigint[] {
  return Array.from({ length: count }, () =>
    noise.kind === 'laplace'
      ? discreteLaplace(noise.scale, source)
      : discreteGaussian(noise.variance, source),
  );
}

/**
 * The released vector: integers in, integers out.
 * @throws AssertionError when there is not one draw for each value
 */
export function addNoise(values: readonly bigint[], noise: readonly bigint[]): bigint[] {
  assert(values.length === noise.length, 'one draw for each value');
  return values.map((value, index) => value + (noise[index] ?? 0n));
}

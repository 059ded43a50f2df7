import assert from 'node:assert/strict';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';
import type { PrivacyLoss } from '@strongroom/protocol/ledger';
import { Interval } from './interval.ts';
import {
  amountAbove,
  amountBelow,
  compare,
  divide,
  floor,
  isPositive,
  larger,
  multiply,
  ONE,
  type Rational,
  rational,
  rationalOf,
  smaller,
  ZERO,
} from './rational.ts';

/**
 * What releases cost together. A loss is pure or approximate differential privacy, (epsilon,
 * delta), or zero-concentrated, rho (Bun, Steinke, TCC 2016). Every rounding is towards more loss.
 */

/** Of a mechanism with pure epsilon, as an owner's ledger writes it down. */
export function pureLoss(epsilon: Rational): PrivacyLoss {
  return { epsilon: amountAbove(epsilon), delta: '0' };
}

/** Of a mechanism with rho, as an owner's ledger writes it down. */
export function concentratedLoss(rho: Rational): PrivacyLoss {
  return { rho: amountAbove(rho) };
}

/**
 * Of all releases together, each of which may have been chosen after seeing those before: the sum.
 * (Epsilon and delta: Dwork, Kenthapadi, McSherry, Mironov, Naor 2006; rho: Bun, Steinke 2016,
 * lemmas 1.7 and 8.2; budgets that bound adaptive choices: Rogers, Roth, Ullman, Vadhan 2016 and
 * Feldman, Zrnic 2021.)
 * @throws AssertionError when there is no loss, or the measures differ
 */
export function composed(losses: readonly PrivacyLoss[]): PrivacyLoss {
  const sum = (amounts: readonly string[]) =>
    amountOf(amounts.reduce((total, amount) => total + unitsOf(amount), 0n));
  const rhos = losses.flatMap((loss) => ('rho' in loss ? [loss.rho] : []));
  const epsilons = losses.flatMap((loss) => ('rho' in loss ? [] : [loss.epsilon]));
  assert(rhos.length > 0 !== epsilons.length > 0, 'losses of one measure');
  const deltas = losses.flatMap((loss) => ('delta' in loss ? [loss.delta] : []));
  if (epsilons.length > 0) return { epsilon: sum(epsilons), delta: sum(deltas) };
  return deltas.length > 0 ? { rho: sum(rhos), delta: sum(deltas) } : { rho: sum(rhos) };
}

/** Whatever is epsilon-DP is (epsilon^2 / 2)-zCDP (Bun, Steinke 2016, proposition 1.4). */
export function pureToConcentrated(epsilon: Rational): Rational {
  return divide(multiply(epsilon, epsilon), rational(2n));
}

/**
 * The epsilon for which rho-zCDP is (epsilon, delta)-DP: Canonne, Kamath, Steinke 2020, corollary
 * 13, the sharpest known conversion. It holds for every order alpha = 1 + a; the best is looked
 * for, and what is found is an upper bound wherever the search ends.
 * @param rho not below 0
 * @param delta above 0, below 1
 * @throws AssertionError when one of them is out of its range
 */
export function epsilonOf(rho: Rational, delta: Rational): Rational {
  assert(rho.numerator >= 0n, 'rho is not negative');
  assert(isPositive(delta) && compare(delta, ONE) < 0, 'delta is above 0 and below 1');
  if (!isPositive(rho)) return ZERO;
  const one = Interval.integer(1n);
  const needed = Interval.of(delta).ln().negative();
  // a rho + rho + ln(a / (1 + a)) + (ln(1 / delta) - ln(1 + a)) / a
  const bound = (a: Interval) => {
    const logarithm = one.plus(a).ln();
    const rest = needed.minus(logarithm).over(a);
    const divergence = Interval.of(rho).times(one.plus(a));
    return divergence.plus(a.ln().minus(logarithm)).plus(rest).upper;
  };
  const start = needed.over(Interval.of(rho)).squareRoot().upper;
  return larger(ZERO, least(bound, start));
}

/**
 * The delta for which rho-zCDP is (epsilon, delta)-DP, from the same corollary.
 * @param rho not below 0
 * @param epsilon not below 0
 * @returns at most 1
 * @throws AssertionError when one of them is out of its range
 */
export function deltaOf(rho: Rational, epsilon: Rational): Rational {
  assert(rho.numerator >= 0n && epsilon.numerator >= 0n, 'losses are not negative');
  if (!isPositive(rho)) return ZERO;
  const one = Interval.integer(1n);
  // a ((1 + a) rho - epsilon) + a ln a - (1 + a) ln(1 + a)
  const exponent = (a: Interval) => {
    const loss = Interval.of(rho).times(one.plus(a)).minus(Interval.of(epsilon));
    const entropy = a.times(a.ln()).minus(one.plus(a).times(one.plus(a).ln()));
    return a.times(loss).plus(entropy).upper;
  };
  const guess = divide(epsilon, multiply(rational(2n), rho));
  const found = least(exponent, larger(guess, rational(1n, 16n)));
  return isPositive(found) ? ONE : smaller(ONE, Interval.of(found).exp().upper);
}

/**
 * The largest rho, in the ledger's units of 10^-12, that is (epsilon, delta)-DP: what a budget of
 * epsilon and delta buys of Gaussian noise. 0 when it buys none. The same corollary, solved for
 * rho: each order gives a rho that fits, and the largest one found is taken.
 * @throws AssertionError when epsilon is negative, or delta not above 0 and below 1
 */
export function rhoWithin(epsilon: Rational, delta: Rational): Rational {
  assert(epsilon.numerator >= 0n, 'epsilon is not negative');
  assert(isPositive(delta) && compare(delta, ONE) < 0, 'delta is above 0 and below 1');
  if (!isPositive(epsilon)) return ZERO;
  const one = Interval.integer(1n);
  const [needed, allowed] = [Interval.of(delta).ln().negative(), Interval.of(epsilon)];
  // -(epsilon - ln(a / (1 + a)) - (ln(1 / delta) - ln(1 + a)) / a) / (1 + a)
  const bound = (a: Interval) => {
    const logarithm = one.plus(a).ln();
    const rest = needed.minus(logarithm).over(a);
    const fitting = allowed.minus(a.ln().minus(logarithm)).minus(rest);
    return fitting.over(one.plus(a)).negative().upper;
  };
  // From epsilon = rho + 2 sqrt(rho ln(1 / delta)) (Bun, Steinke 2016, proposition 1.3).
  const root = needed.squareRoot();
  const start = root.over(needed.plus(allowed).squareRoot().minus(root)).upper;
  const rho = multiply(rational(-1n), least(bound, start));
  return isPositive(rho) ? rationalOf(amountBelow(rho)) : ZERO;
}

/** Orders are multiples of this: 2^-60. */
const ORDER_UNIT = 1n << 60n;

/**
 * The least value that a search finds: steps to both sides by a factor that shrinks. The function
 * has one valley; a flat place costs nothing, since every value is a bound.
 */
function least(bound: (a: Interval) => Rational, start: Rational): Rational {
  const valueAt = (units: bigint) => bound(Interval.of(rational(units, ORDER_UNIT)));
  let at = largerOf(1n, floor(multiply(start, rational(ORDER_UNIT))));
  let found = valueAt(at);
  for (let shift = 0n; shift <= SEARCH_HALVINGS; ) {
    const step = largerOf(1n, at >> shift);
    const sides = [at + step, largerOf(1n, at - (step >> 1n))];
    const next = sides.find((side) => side !== at && compare(valueAt(side), found) < 0);
    if (next === undefined) shift++;
    else {
      at = next;
      found = valueAt(at);
    }
  }
  return found;
}

/** The valley is flat: an order that is off by 2^-20 changes the bound in its 12th digit. */
const SEARCH_HALVINGS = 22n;

function largerOf(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

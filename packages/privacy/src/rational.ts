import assert from 'node:assert/strict';
import { amountOf, unitsOf } from '@strongroom/protocol/decimal';

/**
 * Exact fractions. Everything between an amount of a contract and a released number is one of
 * these or an integer: floating-point numbers give noise away in their lowest bits (Mironov, "On
 * significance of the least significant bits for differential privacy", CCS 2012).
 */

/** In lowest terms, the denominator above 0. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** What an amount of the ledger counts: 10^-12. */
const AMOUNT_UNITS = unitsOf('1');

/** @throws AssertionError when the denominator is 0 */
export function rational(numerator: bigint, denominator = 1n): Rational {
  assert(denominator !== 0n, 'a fraction has a denominator');
  const sign = denominator < 0n ? -1n : 1n;
  const divisor = sign * greatestCommonDivisor(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

export const ZERO: Rational = rational(0n);
export const ONE: Rational = rational(1n);

/** @param decimal an amount or a bound of a contract, such as `0.5` or `-10` */
export function rationalOf(decimal: string): Rational {
  return rational(unitsOf(decimal), AMOUNT_UNITS);
}

/** The smallest amount that is not below the fraction: a loss is never written down too small. */
export function amountAbove(value: Rational): string {
  assert(value.numerator >= 0n, 'an amount is not negative');
  return amountOf(ceiling(multiply(value, rational(AMOUNT_UNITS))));
}

/** The largest amount that is not above the fraction: a budget is never spent too far. */
export function amountBelow(value: Rational): string {
  assert(value.numerator >= 0n, 'an amount is not negative');
  return amountOf(floor(multiply(value, rational(AMOUNT_UNITS))));
}

export function add(left: Rational, right: Rational): Rational {
  return rational(
    left.numerator * right.denominator + right.numerator * left.denominator,
    left.denominator * right.denominator,
  );
}

export function subtract(left: Rational, right: Rational): Rational {
  return add(left, { numerator: -right.numerator, denominator: right.denominator });
}

export function multiply(left: Rational, right: Rational): Rational {
  return rational(left.numerator * right.numerator, left.denominator * right.denominator);
}

/** @throws AssertionError when the right side is 0 */
export function divide(left: Rational, right: Rational): Rational {
  return rational(left.numerator * right.denominator, left.denominator * right.numerator);
}

/** Negative, 0 or positive, as the left side is smaller, equal or larger. */
export function compare(left: Rational, right: Rational): number {
  const difference = left.numerator * right.denominator - right.numerator * left.denominator;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function smaller(left: Rational, right: Rational): Rational {
  return compare(left, right) <= 0 ? left : right;
}

export function larger(left: Rational, right: Rational): Rational {
  return compare(left, right) >= 0 ? left : right;
}

export function isPositive(value: Rational): boolean {
  return value.numerator > 0n;
}

/** The largest integer that is not above the fraction. */
export function floor({ numerator, denominator }: Rational): bigint {
  return floorDivide(numerator, denominator);
}

/** The smallest integer that is not below the fraction. */
export function ceiling({ numerator, denominator }: Rational): bigint {
  return -floorDivide(-numerator, denominator);
}

/** The nearest integer, and of two that are equally near the larger one. */
export function nearest(value: Rational): bigint {
  return floor(add(value, rational(1n, 2n)));
}

/** Towards minus infinity, where `/` goes towards 0. @param divisor above 0 */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

/** The largest integer whose square is not above the value; Newton's method from above. */
export function squareRootFloor(value: bigint): bigint {
  assert(value >= 0n, 'a negative number has no square root');
  if (value < 2n) return value;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** How many binary digits a value that is not negative has; 0 has none. */
export function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return value === 0n ? 0 : 4 * (digits.length - 1) + (32 - Math.clz32(Number(`0x${digits[0]}`)));
}

function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let [larger, smaller] = [magnitude(left), magnitude(right)];
  while (smaller !== 0n) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}

export function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

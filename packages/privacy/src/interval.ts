import assert from 'node:assert/strict';
import { floorDivide, type Rational, rational, squareRootFloor } from './rational.ts';

/**
 * Real numbers by two bounds that enclose them, in units of 2^-128: every step rounds the lower one
 * down and the upper one up, so that what is computed from exp, ln and roots is never too small or
 * too large by rounding. (Moore, "Interval Analysis", 1966.)
 */
export class Interval {
  readonly #low: bigint;
  readonly #high: bigint;

  private constructor(low: bigint, high: bigint) {
    assert(low <= high, 'the lower bound is not above the upper');
    this.#low = low;
    this.#high = high;
  }

  static of({ numerator, denominator }: Rational): Interval {
    return new Interval(
      floorDivide(numerator << BITS, denominator),
      ceilingDivide(numerator << BITS, denominator),
    );
  }

  static integer(value: bigint): Interval {
    return new Interval(value << BITS, value << BITS);
  }

  static between(lower: Rational, upper: Rational): Interval {
    return new Interval(Interval.of(lower).#low, Interval.of(upper).#high);
  }

  /** Not above the number. */
  get lower(): Rational {
    return rational(this.#low, UNIT);
  }

  /** Not below the number. */
  get upper(): Rational {
    return rational(this.#high, UNIT);
  }

  negative(): Interval {
    return new Interval(-this.#high, -this.#low);
  }

  plus(other: Interval): Interval {
    return new Interval(this.#low + other.#low, this.#high + other.#high);
  }

  minus(other: Interval): Interval {
    return this.plus(other.negative());
  }

  times(other: Interval): Interval {
    const products = [
      this.#low * other.#low,
      this.#low * other.#high,
      this.#high * other.#low,
      this.#high * other.#high,
    ];
    return new Interval(floorDivide(least(products), UNIT), ceilingDivide(most(products), UNIT));
  }

  /** @throws AssertionError when the divisor may be 0 or negative */
  over(divisor: Interval): Interval {
    assert(divisor.#low > 0n, 'a divisor is above 0');
    const quotients = (divide: (dividend: bigint, divisor: bigint) => bigint) =>
      [this.#low, this.#high].flatMap((bound) => [
        divide(bound << BITS, divisor.#low),
        divide(bound << BITS, divisor.#high),
      ]);
    return new Interval(least(quotients(floorDivide)), most(quotients(ceilingDivide)));
  }

  /** @throws AssertionError when the number may be negative */
  squareRoot(): Interval {
    assert(this.#low >= 0n, 'a negative number has no square root');
    const high = squareRootFloor(this.#high << BITS);
    return new Interval(squareRootFloor(this.#low << BITS), high + 1n);
  }

  /** e to this power. @throws AssertionError above 4,096, which no loss or tail needs */
  exp(): Interval {
    return new Interval(expOf(this.#low).low, expOf(this.#high).high);
  }

  /** The natural logarithm. @throws AssertionError when the number may be 0 or negative */
  ln(): Interval {
    assert(this.#low > 0n, 'only positive numbers have a logarithm');
    return new Interval(lnOf(this.#low).low, lnOf(this.#high).high);
  }
}

const BITS = 128n;
const UNIT = 1n << BITS;
const EXPONENT_MAX = 4_096n << BITS;

interface Enclosed {
  readonly low: bigint;
  readonly high: bigint;
}

function expOf(exponent: bigint): Enclosed {
  if (exponent >= 0n) return expOfPositive(exponent);
  // Below e^-4096 no two numbers are told apart: they lie between 0 and one unit.
  if (-exponent > EXPONENT_MAX) return { low: 0n, high: 1n };
  const inverse = expOfPositive(-exponent);
  const square = UNIT << BITS;
  return { low: square / inverse.high, high: ceilingDivide(square, inverse.low) };
}

/** Taylor's series of a part of the exponent that is at most 1/2, then as many squares. */
function expOfPositive(exponent: bigint): Enclosed {
  assert(exponent <= EXPONENT_MAX, 'an exponent up to 4,096');
  let halvings = 0n;
  while (exponent >> halvings > UNIT >> 1n) halvings++;
  const [small, smallAbove] = [exponent >> halvings, ceilingDivide(exponent, 1n << halvings)];
  let [low, high] = [UNIT, UNIT];
  let [term, termAbove] = [UNIT, UNIT];
  for (let n = 1n; termAbove > 1n; n++) {
    term = (term * small) / (UNIT * n);
    termAbove = ceilingDivide(termAbove * smallAbove, UNIT * n);
    low += term;
    high += termAbove;
  }
  // All terms that are left out are together below the last one that was added.
  high += termAbove;
  for (; halvings > 0n; halvings--) {
    low = (low * low) / UNIT;
    high = ceilingDivide(high * high, UNIT);
  }
  return { low, high };
}

/** ln(m 2^e) = ln m + e ln 2, with m from 1 to 2. */
function lnOf(value: bigint): Enclosed {
  let [exponent, mantissa] = [0n, value];
  for (; mantissa >= 2n * UNIT; mantissa = value >> exponent) exponent++;
  for (; mantissa < UNIT; mantissa = value << -exponent) exponent--;
  // A shift to the right loses bits: the mantissa is enclosed too.
  const mantissaAbove = exponent > 0n ? mantissa + 1n : mantissa;
  const [low, high] = [lnOfMantissa(mantissa).low, lnOfMantissa(mantissaAbove).high];
  const twos = exponent < 0n ? { low: LN_2.high, high: LN_2.low } : LN_2;
  return { low: low + exponent * twos.low, high: high + exponent * twos.high };
}

/**
 * ln m = 2 artanh z with z = (m - 1) / (m + 1), which is at most 1/3 (Abramowitz, Stegun 4.1.27).
 */
function lnOfMantissa(mantissa: bigint): Enclosed {
  const [dividend, divisor] = [(mantissa - UNIT) << BITS, mantissa + UNIT];
  let [power, powerAbove] = [dividend / divisor, ceilingDivide(dividend, divisor)];
  const [square, squareAbove] = [
    (power * power) / UNIT,
    ceilingDivide(powerAbove * powerAbove, UNIT),
  ];
  let [low, high] = [0n, 0n];
  for (let n = 1n; powerAbove > 1n; n += 2n) {
    low += power / n;
    high += ceilingDivide(powerAbove, n);
    power = (power * square) / UNIT;
    powerAbove = ceilingDivide(powerAbove * squareAbove, UNIT);
  }
  // The rest is below the next power times 1 / (1 - z^2), and that below 9/8.
  return { low: 2n * low, high: 2n * (high + 2n * powerAbove) };
}

const LN_2 = lnOfMantissa(2n * UNIT);

/** Twenty digits of pi behind the point, and the next number of as many digits. */
export const PI = Interval.between(
  rational(314_159_265_358_979_323_846n, 10n ** 20n),
  rational(314_159_265_358_979_323_847n, 10n ** 20n),
);

function ceilingDivide(dividend: bigint, divisor: bigint): bigint {
  return -floorDivide(-dividend, divisor);
}

function least(values: readonly bigint[]): bigint {
  const [first, ...others] = values;
  assert(first !== undefined, 'there is a least of something');
  let found = first;
  for (const each of others) if (each < found) found = each;
  return found;
}

function most(values: readonly bigint[]): bigint {
  return -least(values.map((each) => -each));
}

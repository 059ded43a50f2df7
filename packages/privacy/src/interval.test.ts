import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Interval, PI } from './interval.ts';
import {
  amountAbove,
  amountBelow,
  bitLength,
  compare,
  divide,
  floor,
  magnitude,
  multiply,
  nearest,
  ONE,
  type Rational,
  rational,
  rationalOf,
  squareRootFloor,
  subtract,
  ZERO,
} from './rational.ts';

const numberOf = ({ numerator, denominator }: Rational) =>
  Number((numerator << 80n) / denominator) / 2 ** 80;

/** Fractions of every size that a contract could make. */
const fractions = fc
  .tuple(fc.bigInt(-(10n ** 15n), 10n ** 15n), fc.bigInt(1n, 10n ** 12n))
  .map(([numerator, denominator]) => rational(numerator, denominator));
const positives = fractions.filter(({ numerator }) => numerator > 0n);

const width = (interval: Interval) => subtract(interval.upper, interval.lower);

describe('fractions', () => {
  test('amounts go in and come out', () => {
    for (const amount of ['0', '0.5', '3', '0.000000000001', '999999.999999999999']) {
      expect(amountAbove(rationalOf(amount))).toBe(amount);
      expect(amountBelow(rationalOf(amount))).toBe(amount);
    }
  });

  test('bounds of columns may be negative', () => {
    expect(rationalOf('-10.25')).toEqual(rational(-41n, 4n));
  });

  test('what is no amount is rounded away from the middle', () => {
    expect(amountAbove(rational(1n, 3n))).toBe('0.333333333334');
    expect(amountBelow(rational(1n, 3n))).toBe('0.333333333333');
    expect(() => amountAbove(rational(-1n))).toThrow();
  });

  test('one spelling each', () => {
    expect(rational(6n, -4n)).toEqual({ numerator: -3n, denominator: 2n });
    expect(rational(0n, -5n)).toEqual(ZERO);
    expect(() => rational(1n, 0n)).toThrow();
    expect(() => divide(ONE, ZERO)).toThrow();
  });

  test('integers near a fraction', () => {
    fc.assert(
      fc.property(fractions, (value) => {
        expect(compare(rational(floor(value)), value) <= 0).toBe(true);
        expect(compare(rational(floor(value) + 1n), value) > 0).toBe(true);
        const distance = subtract(rational(nearest(value)), value);
        expect(2n * magnitude(distance.numerator) <= distance.denominator).toBe(true);
      }),
    );
  });

  test('integer square roots and lengths', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 1n << 300n), (value) => {
        const root = squareRootFloor(value);
        expect(root * root <= value && (root + 1n) * (root + 1n) > value).toBe(true);
        expect(bitLength(value)).toBe(value === 0n ? 0 : value.toString(2).length);
      }),
    );
  });
});

describe('bounds enclose', () => {
  const encloses = (interval: Interval, value: number) => {
    const [low, high] = [numberOf(interval.lower), numberOf(interval.upper)];
    expect(low).toBeLessThanOrEqual(value + 1e-12 * Math.abs(value) + 1e-20);
    expect(high).toBeGreaterThanOrEqual(value - 1e-12 * Math.abs(value) - 1e-20);
    expect(Math.abs(high - low)).toBeLessThanOrEqual(1e-12 * Math.abs(value) + 1e-20);
  };

  test('exp, ln and roots, compared with those of the machine', () => {
    fc.assert(
      fc.property(positives, (value) => {
        const real = numberOf(value);
        encloses(Interval.of(value).ln(), Math.log(real));
        encloses(Interval.of(value).squareRoot(), Math.sqrt(real));
        if (real < 600) encloses(Interval.of(value).exp(), Math.exp(real));
        if (real < 600) encloses(Interval.of(value).negative().exp(), Math.exp(-real));
      }),
    );
    encloses(PI, Math.PI);
  });

  test('ln and exp undo each other', () => {
    fc.assert(
      fc.property(positives, (value) => {
        const there = Interval.of(value).ln().exp();
        expect(compare(there.lower, value) <= 0 && compare(there.upper, value) >= 0).toBe(true);
        // 2^-100 of the value, or of 1.
        const room = multiply(rational(1n, 1n << 100n), compare(value, ONE) > 0 ? value : ONE);
        expect(compare(width(there), room)).toBeLessThan(0);
      }),
    );
  });

  test('exp of a sum is the product', () => {
    fc.assert(
      fc.property(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -40, max: 40 }), (a, b) => {
        const [left, right] = [a, b].map((each) => Interval.of(rational(BigInt(each), 7n)));
        if (!left || !right) return;
        const [one, other] = [left.plus(right).exp(), left.exp().times(right.exp())];
        expect(compare(one.lower, other.upper) <= 0).toBe(true);
        expect(compare(other.lower, one.upper) <= 0).toBe(true);
      }),
    );
  });

  test('far below nothing is told apart, and still nothing is below 0', () => {
    const tiny = Interval.integer(-100_000n).exp();
    expect(tiny.lower).toEqual(ZERO);
    expect(tiny.upper).toEqual(rational(1n, 1n << 128n));
  });

  test('what has no value is refused', () => {
    expect(() => Interval.of(ZERO).ln()).toThrow();
    expect(() => Interval.of(rational(-1n)).squareRoot()).toThrow();
    expect(() => Interval.of(ONE).over(Interval.of(ZERO))).toThrow();
    expect(() => Interval.integer(5_000n).exp()).toThrow();
  });
});

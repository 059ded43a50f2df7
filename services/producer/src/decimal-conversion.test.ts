import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toDecimal } from './decimal-conversion.ts';
import type { SourceKind, ValueArray } from './source-vector.ts';

/** One value through the conversion: the unscaled decimal, or undefined where it does not fit. */
function converted(
  kind: SourceKind,
  values: ValueArray,
  scale: number,
  digits: { precision: number; scale: number },
): bigint | undefined {
  const target = new Int32Array(8);
  const misfit = toDecimal(kind, scale, digits)?.(values, target, { from: 0, count: 1, at: 1 });
  if (misfit !== -1) return undefined;
  const words = [...target.subarray(4)].map(
    (word, index) => BigInt(word >>> 0) << BigInt(32 * index),
  );
  return BigInt.asIntN(
    128,
    words.reduce((sum, word) => sum | word),
  );
}

const wordsOf = (value: bigint, count: number) =>
  Int32Array.from({ length: count }, (_none, word) =>
    Number(BigInt.asIntN(32, value >> BigInt(32 * word))),
  );

test('a decimal keeps its value or does not fit', () => {
  const digits = fc.integer({ min: 1, max: 38 }).chain((precision) =>
    fc.record({
      precision: fc.constant(precision),
      scale: fc.integer({ min: 0, max: precision }),
    }),
  );
  const limit = 10n ** 38n - 1n;
  const value = fc.oneof(fc.bigInt(-limit, limit), fc.bigInt(-5n, 5n), fc.constant(1_000n));
  fc.assert(
    fc.property(value, fc.integer({ min: 0, max: 38 }), digits, (of, scale, wanted) => {
      // As fractions: of / 10^scale = result / 10^wanted.scale.
      const shifted = of * 10n ** BigInt(wanted.scale);
      const exact = shifted % 10n ** BigInt(scale) === 0n;
      const result = shifted / 10n ** BigInt(scale);
      const fits = exact && (result < 0n ? -result : result) < 10n ** BigInt(wanted.precision);
      const found = converted('decimal', wordsOf(of, 4), scale, wanted);
      expect(found).toBe(fits ? result : undefined);
      // Arrow's words have no sign.
      const unsigned = Uint32Array.from(wordsOf(of, 4));
      expect(converted('decimal', unsigned, scale, wanted)).toBe(found);
    }),
    { numRuns: 1_000 },
  );
});

test('whole numbers become decimals, floats and texts never', () => {
  const digits = { precision: 22, scale: 2 };
  expect(converted('int8', Int8Array.of(-128), 0, digits)).toBe(-12_800n);
  expect(converted('uint32', Uint32Array.of(2 ** 32 - 1), 0, digits)).toBe(429_496_729_500n);
  expect(converted('int64', wordsOf(-(2n ** 63n), 2), 0, digits)).toBe(-(2n ** 63n) * 100n);
  expect(converted('uint64', wordsOf(2n ** 64n - 1n, 2), 0, digits)).toBe((2n ** 64n - 1n) * 100n);
  expect(converted('int32', Int32Array.of(100), 0, { precision: 2, scale: 0 })).toBeUndefined();
  for (const kind of ['float64', 'float32', 'text', 'bool', 'date'] as const) {
    expect(toDecimal(kind, 0, digits)).toBeUndefined();
  }
});

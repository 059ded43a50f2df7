import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf } from './errors.ts';
import { CIPHERTEXT_BYTES_MAX, PADDED_SIZES } from './limits.ts';
import { fits, padTo, unpad } from './padding.ts';

const SIZES = [8, 16, 64];
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('padding', () => {
  test('gives what was padded, in the smallest size that holds it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (content) => {
        const padded = padTo(SIZES, content);
        expect(unpad(SIZES, padded)).toEqual(content);
        expect(padded.length).toBe(SIZES.find((size) => fits(size, content.length)));
      }),
    );
  });

  test('has no size for what is larger than all of them', () => {
    let thrown: unknown;
    try {
      padTo(SIZES, new Uint8Array(61));
    } catch (error) {
      thrown = error;
    }
    expect(codeOf(thrown)).toBe('ERR_LIMIT_EXCEEDED');
  });

  test.each([
    ['no known size', bytes(0, 0, 0, 1, 7)],
    ['of a size between two', new Uint8Array(9)],
    ['empty', bytes()],
    ['longer than its size', bytes(0, 0, 0, 5, 1, 1, 1, 1)],
    ['a huge length', bytes(255, 255, 255, 255, 1, 1, 1, 1)],
    ['a byte in the padding', bytes(0, 0, 0, 2, 1, 1, 0, 1)],
    ["a byte at the padding's begin", bytes(0, 0, 0, 2, 1, 1, 9, 0)],
  ])('is refused: %s', (_what, padded) => {
    expect(unpad(SIZES, padded)).toBeUndefined();
  });

  test('is read at its place in a larger buffer', () => {
    const whole = bytes(1, 1, 0, 0, 0, 2, 5, 6, 0, 0);
    expect(unpad(SIZES, whole.subarray(2))).toEqual(bytes(5, 6));
  });

  test('has few sizes on the wire, each four times the one before', () => {
    expect(PADDED_SIZES).toEqual([4_096, 16_384, 65_536, 262_144, CIPHERTEXT_BYTES_MAX]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PartyId, PartyIdSchema } from './fields.ts';
import { CIPHERTEXT_BYTES_MAX, PADDED_SIZES, RESULT_PARTS_MAX } from './limits.ts';
import { cutToParts, resultSizesOf, sizeProblemIn, tooLargeSizeOf } from './result-sizes.ts';

const readersOf = (count: number): PartyId[] =>
  Array.from({ length: count }, (_none, index) => PartyIdSchema.parse(`reader-${index}`));
const queryOf = (readers: number, resultBytes?: number) => ({
  readers: readersOf(readers),
  disclosure: {
    ...{ minimumGroupRows: 2, groupRowsColumn: 'n' },
    ...(resultBytes === undefined ? {} : { resultBytes }),
  },
});
const partsOf = (bytes: number) => Math.ceil(bytes / CIPHERTEXT_BYTES_MAX);

describe('the sizes of a result', () => {
  test.each([
    [1, [2, 4, 8, 16, 32]],
    [2, [2, 4, 8, 16]],
    [3, [2, 4, 8]],
    [16, [2]],
    [17, []],
    [64, []],
  ])('for %i readers go up to so many parts that one step holds them', (readers, parts) => {
    const sizes = resultSizesOf(queryOf(readers));
    expect(sizes.slice(0, PADDED_SIZES.length)).toEqual(PADDED_SIZES);
    const large = sizes.slice(PADDED_SIZES.length);
    expect(large).toEqual(parts.map((count) => count * CIPHERTEXT_BYTES_MAX));
    expect(Math.max(0, ...parts) * readers).toBeLessThanOrEqual(RESULT_PARTS_MAX);
  });

  test('are the one that a contract sets, if all readers have room for it in a step', () => {
    expect(resultSizesOf(queryOf(3, 2_000_000))).toEqual([2_000_000]);
    const cases: [number, number, boolean][] = [
      [64, CIPHERTEXT_BYTES_MAX, true],
      [1, RESULT_PARTS_MAX * CIPHERTEXT_BYTES_MAX, true],
      [2, RESULT_PARTS_MAX * CIPHERTEXT_BYTES_MAX, false],
      [16, CIPHERTEXT_BYTES_MAX + 1, true],
      [17, CIPHERTEXT_BYTES_MAX + 1, false],
    ];
    for (const [readers, bytes, isGood] of cases) {
      expect(sizeProblemIn(queryOf(readers, bytes)) === undefined).toBe(isGood);
    }
    expect(sizeProblemIn(queryOf(64))).toBeUndefined();
  });

  test.each<[number | undefined, number, number | undefined, number]>([
    [undefined, 1, undefined, 32],
    [2, 1, undefined, 2],
    [3, 1, undefined, 4],
    [64, 1, undefined, 32],
    [8, 16, undefined, 2],
    [8, 17, undefined, 1],
    [2, 1, 3 * CIPHERTEXT_BYTES_MAX, 3],
    [undefined, 1, 4_096, 1],
  ])(
    'of what is too large in %s slices, for %i readers, is what nearly was',
    (slices, readers, resultBytes, parts) => {
      const query = queryOf(readers, resultBytes);
      const size = tooLargeSizeOf(query, slices === undefined ? {} : { slices });
      expect(partsOf(size)).toBe(parts);
      expect(resultSizesOf(query)).toContain(size);
    },
  );

  test('are told by the number of parts and the size of the last', () => {
    const size = fc.integer({ min: 1, max: 4 * CIPHERTEXT_BYTES_MAX });
    fc.assert(
      fc.property(size, (bytes) => {
        const pieces = cutToParts(new Uint8Array(bytes));
        expect(pieces).toHaveLength(partsOf(bytes));
        expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(bytes);
        for (const piece of pieces.slice(0, -1)) expect(piece).toHaveLength(CIPHERTEXT_BYTES_MAX);
        expect(pieces.at(-1)?.length).toBeGreaterThan(0);
      }),
      { numRuns: 20 },
    );
  });
});

import type { Contract, Query } from './contract.ts';
import { CIPHERTEXT_BYTES_MAX, PADDED_SIZES, RESULT_PARTS_MAX } from './limits.ts';

/** How large a result is on the log, and in how many records it lies there. */

/**
 * The sizes that a query's results may have, all parts together: a few of one part, and then twice
 * as many parts each time, while all readers together get no more than RESULT_PARTS_MAX; or the one
 * that its contract sets.
 */
export function resultSizesOf({
  disclosure,
  readers,
}: Pick<Query, 'disclosure' | 'readers'>): readonly number[] {
  if (disclosure.resultBytes !== undefined) return [disclosure.resultBytes];
  const sizes: number[] = [...PADDED_SIZES];
  for (let parts = 2; parts * readers.length <= RESULT_PARTS_MAX; parts *= 2) {
    sizes.push(parts * CIPHERTEXT_BYTES_MAX);
  }
  return sizes;
}

/**
 * The size of a result that says no more than that it is too large: as large as what nearly was.
 * Of slices each tells a part in one record, so that all together are what there is room for.
 */
export function tooLargeSizeOf(
  query: Pick<Query, 'disclosure' | 'readers'>,
  { slices = RESULT_PARTS_MAX }: Pick<Contract, 'slices'>,
): number {
  const sizes = resultSizesOf(query);
  return sizes.find((size) => size >= slices * CIPHERTEXT_BYTES_MAX) ?? Math.max(...sizes);
}

/** What is wrong with the size that a contract sets, beside its own limits. */
export function sizeProblemIn({
  disclosure: { resultBytes = 0 },
  readers,
}: Pick<Query, 'disclosure' | 'readers'>): string | undefined {
  const parts = Math.ceil(resultBytes / CIPHERTEXT_BYTES_MAX);
  if (parts <= 1 || parts * readers.length <= RESULT_PARTS_MAX) return undefined;
  return `more than ${RESULT_PARTS_MAX} records for all readers together`;
}

/** A padded plaintext in the pieces that are sealed: all but the last are as large as can be. */
export function cutToParts(padded: Uint8Array): Uint8Array[] {
  const count = Math.ceil(padded.length / CIPHERTEXT_BYTES_MAX);
  return Array.from({ length: count }, (_none, index) =>
    padded.subarray(index * CIPHERTEXT_BYTES_MAX, (index + 1) * CIPHERTEXT_BYTES_MAX),
  );
}

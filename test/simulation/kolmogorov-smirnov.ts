import { upperKolmogorov } from '../../packages/privacy/test/statistics.ts';

/**
 * How probable it is that two samples of one distribution differ at least as much, in the largest
 * distance of their distribution functions.
 */
export function pValueOfKolmogorovSmirnov(one: readonly number[], other: readonly number[]) {
  const draws = (one.length * other.length) / (one.length + other.length);
  return upperKolmogorov(distance(one, other), draws);
}

function distance(one: readonly number[], other: readonly number[]): number {
  const all = [
    ...one.map((value) => ({ value, step: 1 / one.length })),
    ...other.map((value) => ({ value, step: -1 / other.length })),
  ].sort((left, right) => left.value - right.value);
  let [height, largest] = [0, 0];
  for (const [index, { value, step }] of all.entries()) {
    height += step;
    // Equal values are one step of both functions.
    if (all[index + 1]?.value !== value) largest = Math.max(largest, Math.abs(height));
  }
  return largest;
}

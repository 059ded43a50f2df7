/**
 * How probable it is that two samples of one distribution differ at least as much, in the largest
 * distance of their distribution functions: Kolmogorov's series, for finite samples as Stephens
 * (1970) has it.
 */
export function pValueOfKolmogorovSmirnov(one: readonly number[], other: readonly number[]) {
  const root = Math.sqrt((one.length * other.length) / (one.length + other.length));
  return kolmogorov((root + 0.12 + 0.11 / root) * distance(one, other));
}

/** Q(λ) = 2 Σ (-1)^(k - 1) e^(-2 k² λ²). */
export function kolmogorov(lambda: number): number {
  let sum = 0;
  for (let k = 1; k <= 100; k += 1) {
    sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * lambda * lambda);
  }
  return lambda < 0.2 ? 1 : Math.min(1, Math.max(0, sum));
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

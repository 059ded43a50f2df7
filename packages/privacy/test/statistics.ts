import type { Noise } from '../src/noise.ts';

/**
 * What tests of distributions need, in floating-point numbers: judges of samples, from which
 * nothing is ever released. Formulas: Abramowitz and Stegun 6.5, 26.4, 26.5.
 */

/** Probability of each integer. */
export type Density = (value: number) => number;

/** The declared distributions, by their formulas. */
export const EXACT: Readonly<Record<Noise['kind'], (noise: Noise) => Density>> = {
  laplace: (noise) => {
    const ratio = Math.exp(-1 / numberOf(noise.kind === 'laplace' ? noise.scale : undefined));
    return (value) => ((1 - ratio) / (1 + ratio)) * ratio ** Math.abs(value);
  },
  gaussian: (noise) => {
    const variance = numberOf(noise.kind === 'gaussian' ? noise.variance : undefined);
    const weight = (value: number) => Math.exp((-value * value) / (2 * variance));
    let total = 1;
    for (let value = 1; weight(value) > 1e-18; value++) total += 2 * weight(value);
    return (value) => weight(value) / total;
  },
};

function numberOf(value: { numerator: bigint; denominator: bigint } | undefined): number {
  return value === undefined ? Number.NaN : Number(value.numerator) / Number(value.denominator);
}

export interface ChiSquare {
  readonly statistic: number;
  readonly degrees: number;
}

/** Pearson's test; neighbouring integers share a cell until 50 draws are expected in it. */
export function chiSquare(draws: readonly bigint[], density: Density, reachMin = 1): ChiSquare {
  let reach = Math.max(1, reachMin);
  while (draws.length * density(reach) > 1e-6) reach++;
  const seen = new Map<number, number>();
  for (const drawn of draws) {
    const value = Math.max(-reach, Math.min(reach, Number(drawn)));
    seen.set(value, (seen.get(value) ?? 0) + 1);
  }
  const cells = [{ expected: 0, seen: 0 }];
  let left = draws.length;
  for (let value = -reach; value <= reach; value++) {
    const cell = cells.at(-1) ?? { expected: 0, seen: 0 };
    cell.expected += draws.length * density(value);
    cell.seen += seen.get(value) ?? 0;
    left -= draws.length * density(value);
    if (cell.expected >= 50 && left >= 50) cells.push({ expected: 0, seen: 0 });
  }
  const statistic = cells.reduce(
    (sum, cell) => sum + (cell.seen - cell.expected) ** 2 / cell.expected,
    0,
  );
  return { statistic, degrees: cells.length - 1 };
}

/** How probable a statistic at least as large is. */
export function pValueOfChiSquare({ statistic, degrees }: ChiSquare): number {
  return upperGamma(degrees / 2, statistic / 2);
}

/**
 * Kolmogorov and Smirnov's test. A step of the distribution is filled by a uniform number, so that
 * what is judged is uniform and continuous (the randomised integral transform: Ferguson 1967).
 * @param uniforms one for each draw, from 0 to below 1
 */
export function pValueOfKolmogorov(
  draws: readonly bigint[],
  density: Density,
  uniforms: readonly number[],
): number {
  const below = cumulativeOf(draws, density);
  const places = Float64Array.from(draws, (drawn, index) => {
    const value = Number(drawn);
    return (below.get(value) ?? 0) + density(value) * (uniforms[index] ?? 0);
  }).sort();
  let distance = 0;
  for (const [index, place] of places.entries()) {
    const above = (index + 1) / places.length - place;
    distance = Math.max(distance, above, place - index / places.length);
  }
  return upperKolmogorov(distance, places.length);
}

/** Of each value that was drawn, the probability of all smaller ones. */
function cumulativeOf(draws: readonly bigint[], density: Density): Map<number, number> {
  const reach = draws.reduce((most, drawn) => Math.max(most, Math.abs(Number(drawn))), 0);
  const found = new Map<number, number>();
  // Both distributions are symmetric, and what lies beyond the reach is negligible or drawn.
  let sum = density(0) / 2;
  for (let value = 1; value <= reach; value++) sum += density(value);
  let total = 0.5 - sum;
  for (let value = -reach; value <= reach; value++) {
    found.set(value, total);
    total += density(value);
  }
  return found;
}

/**
 * How probable a distance of two distribution functions at least as large is, with Stephens'
 * correction for a finite number of draws (1970).
 * @param draws of two samples n m / (n + m)
 */
export function upperKolmogorov(distance: number, draws: number): number {
  const root = Math.sqrt(draws);
  return kolmogorov((root + 0.12 + 0.11 / root) * distance);
}

/** Q(λ) = 2 Σ (-1)^(k - 1) e^(-2 k² λ²). */
export function kolmogorov(lambda: number): number {
  // Below this the series converges slowly, and the probability is 1 to nine digits.
  if (lambda < 0.25) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) {
    sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * lambda * lambda);
  }
  return sum;
}

/**
 * Clopper and Pearson 1934: the interval of probabilities under which so many hits, or so few, are
 * not rarer than (1 - level) / 2.
 */
export function clopperPearson(
  hits: number,
  trials: number,
  level: number,
): { readonly low: number; readonly high: number } {
  const outside = (1 - level) / 2;
  // P(at least k of n) is the regularised incomplete beta function I_p(k, n - k + 1).
  const low = hits === 0 ? 0 : root((p) => incompleteBeta(hits, trials - hits + 1, p) - outside);
  const high =
    hits === trials ? 1 : root((p) => incompleteBeta(hits + 1, trials - hits, p) - 1 + outside);
  return { low, high };
}

/** Where a function that rises over [0, 1] passes 0. */
function root(rising: (at: number) => number): number {
  let [low, high] = [0, 1];
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Q(a, x): by the series of P below a + 1, by the continued fraction above (6.5.29, 6.5.31). */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(-x + a * Math.log(x) - logGamma(a));
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a];
    for (let n = 1; term > sum * 1e-15; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - sum * scale;
  }
  const at = (n: number) => -n * (n - a);
  return scale / continuedFraction(x + 1 - a, at, (n) => x + 2 * n + 1 - a);
}

/** I_x(a, b) by its continued fraction (26.5.8). */
function incompleteBeta(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, 1 - x);
  const logarithm = logGamma(a + b) - logGamma(a) - logGamma(b);
  const scale = Math.exp(logarithm + a * Math.log(x) + b * Math.log(1 - x)) / a;
  const at = (n: number) => {
    const m = Math.floor(n / 2);
    return n % 2 === 0
      ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
      : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
  };
  return scale / continuedFraction(1, at, () => 1);
}

/** b(0) + a(1) / (b(1) + a(2) / (b(2) + ...)), by Lentz's method. */
function continuedFraction(
  first: number,
  above: (n: number) => number,
  below: (n: number) => number,
): number {
  const apart = (value: number) => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let [value, c, d] = [apart(first), apart(first), 0];
  for (let n = 1; n < 10_000; n++) {
    d = 1 / apart(below(n) + above(n) * d);
    c = apart(below(n) + above(n) / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-14) break;
  }
  return value;
}

/** Stirling's series (6.1.41), from 10 on; smaller arguments by the recurrence. */
function logGamma(x: number): number {
  if (x < 10) return logGamma(x + 1) - Math.log(x);
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1_260 * x ** 5) - 1 / (1_680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}

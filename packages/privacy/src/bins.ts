import assert from 'node:assert/strict';
import { type Estimate, errorBound, shared } from './confidence.ts';
import type { Noise } from './noise.ts';
import {
  add,
  compare,
  divide,
  isPositive,
  multiply,
  ONE,
  type Rational,
  rational,
  subtract,
  ZERO,
} from './rational.ts';

/**
 * Histograms and quantiles over bins that the contract fixes: a noisy count for every bin, also for
 * those without rows, and all else computed from these counts without another look at the data.
 */

/** In which bin a value lies; the outer bins take what lies outside. */
export function binOf(edges: readonly Rational[], value: Rational): number {
  const inner = edges.slice(1, -1);
  const first = inner.findIndex((edge) => compare(value, edge) < 0);
  return first < 0 ? inner.length : first;
}

/**
 * How many values are below each edge, made rising: noisy sums that fall are replaced by the
 * nearest ones that do not (least squares, by pooling adjacent violators: Ayer et al. 1955; for
 * noisy counts Hay, Rastogi, Miklau, Suciu, VLDB 2010).
 * @returns one for each edge; the first is 0
 */
export function cumulative(counts: readonly bigint[]): Rational[] {
  const pools: { sum: bigint; size: bigint }[] = [];
  let sum = 0n;
  for (const count of counts) {
    sum += count;
    let pool = { sum, size: 1n };
    for (let before = pools.at(-1); before && isFalling(before, pool); before = pools.at(-1)) {
      pools.pop();
      pool = { sum: before.sum + pool.sum, size: before.size + pool.size };
    }
    pools.push(pool);
  }
  const levels = pools.flatMap((pool) => {
    const level = rational(pool.sum > 0n ? pool.sum : 0n, pool.size);
    return Array.from({ length: Number(pool.size) }, () => level);
  });
  return [ZERO, ...levels];
}

function isFalling(
  left: { readonly sum: bigint; readonly size: bigint },
  right: { readonly sum: bigint; readonly size: bigint },
): boolean {
  return left.sum * right.size > right.sum * left.size;
}

/**
 * Estimates the value below which a share of all values lies, by linear interpolation inside of its
 * bin. The bounds are edges: at all edges together, with at least the given probability, the true
 * number of values below an edge is on the side that the noisy counts say.
 * @param noise of each count
 * @param level such as 0.95
 * @returns a function of the noisy counts and of the share: above 0, below 1, 1/2 for the median
 * @throws AssertionError when the edges are not rising or do not fit the counts
 */
export function quantilesOver(
  edges: readonly Rational[],
  noise: Noise,
  level: Rational,
): (counts: readonly bigint[], share: Rational) => Estimate {
  assertRising(edges);
  const bins = edges.length - 1;
  const each = shared(level, BigInt(2 * bins));
  const errorOf = (counts: number) => rational(errorBound(noise, ladder(counts), each));
  return (counts, share) => {
    assert(counts.length === bins, 'one more edge than counts');
    assert(isPositive(share) && compare(share, ONE) < 0, 'a share is above 0 and below 1');
    const histogram = { edges, counts };
    return { value: interpolated(histogram, share), ...boundsOf(histogram, share, errorOf) };
  };
}

interface Histogram {
  /** Rising; bin i holds values from edge i to below edge i + 1. One more than there are counts. */
  readonly edges: readonly Rational[];
  /** With noise; they may be negative. */
  readonly counts: readonly bigint[];
}

function interpolated({ edges, counts }: Histogram, share: Rational): Rational {
  const below = cumulative(counts);
  const wanted = multiply(share, below.at(-1) ?? ZERO);
  const bin = below.findIndex((each, edge) => edge > 0 && compare(each, wanted) >= 0) - 1;
  const [from, to] = [at(edges, bin), at(edges, bin + 1)];
  const height = subtract(at(below, bin + 1), at(below, bin));
  if (!isPositive(height)) return divide(add(from, to), rational(2n));
  const part = divide(subtract(wanted, at(below, bin)), height);
  return add(from, multiply(part, subtract(to, from)));
}

/**
 * An edge is below the quantile when fewer values than the share lie below it: when
 * (1 - share) (values below) - share (values above) is negative. Both sums bear noise of as many
 * bins as they have; one union bound covers all of them.
 */
function boundsOf(
  { edges, counts }: Histogram,
  share: Rational,
  errorOf: (bins: number) => Rational,
): { readonly low: Rational; readonly high: Rational } {
  const total = counts.reduce((sum, count) => sum + count, 0n);
  let [low, high] = [at(edges, 0), at(edges, edges.length - 1)];
  let isHighFound = false;
  let below = 0n;
  for (let edge = 1; edge < counts.length; edge++) {
    below += counts[edge - 1] ?? 0n;
    const rest = subtract(ONE, share);
    const balance = subtract(
      multiply(rest, rational(below)),
      multiply(share, rational(total - below)),
    );
    const error = add(
      multiply(rest, errorOf(edge)),
      multiply(share, errorOf(counts.length - edge)),
    );
    if (compare(add(balance, error), ZERO) < 0) {
      low = at(edges, edge);
    }
    if (!isHighFound && compare(balance, error) >= 0) {
      high = at(edges, edge);
      isHighFound = true;
    }
  }
  return { low, high };
}

/** More terms have a larger bound: from 16 on, eight steps a doubling are told apart. */
function ladder(terms: number): number {
  if (terms < 16) return terms;
  const step = 2 ** (Math.floor(Math.log2(terms)) - 3);
  return Math.ceil(terms / step) * step;
}

function assertRising(edges: readonly Rational[]): void {
  assert(edges.length > 1, 'two edges at least');
  const isRising = edges.every((edge, index) => {
    const before = edges[index - 1];
    return before === undefined || compare(before, edge) < 0;
  });
  assert(isRising, 'edges rise');
}

function at(values: readonly Rational[], index: number): Rational {
  const value = values[index];
  assert(value !== undefined, 'an index within the bins');
  return value;
}

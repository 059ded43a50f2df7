import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { multiply, type Rational, rational } from './rational.ts';

/**
 * Running totals over a long stream that cost a contributor once, not once a window: the binary
 * tree of Dwork, Naor, Pitassi, Rothblum (STOC 2010) and Chan, Shi, Song (TISSEC 2011). Every
 * window is a leaf; a node is the sum of the leaves below it, with noise of its own that is drawn
 * once. A total is the sum of one node for each binary digit 1 of the number of windows, so the
 * error of the n-th total grows with the logarithm of n only.
 */

/** A node whose leaves have all come. */
export interface TreeNode {
  /** 0 for a leaf; a node of level k has 2^k leaves. */
  readonly level: number;
  /** Which of its level, from the beginning of the stream. */
  readonly index: number;
  /**
   * Of everything that was counted below it. It belongs into the seed of the node's noise, so that
   * noise never repeats over other data.
   */
  readonly digest: string;
}

interface SummedNode extends TreeNode {
  readonly sums: readonly bigint[];
}

/** What a restart needs. The sums bear no noise: they stay as secret as the rows. */
export interface RunningTotals {
  /** Windows that were added. */
  readonly steps: number;
  /** One for each binary digit 1 of `steps`, the largest first. */
  readonly nodes: readonly SummedNode[];
}

/** So many windows have numbers that bit operations can tell apart. */
const STEPS_LIMIT = 2 ** 30;

export const NO_WINDOWS: RunningTotals = { steps: 0, nodes: [] };

/** In how many nodes one window is counted, of a stream of so many windows. */
export function levelsOf(stepsMax: number): number {
  assert(
    Number.isInteger(stepsMax) && stepsMax > 0 && stepsMax < STEPS_LIMIT,
    'a number of windows',
  );
  return Math.floor(Math.log2(stepsMax)) + 1;
}

export interface WindowSensitivity {
  /** Most that one contributor changes the vector of one window. */
  readonly l1: Rational;
  readonly l2Squared: Rational;
  /** In how many windows of the stream one contributor counts at most. */
  readonly windows: bigint;
}

/**
 * What one contributor changes in all nodes together, for `laplaceNoise` and `gaussianNoise`: each
 * of its windows is in one node a level, and at worst all of them are in the same.
 */
export function treeSensitivity(
  stepsMax: number,
  { l1, l2Squared, windows }: WindowSensitivity,
): { readonly l1: Rational; readonly l2Squared: Rational } {
  assert(windows > 0n, 'a contributor counts in one window at least');
  const levels = BigInt(levelsOf(stepsMax));
  return {
    l1: multiply(l1, rational(levels * windows)),
    l2Squared: multiply(l2Squared, rational(levels * windows * windows)),
  };
}

/**
 * Adds the next window. A window without rows is added too, with zeros: which windows were empty is
 * hidden like everything else.
 * @param values of the window, without noise
 * @param digest of what was counted in the window
 * @param noiseOf the noise of a node: the same for the same node, whenever it is asked
 * @returns the state to keep, and the total over all windows so far, which may be released
 * @throws AssertionError when the vectors differ in length
 */
export function addWindow(
  totals: RunningTotals,
  values: readonly bigint[],
  digest: string,
  noiseOf: (node: TreeNode) => readonly bigint[],
): { readonly totals: RunningTotals; readonly released: bigint[] } {
  assert(totals.steps + 1 < STEPS_LIMIT, 'the stream ends before its windows have no number');
  const nodes = [...totals.nodes];
  let last: SummedNode = { level: 0, index: totals.steps, digest, sums: values };
  for (let left = nodes.at(-1); left?.level === last.level; left = nodes.at(-1)) {
    nodes.pop();
    last = parentOf(left, last);
  }
  nodes.push(last);
  const released = nodes
    .map((node) => sumOf(node.sums, noiseOf(node)))
    .reduce((total, each) => sumOf(total, each));
  return { totals: { steps: totals.steps + 1, nodes }, released };
}

/** How many nodes, hence draws of noise, are in each number of the n-th total. */
export function drawsInTotal(steps: number): number {
  let draws = 0;
  for (let rest = steps; rest > 0; rest >>>= 1) draws += rest & 1;
  return draws;
}

function parentOf(left: SummedNode, right: SummedNode): SummedNode {
  return {
    level: left.level + 1,
    index: left.index >>> 1,
    digest: createHash('sha256').update(`${left.digest}\n${right.digest}`).digest('hex'),
    sums: sumOf(left.sums, right.sums),
  };
}

function sumOf(left: readonly bigint[], right: readonly bigint[]): bigint[] {
  assert(left.length === right.length, 'every window has the same cells');
  return left.map((value, index) => value + (right[index] ?? 0n));
}

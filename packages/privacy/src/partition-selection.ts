import assert from 'node:assert/strict';
import type { Noise } from './noise.ts';
import { divide, type Rational, rational } from './rational.ts';
import { reachedWith } from './tails.ts';

/**
 * Which groups may be seen where their names are not public: those whose noisy number of distinct
 * contributors reaches a threshold. (Korolova, Kenthapadi, Mishra, Ntoulas, "Releasing search
 * queries and clicks privately", WWW 2009; Wilson et al., "Differentially private SQL with bounded
 * user contribution", PoPETs 2020.)
 */

export interface Selection {
  /** On each group's number of distinct contributors. */
  readonly noise: Noise;
  /** How many groups one contributor may be in, after contribution bounding. */
  readonly groups: bigint;
  /** The probability that a contributor may be given away by a group that it alone is in. */
  readonly delta: Rational;
}

/**
 * The smallest threshold such that groups of one contributor are seen with probability delta at
 * most: such a group reaches it with probability delta / groups, and one contributor can be alone
 * in so many groups. What it costs besides is what the noise on the counts costs.
 * @returns distinct contributors; noisy counts at or above it may be seen
 * @throws AssertionError when groups or delta is out of its range
 */
export function selectionThreshold({ noise, groups, delta }: Selection): bigint {
  assert(groups > 0n, 'a contributor is in one group at least');
  return 1n + reachedWith(noise, 1, divide(delta, rational(groups)));
}

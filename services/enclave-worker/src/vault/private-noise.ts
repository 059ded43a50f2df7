import assert from 'node:assert/strict';
import { changeOf, type PrivatePlan, widthOf } from '@strongroom/analysis/private-plan';
import { rhoWithin } from '@strongroom/privacy/accounting';
import { treeSensitivity } from '@strongroom/privacy/continual-release';
import { drawNoise, gaussianNoise, laplaceNoise, type Noise } from '@strongroom/privacy/noise';
import { selectionThreshold } from '@strongroom/privacy/partition-selection';
import type { RandomSource } from '@strongroom/privacy/random-source';
import {
  divide,
  floor,
  isPositive,
  multiply,
  type Rational,
  rational,
  rationalOf,
  squareRootFloor,
} from '@strongroom/privacy/rational';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Privacy } from '@strongroom/protocol/privacy';

/** Noise for every statistic of a plan; all of them together use up the query's loss, no more. */
export interface PlannedNoise {
  readonly noises: readonly Noise[];
  /** A noisy count of contributors below this does not show its group; 0 where all are shown. */
  readonly threshold: bigint;
}

/**
 * Each statistic gets an equal part of the loss. Noise is measured by what a contributor changes in
 * all groups together: at most `groupsPerContributor` of them, each by what `changeOf` says.
 * @throws ERR_QUERY_REFUSED when the loss is too small to buy any noise
 */
export function planNoise(plan: PrivatePlan): PlannedNoise {
  const { privacy, statistics } = plan;
  const isSelected = plan.dimensions.some(({ values }) => values === null);
  const noises = statistics.map((statistic) => {
    const change = changeOf(statistic, plan);
    return noiseFor(plan, change > 0n ? change : 1n, isSelected);
  });
  const minimum = BigInt(plan.minimumContributors);
  if (!isSelected) return { noises, threshold: minimum > 1n ? minimum : 0n };
  const noise = noises[statistics.findIndex(({ kind }) => kind === 'contributors')];
  assert(noise, 'groups are selected by their contributors');
  const groups = BigInt(privacy.groupsPerContributor);
  const threshold = selectionThreshold({ noise, groups, delta: deltas(plan, true).selection });
  return { noises, threshold: threshold > minimum ? threshold : minimum };
}

/** One draw for each number of each group; all of them before any group is looked at. */
export function drawAll(
  { noises }: PlannedNoise,
  plan: PrivatePlan,
  groups: number,
  source: RandomSource,
): bigint[][] {
  const columns = plan.statistics.flatMap((statistic, at) => {
    const noise = noises[at];
    assert(noise, 'every statistic has its noise');
    const width = widthOf(statistic, plan.measures);
    return Array.from({ length: width }, () => drawNoise(noise, groups, source));
  });
  return Array.from({ length: groups }, (_none, row) => columns.map((each) => each[row] ?? 0n));
}

function noiseFor(plan: PrivatePlan, change: bigint, isSelected: boolean): Noise {
  const { privacy, dimensions } = plan;
  const groups = dimensions.length > 0 ? BigInt(privacy.groupsPerContributor) : 1n;
  const once = { l1: rational(groups * change), l2Squared: rational(groups * change * change) };
  const { l1, l2Squared } = privacy.continual ? inTree(privacy.continual, once) : once;
  const part = partOf(plan, isSelected);
  if (!isPositive(part)) {
    throw new StrongroomError('ERR_QUERY_REFUSED', {
      query: plan.query.id,
      place: 'a loss that is too small for its delta',
    });
  }
  return privacy.mechanism === 'laplace' ? laplaceNoise(part, l1) : gaussianNoise(part, l2Squared);
}

/** A contributor counts in one window of a period, or, if that is what is protected, in each. */
function inTree(
  { windows, protects }: NonNullable<Privacy['continual']>,
  once: { readonly l1: Rational; readonly l2Squared: Rational },
) {
  return treeSensitivity(windows, {
    ...once,
    windows: protects === 'period' ? BigInt(windows) : 1n,
  });
}

/** What one statistic may use up, in epsilon for Laplace noise and in rho for Gaussian noise. */
function partOf(plan: PrivatePlan, isSelected: boolean): Rational {
  const { privacy, statistics } = plan;
  const { loss, mechanism } = privacy;
  const parts = rational(BigInt(statistics.length));
  if (mechanism === 'laplace') {
    if ('epsilon' in loss) return divide(rationalOf(loss.epsilon), parts);
    // Whatever is epsilon-DP is epsilon^2 / 2 of rho (Bun, Steinke 2016, proposition 1.4).
    return rootBelow(divide(multiply(rational(2n), rationalOf(loss.rho)), parts));
  }
  if ('rho' in loss) return divide(rationalOf(loss.rho), parts);
  const { noise } = deltas(plan, isSelected);
  if (!isPositive(noise)) return rational(0n);
  return divide(rhoWithin(rationalOf(loss.epsilon), noise), parts);
}

/** Delta pays for Gaussian noise and for groups that are selected, half of it each if for both. */
function deltas({ privacy }: PrivatePlan, isSelected: boolean) {
  const { loss, mechanism } = privacy;
  const delta = 'delta' in loss ? rationalOf(loss.delta) : rational(0n);
  const isForGroups = mechanism === 'laplace' || 'rho' in loss;
  if (isForGroups) return { noise: rational(0n), selection: delta };
  const half = divide(delta, rational(2n));
  return isSelected ? { noise: half, selection: half } : { noise: delta, selection: half };
}

/** A square root that is not too large, in units of 10^-12. */
function rootBelow(value: Rational): Rational {
  const unit = 10n ** 12n;
  const scaled = floor(multiply(value, rational(unit * unit)));
  return rational(squareRootFloor(scaled), unit);
}

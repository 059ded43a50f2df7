import { describe, expect, test } from 'vitest';
import {
  type Contributor,
  empiricalEpsilon,
  GROUPS,
  type Mechanism,
  neighbours,
  type Score,
  type Trials,
  WINDOWS,
} from '../test/empirical-epsilon.ts';
import { EXACT } from '../test/statistics.ts';
import { epsilonOf } from './accounting.ts';
import { quantilesOver } from './bins.ts';
import { addWindow, NO_WINDOWS, treeSensitivity } from './continual-release.ts';
import { addNoise, drawNoise, gaussianNoise, laplaceNoise, type Noise } from './noise.ts';
import { selectionThreshold } from './partition-selection.ts';
import { noiseSeed, seededSource } from './random-source.ts';
import { divide, multiply, ONE, type Rational, rational, rationalOf } from './rational.ts';

const LONG = process.env['STRONGROOM_LONG'] === '1';
const PAIRS = 20;
const TRIALS: Trials = LONG
  ? { chosenOn: 5_000, judgedOn: 15_000 }
  : { chosenOn: 600, judgedOn: 1_400 };
/** Of one pair that is hard to hide, for the tests of the test. */
const MANY: Trials = { chosenOn: 2_000, judgedOn: 8_000 };
const TIMEOUT_MS = LONG ? 1_800_000 : 120_000;

const numberOf = ({ numerator, denominator }: Rational) => Number(numerator) / Number(denominator);
const sourceOf = (...parts: string[]) => seededSource(noiseSeed(new Uint8Array(32), parts));

const DELTA = rationalOf('0.01');
const EPSILON = rational(1n);
const RHO = rationalOf('0.05');
/** What gaussian noise is declared to lose. */
const CONCENTRATED = { epsilon: numberOf(epsilonOf(RHO, DELTA)), delta: numberOf(DELTA) };
const PURE = { epsilon: 1, delta: 0 };

type Vector = (contributors: readonly Contributor[]) => bigint[];

const count: Vector = (contributors) => [BigInt(contributors.length)];
const sum: Vector = (contributors) => [contributors.reduce((all, each) => all + each.value, 0n)];
const histogram: Vector = (contributors) =>
  Array.from({ length: GROUPS }, (_, group) =>
    BigInt(contributors.filter(({ groups }) => groups.includes(group)).length),
  );
const byWindow: Vector = (contributors) =>
  Array.from({ length: WINDOWS }, (_, window) =>
    BigInt(contributors.filter((each) => each.window === window).length),
  );
const byValue: Vector = (contributors) =>
  Array.from({ length: 5 }, (_, bin) =>
    BigInt(contributors.filter(({ value }) => value >= 2 * bin && value < 2 * bin + 2).length),
  );

/** Integers with noise on each. */
function additive(name: string, vector: Vector, noise: Noise, loss = PURE): Mechanism {
  return {
    name,
    ...loss,
    answer: (contributors) => vector(contributors).map(Number),
    release: (contributors, source) => {
      const values = vector(contributors);
      return addNoise(values, drawNoise(noise, values.length, source)).map(Number);
    },
  };
}

/** What a group shows that is not there. */
const HIDDEN = -100;

/**
 * Groups under the threshold are not there: their place says that alone.
 * @param crowd contributors that each group has besides, in both databases: near the threshold
 *   it is seen how much a group's number and its presence tell
 */
function selected(
  name: string,
  noise: Noise,
  threshold: bigint,
  loss: typeof PURE,
  crowd: readonly bigint[] = [],
): Mechanism {
  const present: Vector = (contributors) =>
    histogram(contributors).map((value, group) => value + (crowd[group] ?? 0n));
  const counts = additive(name, present, noise, loss);
  const show = (value: number) => (value >= threshold ? value : HIDDEN);
  return {
    ...counts,
    evidence: (from, to) => evidenceOf(noise, Number(threshold), from, to),
    release: (contributors, source) => {
      const exact = present(contributors);
      // A group without contributors has no name that could be shown.
      return counts
        .release(contributors, source)
        .map((value, group) => (exact[group] === 0n ? HIDDEN : show(value)));
    },
  };
}

/** The logarithm of the ratio of what an output's probability is for both counts, group by group. */
function evidenceOf(
  noise: Noise,
  threshold: number,
  from: readonly number[],
  to: readonly number[],
): Score {
  const density = EXACT[noise.kind](noise);
  const chances = [...from, ...to].map((count) => [count, hiddenChance(count)] as const);
  const hidden = new Map(chances);
  function hiddenChance(count: number): number {
    if (count === 0) return 1;
    let chance = 0;
    for (let value = threshold - count - 1; value > -REACH; value -= 1) chance += density(value);
    return chance;
  }
  const chanceOf = (value: number, count: number) => {
    if (value === HIDDEN) return hidden.get(count) ?? 1;
    return count === 0 ? 0 : density(value - count);
  };
  // What is impossible for one of them is certainty, however often it is.
  const ratio = (one: number, other: number) =>
    one === other ? 0 : Math.max(-CERTAIN, Math.min(CERTAIN, Math.log(one / other)));
  return (output) =>
    output.reduce((sum, value, group) => {
      const [before, after] = [from[group] ?? 0, to[group] ?? 0];
      return sum + ratio(chanceOf(value, after), chanceOf(value, before));
    }, 0);
}

/** Noise beyond is rarer than anything that trials could see. */
const REACH = 400;
const CERTAIN = 50;

function runningTotals(name: string, noise: Noise, loss = PURE): Mechanism {
  const play = (contributors: readonly Contributor[], draw: () => bigint[]) => {
    let totals = NO_WINDOWS;
    const known = new Map<string, bigint[]>();
    return byWindow(contributors).map((value, window) => {
      const step = addWindow(totals, [value], `${window}`, ({ level, index }) => {
        const node = `${level}/${index}`;
        const noiseOfNode = known.get(node) ?? draw();
        known.set(node, noiseOfNode);
        return noiseOfNode;
      });
      totals = step.totals;
      return Number(step.released[0]);
    });
  };
  return {
    name,
    ...loss,
    answer: (contributors) => play(contributors, () => [0n]),
    release: (contributors, source) => play(contributors, () => drawNoise(noise, 1, source)),
  };
}

function median(name: string, noise: Noise): Mechanism {
  const edges = Array.from({ length: 6 }, (_, edge) => rational(BigInt(2 * edge)));
  const quantileOf = quantilesOver(edges, noise, rationalOf('0.95'));
  const medianOf = (counts: readonly bigint[]) => [
    numberOf(quantileOf(counts, rational(1n, 2n)).value),
  ];
  return {
    name,
    ...PURE,
    answer: (contributors) => medianOf(byValue(contributors)),
    release: (contributors, source) =>
      medianOf(addNoise(byValue(contributors), drawNoise(noise, 5, source))),
  };
}

const laplace = (l1: bigint) => laplaceNoise(EPSILON, rational(l1));
const gaussian = (l2Squared: bigint) => gaussianNoise(RHO, rational(l2Squared));
const tree = treeSensitivity(WINDOWS, { l1: ONE, l2Squared: ONE, windows: 1n });
const thresholdOf = (noise: Noise) => selectionThreshold({ noise, groups: 2n, delta: DELTA });
/** One group on the threshold, one a little below, and one without anybody else. */
const crowdAt = (threshold: bigint) => [threshold, threshold - 2n, 0n];
const BOTH = { epsilon: CONCENTRATED.epsilon, delta: 2 * CONCENTRATED.delta };

const CROWDED = {
  laplace: selected(
    'selected groups in a crowd, Laplace',
    laplace(2n),
    thresholdOf(laplace(2n)),
    { ...PURE, delta: numberOf(DELTA) },
    crowdAt(thresholdOf(laplace(2n))),
  ),
  gaussian: selected(
    'selected groups in a crowd, Gaussian',
    gaussian(2n),
    thresholdOf(gaussian(2n)),
    BOTH,
    crowdAt(thresholdOf(gaussian(2n))),
  ),
};

const MECHANISMS: readonly Mechanism[] = [
  additive('a count, Laplace', count, laplace(1n)),
  additive('a sum, Laplace', sum, laplace(10n)),
  additive('a histogram, Laplace', histogram, laplace(2n)),
  additive('a count, Gaussian', count, gaussian(1n), CONCENTRATED),
  additive('a histogram, Gaussian', histogram, gaussian(2n), CONCENTRATED),
  selected('selected groups, Laplace', laplace(2n), thresholdOf(laplace(2n)), {
    ...PURE,
    delta: numberOf(DELTA),
  }),
  selected('selected groups, Gaussian', gaussian(2n), thresholdOf(gaussian(2n)), BOTH),
  CROWDED.laplace,
  CROWDED.gaussian,
  runningTotals('running totals, Laplace', laplaceNoise(EPSILON, tree.l1)),
  runningTotals('running totals, Gaussian', gaussianNoise(RHO, tree.l2Squared), CONCENTRATED),
  median('a median, Laplace', laplace(1n)),
];

describe(`empirical epsilon on ${PAIRS} neighbouring pairs is at most the declared one`, () => {
  test.each(MECHANISMS)(
    '$name',
    (mechanism) => {
      const losses = Array.from({ length: PAIRS }, (_, pair) => {
        const databases = neighbours(sourceOf('pair', mechanism.name, `${pair}`));
        const source = sourceOf('draws', mechanism.name, `${pair}`);
        return empiricalEpsilon(mechanism, databases, TRIALS, source);
      });
      expect(Math.max(...losses)).toBeLessThanOrEqual(mechanism.epsilon);
    },
    TIMEOUT_MS,
  );
});

/** One contributor that counts as much as any can, or is not there. */
const ALONE: readonly [Contributor[], Contributor[]] = [
  [{ value: 10n, groups: [0, 1], window: 0 }],
  [],
];

function narrower(noise: Noise): Noise {
  const factor = rational(2n);
  return noise.kind === 'laplace'
    ? { kind: 'laplace', scale: divide(noise.scale, factor) }
    : { kind: 'gaussian', variance: divide(noise.variance, multiply(factor, factor)) };
}

describe('the test of the test', () => {
  const measure = (mechanism: Mechanism) =>
    empiricalEpsilon(mechanism, ALONE, MANY, sourceOf('test of the test', mechanism.name));

  test('it sees most of what a correct mechanism loses', () => {
    expect(measure(additive('count', count, laplace(1n)))).toBeGreaterThan(0.75);
    // A contributor in two groups on the threshold: half of what it loses shows.
    expect(measure(CROWDED.laplace)).toBeGreaterThan(0.5);
  });

  test.each([
    additive('half the noise on a count', count, narrower(laplace(1n))),
    additive('half the noise on a sum', sum, narrower(laplace(10n))),
    additive('half the deviation on a count', count, narrower(gaussian(1n)), CONCENTRATED),
    additive('a contributor in two bins, noise for one', histogram, laplace(1n)),
    additive('the same, Gaussian, noise for a quarter', histogram, {
      kind: 'gaussian',
      variance: rational(5n, 2n),
    }),
    selected(
      'groups with noise for one of two',
      laplace(1n),
      thresholdOf(laplace(2n)),
      { ...PURE, delta: numberOf(DELTA) },
      crowdAt(thresholdOf(laplace(2n))),
    ),
    selected('a threshold of two', laplace(2n), 2n, { ...PURE, delta: numberOf(DELTA) }),
    runningTotals('a tree with noise for one level', laplace(1n)),
  ])(
    'it catches: $name',
    (mechanism) => {
      expect(measure(mechanism)).toBeGreaterThan(mechanism.epsilon);
    },
    TIMEOUT_MS,
  );

  test('it catches noise that never reaches some outputs', () => {
    // As floating-point noise does: which outputs are possible depends on the data (Mironov 2012).
    const even: Mechanism = {
      ...additive('noise of even numbers', count, laplace(1n)),
      release: (contributors, source) => {
        const [drawn = 0n] = drawNoise(laplace(1n), 1, source);
        return [(contributors.length + 2 * Number(drawn)) & 1];
      },
    };
    expect(measure(even)).toBeGreaterThan(2);
  });
});

import type { RandomSource } from '../src/random-source.ts';
import { uniformBelow } from '../src/sample.ts';
import { clopperPearson } from './statistics.ts';

/**
 * How much privacy a mechanism loses in fact, seen from its outputs alone: the ratio of the
 * probabilities of one event under two neighbouring databases, bounded from below at 99 % by
 * Clopper and Pearson. The event is chosen on one part of the samples and judged on the rest.
 */

export interface Contributor {
  /** From 0 to 10, as clamping leaves it. */
  readonly value: bigint;
  /** Two of `GROUPS`, as contribution bounding leaves them. */
  readonly groups: readonly [number, number];
  /** One of `WINDOWS`. */
  readonly window: number;
}

export const GROUPS = 3;
export const WINDOWS = 7;

export interface Mechanism {
  readonly name: string;
  readonly epsilon: number;
  readonly delta: number;
  /** The answer without noise: where events are looked for. */
  readonly answer: (contributors: readonly Contributor[]) => readonly number[];
  /**
   * How much an output speaks for the second answer: the logarithm of its ratio of probabilities,
   * where it can be computed. No event tells the two apart better (Neyman, Pearson 1933).
   */
  readonly evidence?: (from: readonly number[], to: readonly number[]) => Score;
  readonly release: (
    contributors: readonly Contributor[],
    source: RandomSource,
  ) => readonly number[];
}

export interface Trials {
  /** Samples from which the event is chosen. */
  readonly chosenOn: number;
  /** Samples on which it is judged. */
  readonly judgedOn: number;
}

/** A database of a few contributors, and the same without one of them. */
export function neighbours(source: RandomSource): readonly [Contributor[], Contributor[]] {
  const below = (limit: number) => Number(uniformBelow(BigInt(limit), source));
  const size = 1 + below(8);
  const all = Array.from({ length: size }, (): Contributor => {
    const group = below(GROUPS);
    return {
      // Often at the ends, where one contributor counts most.
      value: BigInt([0, 10, below(11)][below(3)] ?? 0),
      groups: [group, (group + 1) % GROUPS],
      window: below(WINDOWS),
    };
  });
  const without = below(size);
  return [all, all.filter((_, index) => index !== without)];
}

/** The larger of both directions. @returns a lower bound of epsilon, at 99 % each */
export function empiricalEpsilon(
  mechanism: Mechanism,
  [one, other]: readonly [readonly Contributor[], readonly Contributor[]],
  trials: Trials,
  source: RandomSource,
): number {
  const samples = (contributors: readonly Contributor[]): Samples => {
    const draw = (count: number) =>
      Array.from({ length: count }, () => mechanism.release(contributors, source));
    return {
      answer: mechanism.answer(contributors),
      chosenOn: draw(trials.chosenOn),
      judgedOn: draw(trials.judgedOn),
    };
  };
  const [first, second] = [samples(one), samples(other)];
  return Math.max(lossBetween(mechanism, first, second), lossBetween(mechanism, second, first));
}

/** What one database gives; both directions are judged on the same. */
interface Samples {
  readonly answer: Output;
  readonly chosenOn: readonly Output[];
  readonly judgedOn: readonly Output[];
}

function lossBetween({ evidence, delta }: Mechanism, likely: Samples, unlikely: Samples): number {
  const [from, to] = [unlikely.answer, likely.answer];
  const scores = evidence ? [evidence(from, to)] : scoresBetween(from, to);
  const event = chooseEvent(scores, likely.chosenOn, unlikely.chosenOn, delta);
  const { low } = boundsOf(likely.judgedOn, event);
  const { high } = boundsOf(unlikely.judgedOn, event);
  return low > delta ? Math.log((low - delta) / high) : 0;
}

/** How often the event happens, at 99 %. */
function boundsOf(outputs: readonly Output[], event: (output: Output) => boolean) {
  return clopperPearson(outputs.filter(event).length, outputs.length, 0.99);
}

type Output = readonly number[];
export type Score = (output: Output) => number;

/** Numbers that are larger the more an output speaks for the second answer. */
function scoresBetween(from: Output, to: Output): Score[] {
  const steps = to.map((value, index) => value - (from[index] ?? 0));
  const isMoved = steps.some((step) => step !== 0);
  const along = (step: number) => (isMoved ? step : 1);
  return [
    // In the direction of the difference: what Gaussian noise hides least.
    (output) => output.reduce((sum, value, index) => sum + along(steps[index] ?? 0) * value, 0),
    // Every coordinate that differs has moved: what Laplace noise hides least.
    (output) =>
      output.reduce((least, value, index) => {
        const step = along(steps[index] ?? 0);
        return step === 0 ? least : Math.min(least, (value - (to[index] ?? 0)) * Math.sign(step));
      }, Number.POSITIVE_INFINITY),
  ];
}

/** The event "score at least t" with the largest ratio, of those that happen often enough. */
function chooseEvent(
  scores: readonly Score[],
  likely: readonly Output[],
  unlikely: readonly Output[],
  delta: number,
): (output: Output) => boolean {
  let best = { ratio: 0, score: scores[0] ?? (() => 0), from: 0 };
  for (const score of scores) {
    const [seen, others] = [likely.map(score), unlikely.map(score)];
    for (const from of new Set(seen)) {
      const hits = seen.filter((value) => value >= from).length / likely.length;
      const misses = others.filter((value) => value >= from).length;
      // One more than were seen: few misses are no proof of none.
      const ratio = (hits - delta) / ((misses + 3) / unlikely.length);
      if (hits >= delta + 0.02 && ratio > best.ratio) best = { ratio, score, from };
    }
  }
  return (output) => best.score(output) >= best.from;
}

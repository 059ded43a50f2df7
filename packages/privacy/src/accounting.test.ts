import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  composed,
  concentratedLoss,
  deltaOf,
  epsilonOf,
  pureLoss,
  pureToConcentrated,
  rhoWithin,
} from './accounting.ts';
import { drawNoise, gaussianNoise, laplaceNoise, type Noise } from './noise.ts';
import { selectionThreshold } from './partition-selection.ts';
import { noiseSeed, seededSource } from './random-source.ts';
import { compare, multiply, ONE, type Rational, rational, rationalOf } from './rational.ts';

interface ReferenceVectors {
  readonly conversions: readonly {
    readonly rho: string;
    readonly delta: string;
    readonly epsilon: Answers;
    readonly atEpsilon: string;
    readonly deltaOf: Answers;
  }[];
  readonly compositions: readonly {
    readonly epsilon: string;
    readonly times: number;
    readonly delta: string;
    readonly pure: number;
    readonly concentrated: number;
    readonly exact: number;
  }[];
  readonly thresholds: readonly {
    readonly kind: Noise['kind'];
    readonly scale: number;
    readonly groups: number;
    readonly above: number;
    readonly delta: number;
  }[];
  readonly histograms: readonly {
    readonly kind: Noise['kind'];
    readonly scale: string;
    readonly counts: Readonly<Record<string, number>>;
  }[];
}

interface Answers {
  readonly google: number;
  readonly opendp: number;
  readonly exact: number;
}

const numberOf = ({ numerator, denominator }: Rational) =>
  Number((numerator << 128n) / denominator) / 2 ** 128;
const file = (name: string) => new URL(`../test/${name}`, import.meta.url);

/** The libraries themselves where python3 has them; what they once printed everywhere. */
const SOURCES: readonly (readonly [string, () => ReferenceVectors | undefined])[] = [
  ['as recorded', () => JSON.parse(readFileSync(file('vectors/reference.json'), 'utf8'))],
  ['asked now', askLibraries],
];

function askLibraries(): ReferenceVectors | undefined {
  const python = process.env['STRONGROOM_PYTHON'] ?? 'python3';
  const present = spawnSync(python, ['-c', 'import dp_accounting, opendp']);
  if (present.status !== 0) {
    process.stderr.write('SKIPPED: asking them now: no dp_accounting and opendp in python3 here\n');
    return undefined;
  }
  const { stdout, status } = spawnSync(python, [file('make-reference-vectors.py').pathname]);
  expect(status).toBe(0);
  return JSON.parse(stdout.toString());
}

describe.each(SOURCES)("Google's dp-accounting and OpenDP, %s", (_, read) => {
  const vectors = read();

  test.runIf(vectors)('rho as epsilon at delta, and as delta at epsilon', () => {
    for (const { rho, delta, epsilon, atEpsilon, deltaOf: deltas } of vectors?.conversions ?? []) {
      const ours = numberOf(epsilonOf(rationalOf(rho), rationalOf(delta)));
      expect(ours / epsilon.opendp).toBeCloseTo(1, 9);
      expect(ours / epsilon.google).toBeCloseTo(1, 5);
      expect(ours).toBeGreaterThanOrEqual(epsilon.exact);
      const ourDelta = numberOf(deltaOf(rationalOf(rho), rationalOf(atEpsilon)));
      expect(ourDelta / deltas.opendp).toBeCloseTo(1, 6);
      expect(ourDelta / deltas.google).toBeCloseTo(1, 3);
      expect(ourDelta).toBeGreaterThanOrEqual(deltas.exact);
    }
  });

  test.runIf(vectors)('compositions', () => {
    for (const { epsilon, times, delta, ...theirs } of vectors?.compositions ?? []) {
      const pure = pureLoss(rationalOf(epsilon));
      const sum = composed(Array.from({ length: times }, () => pure));
      expect('epsilon' in sum && Number(sum.epsilon)).toBeCloseTo(theirs.pure, 9);
      const rho = pureToConcentrated(rationalOf(epsilon));
      expect(numberOf(rho)).toBeCloseTo(theirs.concentrated, 12);
      const together = multiply(rho, rational(BigInt(times)));
      const ours = numberOf(epsilonOf(together, rationalOf(delta)));
      expect(ours).toBeGreaterThanOrEqual(theirs.exact);
      // Few releases are cheaper by pure epsilon, many by rho.
      expect(Math.min(ours, theirs.pure)).toBeLessThan(1.3 * theirs.exact);
    }
  });

  test.runIf(vectors)('thresholds of partition selection', () => {
    for (const { kind, scale, groups, above, delta } of vectors?.thresholds ?? []) {
      const width = BigInt(scale);
      const noise: Noise =
        kind === 'laplace'
          ? { kind, scale: rational(width) }
          : { kind, variance: rational(width * width) };
      // Theirs is exceeded, ours is reached. They multiply, 1 - (1 - p)^groups, where
      // we add: less than a part in 10^5 of room.
      const room = rational(BigInt(Math.round(delta * 1.000_01 * 2 ** 90)), 1n << 90n);
      const ours = selectionThreshold({ noise, groups: BigInt(groups), delta: room });
      if (kind === 'laplace') expect(ours).toBe(BigInt(above) + 1n);
      // Their bound of the discrete tail is the normal tail itself, ours a formula next to it.
      else expect(Math.abs(Number(ours) - above - 1)).toBeLessThanOrEqual(1);
    }
  });

  test.runIf(vectors)('the same distributions: chi-square of two samples', () => {
    for (const { kind, scale, counts } of vectors?.histograms ?? []) {
      const width = rationalOf(scale);
      const noise: Noise =
        kind === 'laplace' ? { kind, scale: width } : { kind, variance: multiply(width, width) };
      const source = seededSource(noiseSeed(new Uint8Array(32), ['reference', kind, scale]));
      const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
      const drawn = new Map<string, number>();
      for (const value of drawNoise(noise, total, source)) {
        drawn.set(`${value}`, (drawn.get(`${value}`) ?? 0) + 1);
      }
      let [statistic, degrees] = [0, 0];
      for (const [value, theirs] of Object.entries(counts)) {
        if (theirs < 50) continue;
        const ours = drawn.get(value) ?? 0;
        statistic += (ours - theirs) ** 2 / (ours + theirs);
        degrees++;
      }
      // Of mean `degrees` and variance 2 `degrees`: four standard deviations.
      expect(statistic).toBeLessThan(degrees + 4 * Math.sqrt(2 * degrees));
    }
  });
});

describe('accounting', () => {
  const rhos = fc.bigInt(1n, 10n ** 13n).map((units) => rational(units, 10n ** 12n));
  const deltas = fc.bigInt(1n, 10n ** 11n).map((units) => rational(units, 10n ** 12n));

  test('more rho, or less delta, is never less epsilon', () => {
    fc.assert(
      fc.property(rhos, rhos, deltas, (one, other, delta) => {
        const [less, more] = compare(one, other) <= 0 ? [one, other] : [other, one];
        const room = rational(10n ** 12n + 1n, 10n ** 12n);
        const [low, high] = [epsilonOf(less, delta), epsilonOf(more, delta)];
        expect(compare(low, multiply(high, room)) <= 0).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('what a budget buys of rho costs no more than the budget', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 10n ** 7n), deltas, (millionths, delta) => {
        const epsilon = rational(millionths, 10n ** 6n);
        const rho = rhoWithin(epsilon, delta);
        if (rho.numerator === 0n) return;
        const room = rational(10n ** 9n + 1n, 10n ** 9n);
        expect(compare(epsilonOf(rho, delta), multiply(epsilon, room)) <= 0).toBe(true);
        // And hardly less: a tenth of a percent more would not fit.
        const more = multiply(rho, rational(1_001n, 1_000n));
        const plus = rational(rho.numerator + rho.denominator, rho.denominator);
        expect(compare(epsilonOf(more, delta), epsilon) > 0 || compare(more, plus) < 0).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('losses are written down rounded up', () => {
    expect(pureLoss(rational(1n, 3n))).toEqual({ epsilon: '0.333333333334', delta: '0' });
    expect(concentratedLoss(rational(2n, 3n))).toEqual({ rho: '0.666666666667' });
  });

  test('losses of two measures do not add up', () => {
    expect(composed([{ rho: '0.1' }, { rho: '0.2' }])).toEqual({ rho: '0.3' });
    const selected = { rho: '0.2', delta: '0.01' };
    expect(composed([{ rho: '0.1' }, selected, selected])).toEqual({ rho: '0.5', delta: '0.02' });
    expect(() => composed([{ rho: '0.1' }, { epsilon: '1', delta: '0' }])).toThrow();
    expect(() => composed([])).toThrow();
  });

  test('nothing costs nothing, and ranges', () => {
    expect(numberOf(epsilonOf(rational(0n), rationalOf('0.1')))).toBe(0);
    expect(numberOf(deltaOf(rational(0n), ONE))).toBe(0);
    expect(numberOf(deltaOf(rational(1_000n), ONE))).toBe(1);
    expect(numberOf(rhoWithin(rational(0n), rationalOf('0.1')))).toBe(0);
    expect(() => epsilonOf(rational(-1n), rationalOf('0.1'))).toThrow();
    expect(() => epsilonOf(ONE, rational(0n))).toThrow();
    expect(() => rhoWithin(ONE, ONE)).toThrow();
  });

  test('noise that is made for a loss has that loss', () => {
    const laplace = laplaceNoise(rationalOf('0.3'), rational(3n));
    const gaussian = gaussianNoise(rationalOf('0.02'), rational(4n));
    expect(laplace).toEqual({ kind: 'laplace', scale: rational(10n) });
    expect(gaussian).toEqual({ kind: 'gaussian', variance: rational(100n) });
  });
});

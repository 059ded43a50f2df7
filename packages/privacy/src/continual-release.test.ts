import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorBound } from './confidence.ts';
import {
  addWindow,
  drawsInTotal,
  levelsOf,
  NO_WINDOWS,
  type RunningTotals,
  type TreeNode,
  treeSensitivity,
} from './continual-release.ts';
import { drawNoise, gaussianNoise } from './noise.ts';
import { noiseSeed, seededSource } from './random-source.ts';
import { compare, ONE, rational, rationalOf } from './rational.ts';

const silent = () => [0n];
const nameOf = ({ level, index, digest }: TreeNode) => `${level}/${index}/${digest}`;

/** Every total of a stream, and the nodes whose noise was asked for. */
function play(values: readonly bigint[], noiseOf: (node: TreeNode) => readonly bigint[]) {
  let totals: RunningTotals = NO_WINDOWS;
  return values.map((value, window) => {
    const step = addWindow(totals, [value], `digest ${window} ${value}`, noiseOf);
    totals = step.totals;
    return step.released[0] ?? 0n;
  });
}

describe('running totals', () => {
  const streams = fc.array(fc.bigInt(-100n, 100n), { minLength: 1, maxLength: 70 });

  test('without noise they are the sums', () => {
    fc.assert(
      fc.property(streams, (values) => {
        let sum = 0n;
        const sums = values.map((value) => (sum += value));
        expect(play(values, silent)).toEqual(sums);
      }),
    );
  });

  test('the state is as small as the number of windows has digits', () => {
    let totals: RunningTotals = NO_WINDOWS;
    for (let window = 1; window <= 1_000; window++) {
      totals = addWindow(totals, [1n], `${window}`, silent).totals;
      expect(totals.nodes).toHaveLength(drawsInTotal(window));
      expect(totals.steps).toBe(window);
    }
  });

  test('a window is counted in so many nodes at most, whatever the length of the stream', () => {
    for (const steps of [1, 2, 3, 7, 8, 9, 63, 64, 100]) {
      const nodes = new Map<string, TreeNode>();
      play(
        Array.from({ length: steps }, () => 1n),
        (node) => {
          nodes.set(nameOf(node), node);
          return [0n];
        },
      );
      for (let window = 0; window < steps; window++) {
        const holding = [...nodes.values()].filter(({ level, index }) => window >> level === index);
        expect(holding.length).toBeLessThanOrEqual(levelsOf(steps));
      }
    }
    expect([1, 2, 3, 4, 7, 8, 1_000].map(levelsOf)).toEqual([1, 2, 2, 3, 3, 4, 10]);
  });

  test('a node has one name and one digest, and a changed window renames it', () => {
    fc.assert(
      fc.property(streams, fc.nat(), (values, nat) => {
        const namesOf = (stream: readonly bigint[]) => {
          const names = new Map<string, string>();
          play(stream, ({ level, index, digest }) => {
            const known = names.get(`${level}/${index}`) ?? digest;
            expect(digest).toBe(known);
            names.set(`${level}/${index}`, digest);
            return [0n];
          });
          return names;
        };
        const changed = nat % values.length;
        const before = namesOf(values);
        const after = namesOf(values.with(changed, (values[changed] ?? 0n) + 1n));
        for (const [name, digest] of before) {
          const [level = 0, index = 0] = name.split('/').map(Number);
          expect(after.get(name) === digest).toBe(changed >> level !== index);
        }
      }),
    );
  });

  test('after a restart the noise of every node is what it was', () => {
    const noise = gaussianNoise(rationalOf('0.05'), ONE);
    const noiseOf = (node: TreeNode) =>
      drawNoise(noise, 1, seededSource(noiseSeed(new Uint8Array(32), ['q', nameOf(node)])));
    const values = Array.from({ length: 37 }, (_, index) => BigInt(index % 5));
    const whole = play(values, noiseOf);
    let totals: RunningTotals = NO_WINDOWS;
    const restarted = values.map((value, window) => {
      const step = addWindow(totals, [value], `digest ${window} ${value}`, noiseOf);
      // Only what a checkpoint would keep comes back.
      totals = structuredClone(step.totals);
      return step.released[0];
    });
    expect(restarted).toEqual(whole);
  });

  test('the error grows with the logarithm of the stream, and stays in its bounds', () => {
    const steps = 512;
    const { l2Squared } = treeSensitivity(steps, { l1: ONE, l2Squared: ONE, windows: 1n });
    const noise = gaussianNoise(rationalOf('0.5'), l2Squared);
    const noiseOf = (node: TreeNode) =>
      drawNoise(noise, 1, seededSource(noiseSeed(new Uint8Array(32), ['e', nameOf(node)])));
    const totals = play(
      Array.from({ length: steps }, () => 0n),
      noiseOf,
    );
    const outside = totals.filter((total, index) => {
      const bound = errorBound(noise, drawsInTotal(index + 1), rationalOf('0.95'));
      return total > bound || -total > bound;
    });
    // Totals share nodes, so that they leave their bounds together: twice the declared share.
    expect(outside.length / steps).toBeLessThan(0.1);
    // Fresh noise for each window would add up to a deviation of sqrt(512 * 10) = 71 in the end.
    const wide = errorBound(noise, 9, rationalOf('0.95'));
    expect(wide).toBeLessThan(25n);
  });
});

describe('sensitivity of the tree', () => {
  test('grows with levels and with the windows of a contributor', () => {
    const sensitivity = treeSensitivity(1_000, {
      l1: rational(2n),
      l2Squared: rational(4n),
      windows: 3n,
    });
    expect(compare(sensitivity.l1, rational(60n))).toBe(0);
    expect(compare(sensitivity.l2Squared, rational(360n))).toBe(0);
  });

  test('holds for a contributor in every window, whatever it changes there', () => {
    const steps = 16;
    const changes = fc.array(fc.bigInt(0n, 5n), { minLength: steps, maxLength: steps });
    const most = { l1: rational(5n), l2Squared: rational(25n), windows: BigInt(steps) };
    const { l1, l2Squared } = treeSensitivity(steps, most);
    fc.assert(
      fc.property(changes, (values) => {
        const nodes = new Map<string, bigint>();
        let totals: RunningTotals = NO_WINDOWS;
        for (const [window, value] of values.entries()) {
          ({ totals } = addWindow(totals, [value], `${window}`, silent));
          for (const node of totals.nodes) nodes.set(nameOf(node), node.sums[0] ?? 0n);
        }
        const sums = [...nodes.values()];
        const sum = sums.reduce((total, each) => total + each, 0n);
        const squares = sums.reduce((total, each) => total + each * each, 0n);
        expect(compare(rational(sum), l1)).toBeLessThanOrEqual(0);
        expect(compare(rational(squares), l2Squared)).toBeLessThanOrEqual(0);
      }),
    );
  });

  test('ranges', () => {
    expect(() => levelsOf(0)).toThrow();
    expect(() => levelsOf(2 ** 30)).toThrow();
    const one = addWindow(NO_WINDOWS, [1n, 2n], 'a', () => [0n, 0n]);
    expect(() => addWindow(one.totals, [1n], 'b', silent)).toThrow();
    expect(() => addWindow(NO_WINDOWS, [1n, 2n], 'a', silent)).toThrow();
  });
});

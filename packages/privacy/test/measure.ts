import { performance } from 'node:perf_hooks';
import { epsilonOf, rhoWithin } from '../src/accounting.ts';
import { quantilesOver } from '../src/bins.ts';
import { estimateAverage } from '../src/confidence.ts';
import { addWindow, NO_WINDOWS } from '../src/continual-release.ts';
import { drawNoise, gaussianNoise, laplaceNoise } from '../src/noise.ts';
import { selectionThreshold } from '../src/partition-selection.ts';
import { noiseSeed, seededSource } from '../src/random-source.ts';
import { ONE, rational, rationalOf } from '../src/rational.ts';

/**
 * Time of 10,000 draws, what the time of one draw tells about it, and time of everything else that
 * a window needs, one JSON line each:
 * node --conditions=strongroom:source packages/privacy/test/measure.ts
 */

const CELLS = 10_000;

for (const [name, noise] of [
  ['laplace', laplaceNoise(rationalOf('0.1'), ONE)],
  ['gaussian', gaussianNoise(rationalOf('0.005'), ONE)],
] as const) {
  const source = seededSource(noiseSeed(new Uint8Array(32), [name]));
  const bytes: number[] = [];
  let taken = 0;
  const counting = {
    byte: () => {
      taken++;
      return source.byte();
    },
  };
  const start = performance.now();
  const distances = Array.from({ length: CELLS }, () => {
    const before = taken;
    const [drawn = 0n] = drawNoise(noise, 1, counting);
    bytes.push(taken - before);
    return Math.abs(Number(drawn));
  });
  const milliseconds = performance.now() - start;
  console.log(
    JSON.stringify({
      noise: name,
      cells: CELLS,
      milliseconds: Math.round(milliseconds),
      bytesPerDraw: taken / CELLS,
      // Bytes stand for time: between the size of one noise and the time of its own draw, and
      // the time of the hundred draws among which it is.
      correlationOfOne: correlation(distances, bytes),
      correlationOfHundred: correlation(
        distances.filter((_, index) => index % 100 === 0),
        Array.from({ length: CELLS / 100 }, (_, index) =>
          bytes.slice(100 * index, 100 * index + 100).reduce((sum, each) => sum + each, 0),
        ),
      ),
    }),
  );
}

const noise = gaussianNoise(rationalOf('0.005'), ONE);
const [delta, level] = [rationalOf('0.000001'), rationalOf('0.95')];
const edges = Array.from({ length: 1_001 }, (_, edge) => rational(BigInt(edge)));
const counts = drawNoise(noise, 1_000, seededSource(new Uint8Array(32)));
const clamp = { low: rational(0n), high: rational(100n) };

time('epsilon of rho', () => epsilonOf(rationalOf('0.1'), delta));
time('rho within epsilon', () => rhoWithin(rational(1n), delta));
time('threshold of partition selection', () => selectionThreshold({ noise, groups: 10n, delta }));
time('10,000 averages', () => {
  for (let cell = 0; cell < CELLS; cell++) {
    estimateAverage({ value: 500n, noise }, { value: 7_000n, noise }, clamp, level);
  }
});
time('median over 1,000 bins', () => quantilesOver(edges, noise, level)(counts, rational(1n, 2n)));
time('1,000 windows of running totals', () => {
  let totals = NO_WINDOWS;
  for (let window = 0; window < 1_000; window++) {
    totals = addWindow(totals, [1n], `${window}`, () => [0n]).totals;
  }
});

function time(what: string, work: () => unknown): void {
  const start = performance.now();
  work();
  console.log(JSON.stringify({ what, milliseconds: Math.round(performance.now() - start) }));
}

/** Pearson's. */
function correlation(left: readonly number[], right: readonly number[]): number {
  const [around, beside] = [centred(left), centred(right)];
  return dot(around, beside) / Math.sqrt(dot(around, around) * dot(beside, beside));
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  return values.map((value) => value - mean);
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);
}

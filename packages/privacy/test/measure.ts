import { performance } from 'node:perf_hooks';
import { drawNoise, gaussianNoise, laplaceNoise } from '../src/noise.ts';
import { noiseSeed, seededSource } from '../src/random-source.ts';
import { ONE, rationalOf } from '../src/rational.ts';

/**
 * Time of 10,000 draws, and what the time of one draw tells about it, one JSON line each:
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

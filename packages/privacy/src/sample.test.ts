import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chiSquare, EXACT, pValueOfChiSquare, pValueOfKolmogorov } from '../test/statistics.ts';
import { addNoise, drawNoise, gaussianNoise, laplaceNoise, type Noise } from './noise.ts';
import { noiseSeed, seededSource, systemSource } from './random-source.ts';
import { ONE, rational, rationalOf } from './rational.ts';
import { bernoulli, bernoulliExp, discreteGaussian, uniformBelow } from './sample.ts';

const LONG = process.env['STRONGROOM_LONG'] === '1';
const DRAWS = LONG ? 1_000_000 : 100_000;
const LONG_MS = 300_000;

const seedOf = (name: string) => noiseSeed(new Uint8Array(32), ['sample.test', name]);
const sourceOf = (name: string) => seededSource(seedOf(name));

/** Probabilities of coins, counted: the distance from what is expected in standard deviations. */
function deviation(hits: number, probability: number): number {
  return (hits - DRAWS * probability) / Math.sqrt(DRAWS * probability * (1 - probability));
}

function count(name: string, toss: (source: ReturnType<typeof sourceOf>) => boolean): number {
  const source = sourceOf(name);
  let hits = 0;
  for (let index = 0; index < DRAWS; index++) if (toss(source)) hits++;
  return hits;
}

describe('coins', () => {
  test.each([
    [1n, 2n],
    [1n, 3n],
    [255n, 256n],
    [1n, 256n],
    [257n, 65_536n],
    [123_456_789n, 1_000_000_007n],
  ])('bernoulli %s/%s', (numerator, denominator) => {
    const hits = count('bernoulli', (source) => bernoulli(numerator, denominator, source));
    expect(Math.abs(deviation(hits, Number(numerator) / Number(denominator)))).toBeLessThan(4);
  });

  test('a probability of 0 never happens, of 1 always', () => {
    expect(count('never', (source) => bernoulli(0n, 7n, source))).toBe(0);
    expect(count('always', (source) => bernoulli(7n, 7n, source))).toBe(DRAWS);
  });

  test.each([
    [0n, 1n],
    [1n, 3n],
    [1n, 1n],
    [5n, 2n],
    [4n, 1n],
  ])('bernoulliExp -%s/%s', (numerator, denominator) => {
    const hits = count('exp', (source) => bernoulliExp(numerator, denominator, source));
    const probability = Math.exp(-Number(numerator) / Number(denominator));
    if (numerator === 0n) expect(hits).toBe(DRAWS);
    else expect(Math.abs(deviation(hits, probability))).toBeLessThan(4);
  });

  test('uniformBelow stays below, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 1n << 200n }), fc.nat(), (limit, seed) => {
        const drawn = uniformBelow(limit, sourceOf(`${seed}`));
        expect(drawn >= 0n && drawn < limit).toBe(true);
      }),
    );
  });
});

/** Noise as contracts have it: whole scales, odd fractions, less than one, very wide. */
const NOISES: readonly (readonly [string, Noise])[] = [
  ['epsilon 1', laplaceNoise(ONE, ONE)],
  ['epsilon 0.1', laplaceNoise(rationalOf('0.1'), ONE)],
  ['epsilon 0.37, l1 3', laplaceNoise(rationalOf('0.37'), rational(3n))],
  ['epsilon 5', laplaceNoise(rational(5n), ONE)],
  ['rho 0.5', gaussianNoise(rationalOf('0.5'), ONE)],
  ['rho 0.005', gaussianNoise(rationalOf('0.005'), ONE)],
  ['rho 0.123456789, l2 squared 7', gaussianNoise(rationalOf('0.123456789'), rational(7n))],
  ['rho 4', gaussianNoise(rational(4n), ONE)],
  ['rho 0.00002', gaussianNoise(rationalOf('0.00002'), ONE)],
];

/** Of two dozen tests one fails by chance in four hundred seeds; the seeds stay the same. */
const P_MIN = 0.0001;

/** Uniform numbers for the judge of samples, from a source of their own. */
function uniformsOf(name: string): number[] {
  const source = sourceOf(`uniforms ${name}`);
  const bytes = [1, 2, 3, 4];
  const next = () => bytes.reduce((sum, at) => sum + source.byte() / 256 ** at, 0);
  return Array.from({ length: DRAWS }, next);
}

/** Of both tests, with what was drawn and what is declared. */
function pValues(name: string, drawn: Noise, declared: Noise) {
  const draws = drawNoise(drawn, DRAWS, sourceOf(name));
  const density = EXACT[declared.kind](declared);
  return {
    chiSquare: pValueOfChiSquare(chiSquare(draws, density)),
    kolmogorov: pValueOfKolmogorov(draws, density, uniformsOf(name)),
  };
}

describe(`goodness of fit, ${DRAWS} draws`, () => {
  test.each(NOISES)('%s', { timeout: LONG_MS }, async (name, noise) => {
    const found = pValues(name, noise, noise);
    process.stderr.write(LONG ? `${name}: ${JSON.stringify(found)}\n` : '');
    expect(found.chiSquare).toBeGreaterThan(P_MIN);
    expect(found.kolmogorov).toBeGreaterThan(P_MIN);
  });

  test.each([1n, 3n, 10n, 255n, 256n, 257n])('uniformBelow %s', { timeout: LONG_MS }, (limit) => {
    const source = sourceOf(`uniform ${limit}`);
    // Around 0, as the judge wants it.
    const middle = limit / 2n;
    const draws = Array.from({ length: DRAWS }, () => uniformBelow(limit, source) - middle);
    const isInside = (value: bigint) => value >= -middle && value < limit - middle;
    const density = (value: number) => (isInside(BigInt(value)) ? 1 / Number(limit) : 0);
    const p = pValueOfChiSquare(chiSquare(draws, density, Number(middle)));
    process.stderr.write(LONG ? `uniformBelow ${limit}: ${p}\n` : '');
    expect(draws.every(isInside)).toBe(true);
    expect(p).toBeGreaterThan(P_MIN);
  });

  test('the test of the test: both see noise that is 5 % too narrow', () => {
    const declared = laplaceNoise(rationalOf('0.1'), ONE);
    const found = pValues('narrow', laplaceNoise(rationalOf('0.105'), ONE), declared);
    expect(found.chiSquare).toBeLessThan(P_MIN);
    expect(found.kolmogorov).toBeLessThan(P_MIN);
  });

  test('and noise that is moved by a fiftieth of its deviation', () => {
    const noise = gaussianNoise(rationalOf('0.00002'), ONE);
    const moved = drawNoise(noise, DRAWS, sourceOf('moved')).map((drawn) => drawn + 3n);
    const density = EXACT.gaussian(noise);
    expect(pValueOfKolmogorov(moved, density, uniformsOf('moved'))).toBeLessThan(P_MIN);
  });
});

describe('noise', () => {
  test('the same seed draws the same noise, another seed another', () => {
    const noise = gaussianNoise(rationalOf('0.005'), ONE);
    const draw = (name: string) => drawNoise(noise, 50, sourceOf(name));
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  test('no part of a seed can be moved into the next', () => {
    const secret = new Uint8Array(32);
    const seeds = [['a', 'bc'], ['ab', 'c'], ['abc'], ['abc', ''], ['', 'abc']].map((parts) =>
      Buffer.from(noiseSeed(secret, parts)).toString('hex'),
    );
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  test('is what it was: a restart on a newer build repeats it', () => {
    const laplace = drawNoise(laplaceNoise(rationalOf('0.1'), ONE), 8, sourceOf('known'));
    const gaussian = drawNoise(gaussianNoise(rationalOf('0.005'), ONE), 8, sourceOf('known'));
    expect({ laplace, gaussian }).toMatchInlineSnapshot(`
      {
        "gaussian": [
          8n,
          -8n,
          1n,
          5n,
          -15n,
          -10n,
          -5n,
          -3n,
        ],
        "laplace": [
          -5n,
          4n,
          -8n,
          8n,
          1n,
          18n,
          36n,
          -25n,
        ],
      }
    `);
  });

  test('of the system differs each time', () => {
    const draw = () => drawNoise(laplaceNoise(rationalOf('0.000001'), ONE), 4, systemSource());
    expect(draw()).not.toEqual(draw());
  });

  test('is added to integers and leaves integers', () => {
    expect(addNoise([10n, 20n], [-3n, 4n])).toEqual([7n, 24n]);
    expect(() => addNoise([1n], [])).toThrow();
  });

  test('parameters that hide nothing are refused', () => {
    expect(() => laplaceNoise(rational(0n), ONE)).toThrow();
    expect(() => gaussianNoise(ONE, rational(-1n))).toThrow();
    expect(() => discreteGaussian(rational(0n), systemSource())).toThrow();
    expect(() => seededSource(new Uint8Array(31))).toThrow();
    expect(() => noiseSeed(new Uint8Array(16), [])).toThrow();
  });

  test('any scale draws integers within fifty deviations', () => {
    const amounts = fc.bigInt({ min: 1n, max: 10n ** 15n });
    fc.assert(
      fc.property(amounts, amounts, fc.nat(), (numerator, denominator, seed) => {
        const noise = gaussianNoise(rational(numerator, denominator), ONE);
        const [drawn = 0n] = drawNoise(noise, 1, sourceOf(`${seed}`));
        expect(drawn * drawn * 2n * numerator <= 2_500n * (denominator + numerator)).toBe(true);
      }),
    );
  });
});

import { expect, test } from 'vitest';
import { MUTANT_KINDS } from '../../../test/arrow-mutants.ts';
import { runMutants } from '../../../test/arrow-mutants-run.ts';

const LONG = process.env['STRONGROOM_LONG'] === '1';
const MUTANTS = LONG ? 200_000 : 5_000;
const STALL_MS_MAX = 250;
const READING_MS_MAX = 250;
const PEAK_BYTES_MAX = 400 * 1024 * 1024;

test(
  `${MUTANTS} mutants of good streams: their exact rows, or a refusal by name`,
  async () => {
    const run = await runMutants(0, MUTANTS);
    expect(run.wrong).toEqual([]);
    expect(run.killed).toEqual([]);
    expect(run.stallMs).toBeLessThan(STALL_MS_MAX);
    expect(run.slowestMs).toBeLessThan(READING_MS_MAX);
    expect(run.peakBytes).toBeLessThan(PEAK_BYTES_MAX);
    // The generator does what it says: every kind is there, and most of what it makes is refused.
    expect(Object.keys(run.outcomes).sort()).toEqual([...MUTANT_KINDS].sort());
    const counts = Object.values(run.outcomes).flatMap((outcomes) => Object.entries(outcomes));
    const taken = counts.filter(([outcome]) => outcome.endsWith(' rows'));
    const sum = (of: typeof counts) => of.reduce((total, [, count]) => total + count, 0);
    expect(sum(counts)).toBe(MUTANTS);
    expect(sum(taken) / MUTANTS).toBeLessThan(0.4);
  },
  LONG ? 3_600_000 : 120_000,
);

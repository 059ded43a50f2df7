import { expect, test } from 'vitest';
import { FAILPOINTS, isOfVault } from './failpoints.ts';
import { coverOf, FAULT_KINDS, pairOf, type Schedule, scheduleOf } from './schedule.ts';

const SEEDS = Array.from({ length: 500 }, (_, index) => index + 1);

const placesOf = ({ deaths }: Schedule) =>
  deaths.flatMap(({ worker, vaults = [] }) => [...vaults, ...(worker ? [worker] : [])]);

test('a seed decides everything', () => {
  for (const seed of SEEDS.slice(0, 50)) {
    expect(scheduleOf(seed)).toEqual(scheduleOf(seed));
    expect(pairOf(seed)).toEqual(pairOf(seed));
  }
  const shown = SEEDS.map((seed) => JSON.stringify({ ...scheduleOf(seed), seed: 0 }));
  expect(new Set(shown).size).toBe(SEEDS.length);
});

test('a schedule has several faults, and every kind comes', () => {
  const schedules = SEEDS.map((seed) => scheduleOf(seed));
  for (const { faults, deaths } of schedules) {
    expect(faults.length + deaths.length).toBeGreaterThanOrEqual(4);
  }
  const kinds = new Set(schedules.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect([...kinds].sort()).toEqual([...FAULT_KINDS].sort());
});

test('every failpoint has its turn among the schedules of a slice', () => {
  const places = SEEDS.slice(0, 40).flatMap((seed) => placesOf(scheduleOf(seed)));
  expect(new Set(places.map(({ at }) => at)).size).toBe(FAILPOINTS.length);
});

test('what is to be covered is, by workers that make room for each other', () => {
  const places = FAILPOINTS.slice(30, 90);
  const { deaths } = coverOf(1, places);
  const planned = placesOf(coverOf(1, places)).map(({ at }) => at);
  expect(planned).toEqual(expect.arrayContaining([...places]));
  expect(deaths.every(({ worker }) => worker !== undefined)).toBe(true);
});

test('a kind that a machine cannot do is not drawn', () => {
  const kinds = FAULT_KINDS.filter((kind) => kind !== 'disk-full');
  const drawn = SEEDS.flatMap((seed) => scheduleOf(seed, kinds).faults);
  expect(drawn.filter(({ kind }) => kind === 'disk-full')).toEqual([]);
});

test('pairs have two deaths, of all combinations of worker and vault', () => {
  const combinations = new Set<string>();
  for (const seed of SEEDS) {
    const places = placesOf(pairOf(seed)).map(({ at = '' }) => at);
    expect(places).toHaveLength(2);
    combinations.add(places.map((at) => (isOfVault(at) ? 'vault' : 'worker')).join());
  }
  expect([...combinations].sort()).toEqual([
    'vault,vault',
    'vault,worker',
    'worker,vault',
    'worker,worker',
  ]);
});

import { createHash } from 'node:crypto';
import type { Query } from '@strongroom/protocol/contract';
import type { ContractId, QueryId } from '@strongroom/protocol/fields';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { tableFromIPC } from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { type Atom, cellsToShow } from '../../packages/privacy/src/cell-suppression.ts';
import { clopperPearson } from '../../packages/privacy/test/statistics.ts';
import type { Statistics } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { NoiseSeeds } from '../../services/enclave-worker/src/vault/noise-seeds.ts';
import { PrivateQueries } from '../../services/enclave-worker/src/vault/private-queries.ts';
import {
  openPrivate,
  privateQuery,
  show,
} from '../../services/enclave-worker/test/private-scene.ts';

/**
 * Whether somebody is in the data: a game of so many trials, each with a bit that is drawn, and an
 * attacker that sees what leaves and guesses it. The advantage is how much more often than by
 * chance it is right: 0 knows nothing, 1 knows all.
 */
const TRIALS = process.env['STRONGROOM_LONG'] === '1' ? 10_000 : 300;

/** @returns the advantage and its interval at 99 % */
async function play(
  seed: number,
  guess: (bit: number, random: SeededRandom, trial: number) => Promise<number> | number,
) {
  const random = seededRandom(seed);
  let right = 0;
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const bit = random.below(2);
    if ((await guess(bit, random, trial)) === bit) right += 1;
  }
  const { low, high } = clopperPearson(right, TRIALS, 0.99);
  const advantage = (rate: number) => 2 * rate - 1;
  return { estimate: advantage(right / TRIALS), low: advantage(low), high: advantage(high) };
}

function tell(what: string, { estimate, low, high }: Awaited<ReturnType<typeof play>>): void {
  if (process.env['STRONGROOM_LONG'] !== '1') return;
  const [e, l, h] = [estimate, low, high].map((each) => each.toFixed(3));
  process.stdout.write(`${what}: advantage ${e} [${l}, ${h}] in ${TRIALS} trials\n`);
}

describe('with noise, the advantage is at most what epsilon allows', () => {
  const contract = 'cd'.repeat(32) as ContractId;
  const sql = 'SELECT count(*) AS n FROM visits';
  /** Four made-up people beside whom a fifth is there or not. */
  const OWN = 4;

  async function counted(query: Query, people: number): Promise<Statistics> {
    const aggregator = await openPrivate(query);
    const visits = Array.from({ length: people }, (_none, at) => {
      return { person: `p${at}`, place: 'SFO', delay: 1, bags: 1n };
    });
    await show(aggregator, { visits });
    const statistics = await aggregator.statistics(query, null, 'ab');
    aggregator.close();
    return statistics;
  }

  /** A query over these rows, under a name. */
  function asked(id: string, statistics: Statistics) {
    const query: Query = { ...statistics.plan.query, id: id as QueryId };
    const named = { ...statistics, plan: { ...statistics.plan, query } };
    const aggregator = { planOf: () => named.plan, statistics: async () => named };
    const queries = new PrivateQueries({ queries: [query] } as never, aggregator as never);
    return async (start: number, seeds: NoiseSeeds) => {
      const window = { start, end: start + 9 };
      const { result } = await queries.result(query, window, seeds, undefined);
      return Number(tableFromIPC(result.encode()).getChild('n')?.get(0));
    };
  }

  function secretOf(trial: number): NoiseSeeds {
    return new NoiseSeeds(createHash('sha256').update(`trial ${trial}`).digest(), contract);
  }

  const QUESTIONS: [string, { id: string; start: number }[], string][] = [
    ['one result', [{ id: 'q', start: 0 }], '1'],
    ['three windows that overlap', [0, 3, 6].map((start) => ({ id: 'q', start })), '0.3333'],
    ['one query under two names', ['q', 'r'].map((id) => ({ id, start: 0 })), '0.5'],
  ];

  test.each(QUESTIONS)(
    '%s',
    async (what, questions, epsilon) => {
      const loss = { epsilon, delta: '0' };
      const query = privateQuery(sql, { loss, groupsPerContributor: 1, rowsPerGroup: 1 });
      const worlds = [await counted(query, OWN), await counted(query, OWN + 1)];
      const tellers = worlds.map((world) =>
        questions.map(({ id, start }) => ({ start, tellOf: asked(id, world) })),
      );
      const found = await play(7, async (bit, _random, trial) => {
        let sum = 0;
        for (const { start, tellOf } of tellers[bit] ?? []) {
          sum += await tellOf(start, secretOf(trial));
        }
        return sum / questions.length > OWN + 0.5 ? 1 : 0;
      });
      tell(`noise, ${what}`, found);
      const most = (Math.E - 1) / (Math.E + 1) + 0.02;
      expect(found.low).toBeLessThanOrEqual(most);
      if (TRIALS === 10_000) expect(found.estimate).toBeLessThanOrEqual(most);
      // The attacker is no straw man: it learns something.
      expect(found.high).toBeGreaterThan(0.2);
    },
    600_000,
  );

  test('the same question again has the same answer', async () => {
    const query = privateQuery(sql);
    const tellOf = asked('q', await counted(query, OWN));
    const answers = new Set<number>();
    for (let time = 0; time < 20; time += 1) answers.add(await tellOf(0, secretOf(1)));
    expect(answers.size).toBe(1);
  });
});

const MINIMUM = 5;

/** Rows of one part of time; the first atom holds one person or two, by the bit. */
type Pane = readonly Atom[];

interface Attack {
  readonly what: string;
  readonly panes: (bit: number, random: SeededRandom) => readonly Pane[];
  /** A sum of counts that is the first atom, if all of them are seen: cells with their signs. */
  readonly sum: readonly (readonly [cell: number, sign: number])[];
  /** Cells that are told over several panes together: a window. */
  readonly windows?: ReadonlyMap<number, readonly number[]>;
}

const some = (random: SeededRandom) => 30 + random.below(40);
const rows = (cells: readonly (number | null)[], count: number): Atom => ({
  cells,
  counts: [{ count }],
});

const ATTACKS: readonly Attack[] = [
  {
    what: 'the total without all other groups',
    panes: (bit, random) => [
      [rows([0, 1], 1 + bit), rows([0, 2], some(random)), rows([0, 3], some(random))],
    ],
    sum: [
      [0, 1],
      [2, -1],
      [3, -1],
    ],
  },
  {
    what: 'a filter that leaves a few out',
    panes: (bit, random) => [[rows([0, null], 1 + bit), rows([0, 1], some(random))]],
    sum: [
      [0, 1],
      [1, -1],
    ],
  },
  {
    what: 'two totals over three filters',
    panes: (bit, random) => [
      [
        rows([0, 10, null], 1 + bit),
        rows([0, 11, 20], some(random)),
        rows([1, 10, 20], some(random)),
        rows([1, 11, 20], some(random)),
      ],
    ],
    sum: [
      [0, 1],
      [1, 1],
      [20, -1],
    ],
  },
  {
    what: 'a window and the next',
    panes: (bit, random) => [
      [rows([0], 1 + bit)],
      [rows([1], some(random))],
      [rows([2], some(random))],
    ],
    windows: new Map([
      [100, [1]],
      [101, [1, 0]],
      [102, [0, 2]],
    ]),
    sum: [
      [101, 1],
      [100, -1],
    ],
  },
];

const sizeOf = (pane: Pane, cell: number) =>
  pane.reduce(
    (sum, { cells, counts }) => sum + (cells.includes(cell) ? (counts[0]?.count ?? 0) : 0),
    0,
  );

const cellsOf = (pane: Pane) =>
  new Set(pane.flatMap(({ cells }) => cells.filter((cell) => cell !== null)));

/** Counts that are seen: with nothing compared, or as the vault does. */
function seenOf(panes: readonly Pane[], windows: Attack['windows'], isCompared: boolean) {
  const all = panes.flat();
  const allowed = new Set(
    panes.flatMap((pane) => [...cellsToShow(pane, [MINIMUM], cellsOf(pane))]),
  );
  const told = windows ?? new Map([...cellsOf(all)].map((cell) => [cell, [cell]]));
  const seen = new Map<number, number>();
  for (const [name, cells] of told) {
    const count = cells.reduce((sum, cell) => sum + sizeOf(all, cell), 0);
    const isShown = isCompared ? cells.every((cell) => allowed.has(cell)) : count >= MINIMUM;
    if (isShown) seen.set(name, count);
  }
  return seen;
}

function attack({ panes, sum, windows }: Attack, isCompared: boolean) {
  return play(11, (bit, random) => {
    const seen = seenOf(panes(bit, random), windows, isCompared);
    const rest = sum.reduce((total, [cell, sign]) => total + sign * (seen.get(cell) ?? NaN), 0);
    if (!Number.isNaN(rest)) return rest - 1;
    // What is seen all the same is a little more with two than with one: more than the middle.
    const known = sum.reduce((total, [cell, sign]) => total + sign * (seen.get(cell) ?? 0), 0);
    return known > 50.5 ? 1 : 0;
  });
}

describe('without noise', () => {
  test.each(ATTACKS)(
    '$what: tells one from two, and no more where results are compared',
    async (each) => {
      const [off, on] = [await attack(each, false), await attack(each, true)];
      tell(`exact, not compared, ${each.what}`, off);
      tell(`exact, compared, ${each.what}`, on);
      expect(off.estimate).toBe(1);
      // A sum of forty possible counts and one or two tells one time in forty.
      expect(on.low).toBeLessThanOrEqual(0.03);
    },
  );

  test('a minimum alone does not hide whether somebody is there', async () => {
    const found = await play(13, (bit) => {
      // The attacker has made up all but one of the people that it takes.
      const pane = [rows([0], MINIMUM - 1 + bit)];
      return seenOf([pane], undefined, true).has(0) ? 1 : 0;
    });
    tell('exact, compared, made-up people around one', found);
    expect(found.estimate).toBe(1);
  });
});

import { codeOf } from '@strongroom/protocol/errors';
import { StreamIdSchema } from '@strongroom/protocol/fields';
import { streamOfText } from '@strongroom/protocol/partitioning';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DoorRecord } from '../../services/enclave-worker/src/vault/door.ts';
import { Vault } from '../../services/enclave-worker/src/vault/vault.ts';
import { type Computation, TestStream } from '../../services/enclave-worker/test/owners.ts';
import {
  agreeOnQuery,
  agreeOnShares,
  agreeOnSlices,
  planRows,
  resultsOf,
  runSlices,
  SimulatedLoop,
  sealRows,
} from './sliced-world.ts';

/** Several workers over slices and one that merges tell what one worker tells of the same rows. */

const SLICES = [2, 3, 4];
const RUNS = process.env['STRONGROOM_LONG'] === '1' ? 100 : 3;

type Partials = Map<string, DoorRecord[][]>;

let whole: Computation;
const sliced = new Map<number, Computation>();
beforeAll(async () => {
  whole = await agreeOnSlices(1);
  for (const slices of SLICES) sliced.set(slices, await agreeOnSlices(slices));
}, 120_000);

describe('slices', () => {
  test.each(Array.from({ length: RUNS }, (_none, at) => at + 1))(
    'seed %d: the same results as of one worker',
    async (seed) => {
      const plan = planRows(seededRandom(seed));
      const random = seededRandom(seed + 500);
      const alone = await sealRows(whole, plan);
      const expected = await resultsOf(whole, alone, { random, crashes: 0 });
      const slices = SLICES[seed % SLICES.length] ?? 2;
      const computation = sliced.get(slices) ?? whole;
      const partials = await runSlices(computation, await sealRows(computation, plan), seed, 1);
      const merged = await resultsOf(computation, partials, { random, crashes: 2 });
      expect(merged).toEqual(expected);
      expect(expected.length).toBeGreaterThan(5);
    },
  );
});

describe('a vault', () => {
  test.each([
    ['of a slice that the contract does not have', 4],
    ['of a slice of a contract that has none', 0],
  ])('is refused: %s', async (_what, slice) => {
    const { signed } = (slice > 0 ? sliced.get(4) : whole) ?? whole;
    await expect(Vault.open(signed, { slice })).rejects.toMatchObject({
      code: 'ERR_SLICE_UNKNOWN',
    });
  });

  test.each([
    ['floating-point', 'SELECT count(*) AS n, avg(weight) AS mean FROM visits'],
    ['distinct', 'SELECT count(*) AS n, count(DISTINCT place) AS places FROM visits'],
    ['join-not-shared-out', 'SELECT count(*) AS n FROM visits JOIN other USING (place)'],
  ])('refuses a query that is no merge of slices: %s', async (reason, sql) => {
    const { signed } = await agreeOnQuery(sql);
    await expect(Vault.open(signed)).rejects.toMatchObject({
      code: 'ERR_QUERY_NOT_SLICED',
      facts: { query: 'all', reason },
    });
  });
});

test('a row of another stream has its batch refused, and nothing is told without', async () => {
  const computation = await agreeOnShares();
  const own = (place: string) => streamOfText(new TextEncoder().encode(place), 2);
  const places = Array.from({ length: 20 }, (_none, n) => `place ${n}`);
  const sealed = async (rowsOf: (stream: number) => string[]) => {
    const partitions = [0, 1].map(async (partition) => {
      const id = StreamIdSchema.parse(`gate-${partition}`);
      const stream = new TestStream(computation, 'visits', id);
      const sealed = await stream.seal(rowsOf(partition).map((place) => ({ place })));
      return [sealed, await stream.manifest(null, true)];
    });
    return new Map([['visits', await Promise.all(partitions)]]);
  };
  const ofStream = (stream: number) => places.filter((place) => own(place) === stream);
  const run = async (topics: Awaited<ReturnType<typeof sealed>>) => {
    const loop = new SimulatedLoop(computation, topics, {
      ...{ random: seededRandom(1), slice: 0, crashes: 0 },
    });
    const ended = await loop.run().catch((error: unknown) => codeOf(error));
    return { ended, refused: [...loop.refused] };
  };
  expect(await run(await sealed(ofStream))).toEqual({ ended: { done: true }, refused: [] });
  const stray = await sealed((stream) => (stream === 0 ? places : ofStream(stream)));
  expect(await run(stray)).toEqual({
    ended: 'ERR_STREAM_TRUNCATED',
    refused: ['ERR_BATCH_CONTENT'],
  });
});

describe('a log that lies to the worker that merges', () => {
  const plan = planRows(seededRandom(77));
  let computation: Computation;
  /** Two lives of each slice from the beginning: a log that was rolled back has such. */
  let lives: readonly [Partials, Partials];
  let foreign: Partials;
  let truth: ReadonlyMap<string, string>;

  beforeAll(async () => {
    computation = sliced.get(2) ?? whole;
    const topics = await sealRows(computation, plan);
    lives = [
      await runSlices(computation, topics, 1, 0),
      await runSlices(computation, topics, 2, 0),
    ];
    const other = sliced.get(3) ?? whole;
    foreign = await runSlices(other, await sealRows(other, plan), 1, 0);
    const { results } = await merged(lives[0]);
    truth = new Map(results.map((each) => [each.place, JSON.stringify(each)]));
  }, 120_000);

  async function merged(partials: Partials, seed = 1) {
    const random = seededRandom(seed);
    const final = new SimulatedLoop(computation, partials, { random, crashes: 1 });
    const ended = await final.run().catch((error: unknown) => codeOf(error));
    return { ended, refused: [...final.refused], results: await final.comparableResults() };
  }

  const of = (life: Partials, slice: number) => life.get(`partials.${slice}`)?.[0] ?? [];
  const shown = (zero: readonly DoorRecord[], one = of(lives[0], 1)): Partials =>
    new Map([
      ['partials.0', [[...zero]]],
      ['partials.1', [[...one]]],
    ]);
  const DONE = { done: true };
  const OPEN = { done: false };

  test.each([
    ['shows records twice', DONE, ['ERR_PARTIAL_REPLAYED'], () => twice(of(lives[0], 0))],
    ['shows them in another order', DONE, [], () => [...of(lives[0], 0)].reverse()],
    ['hides one', 'ERR_STREAM_TRUNCATED', [], () => without(of(lives[0], 0), 2)],
    ['hides the last', OPEN, [], () => of(lives[0], 0).slice(0, -1)],
    ['hides all', OPEN, [], () => []],
    ['flips a bit', 'ERR_STREAM_TRUNCATED', ['ERR_PARTIAL_INVALID'], () => flipped(2)],
    ['shows another slice', OPEN, ['ERR_PARTIAL_INVALID'], () => of(lives[0], 1)],
    ['shows another contract', OPEN, ['ERR_PARTIAL_INVALID'], () => of(foreign, 0)],
    ['goes on with another life', 'ERR_PARTIAL_FORKED', [], () => crossed(3)],
    ['shows another life behind it', DONE, ['ERR_PARTIAL_REPLAYED'], () => behind()],
  ] as const)('%s', async (_what, ended, refused, zero) => {
    const found = await merged(shown(zero()));
    expect(found).toMatchObject({ ended, refused });
    // Never wrong in silence: what is told is what would have been.
    for (const each of found.results) expect(JSON.stringify(each)).toBe(truth.get(each.place));
    expect(found.results.length).toBe(ended === DONE ? truth.size : found.results.length);
  });

  test('shows another life after a restart', async () => {
    const first = shown(of(lives[0], 0), of(lives[0], 1).slice(0, 2));
    const random = seededRandom(3);
    const final = new SimulatedLoop(computation, first, { random, crashes: 0 });
    await final.run();
    first.set('partials.0', [[...of(lives[1], 0)]]);
    await expect(final.run()).rejects.toMatchObject({ code: 'ERR_PARTIAL_FORKED' });
  });

  const twice = (records: readonly DoorRecord[]) => records.flatMap((each) => [each, each]);
  const without = (records: readonly DoorRecord[], at: number) =>
    records.filter((_record, index) => index !== at);
  const flipped = (at: number) =>
    of(lives[0], 0).map((record, index) => {
      if (index !== at) return record;
      const value = Uint8Array.from(record.value);
      value[9] = (value[9] ?? 0) ^ 1;
      return { ...record, value };
    });
  const crossed = (at: number) => [...of(lives[0], 0).slice(0, at), ...of(lives[1], 0).slice(at)];
  const behind = () => [...of(lives[0], 0), ...of(lives[1], 0).slice(0, 2)];
});

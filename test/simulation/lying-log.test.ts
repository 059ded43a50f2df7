import { codeOf } from '@strongroom/protocol/errors';
import type { QueryId } from '@strongroom/protocol/fields';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  agreeOn,
  type Computation,
  type Row,
  TestStream,
} from '../../services/enclave-worker/test/owners.ts';
import { HARMLESS_LIES, type Lie, type Topics, tell, WITHHOLDING_LIES } from './lying-topics.ts';
import { SimulatedWorker, type Told } from './simulated-worker.ts';

/**
 * Producers, vault and analyst in one process; a log that lies and a worker that crashes, both by a
 * seed. What is told must be true and told once; a lie that withholds something may only delay.
 */

const HOUR_MS = 3_600_000;
const HOURS = 5;
const PLACES = ['a', 'b', 'c'];
const VISITS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
  { name: 'weight', type: 'int64', nullable: false },
] as const;
const PLANS = [
  { id: 'north', relation: 'visits', columns: VISITS, eventTime: 'at' },
  { id: 'south', relation: 'visits', columns: VISITS, eventTime: 'at' },
];
// The casts keep sums in 64 bits, which a test reads without a decimal library.
const SQL = `SELECT place, count(*) AS n, CAST(sum(weight) AS BIGINT) AS weight
  FROM visits GROUP BY place`;
const query = { sql: SQL, relations: ['visits'], latenessMs: 0 };

let computation: Computation;
let honest: Topics;
const rows: Row[] = [];

beforeAll(async () => {
  computation = await agreeOn(
    PLANS,
    [
      { ...query, id: 'hourly' as QueryId, window: { kind: 'tumbling', sizeMs: HOUR_MS } },
      { ...query, id: 'all' as QueryId, window: { kind: 'whole' } },
    ],
    1,
  );
  honest = new Map([
    ['north', await publish('north', 9, 40)],
    ['south', await publish('south', 7, 31)],
  ]);
}, 60_000);

async function publish(dataset: string, batches: number, size: number) {
  const stream = new TestStream(computation, dataset);
  const records = [];
  const total = batches * size;
  for (let round = 0; round < batches; round += 1) {
    const part = Array.from({ length: size }, (_none, index) => rowOf(round * size + index, total));
    rows.push(...part);
    records.push(await stream.seal(part));
    const next = Math.floor(((round + 1) * size * HOURS * HOUR_MS) / total);
    if (round % 2 === 1) records.push(await stream.manifest(next));
  }
  records.push(await stream.manifest(HOURS * HOUR_MS, true));
  return records;
}

function rowOf(index: number, total: number): Row {
  const at = BigInt(Math.floor((index * HOURS * HOUR_MS) / total)) * 1_000n;
  return { at, place: PLACES[index % PLACES.length] ?? 'a', weight: BigInt(index * index) };
}

/** In plain loops, what is true of a window. */
function truthOf(window: Told['seal']['window']): Told['groups'] {
  const truth = new Map<string, { n: number; weight: number }>();
  for (const row of rows) {
    const at = Number(row['at']) / 1_000;
    if (window && (at < window.start || at >= window.end)) continue;
    const place = String(row['place']);
    const { n, weight } = truth.get(place) ?? { n: 0, weight: 0 };
    truth.set(place, { n: n + 1, weight: weight + Number(row['weight']) });
  }
  return truth;
}

function expectTrueAndOnce(told: readonly Told[]): void {
  for (const { seal, groups } of told) expect(groups).toEqual(truthOf(seal.window));
  for (const id of ['hourly', 'all']) {
    const seals = told.map(({ seal }) => seal).filter((seal) => seal.query === id);
    expect(seals.map((seal) => seal.emission)).toEqual(seals.map((_seal, index) => index));
    const starts = seals.map((seal) => seal.window?.start ?? 0);
    expect(starts).toEqual(seals.map((_seal, index) => index * HOUR_MS));
  }
}

async function simulate(seed: number, lies: readonly Lie[], random: SeededRandom) {
  let topics = honest;
  for (const lie of lies) topics = tell(lie, topics, random);
  const worker = new SimulatedWorker(computation, topics, random);
  const code = await worker.run().then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? `seed ${seed}: ${error}`,
  );
  seen.crashes += worker.crashes;
  for (const refused of worker.refused) seen.refused.add(refused);
  return { code, told: await worker.told() };
}

/** Over all seeds: a simulation in which nothing happens would prove nothing. */
const seen = { crashes: 0, refused: new Set<string>() };

afterAll(() => {
  expect(seen.crashes).toBeGreaterThan(5);
  expect([...seen.refused]).toEqual(
    expect.arrayContaining(['ERR_BATCH_REPLAYED', 'ERR_SEAL_SIGNATURE', 'ERR_SEAL_MALFORMED']),
  );
});

const SEEDS = Array.from({ length: 12 }, (_none, index) => index + 1);

describe('a log that lies and a worker that crashes', () => {
  test.each(SEEDS)('seed %i: lies that lose nothing change nothing', async (seed) => {
    const random = seededRandom(seed);
    const lies = Array.from({ length: 1 + random.below(8) }, () => random.pick(HARMLESS_LIES));
    const { code, told } = await simulate(seed, lies, random);
    expect(code).toBeUndefined();
    expectTrueAndOnce(told);
    expect(told).toHaveLength(HOURS + 1);
  });

  test.each(SEEDS)(
    'seed %i: what is withheld holds windows open, and nothing false is told',
    async (seed) => {
      const random = seededRandom(1_000 + seed);
      const lies = [random.pick(HARMLESS_LIES), random.pick(WITHHOLDING_LIES)];
      const { code, told } = await simulate(seed, lies, random);
      expect([undefined, 'ERR_STREAM_TRUNCATED']).toContain(code);
      expectTrueAndOnce(told);
      expect(told.length).toBeLessThan(HOURS + 1);
    },
  );
});

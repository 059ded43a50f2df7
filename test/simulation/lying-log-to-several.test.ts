import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partyOf } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode } from '@strongroom/protocol/errors';
import type { RecordLog } from '@strongroom/record-log/log';
import { systemClock } from '@strongroom/runtime/clock';
import { createLogger } from '@strongroom/runtime/logger';
import {
  denying,
  forgetting,
  type Lie,
  mixingIn,
  recreated,
  repeating,
  telling,
  undecided,
  withholdingNewest,
} from '@strongroom/testkit/lying-log';
import type { MemoryLog } from '@strongroom/testkit/memory-log';
import { type SeededRandom, seededRandom } from '@strongroom/testkit/seeded-random';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishBatches } from '../../services/producer/src/publish-batches.ts';
import type { PublishRequest } from '../../services/producer/src/publish-source.ts';
import { openInput } from '../../services/producer/src/source-input.ts';
import {
  createScene,
  expectTrueAndOnce,
  RESULTS,
  rowsOf,
  type Scene,
  SEEDS,
  type World,
} from './lying-world.ts';

/**
 * A log that shows one thing to one and another to the other, or decides anew what a transaction
 * came to; and one that lies to who writes (docs/lying-log.md).
 */

let scene: Scene;
let folder: string;
beforeAll(async () => {
  scene = await createScene();
  folder = await mkdtemp(join(tmpdir(), 'strongroom-lying-'));
}, 60_000);
afterAll(async () => {
  await scene.close();
  await rm(folder, { recursive: true });
});

/** All that the other log has on this topic, behind what is on this one. */
const joined = (world: World): Lie =>
  telling(world.agreed.aggregates, () => (entries) => [
    ...entries,
    ...world.aggregates().map((entry) => ({ ...entry, offset: entry.offset + 1_000 })),
  ]);

describe('a log that forks', () => {
  test('to two workers whose owners keep leases has one of them tell', async () => {
    const one = await scene.halfway(scene.leased);
    const two = await one.fork({ withResults: false });
    expect((await one.work()).code).toBeUndefined();
    expect((await two.work()).code).toBe('ERR_LEASE_FORKED');
    expect(two.aggregates()).toEqual([]);
    const { told, codes } = await one.read();
    expectTrueAndOnce(told);
    expect([told.length, codes]).toEqual([RESULTS, []]);
  });

  test('to two workers without leases tells twice, and a reader of both sees it', async () => {
    const one = await scene.halfway(scene.plain);
    const two = await one.fork({ withResults: false });
    expect((await one.work()).code).toBeUndefined();
    expect((await two.work()).code).toBeUndefined();
    for (const world of [one, two]) {
      const { told, codes } = await world.read();
      expectTrueAndOnce(told);
      expect([told.length, codes]).toEqual([RESULTS, []]);
    }
    const { told, codes } = await one.read(joined(two));
    expectTrueAndOnce(told);
    expect(codes).toEqual(['ERR_AGGREGATE_GAP']);
  });

  test('to a worker and a reader leaves the reader at an older state, or shows a gap', async () => {
    const world = await scene.halfway(scene.leased);
    const older = await world.fork({ withResults: true });
    await world.work();
    const { told, codes } = await older.read();
    expectTrueAndOnce(told);
    expect(codes).toEqual([]);
    expect(told.length).toBeLessThan(RESULTS);
    // As soon as the reader is shown one result of the other log, what lies between is missed.
    const last = world.aggregates().findLast(({ key }) => key === 'hourly.analyst');
    const proofs = world.aggregates().filter(({ key }) => key === 'strongroom.token.v1');
    await older.log.append(older.agreed.aggregates, [...proofs, ...(last ? [last] : [])]);
    const later = await older.read();
    expect(later.told).toEqual(told);
    expect(later.codes).toEqual(['ERR_AGGREGATE_GAP']);
  });

  test('to two readers is found out when they compare what each was shown', async () => {
    const one = await scene.halfway(scene.plain);
    const two = await one.fork({ withResults: true });
    await one.work();
    await two.work();
    const [left, right] = [await one.read(), await two.read()];
    for (const { told, codes } of [left, right]) {
      expectTrueAndOnce(told);
      expect([told.length, codes]).toEqual([RESULTS, []]);
    }
    // The same values, and another worker behind them from where the logs part.
    const workers = [left, right].map(({ told }) => told.map(({ seal }) => seal.token));
    expect(workers[0]).not.toEqual(workers[1]);
    const { told, codes } = await one.read(joined(two));
    expect(told).toEqual(left.told);
    expect(codes).toEqual(['ERR_AGGREGATE_GAP']);
  });
});

describe('a log that shows what was aborted', () => {
  /** The first results of the first life fail to be committed, and their records are kept. */
  const failing = (log: RecordLog): RecordLog => {
    let commits = 0;
    return {
      ...log,
      transaction: async (id) => {
        const writer = await log.transaction(id);
        return {
          close: () => writer.close(),
          commit: (...records) => {
            commits += 1;
            if (commits === 4) (log as MemoryLog).failNext('commit', 'before');
            return writer.commit(...records);
          },
        };
      },
    };
  };

  test('to a reader tells no result twice', async () => {
    const world = await scene.world(scene.plain);
    const aborted = undecided();
    const run = await world.work([failing, aborted.keeping], []);
    expect([run.code, run.lives]).toEqual([undefined, 2]);
    const { told, codes } = await world.read(aborted.showing(scene.plain.aggregates));
    expectTrueAndOnce(told);
    // What was aborted has the bytes of what was told: it is the same result, again.
    expect([told.length, codes]).toEqual([RESULTS, []]);
  });

  test('to the next worker has a reader miss what only that worker saw', async () => {
    const world = await scene.world(scene.plain);
    const aborted = undecided();
    const run = await world.work(
      [failing, aborted.keeping],
      [aborted.showing(scene.plain.checkpoints)],
    );
    expect([run.code, run.lives]).toEqual([undefined, 2]);
    const { told } = await world.read();
    expectTrueAndOnce(told);
    expect(told.length).toBeLessThan(RESULTS);
    const shown = await world.read(aborted.showing(scene.plain.aggregates));
    expectTrueAndOnce(shown.told);
  });
});

const LIES_TO_PRODUCERS: Readonly<Record<string, (topic: string, call: number) => Lie>> = {
  'acknowledges batches and throws them away': (topic, lost) =>
    forgetting(topic, (call) => call === lost),
  'writes batches and denies it': (topic, denied) => denying(topic, (call) => call === denied),
};

describe.each(Object.entries(LIES_TO_PRODUCERS))('a log that %s', (name, lie) => {
  test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
    const { agreed } = { agreed: scene.plain };
    const world = await scene.world(
      agreed,
      new Map([['south', agreed.published.get('south') ?? []]]),
    );
    const topic = agreed.topicOf('north');
    const call = seededRandom(seed).below(3);
    const state = join(folder, `${name}-${seed}`);
    const runs = [[lie(topic, call)], []];
    const codes = [];
    for (const lies of runs) codes.push(await publishNorth(await world.connect(...lies), state));
    const isDenied = name.includes('denies');
    expect(codes).toEqual([isDenied ? 'ERR_LOG_FAILED' : undefined, undefined]);
    const run = await world.work();
    expect(run.code).toBe(isDenied ? undefined : 'ERR_STREAM_TRUNCATED');
    if (isDenied) expect(run.refusals).toHaveProperty('ERR_BATCH_REPLAYED');
    const { told } = await world.read();
    expectTrueAndOnce(told);
    if (isDenied) expect(told).toHaveLength(RESULTS);
    else expect(told.length).toBeLessThan(RESULTS);
  });
});

interface LieToTheLost {
  readonly lie: (topic: string, random: SeededRandom) => Lie;
  /** How the producer ends; absent: it has published the rest. */
  readonly producer?: ErrorCode;
  readonly worker?: ErrorCode;
}

/** What a producer reads back that has lost its state folder in the middle of its rows. */
const LIES_TO_THE_LOST: Readonly<Record<string, LieToTheLost>> = {
  'shows an empty topic to a producer that lost its state': {
    lie: (topic) => recreated(topic, []),
    producer: 'ERR_STREAM_NOT_FOUND',
    worker: 'ERR_INPUT_INCOMPLETE',
  },
  'withholds the newest from a producer that lost its state': {
    lie: (topic, random) => withholdingNewest(topic, 5 + random.below(40)),
    worker: 'ERR_STREAM_TRUNCATED',
  },
  'repeats records to a producer that lost its state': {
    lie: (topic, random) => repeating(topic, random),
  },
  "mixes a stranger's batches in for a producer that lost its state": {
    lie: (topic, random) => mixingIn(topic, scene.leased.published.get('north') ?? [], random),
  },
};

describe.each(Object.entries(LIES_TO_THE_LOST))('a log that %s', (name, lied) => {
  test.each(SEEDS)('is seen through (seed %i)', async (seed) => {
    const agreed = scene.plain;
    const south = new Map([['south', agreed.published.get('south') ?? []]]);
    const world = await scene.world(agreed, south);
    const topic = agreed.topicOf('north');
    const places = [0, 1].map((run) => join(folder, `${name}-${seed}-${run}`));
    let sent = 0;
    const onStep = (step: string) => {
      if (step === 'records-sent' && ++sent === 2) throw new Error('killed');
    };
    const dying = publishNorth(await world.connect(), places[0] ?? '', { outbox: { onStep } });
    await dying;
    const log = await world.connect(lied.lie(topic, seededRandom(seed)));
    expect(await publishNorth(log, places[1] ?? '', { recover: true })).toBe(lied.producer);
    const run = await world.work();
    const { told, codes } = await world.read();
    expectTrueAndOnce(told);
    expect([run.code, codes]).toEqual([lied.worker, []]);
    if (lied.worker) expect(told.length).toBeLessThan(RESULTS);
    else expect(told).toHaveLength(RESULTS);
  });
});

async function publishNorth(
  log: RecordLog,
  stateFolder: string,
  more: Partial<PublishRequest> = {},
) {
  const { contract, signed, identities } = scene.plain.computation;
  const owner = partyOf(contract, 'owner-north');
  const identity = identities.get(owner.id);
  if (!identity) return expect.fail('an owner');
  const lines = rowsOf('north').map(({ at, place, weight }) => {
    return `${new Date(Number(at) / 1_000).toISOString()},${place},${weight}`;
  });
  const file = join(folder, 'north.csv');
  await writeFile(file, ['at,place,weight', ...lines, ''].join('\n'));
  return await publishBatches({
    signedContract: signed,
    datasetId: 'north',
    identity,
    input: await openInput(file),
    format: 'auto',
    batchRows: 1,
    rule: { lagMs: 0, allowLate: false },
    final: true,
    checkFirst: true,
    stateFolder,
    log,
    signal: new AbortController().signal,
    clock: systemClock,
    logger: createLogger('producer', { level: 'silent' }),
    ...more,
  }).then(() => undefined, codeOf);
}

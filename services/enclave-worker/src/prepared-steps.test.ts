import { createHash } from 'node:crypto';
import { CIPHERTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { aggregatesTopic, checkpointsTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import type { LogEntry } from '@strongroom/record-log/log';
import { createMemoryLog } from '@strongroom/testkit/memory-log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { HOUR_MS, PLANS, QUERIES, rejection, rowsOf, World } from '../test/world.ts';
import { runWorker } from './lives.ts';

/**
 * Whatever is lost on the way of a step, the next life says the same bytes or none: also eyes that
 * see what was never committed find one text of each result.
 */

/** Hourly results have two parts each. */
const LARGE_QUERIES = QUERIES.map((each) =>
  each.id === 'hourly' ? { ...each, resultBytes: CIPHERTEXT_BYTES_MAX + 4_096 } : each,
);

let services: TestServices;
let computation: Computation;
let leased: Computation;
let plain: Computation;

beforeAll(async () => {
  services = await startServices(() => computation);
  leased = await agreeOn(PLANS, LARGE_QUERIES, 1, services.url, true, undefined, true);
  plain = await agreeOn(PLANS, LARGE_QUERIES, 1, services.url);
}, 60_000);
afterAll(() => services.close());

async function agreed(to: Computation): Promise<World> {
  computation = to;
  services.leases.reset();
  const world = new World(computation, services);
  await world.publish('north', rowsOf(2, 20), 2 * HOUR_MS, true);
  await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
  return world;
}

/** The first connection loses its commit of this number. */
function losing(world: World, nth: number, when: 'before' | 'after') {
  let connections = 0;
  let commits = 0;
  return async () => {
    const log = createMemoryLog(world.store);
    connections += 1;
    if (connections > 1) return log;
    const open = log.transaction.bind(log);
    return Object.assign(log, {
      async transaction(id: string) {
        const writer = await open(id);
        const commit: typeof writer.commit = (...parts) => {
          commits += 1;
          if (commits === nth) log.failNext('commit', when);
          return writer.commit(...parts);
        };
        return { commit, close: () => writer.close() };
      },
    });
  };
}

/** By query, reader, emission and part: the different texts that were ever on the log. */
function textsOf(world: World): Map<string, Set<string>> {
  const texts = new Map<string, Set<string>>();
  for (const record of world.log.uncommitted(aggregatesTopic(computation.contractId))) {
    if (record.headers['ce_type'] !== RECORD_TYPES.aggregate) continue;
    const name = `${record.key}.${record.headers['ce_id']?.split('.').slice(2).join('.')}`;
    const text = createHash('sha256').update(JSON.stringify(record.headers)).update(record.value);
    texts.set(name, (texts.get(name) ?? new Set()).add(text.digest('hex')));
  }
  return texts;
}

async function expectOneText(world: World, connectLog?: ReturnType<typeof losing>): Promise<void> {
  const options = connectLog ? world.options({ connectLog }) : world.options();
  expect(await runWorker(options)).toMatchObject({ done: true, rowsCounted: 80 });
  const texts = textsOf(world);
  expect([...texts.keys()].sort()).toEqual([
    'all.analyst.0.0',
    'hourly.analyst.0.0',
    'hourly.analyst.0.1',
    'hourly.analyst.1.0',
    'hourly.analyst.1.1',
  ]);
  expect([...texts.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1, 1]);
  const emissions = world.results('hourly').map((id) => id.split('.').at(-1));
  expect(emissions).toEqual(['0', '1']);
  expect(world.results('all')).toHaveLength(1);
}

const eachWay = (count: number) =>
  Array.from({ length: count }, (_none, at) => at + 1).flatMap((nth) => [
    [nth, 'before'] as const,
    [nth, 'after'] as const,
  ]);
const isLong = process.env['STRONGROOM_LONG'] === '1';
/** The announcement: prepared, and committed; then the results, which are prepared in two pieces. */
const COMMITS = 5;
const LOST_COMMITS = eachWay(COMMITS).filter(
  ([nth, when]) => isLong || when === (nth === 3 ? 'after' : 'before'),
);
/** Of two steps, asked of two owners. */
const LOST_STEPS = eachWay(4).filter(
  ([nth, when]) => isLong || when === (nth === 4 ? 'before' : 'after'),
);

describe('a result has one text', () => {
  test.each(LOST_COMMITS)('when commit %i is lost %s it, with leases', async (nth, when) => {
    const world = await agreed(leased);
    await expectOneText(world, losing(world, nth, when));
  });

  test.each(LOST_STEPS)('when request %i for a step is lost %s it', async (nth, when) => {
    const world = await agreed(leased);
    services.leases.lose = { nth, when };
    await expectOneText(world);
  });

  test.each(isLong ? [1, 2, 3, 4, COMMITS] : [COMMITS])(
    'when commit %i is lost before it, without leases',
    async (nth) => {
      const world = await agreed(plain);
      await expectOneText(world, losing(world, nth, 'before'));
    },
  );
});

describe('a log that hides', () => {
  /** Results were confirmed by every owner, and their commit was lost. */
  async function unfinished() {
    const world = await agreed(leased);
    const gone = () => Promise.reject(new Error('gone'));
    const first = losing(world, COMMITS, 'before');
    let connections = 0;
    const connectLog = () => {
      connections += 1;
      return connections === 1 ? first() : gone();
    };
    await runWorker(world.options({ connectLog })).catch(() => undefined);
    return world;
  }

  /** Another log, with all but some of the records where the computation stands. */
  async function shown(world: World, keep: (entry: LogEntry, index: number) => boolean) {
    const other = new World(computation, services);
    const topic = checkpointsTopic(computation.contractId);
    for (const each of [topic, world.topicOf('north'), world.topicOf('south')]) {
      const kept = world.entries(each).filter((entry, at) => each !== topic || keep(entry, at));
      await other.log.createTopics([{ topic: each }]);
      await other.log.append(each, kept);
    }
    return other;
  }

  test('the prepared step that every owner confirmed gets no other in its place', async () => {
    const world = await unfinished();
    const isKept = ({ headers }: LogEntry) => headers['ce_type'] !== RECORD_TYPES.prepared;
    const other = await shown(world, isKept);
    expect(await rejection(runWorker(other.options()))).toBe('ERR_LEASE_FORKED');
    expect(textsOf(world).size).toBe(5);
  });

  test('the newest commit is told what it knows, in the same bytes', async () => {
    const world = await agreed(leased);
    expect(await runWorker(world.options())).toMatchObject({ done: true });
    const told = textsOf(world);
    // Prepared, announced, prepared in pieces, told: the last one is not shown.
    const all = world.entries(checkpointsTopic(computation.contractId)).length;
    const other = await shown(world, (_entry, index) => index < all - 1);
    const summary = await runWorker(other.options());
    expect(summary).toMatchObject({ done: true, aggregates: 3 });
    expect(textsOf(other)).toEqual(told);
  });
});

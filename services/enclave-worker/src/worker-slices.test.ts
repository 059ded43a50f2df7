import { StreamIdSchema } from '@strongroom/protocol/fields';
import {
  aggregatesTopic,
  checkpointsTopic,
  partialsTopic,
  usesTopic,
} from '@strongroom/protocol/record';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { HOUR_MS, PLANS, QUERIES, rejection, rowsOf, until, World } from '../test/world.ts';
import { runWorker } from './lives.ts';

/** Workers of slices and one that merges, with vaults of their own processes. */

let services: TestServices;
let computation: Computation;
let leased: Computation;

beforeAll(async () => {
  services = await startServices(() => computation);
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const plans = PLANS.map((plan) => ({ ...plan, streams }));
  const queries = QUERIES.map((query) => ({ ...query, differences: 'accepted' as const }));
  const members = { tickMs: 0, slices: 2 };
  const { url } = services;
  leased = await agreeOn(plans, queries, 1, url, true, undefined, true, members);
  computation = await agreeOn(plans, queries, 1, url, false, undefined, true, members);
}, 60_000);
afterAll(() => services.close());

const SLICES = [0, 1];

/** Rows of all hours on every stream but one, which has none. */
async function publishAll(world: World, hours = 3, isFinal = true): Promise<void> {
  for (const { id } of PLANS) {
    await world.log.createTopics([{ topic: world.topicOf(id), partitions: SLICES.length }]);
    for (const partition of SLICES) {
      const stream = new TestStream(computation, id, StreamIdSchema.parse(`gate-${partition}`));
      const rows = id === 'south' && partition === 1 ? [] : rowsOf(hours, 20);
      const batches = [];
      for (let at = 0; at < rows.length; at += 10) {
        batches.push(await stream.seal(rows.slice(at, at + 10)));
      }
      const end = await stream.manifest(hours * HOUR_MS, isFinal);
      await world.log.append(world.topicOf(id), [...batches, end], partition);
    }
  }
}

const typesOn = (world: World, topic: string) => [
  ...new Set(world.entries(topic).map(({ headers }) => headers['ce_type']?.split('.')[1])),
];

test('two slices and one that merges tell each result once', async () => {
  const world = new World(computation, services);
  await publishAll(world);
  services.seen.clear();
  const [zero, one, final] = await Promise.all([
    ...SLICES.map((slice) => runWorker(world.options({ slice }))),
    runWorker(world.options()),
  ]);
  expect(zero).toMatchObject({ rowsCounted: 120, windows: 4, aggregates: 0, done: true });
  expect(one).toMatchObject({ rowsCounted: 60, windows: 4, aggregates: 0, done: true });
  expect(final).toMatchObject({ windows: 4, aggregates: 4, refusals: {}, done: true });
  expect(world.results('hourly')).toEqual([0, 1, 2].map((n) => `analyst.0.${n}`));
  expect(world.results('all')).toEqual(['analyst.0.0']);
  const { contractId } = computation;
  for (const slice of SLICES) {
    expect(typesOn(world, partialsTopic(contractId, slice))).toEqual(['partial']);
    const state = checkpointsTopic(contractId, '', slice);
    expect(typesOn(world, state)).toEqual(['prepared', 'checkpoint']);
  }
  expect(typesOn(world, aggregatesTopic(contractId))).toEqual(['token', 'receipt', 'aggregate']);
  const owner = computation.contract.parties[0]?.id ?? expect.fail('an owner');
  expect(typesOn(world, usesTopic(contractId, owner))).toEqual(['token', 'use']);
  // The worker that merges opens no batch, and asks for no key of one.
  const asked = [...services.seen].filter(([path]) => path.includes('/keys/'));
  const timesOf = (name: string) =>
    asked.filter(([path]) => path.includes(name)).map(([, times]) => times);
  // Azure's client asks twice: without its token, and with it.
  expect(timesOf('state-share')).toEqual([6, 6]);
  expect(timesOf('kek-')).toEqual([4, 4]);
});

test('a slice that was stopped goes on where its checkpoint stands', async () => {
  const world = new World(computation, services);
  await publishAll(world, 6);
  const stopping = new AbortController();
  const stopped = runWorker(world.options({ slice: 0, signal: stopping.signal }));
  const final = runWorker(world.options());
  await runWorker(world.options({ slice: 1 }));
  stopping.abort();
  await stopped.catch(() => undefined);
  await runWorker(world.options({ slice: 0 }));
  expect(await final).toMatchObject({ windows: 7, aggregates: 7, refusals: {}, done: true });
  expect(world.results('hourly')).toEqual([0, 1, 2, 3, 4, 5].map((n) => `analyst.0.${n}`));
});

describe('where owners keep leases', () => {
  let plain: Computation;
  beforeEach(() => {
    plain = computation;
    computation = leased;
    services.leases.reset();
  });
  afterEach(() => {
    computation = plain;
  });

  test('each worker has one of its own, and gives it back', async () => {
    const world = new World(computation, services);
    await publishAll(world);
    const runAll = () =>
      Promise.all([
        ...SLICES.map((slice) => runWorker(world.options({ slice }))),
        runWorker(world.options()),
      ]);
    expect((await runAll()).map(({ done, epoch }) => ({ done, epoch }))).toEqual([
      { done: true, epoch: 1 },
      { done: true, epoch: 1 },
      { done: true, epoch: 1 },
    ]);
    expect(world.results('hourly')).toEqual([0, 1, 2].map((n) => `analyst.1.${n}`));
    const { leases } = services;
    const all = [leases, leases.ofSlice(0), leases.ofSlice(1)];
    expect(new Set(all.map(({ holder }) => holder)).size).toBe(3);
    expect(new Set(all.map(({ ends }) => ends?.to)).size).toBe(3);
    expect(all.map(({ state, epoch }) => [state, epoch])).toEqual(all.map(() => ['ended', 1]));
    expect((await runAll()).map(({ aggregates, epoch }) => [aggregates, epoch])).toEqual([
      [0, 2],
      [0, 2],
      [0, 2],
    ]);
  });

  test('a clone of a slice tells nothing, and an owner that ends it ends all parts', async () => {
    const world = new World(computation, services);
    await publishAll(world, 3, false);
    const forever = { untilComplete: false };
    const [zero, final] = [{ slice: 0 }, {}].map((part) =>
      rejection(runWorker(world.options({ ...forever, ...part }))),
    );
    const { contractId } = computation;
    const told = partialsTopic(contractId, 0);
    await until(() => world.entries(told).length > 0);
    const clone = new World(computation, services);
    await publishAll(clone);
    const stopping = new AbortController();
    const path = `/owner-north/leases/${contractId}/slices/0/nonces`;
    const attempts = services.seen.get(path) ?? 0;
    const cloned = rejection(runWorker(clone.options({ slice: 0, signal: stopping.signal })));
    await until(() => (services.seen.get(path) ?? 0) > attempts + 2);
    stopping.abort();
    expect(await cloned).toBe('ERR_LEASE_HELD');
    expect(clone.entries(told)).toEqual([]);
    services.leases.revoke();
    expect(await Promise.all([zero, final])).toEqual(Array(2).fill('ERR_CONTRACT_REVOKED'));
    expect(typesOn(world, told)).toEqual(['partial']);
    expect(typesOn(world, aggregatesTopic(contractId))).toEqual(['token', 'receipt', 'notice']);
  });
});

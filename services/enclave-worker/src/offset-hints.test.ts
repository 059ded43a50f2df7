import { aggregatesTopic, checkpointsTopic } from '@strongroom/protocol/record';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation } from '../test/owners.ts';
import { startServices, type TestServices } from '../test/services.ts';
import { HOUR_MS, PLANS, QUERIES, rowsOf, until, World } from '../test/world.ts';
import { runWorker } from './lives.ts';
import { ReadPlaces } from './read-places.ts';

/** Offsets in a checkpoint are hints: wrong ones cost a second reading, and no row. */

let services: TestServices;
let computation: Computation;

beforeAll(async () => {
  services = await startServices(() => computation);
  computation = await agreeOn(PLANS, QUERIES, 1, services.url);
}, 60_000);
afterAll(() => services.close());

const garbage = (count: number) =>
  Array.from({ length: count }, () => ({ key: null, value: Uint8Array.of(1), headers: {} }));

/** A worker that has told an hour and stopped, in the middle of the next. */
async function stopped(before: number): Promise<World> {
  const world = new World(computation, services);
  await world.log.createTopics([{ topic: world.topicOf('north') }]);
  await world.log.append(world.topicOf('north'), garbage(before));
  await world.publish('north', rowsOf(2, 20).slice(0, 30), HOUR_MS);
  await world.publish('south', rowsOf(2, 20), 2 * HOUR_MS, true);
  const stopping = new AbortController();
  const running = runWorker(world.options({ untilComplete: false, signal: stopping.signal }));
  await until(() => world.results('hourly').length === 1);
  stopping.abort();
  await running;
  return world;
}

/** The topics as another log has them. */
async function movedTo(world: World, north: (records: number) => number): Promise<World> {
  const other = new World(computation, services);
  Object.assign(other, { streams: world.streams });
  const { contractId } = computation;
  const topics = [aggregatesTopic(contractId), checkpointsTopic(contractId)];
  for (const topic of [...topics, world.topicOf('north'), world.topicOf('south')]) {
    const entries = world.entries(topic);
    const skipped = topic === world.topicOf('north') ? north(entries.length) : 0;
    await other.log.createTopics([{ topic }]);
    await other.log.append(topic, entries.slice(skipped));
  }
  return other;
}

async function expectTheRest(world: World): Promise<void> {
  await world.publish('north', rowsOf(2, 20).slice(30), 2 * HOUR_MS, true);
  const summary = await runWorker(world.options());
  expect(summary).toMatchObject({ done: true, rowsCounted: 80 });
  expect(world.results('hourly').map((id) => id.split('.').at(-1))).toEqual(['0', '1']);
  expect(world.results('all')).toHaveLength(1);
}

describe('a checkpoint whose offsets', () => {
  test('lie behind the end is read from the start', async () => {
    await expectTheRest(await movedTo(await stopped(40), () => 40));
  });

  test('the log has let go of finds what it needs where it was told again', async () => {
    const world = await stopped(0);
    const topic = world.topicOf('north');
    const entries = world.entries(topic);
    await world.log.append(topic, entries);
    world.log.forget(topic, entries.length);
    await expectTheRest(world);
  });
});

describe('places that are read', () => {
  const log = (start: number, end: number) => ({
    startOffset: async () => start,
    endOffset: async () => end,
  });
  const at = (offset: number) =>
    new ReadPlaces([{ dataset: 'north', topic: 'n', partition: 0, offset }]);
  const stream = { dataset: 'north', partition: 0, sequences: 7 };

  test.each([
    [5, 0, 9, 5],
    [5, 5, 5, 5],
    [5, 0, 4, 0],
    [5, 6, 9, 6],
  ])('offset %i of a log from %i to %i goes on at %i', async (offset, start, end, expected) => {
    const places = at(offset);
    await places.correct(log(start, end));
    expect(places.from).toMatchObject([{ offset: expected }]);
  });

  test('are corrected once, whatever the log says then', async () => {
    const places = at(5);
    expect(await places.correct(log(9, 1))).toHaveLength(1);
    expect(await places.correct(log(9, 1))).toEqual([]);
  });

  test('are read again from the start where batches are missing, once', async () => {
    const places = at(5);
    places.begin();
    await places.rewind(log(0, 9), stream);
    expect([places.isSought, places.from[0]?.offset]).toEqual([true, 0]);
    places.begin();
    await places.rewind(log(0, 9), stream);
    expect(places.isSought).toBe(false);
  });

  test('that began at the start are not', async () => {
    const places = at(0);
    places.begin();
    await places.rewind(log(0, 9), stream);
    expect(places.isSought).toBe(false);
  });
});

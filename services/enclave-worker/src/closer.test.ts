import { expect, test } from 'vitest';
import { Closer } from './closer.ts';

/** Closings that go on when the test says so. */
function scene() {
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const closer = new Closer((since) => {
    begun.push(since);
    const end = Promise.withResolvers<void>();
    ends.push(end);
    return end.promise;
  });
  return { closer, begun, ends };
}

const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const first = await Promise.race([promise.then(() => undefined), soon().then(() => pending)]);
  return first === pending;
}

test('closes at once where nothing is on its way', async () => {
  const { closer, begun, ends } = scene();
  closer.ask(7);
  await soon();
  expect(begun).toEqual([7]);
  const idle = closer.idle();
  expect(await isPending(idle)).toBe(true);
  ends[0]?.resolve();
  await idle;
});

test('what is asked beside a step is closed by the next one, one at a time', async () => {
  const { closer, begun, ends } = scene();
  closer.ask(1);
  await soon();
  for (const since of [2, 3, 4]) closer.ask(since);
  await soon();
  expect(begun).toEqual([1]);
  ends[0]?.resolve();
  await soon();
  expect(begun).toEqual([1, 2]);
  closer.ask(5);
  ends[1]?.resolve();
  await soon();
  expect(begun).toEqual([1, 2, 5]);
  ends[2]?.resolve();
  await closer.idle();
});

test('holds records back while too much waits for the step', async () => {
  const { closer, ends } = scene();
  closer.ask(1);
  await soon();
  for (const since of [2, 3, 4]) closer.ask(since);
  await closer.room();
  closer.ask(5);
  const room = closer.room();
  expect(await isPending(room)).toBe(true);
  ends[0]?.resolve();
  await room;
});

test('a closing that failed fails whoever waits, and the next one does not begin', async () => {
  const { closer, begun, ends } = scene();
  closer.ask(1);
  await soon();
  for (const since of [2, 3, 4, 5]) closer.ask(since);
  const room = closer.room();
  const error = new Error('the log has gone');
  ends[0]?.reject(error);
  await expect(room).rejects.toBe(error);
  await expect(closer.room()).rejects.toBe(error);
  await expect(closer.idle()).rejects.toBe(error);
  closer.ask(6);
  await soon();
  expect(begun).toEqual([1]);
});

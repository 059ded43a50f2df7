import type { LogEntry } from '@strongroom/record-log/log';
import { expect, test } from 'vitest';
import { EntryQueue } from './entry-queue.ts';

const entry = (offset: number, bytes = 1): LogEntry => ({
  topic: 't',
  partition: 0,
  offset,
  key: null,
  headers: {},
  value: new Uint8Array(bytes),
});

test('gives groups of one dataset, in order, and ends when it is closed', async () => {
  const queue = new EntryQueue();
  await queue.add('a', [entry(0), entry(1)]);
  await queue.add('b', [entry(0)]);
  await queue.add('a', [entry(2)]);
  queue.close();
  const first = await queue.take();
  expect([first?.dataset, first?.entries.map(({ offset }) => offset)]).toEqual(['a', [0, 1, 2]]);
  expect((await queue.take())?.dataset).toBe('b');
  expect(await queue.take()).toBeUndefined();
});

test('holds back who adds while too much waits', async () => {
  const queue = new EntryQueue();
  const large = Array.from({ length: 40 }, (_none, offset) => entry(offset, 900_000));
  let added = false;
  const adding = queue.add('a', large).then(() => {
    added = true;
  });
  const first = await queue.take();
  expect(first?.entries.length).toBe(13);
  await new Promise((resolve) => setImmediate(resolve));
  expect(added).toBe(true);
  await adding;
});

test('wakes who waits for the first entry', async () => {
  const queue = new EntryQueue();
  const taken = queue.take();
  await queue.add('a', [entry(7)]);
  expect((await taken)?.entries[0]?.offset).toBe(7);
});

test('takes as many entries at once as a log may give', async () => {
  const queue = new EntryQueue();
  await queue.add(
    'a',
    Array.from({ length: 300_000 }, (_none, offset) => entry(offset, 0)),
  );
  expect((await queue.take())?.entries[0]?.offset).toBe(0);
});

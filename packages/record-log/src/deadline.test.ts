import { expect, test } from 'vitest';
import { within } from './deadline.ts';

test('a promise that settles in time is what it is', async () => {
  expect(await within(1_000, Promise.resolve('kept'))).toBe('kept');
  await expect(within(1_000, Promise.reject(new Error('own')))).rejects.toThrow('own');
});

test('one that does not is given up, also when it fails later', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  await expect(within(10, promise)).rejects.toMatchObject({
    code: 'ERR_LOG_UNREACHABLE',
    facts: { reason: 'DEADLINE' },
  });
  reject(new Error('nobody waits for it'));
});

import { systemClock } from '@strongroom/runtime/clock';
import { expect, test } from 'vitest';
import { Tick, tickMsOf } from './tick.ts';

const TICK_MS = 25;
/** What a busy machine may add; a tick more would be seen. */
const SLACK_MS = 12;
const passedSince = (since: number) => systemClock.monotonic() - since;

test('is the next multiple behind the cause, and each time another one', async () => {
  const since = systemClock.monotonic();
  const tick = new Tick(TICK_MS, since, systemClock);
  for (const multiple of [1, 2]) {
    await tick.next();
    const passed = passedSince(since);
    expect(passed).toBeGreaterThanOrEqual(multiple * TICK_MS);
    expect(passed).toBeLessThan(multiple * TICK_MS + SLACK_MS);
  }
});

test('what takes longer than a tick leaves at a later one', async () => {
  const since = systemClock.monotonic() - 2.4 * TICK_MS;
  await new Tick(TICK_MS, since, systemClock).next();
  expect(passedSince(since)).toBeGreaterThanOrEqual(3 * TICK_MS);
  expect(passedSince(since)).toBeLessThan(3 * TICK_MS + SLACK_MS);
});

test('is not waited for where the contract says so', async () => {
  const since = systemClock.monotonic();
  await new Tick(tickMsOf({ tickMs: 0 }), since, systemClock).next();
  expect(passedSince(since)).toBeLessThan(SLACK_MS);
  expect(tickMsOf({})).toBe(100);
});

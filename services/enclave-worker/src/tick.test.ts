import type { EvidenceAnswer } from '@strongroom/protocol/evidence-answer';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { systemClock } from '@strongroom/runtime/clock';
import { createMetrics } from '@strongroom/runtime/metrics';
import { expect, test } from 'vitest';
import { EvidenceDesk } from './evidence-desk.ts';
import { Tick, tickMsOf } from './tick.ts';

const TICK_MS = 25;
const passedSince = (since: number) => systemClock.monotonic() - since;

/** A clock that goes on by so much whenever it is looked at: no busy machine makes it late. */
function steppingClock(stepMs: number) {
  let now = 1_000;
  return {
    monotonic: () => {
      now += stepMs;
      return now;
    },
  };
}

test('is the next multiple behind the cause, and each time another one', async () => {
  const clock = steppingClock(0.25);
  const since = clock.monotonic();
  const tick = new Tick(TICK_MS, since, clock);
  for (const multiple of [1, 2]) {
    await tick.next();
    const passed = clock.monotonic() - since;
    expect(passed).toBeGreaterThanOrEqual(multiple * TICK_MS);
    expect(passed).toBeLessThan(multiple * TICK_MS + 1);
  }
});

test('is never before it, by the real clock', async () => {
  const since = systemClock.monotonic();
  const tick = new Tick(TICK_MS, since, systemClock);
  for (const multiple of [1, 2]) {
    await tick.next();
    expect(passedSince(since)).toBeGreaterThanOrEqual(multiple * TICK_MS);
  }
});

test('what takes longer than a tick leaves at a later one', async () => {
  const clock = steppingClock(0.25);
  const since = clock.monotonic() - 2.4 * TICK_MS;
  await new Tick(TICK_MS, since, clock).next();
  const passed = clock.monotonic() - since;
  expect(passed).toBeGreaterThanOrEqual(3 * TICK_MS);
  expect(passed).toBeLessThan(3 * TICK_MS + 1);
});

test('an answer to a challenge waits for one, however soon it was there', async () => {
  const desk = new EvidenceDesk(systemClock, createMetrics('worker'));
  const contractId = ContractIdSchema.parse('ab'.repeat(32));
  const answer = async () => ({}) as EvidenceAnswer;
  desk.open({ contractId, tickMs: TICK_MS, answer });
  const since = systemClock.monotonic();
  await desk.answer('http', { v: 1, contract: contractId, nonce: 'n' } as never);
  expect(passedSince(since)).toBeGreaterThanOrEqual(TICK_MS);
});

test('is not waited for where the contract says so', async () => {
  const clock = steppingClock(0.25);
  const since = clock.monotonic();
  await new Tick(tickMsOf({ tickMs: 0 }), since, clock).next();
  expect(clock.monotonic() - since).toBeLessThan(1);
  expect(tickMsOf({})).toBe(100);
});

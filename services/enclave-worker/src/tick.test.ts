import type { EvidenceAnswer } from '@strongroom/protocol/evidence-answer';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { systemClock } from '@strongroom/runtime/clock';
import { createMetrics } from '@strongroom/runtime/metrics';
import { expect, test } from 'vitest';
import { EvidenceDesk } from './evidence-desk.ts';
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
  const since = systemClock.monotonic();
  await new Tick(tickMsOf({ tickMs: 0 }), since, systemClock).next();
  expect(passedSince(since)).toBeLessThan(SLACK_MS);
  expect(tickMsOf({})).toBe(100);
});

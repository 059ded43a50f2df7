import { createLogger } from '@strongroom/runtime/logger';
import { describe, expect, test } from 'vitest';
import { type PartEnd, PartHost, type RunningPart } from './part-host.ts';

const logger = createLogger('test', { level: 'silent' });

const SETTLE_MS = 60;

/** What was started, in order, and its end in the test's hands. */
class Parts {
  readonly started: number[] = [];
  readonly stopped: number[] = [];
  readonly open = new Map<number, (end: PartEnd) => void>();
  readonly host: PartHost;

  constructor(settleMs = SETTLE_MS) {
    this.host = new PartHost({
      start: (part) => this.#start(part),
      logger,
      parts: 6,
      settleMs,
      pauseMs: 1,
      pauseMsMax: 4,
    });
  }

  #start(part: number): RunningPart {
    this.started.push(part);
    const { promise, resolve } = Promise.withResolvers<PartEnd>();
    this.open.set(part, resolve);
    const stop = () => {
      this.stopped.push(part);
      // A worker that is told to stop needs a moment.
      setTimeout(() => resolve('done'), 2);
    };
    return { ended: promise, stop };
  }

  end(part: number, end: PartEnd = 'done'): void {
    this.open.get(part)?.(end);
  }

  async until(condition: () => boolean): Promise<void> {
    for (let tries = 0; tries < 400 && !condition(); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(condition()).toBe(true);
  }
}

describe('the parts of a host', () => {
  test('are started when they are given, and stopped when they are taken', async () => {
    const parts = new Parts();
    parts.host.assign([0, 2]);
    await parts.until(() => parts.started.length === 2);
    parts.host.assign([2, 3]);
    await parts.until(() => parts.started.length === 3);
    expect(parts.started).toEqual([0, 2, 3]);
    expect(parts.stopped).toEqual([0]);
    await parts.host.close();
    expect(parts.stopped.sort()).toEqual([0, 2, 3]);
  });

  test('are given back before the one that stops has ended: it goes first', async () => {
    const parts = new Parts();
    parts.host.assign([1]);
    await parts.until(() => parts.started.length === 1);
    parts.host.assign([]);
    parts.host.assign([1]);
    expect(parts.started).toEqual([1]);
    await parts.until(() => parts.started.length === 2);
    expect(parts.stopped).toEqual([1]);
    await parts.host.close();
  });

  test('are started again when they fail, and not when they are done', async () => {
    const parts = new Parts();
    const done = parts.host.untilDone(new AbortController().signal);
    parts.host.assign([5]);
    await parts.until(() => parts.started.length === 1);
    parts.end(5, 'failed');
    await parts.until(() => parts.started.length === 2);
    parts.end(5);
    await done;
    parts.host.assign([5]);
    expect(parts.started).toEqual([5, 5]);
  });

  test('that another host has left come to one that has nothing to do', async () => {
    const parts = new Parts();
    let isDone = false;
    const done = parts.host.untilDone(new AbortController().signal).then(() => {
      isDone = true;
    });
    parts.host.assign([1]);
    await parts.until(() => parts.started.length === 1);
    parts.end(1);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS / 4));
    expect(isDone).toBe(false);
    parts.host.assign([0, 1]);
    await parts.until(() => parts.started.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 2 * SETTLE_MS));
    expect(isDone).toBe(false);
    parts.end(0);
    await done;
    expect(parts.started).toEqual([1, 0]);
  });

  test('are not waited for when no other could come', async () => {
    const parts = new Parts(3_600_000);
    const done = parts.host.untilDone(new AbortController().signal);
    parts.host.assign([0, 1, 2, 3, 4, 5]);
    await parts.until(() => parts.started.length === 6);
    for (const part of parts.started) parts.end(part);
    await done;
    expect(parts.started).toHaveLength(6);
  });

  test.each(['untilDone', 'untilRevoked'] as const)(
    'that an owner has ended stay ended, and so does the host (%s)',
    async (until) => {
      const parts = new Parts(3_600_000);
      const ended = parts.host[until](new AbortController().signal);
      parts.host.assign([0, 1, 2]);
      await parts.until(() => parts.started.length === 3);
      parts.end(0, 'revoked');
      // It lost its lease, as far as it knows: it is told when it asks again.
      parts.end(1, 'failed');
      await parts.until(() => parts.started.length === 4);
      parts.host.assign([0, 1, 2]);
      expect([parts.started, parts.host.isRevoked]).toEqual([[0, 1, 2, 1], false]);
      parts.end(1, 'revoked');
      parts.end(2, 'revoked');
      await ended;
      expect([parts.started, parts.host.isRevoked]).toEqual([[0, 1, 2, 1], true]);
    },
  );

  test('that an owner ended while they were taken away are known to be ended', async () => {
    const parts = new Parts();
    parts.host.assign([3]);
    await parts.until(() => parts.started.length === 1);
    parts.end(3, 'revoked');
    await parts.host.close();
    expect(parts.host.isRevoked).toBe(true);
  });

  test('are waited for while there is none, and no longer than until told to stop', async () => {
    const parts = new Parts();
    const stopping = new AbortController();
    const done = parts.host.untilDone(stopping.signal);
    parts.host.assign([]);
    const still = Symbol('still');
    const moment = new Promise((resolve) => setTimeout(() => resolve(still), 10));
    expect(await Promise.race([done, moment])).toBe(still);
    stopping.abort();
    await done;
  });
});

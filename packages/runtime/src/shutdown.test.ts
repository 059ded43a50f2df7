import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RuntimeError } from './coded-error.ts';
import { runService } from './shutdown.ts';

const stderr: string[] = [];
beforeEach(() => {
  stderr.length = 0;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => stderr.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

describe('runService', () => {
  it('lives until SIGTERM, then closes in reverse order', async () => {
    const closed: string[] = [];
    const service = runService('test', async ({ onShutdown }) => {
      onShutdown(() => void closed.push('first'));
      onShutdown(async () => {
        await delay(5);
        closed.push('second');
      });
    });
    await delay(10);
    expect(closed).toEqual([]);
    process.emit('SIGTERM');
    await service;
    expect(closed).toEqual(['second', 'first']);
    expect(process.exitCode).toBeUndefined();
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });

  it('ends when its work is finished', async () => {
    await runService('test', async ({ finish }) => finish());
    expect(process.exitCode).toBeUndefined();
  });

  it('takes an aborted wait for a stop and not for a failure', async () => {
    const service = runService('test', ({ signal }) => delay(60_000, undefined, { signal }));
    process.emit('SIGINT');
    await service;
    expect(process.exitCode).toBeUndefined();
    expect(stderr).toEqual([]);
  });

  it('closes what was opened and reports the code when the start fails', async () => {
    const closed: string[] = [];
    await runService('test', async ({ onShutdown }) => {
      onShutdown(() => void closed.push('log'));
      throw new RuntimeError('ERR_PORT_UNAVAILABLE', { port: 80 });
    });
    expect(closed).toEqual(['log']);
    expect(process.exitCode).toBe(69);
    expect(stderr.join('')).toMatch(/^error ERR_PORT_UNAVAILABLE: .* \(port: 80\)\. /);
  });

  it('closes the rest when one close fails', async () => {
    const closed: string[] = [];
    await runService('test', async ({ onShutdown, finish }) => {
      onShutdown(() => void closed.push('first'));
      onShutdown(() => Promise.reject(new Error('stuck')));
      finish();
    });
    expect(closed).toEqual(['first']);
    expect(process.exitCode).toBe(70);
  });
});

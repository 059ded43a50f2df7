import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { describe, expect, it } from 'vitest';
import { createProgress } from './progress.ts';

function pipe() {
  let text = '';
  const stream = new PassThrough();
  stream.on('data', (chunk) => (text += chunk));
  const writable: unknown = Object.assign(stream, { isTTY: false });
  return { stream: writable as WriteStream, text: () => text };
}

describe('progress without a terminal', () => {
  it('is silent for a short step', () => {
    const { stream, text } = pipe();
    const progress = createProgress('rows', 10, { stream });
    progress.advance(10);
    progress.done();
    expect(text()).toBe('');
  });

  it('writes a line each five seconds and a last one', () => {
    const { stream, text } = pipe();
    let now = 0;
    const clock = { now: () => now, monotonic: () => now };
    const progress = createProgress('rows', 100, { stream, clock });
    for (let step = 0; step < 100; step++) {
      now += 130;
      progress.advance(1, '1 MB/s');
    }
    progress.done();
    expect(text()).toBe('rows 39/100 1 MB/s\nrows 78/100 1 MB/s\nrows 100/100 done\n');
  });
});

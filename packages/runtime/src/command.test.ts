import { afterEach, describe, expect, it } from 'vitest';
import { RuntimeError } from './coded-error.ts';
import { failCommand } from './command.ts';

function fail(error: unknown, json: boolean): string {
  let text = '';
  failCommand(error, json, { write: (more) => (text += more) });
  return text;
}
afterEach(() => {
  process.exitCode = undefined;
});

describe('failCommand', () => {
  it('prints code, expectation, facts and remedy in one line', () => {
    const text = fail(new RuntimeError('ERR_FILE_UNREADABLE', { path: 'a.csv' }), false);
    expect(text).toBe(
      'error ERR_FILE_UNREADABLE: the file is expected to exist and to be readable' +
        ' (path: a.csv). Check the path and its permissions.\n',
    );
    expect(process.exitCode).toBe(77);
  });

  it('prints one JSON line', () => {
    const text = fail(new RuntimeError('ERR_DISK_FULL', { path: 'outbox' }), true);
    expect(JSON.parse(text).error).toMatchObject({
      code: 'ERR_DISK_FULL',
      facts: { path: 'outbox' },
    });
    expect(process.exitCode).toBe(69);
  });

  it('prints no stack of a programmer error, and no facts', () => {
    // Node's own errors have codes that look like ours.
    const error = Object.assign(new TypeError('bad'), { code: 'ERR_INVALID_ARG_TYPE' });
    const text = fail(error, false);
    expect(text).toMatch(/^error ERR_INTERNAL: .*TypeError: bad/);
    expect(text).not.toContain('command.test');
    expect(process.exitCode).toBe(70);
    expect(fail('thrown text', false)).not.toContain('thrown text');
  });
});

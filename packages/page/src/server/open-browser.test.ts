import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Desktop, notOpenedText, openBrowser } from './open-browser.ts';

const PAGE = 'http://127.0.0.1:8482';

/** A desktop that writes down what it is asked to run. */
function desktop(changes: Partial<Desktop> = {}, ended: number | string = 0) {
  const asked: string[][] = [];
  const whole: Desktop = {
    ...{ platform: 'linux', environment: { DISPLAY: ':0' }, isTerminal: true },
    run: async (program, args) => {
      asked.push([program, ...args]);
      return ended;
    },
    ...changes,
  };
  return { whole, asked };
}

const nothing = () => undefined;

describe('a browser', () => {
  test.each([
    ['linux', ['xdg-open', PAGE]],
    ['darwin', ['open', PAGE]],
    ['win32', ['rundll32', 'url.dll,FileProtocolHandler', PAGE]],
  ])('is opened on %s', async (platform, command) => {
    const { whole, asked } = desktop({ platform });
    expect(await openBrowser(PAGE, nothing, whole)).toBeUndefined();
    expect(asked).toEqual([command]);
  });

  test.each<[string, Partial<Desktop>, string]>([
    ['in a pipe', { isTerminal: false }, 'the output is no terminal'],
    ['in CI', { environment: { DISPLAY: ':0', CI: 'true' } }, 'this is a CI run'],
    ['without a display', { environment: {} }, 'there is no display'],
  ])('is never opened %s', async (_name, changes, why) => {
    const { whole, asked } = desktop(changes);
    expect(await openBrowser(PAGE, nothing, whole)).toBe(why);
    expect(asked).toEqual([]);
  });

  test.each([3, 'ENOENT'])('that cannot be opened (%s) is told', async (ended) => {
    const { whole } = desktop({}, ended);
    const why = await openBrowser(PAGE, nothing, whole);
    expect(why).toBe(`xdg-open ended with ${ended}`);
    expect(notOpenedText(why ?? '')).toMatch(/^No browser was opened, .*: open the address/);
  });

  test('gets a secret by a private file, and not by a list of processes', async () => {
    const { whole, asked } = desktop();
    const last: (() => Promise<void>)[] = [];
    await openBrowser(`${PAGE}/#s3cret`, (work) => last.push(work), whole);
    const [, opened = ''] = asked[0] ?? [];
    expect(opened).toMatch(/^file:/);
    expect(opened).not.toContain('s3cret');
    const file = fileURLToPath(opened);
    expect(await readFile(file, 'utf8')).toContain(`url=${PAGE}/#s3cret"`);
    expect((await stat(file)).mode & 0o077).toBe(0);
    for (const work of last) await work();
    await expect(stat(file)).rejects.toThrow();
  });
});

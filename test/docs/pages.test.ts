import { describe, expect, test } from 'vitest';
import { fencesOf, firstMissing, stepsOf } from './fences.ts';
import { LONG_PAGES, RUN_PAGES, runPages } from './run-pages.ts';

/** What pages tell people to type does what they say it does. */

/** Not what it takes, some forty seconds, but what a machine with other work to do may take. */
const DEADLINE_MS = 420_000;
const TIMEOUT_MS = 4 * DEADLINE_MS;

const isLong = process.env['STRONGROOM_LONG'] === '1';
const PAGES = isLong ? [...RUN_PAGES, ...LONG_PAGES] : RUN_PAGES;

test('the tutorial, from an empty folder to the result; then guides', {
  timeout: TIMEOUT_MS,
}, async () => {
  const run = await runPages(PAGES, DEADLINE_MS * (isLong ? 3 : 1));
  const took = `${run.seconds.toFixed(0)} s, ${run.busySeconds.toFixed(0)} s of the processor`;
  process.stderr.write(`${PAGES.length} pages: ${run.blocks} blocks in ${took}\n`);
  expect(run.faults, run.log).toEqual([]);
});

describe('a runner that can fail', () => {
  const page = [
    ...['```sh', 'echo one', '```', 'prints', '```text', 'o…e', '```'],
    ...['<!-- not run: needs Azure -->', '```sh', 'az login', '```'],
    ...['<!-- exit: 77 -->', '```console', 'false', '```', '```json', '{}', '```'],
  ].join('\n');

  test('knows what is run, what it promises and how it ends', () => {
    expect(fencesOf('p.md', page).map(({ language }) => language)).toEqual([
      ...['sh', 'text', 'sh', 'console', 'json'],
    ]);
    expect(stepsOf('p.md', page)).toMatchObject([
      { commands: { page: 'p.md', line: 2, lines: ['echo one'] }, promised: ['o…e'] },
      { commands: { exit: 77, lines: ['false'] }, promised: [] },
    ]);
    expect(() => fencesOf('p.md', '```sh\necho')).toThrow('p.md:1');
  });

  test.each([
    [['b'], undefined],
    [['a', 'c'], undefined],
    [['…', 'c'], undefined],
    [['c', 'a'], 'a'],
    [['b', 'b'], 'b'],
    [['  long … line'], undefined],
    [['long'], 'long'],
    [['(.*)'], '(.*)'],
  ])('%j of what was printed: missing is %j', (promised, missing) => {
    expect(firstMissing(promised, ['a', 'b', ' c ', 'long and wide line'])).toBe(missing);
  });
});

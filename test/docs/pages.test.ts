import { describe, expect, test } from 'vitest';
import { fencesOf, firstMissing, stepsOf } from './fences.ts';
import { RUN_PAGES, runPages } from './run-pages.ts';

/** What pages tell people to type does what they say it does. */

/** Not what it takes, some forty seconds, but what a machine with other work to do may take. */
const DEADLINE_MS = 420_000;
const TIMEOUT_MS = DEADLINE_MS + 30_000;

test('the tutorial, from an empty folder to the result', { timeout: TIMEOUT_MS }, async () => {
  const run = await runPages(RUN_PAGES, DEADLINE_MS);
  const took = `${run.seconds.toFixed(0)} s, ${run.busySeconds.toFixed(0)} s of the processor`;
  process.stderr.write(`the tutorial: ${run.blocks} blocks in ${took}\n`);
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

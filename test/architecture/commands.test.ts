import { describe, expect, test } from 'vitest';
import { isCommandOrNoun, unknownCommands } from '../docs/command-lines.ts';
import { fencesOf, isCommands } from '../docs/fences.ts';
import { LONG_PAGES, RUN_PAGES } from '../docs/run-pages.ts';
import { readText, repositoryPaths } from './source-files.ts';

/**
 * A block of commands in a page is run by a test, or says why it is not. Whether it is run or not,
 * the commands and options that it names exist.
 */

const pages = repositoryPaths().filter((path) => path.endsWith('.md') && !path.startsWith('.'));

const ALL_RUN = [...RUN_PAGES, ...LONG_PAGES];

/** Pages with a test of their own, which runs what begins with `$`. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/amendments.md': 'services/cli/src/amendments-page.test.ts',
};

const REMEDY =
  'is in no page of RUN_PAGES (test/docs), and no <!-- not run: REASON --> is before it';

function faultsOf(page: string, text: string): string[] {
  const fences = fencesOf(page, text);
  const isRun = ALL_RUN.includes(page) || page in RUN_ELSEWHERE;
  const unexplained = fences.filter((each) => isCommands(each) && each.notRun === undefined);
  return [
    ...(isRun ? [] : unexplained.map(({ line }) => `${page}:${line} ${REMEDY}`)),
    ...fences.flatMap(unknownCommands),
  ];
}

describe('commands of pages', () => {
  test.each(pages)('%s', (page) => {
    expect(faultsOf(page, readText(page))).toEqual([]);
  });

  test.each(ALL_RUN)('%s is there to be run', (page) => {
    expect(fencesOf(page, readText(page)).filter(isCommands)).not.toEqual([]);
  });

  test.each(Object.entries(RUN_ELSEWHERE))('%s is run by %s', (page, file) => {
    expect(readText(file)).toContain(page);
  });
});

/** What text tells a person to type stands between backticks: in pages, help and remedies. */
function saidCommands(path: string): string[] {
  return readText(path)
    .split('\n')
    .flatMap((text, at) =>
      [...text.matchAll(/`strongroom ([a-z][^`$\\]*)/g)]
        .filter(([, words = '']) => !isCommandOrNoun(words))
        .map(([command]) => `${path}:${at + 1} ${command}: no such command`),
    );
}

test('commands within sentences exist, in pages, help and remedies', () => {
  const texts = repositoryPaths().filter(
    (path) => path.endsWith('.md') || /^(services|packages)\/.*(?<!\.test)\.ts$/.test(path),
  );
  expect(texts.flatMap(saidCommands)).toEqual([]);
  expect(isCommandOrNoun('read')).toBe(false);
  expect(isCommandOrNoun('quarantine list')).toBe(true);
});

describe('canaries', () => {
  const fenced = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\`\n`;

  test.each([
    [fenced('sh', 'npm run demo')],
    [fenced('bash', 'true')],
    [fenced('', 'strongroom contract burn x.json')],
    [fenced('', 'x | strongroom contract show x.json --loudly')],
    [fenced('', '$ strongroom analyst read \\\n  --roots platform')],
    [fenced('', 'npm run strongroom -- worker stop')],
  ])('finds %j', (text) => {
    expect(faultsOf('docs/x.md', text)).toHaveLength(1);
  });

  test.each([
    [`<!-- not run: needs Azure -->\n${fenced('sh', 'az login')}`],
    [fenced('json', '{}')],
    [fenced('', 'strongroom contract show x.json --json > y.json')],
    [fenced('', 'strongroom analyst read --simulated --roots platform')],
    [fenced('', 'export KAFKA_BROKERS=$(strongroom kafka status --json | jq -r .brokers)')],
    [fenced('', 'npm run strongroom -- --help\nstrongroom …')],
  ])('allows %j', (text) => {
    expect(faultsOf('docs/x.md', text)).toEqual([]);
  });
});

import { expect, test } from 'vitest';
import { readText, repositoryPaths } from './source-files.ts';

/** docs/lying-log.md: every behaviour of a lying log has a row, and the test of the row is there. */

/** Where the words of a test differ from those that a reader wants, they stand behind a colon. */
const ROW = /^\| (?:[^|]*: )?([^|:]+) \| [KCPN, ]+ \| [^|]+ \| [^|]+ \| `([^`]+)` \|$/gm;
const rows = [...readText('docs/lying-log.md').matchAll(ROW)].map(([, words = '', path = '']) => ({
  words,
  path,
}));

/** Behaviours are members of tables, or tests of their own. */
const BEHAVIOUR = /^ {2}(?:test\()?(?:'([^']+)'|"([^"]+)")(?:: \{|, async|: \()/gm;
const FILES = repositoryPaths().filter((path) =>
  /^test\/simulation\/lying-(log-to-\w+|broker)\.test\.ts$/.test(path),
);

test('every behaviour has its row', () => {
  const behaviours = FILES.flatMap((path) =>
    [...readText(path).matchAll(BEHAVIOUR)].map(([, plain, quoted]) => ({
      words: plain ?? quoted ?? '',
      path,
    })),
  );
  expect(behaviours.length).toBeGreaterThanOrEqual(80);
  expect(rows).toEqual(expect.arrayContaining(behaviours));
});

test('the test of every row is there', () => {
  const paths = new Set(repositoryPaths());
  const gone = rows.filter(
    ({ words, path }) => !paths.has(path) || !readText(path).includes(words),
  );
  expect(gone).toEqual([]);
  const lines = readText('docs/lying-log.md').split('\n');
  const inTables = lines.filter((line) => /^\| (?!a log that|---)/.test(line));
  expect(rows).toHaveLength(inTables.length);
});

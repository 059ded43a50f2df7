import { expect, test } from 'vitest';
import { readText, repositoryPaths } from './source-files.ts';

/** docs/attestation-cases.md: every case has a test, and the test is still there. */

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
const CASES = [
  ...numbered('', 45),
  ...numbered('P', 4),
  ...numbered('M', 22),
  ...numbered('S', 9),
  ...numbered('L', 8),
  ...numbered('D', 23),
  ...numbered('B', 7),
];
const ROW = /^\| ([PMSLDB]?\d+) +\| .+? \| `([^`]+)` +\| (.+?) +\|$/gm;

const rows = [...readText('docs/attestation-cases.md').matchAll(ROW)].map(
  ([, id = '', path = '', words = '']) => ({ id, path, words }),
);

test('every case of attestation has its row', () => {
  expect(rows.map(({ id }) => id)).toEqual(CASES);
});

test('the test of every row is there', () => {
  const paths = new Set(repositoryPaths());
  const gone = rows.filter(
    ({ path, words }) => !paths.has(path) || !readText(path).includes(words),
  );
  expect(gone).toEqual([]);
});

import { expect, test } from 'vitest';
import { readText, repositoryPaths } from './source-files.ts';

/** docs/record-log.md: every known defect has its row, and the test of the row is still there. */

const DEFECTS = [
  ...Array.from({ length: 15 }, (_, index) => `K${index + 1}`),
  ...[1, 2, 3, 4, 5, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18].map(
    (number) => `B${String(number).padStart(2, '0')}`,
  ),
  'L1',
];
const ROW = /^\| ([KBL]\d+) \| .+? \| .+? \| `([^`]+)` \| (.+?) \|$/gm;

const rows = [...readText('docs/record-log.md').matchAll(ROW)].map(
  ([, defect = '', path = '', words = '']) => ({ defect, path, words }),
);

test('every known defect has its row', () => {
  expect(rows.map(({ defect }) => defect)).toEqual(DEFECTS);
});

/** Tables of cases without a number end the same way. */
const PLACE = /\| `([^`]+)` \| ([^|]+?) \|$/gm;

test('the test of every row is there', () => {
  const paths = new Set(repositoryPaths());
  const places = [...readText('docs/record-log.md').matchAll(PLACE)].map(
    ([, path = '', words = '']) => ({ path, words }),
  );
  expect(places.length).toBeGreaterThan(rows.length);
  const gone = places.filter(
    ({ path, words }) => !paths.has(path) || !readText(path).includes(words),
  );
  expect(gone).toEqual([]);
});

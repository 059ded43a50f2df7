import { expect, test } from 'vitest';
import { withTables } from '../../scripts/write-capacity.ts';
import { readText } from './source-files.ts';

test('docs/capacity.md has the tables that follow from its figures', () => {
  const page = readText('docs/capacity.md');
  const AGAIN = 'run node --conditions=strongroom:source scripts/write-capacity.ts --write';
  expect(withTables(page), AGAIN).toBe(page);
});

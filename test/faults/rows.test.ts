import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { seededRandom } from '@strongroom/testkit/seeded-random';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeCounts, expectedRows, OWNERS, WINDOWS, writeParts } from './rows.ts';

const ROWS = 4_000;
type Sums = Record<string, number> & { visits: number };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'strongroom-rows-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Lines of the owners' files, as a query over them would add them up. */
async function readLines(): Promise<string[][]> {
  const parts = await writeParts(folder, ROWS);
  const texts = await Promise.all(
    OWNERS.flatMap((owner) => parts[owner].map((file) => readFile(file, 'utf8'))),
  );
  return texts.flatMap((text) =>
    text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',')),
  );
}

function sumUp(lines: readonly string[][]): Record<string, unknown>[] {
  const cells = new Map<string, Sums>();
  for (const [, cell = '', ...digits] of lines) {
    const sums = cells.get(cell) ?? ({ visits: 0, d0: 0, d1: 0, d2: 0, d3: 0 } as Sums);
    sums.visits += 1;
    for (const [column, digit] of digits.entries()) {
      sums[`d${column}`] = (sums[`d${column}`] ?? 0) + Number(digit);
    }
    cells.set(cell, sums);
  }
  return [...cells].map(([cell, sums]) => ({ cell, ...sums }));
}

test('sums say of every row that it was counted once', async () => {
  const lines = await readLines();
  expect(lines).toHaveLength(ROWS);
  const counts = decodeCounts(sumUp(lines));
  expect(new Set(counts.keys())).toEqual(expectedRows(ROWS).get(null));
  expect(new Set(counts.values())).toEqual(new Set([1]));
  expect(expectedRows(ROWS).size).toBe(WINDOWS + 1);
});

test('and of any row that it was counted never, twice, three times or more', async () => {
  const lines = await readLines();
  const random = seededRandom(1);
  for (const times of [0, 2, 3, 4, 5, 7]) {
    const at = random.below(lines.length);
    const line = lines[at] ?? [];
    const changed = [...lines.slice(0, at), ...Array(times).fill(line), ...lines.slice(at + 1)];
    const counts = decodeCounts(sumUp(changed));
    const wrong = [...counts].filter(([, count]) => count !== 1);
    if (times === 0) expect(counts.size).toBe(ROWS - 1);
    else expect(wrong).not.toEqual([]);
    if (times === 2 || times === 3) expect(wrong).toEqual([[expect.any(String), times]]);
  }
});

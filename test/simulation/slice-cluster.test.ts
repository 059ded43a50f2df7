import { expect, test } from 'vitest';
import { GROUPS, runCluster } from './slice-cluster.ts';

/** A hundred workers and a thousand partitions. */

const isLong = process.env['STRONGROOM_LONG'] === '1';
const SIZE = { slices: 100, partitions: 1_000, rows: isLong ? 8_000 : 100, windows: 2 };

test('100 slices of 1,000 partitions count every row once, and merging costs little', async () => {
  const { totals, counting, merging } = await runCluster(SIZE);
  const { partitions, rows, windows } = SIZE;
  const qty = (BigInt(rows) * BigInt(partitions) * BigInt(partitions - 1)) / 2n;
  const expected = { n: BigInt(partitions * rows), qty };
  expect(totals).toEqual(Array.from({ length: windows }, () => expected));
  const share = merging / (counting + merging);
  const aRow = counting / (partitions * rows * windows);
  const aGroup = merging / (SIZE.slices * GROUPS * windows);
  process.stdout.write(
    `counting ${aRow.toFixed(3)} us a row, merging ${aGroup.toFixed(2)} us a group of a slice: ` +
      `${(100 * share).toFixed(1)} % of both\n`,
  );
  // A row costs a real worker, which opens its batch, some ten times as much.
  if (isLong) expect(share).toBeLessThan(0.05);
}, 600_000);

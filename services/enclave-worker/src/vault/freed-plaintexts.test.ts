import type { Query } from '@strongroom/protocol/contract';
import { expect, test, vi } from 'vitest';
import { agreeOn, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';

const HOUR_MS = 3_600_000;
/** Enough that a plaintext has memory that is not shared. */
const ROWS = 20_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'weight', type: 'float64', nullable: false },
] as const;
const PLANS = [{ id: 'north', relation: 'visits', columns: COLUMNS, eventTime: 'at' }];
const hourly = (
  sql: string,
): Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> => ({
  id: 'hourly' as Query['id'],
  sql,
  relations: ['visits'],
  window: { kind: 'tumbling', sizeMs: HOUR_MS },
  latenessMs: 0,
});
const rowsFrom = (first: number): Row[] =>
  Array.from({ length: ROWS }, (_none, index) => ({
    at: BigInt(first + index) * 1_000n,
    weight: 1,
  }));

test.each([
  ['folded', 'SELECT count(*) AS n, count(weight) AS w FROM visits'],
  ['kept as rows', 'SELECT count(*) AS n, sum(weight) AS w FROM visits'],
])(
  'the plaintext of a batch is freed when its rows are %s, and no sooner',
  async (_how, sql) => {
    const computation = await agreeOn(PLANS, [hourly(sql)], 1);
    const scene = await new StreamScene(computation).start();
    const north = new TestStream(computation, 'north');
    const first = await north.seal(rowsFrom(0));
    const second = await north.seal(rowsFrom(ROWS), {}, 1);
    const third = await north.seal(rowsFrom(2 * ROWS));
    const transfer = vi.spyOn(ArrayBuffer.prototype, 'transfer');
    const freed = () => transfer.mock.calls.filter(([bytes]) => bytes === 0).length;
    try {
      // The third has to wait for the second: it is needed still.
      scene.append('north', 0, first, third);
      await scene.run();
      expect(freed()).toBe(1);
      scene.append('north', 0, second, await north.manifest(HOUR_MS, true));
      await scene.run();
      expect(freed()).toBe(3);
      const [result] = await scene.results('hourly');
      expect(result?.rows).toEqual([[3 * ROWS, 3 * ROWS]]);
    } finally {
      transfer.mockRestore();
      scene.vault.close();
    }
  },
  60_000,
);

import type { Query } from '@strongroom/protocol/contract';
import { beforeAll, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';

/** Exact queries whose results are compared, through the whole vault: late rows and restarts. */

const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const PLANS = [{ id: 'north', relation: 'visits', columns: COLUMNS, eventTime: 'at' }];
const BY_PLACE = {
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
};
const QUERIES = [
  {
    ...{ ...BY_PLACE, id: 'hourly' as Query['id'], latenessMs: HOUR_MS },
    window: { kind: 'tumbling', sizeMs: HOUR_MS } as const,
  },
  {
    ...{ ...BY_PLACE, id: 'over' as Query['id'], latenessMs: 0 },
    window: { kind: 'hopping', sizeMs: 2 * HOUR_MS, advanceMs: HOUR_MS } as const,
  },
];

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, QUERIES, 3);
}, 60_000);

const rowsAt = (hour: number, count: number, place: string): Row[] =>
  Array.from({ length: count }, (_none, index) => ({
    at: BigInt(hour * HOUR_MS + index) * 1_000n,
    place,
  }));

async function told(isRestarted: boolean) {
  const scene = await new StreamScene(computation).start();
  const stream = new TestStream(computation, 'north');
  const restart = async () => {
    await scene.run();
    if (!isRestarted) return;
    await scene.checkpoint();
    await scene.start();
  };
  scene.append('north', 0, await stream.seal([...rowsAt(0, 5, 'x'), ...rowsAt(0, 4, 'y')]));
  // The window over the hour before and this one closes; that of the hour alone waits for more.
  scene.append('north', 0, await stream.manifest(HOUR_MS));
  await restart();
  scene.append('north', 0, await stream.seal([...rowsAt(0, 1, 'x'), ...rowsAt(0, 3, 'z')]));
  await restart();
  scene.append('north', 0, await stream.seal([...rowsAt(1, 5, 'x'), ...rowsAt(1, 1, 'y')]));
  await restart();
  scene.append('north', 0, await stream.manifest(3 * HOUR_MS, true));
  await restart();
  await scene.run();
  const of = async (query: string) => (await scene.results(query)).map(({ rows }) => rows);
  return { hourly: await of('hourly'), over: await of('over') };
}

test('a row that came behind a window of one counts in none that closes later', async () => {
  const found = await told(false);
  expect(found).toEqual({
    hourly: [
      [
        ['x', 5],
        ['y', 4],
      ],
      [['x', 5]],
    ],
    over: [
      [
        ['x', 5],
        ['y', 4],
      ],
      // One of y in the second hour: with the first hour's result it would be known.
      [['x', 10]],
      [['x', 5]],
    ],
  });
  // A vault that reads everything again leaves out the same rows, and withholds the same groups.
  expect(await told(true)).toEqual(found);
}, 60_000);

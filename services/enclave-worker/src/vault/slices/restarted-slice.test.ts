import type { QueryId, StreamId } from '@strongroom/protocol/fields';
import { streamOfText } from '@strongroom/protocol/partitioning';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { beforeAll, expect, test } from 'vitest';
import { agreeOn, type Computation, TestStream } from '../../../test/owners.ts';
import { StreamScene } from '../../../test/stream-scene.ts';

/**
 * A slice that is started anew has forgotten the rows of windows that it had told; the worker that
 * merges tells them all the same, once the other slices have.
 */

const SECOND = 1_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'who', type: 'utf8', nullable: false },
  { name: 'size', type: 'int64', nullable: false },
] as const;
const STREAMS = ['gate-0', 'gate-1'] as StreamId[];
/** Whose rows belong to which stream. */
const WHO = STREAMS.map((_stream, at) =>
  ['ann', 'ben', 'cid', 'dee'].find(
    (who) => streamOfText(new TextEncoder().encode(who), STREAMS.length) === at,
  ),
);
const QUERY = {
  ...{ sql: 'SELECT count(*) AS n, sum(size) AS size FROM visits', relations: ['visits'] },
  ...{ latenessMs: 0, differences: 'accepted' as const },
};
const QUERIES = [
  { ...QUERY, id: 'plain' as QueryId, window: { kind: 'tumbling' as const, sizeMs: SECOND } },
  {
    ...{ ...QUERY, id: 'over' as QueryId },
    window: { kind: 'hopping' as const, sizeMs: 2 * SECOND, advanceMs: SECOND },
  },
  {
    ...{ ...QUERY, id: 'sessions' as QueryId },
    window: {
      ...{ kind: 'session' as const, key: 'who', sizeMs: SECOND },
      ...{ gapMs: SECOND + 300, maximumMs: 9 * SECOND },
    },
  },
];

function agree(members: object): Promise<Computation> {
  const streams = STREAMS.map((id, partition) => ({ id, partition }));
  const shared = { partitionBy: 'who', streams };
  const plan = { id: 'visits', relation: 'visits', columns: COLUMNS, eventTime: 'at', ...shared };
  const all = { tickMs: 0, ...members };
  return agreeOn([plan], QUERIES, 1, undefined, false, undefined, false, all);
}

let whole: Computation;
let sliced: Computation;
beforeAll(async () => {
  whole = await agree({});
  sliced = await agree({ slices: 2 });
});

/** A row at each of these seconds, after which nothing earlier comes; below 0: none at it. */
async function logOf(computation: Computation, stream: number, seconds: readonly number[]) {
  const own = new TestStream(computation, 'visits', STREAMS[stream]);
  const records = [];
  for (const signed of seconds) {
    const second = Math.abs(signed);
    const row = { at: BigInt(second * SECOND) * 1_000n, who: WHO[stream] ?? '', size: 1n };
    if (signed >= 0) records.push(await own.seal([row]));
    records.push(await own.manifest(second * SECOND));
  }
  return [...records, await own.manifest(null, true)];
}

async function resultsOf(scene: StreamScene) {
  expect(scene.closing?.done).toBe(true);
  scene.vault.close();
  const all = QUERIES.map(async ({ id }) => {
    const results = await scene.results(id);
    return results.map(({ seal: { window, emission }, rows }) => ({ id, window, emission, rows }));
  });
  return (await Promise.all(all)).flat();
}

type Seconds = readonly (readonly number[])[];

async function toldAlone(seconds: Seconds) {
  const alone = await new StreamScene(whole).start();
  for (const [stream, own] of seconds.entries()) {
    alone.append('visits', stream, ...(await logOf(whole, stream, own)));
  }
  await alone.run();
  return await resultsOf(alone);
}

/** Each slice is started anew after each manifest; all of one is heard before the next. */
async function toldInSlices(seconds: Seconds) {
  const merging = await new StreamScene(sliced).start();
  for (const [slice, own] of seconds.entries()) {
    const scene = await new StreamScene(sliced, { slice }).start();
    for (const record of await logOf(sliced, slice, own)) {
      scene.append('visits', slice, record);
      await scene.run();
      if (record.headers['ce_type'] === RECORD_TYPES.manifest) await scene.start();
    }
    await scene.run();
    scene.vault.close();
    for (const record of scene.told) {
      merging.append(`partials.${slice}`, 0, record);
      await merging.run();
    }
  }
  return await resultsOf(merging);
}

test.each([
  ['is ahead of the other', [[1, 2, 7], [6]]],
  ['has all rows', [[1, 4], []]],
  [
    'knows of no row for long',
    [
      [-3, 7, 9],
      [-4, 8],
    ],
  ],
] as const)(
  'windows of a slice that %s are told, though it forgot them',
  async (_what, seconds) => {
    const expected = await toldAlone(seconds);
    expect(await toldInSlices(seconds)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(8);
  },
);

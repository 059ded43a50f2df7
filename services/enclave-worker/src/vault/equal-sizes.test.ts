import type { Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  CIPHERTEXT_BYTES_MAX,
  PADDED_SIZES,
  RESULT_PARTS_MAX,
  STEP_BYTES,
  TAG_BYTES,
} from '@strongroom/protocol/limits';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { claimedAggregate } from '@strongroom/sealing/open';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';
import type { DoorRecord } from './door.ts';
import { Aggregator } from './engine/aggregate.ts';

/** Whoever sees the log sees records, their headers and their lengths: nothing of it is of a row. */

const HOUR_MS = 3_600_000;
const PLANS = ['north', 'south'].map((id) => ({
  ...{ id, relation: 'visits', eventTime: 'at' },
  columns: [
    { name: 'at', type: 'timestamp-us', nullable: false },
    { name: 'place', type: 'utf8', nullable: false },
    { name: 'weight', type: 'int64', nullable: true },
  ] as const,
}));
const HOURLY = {
  id: 'hourly' as Query['id'],
  sql: 'SELECT place, count(*) AS n, sum(weight) AS weight FROM visits GROUP BY place',
  relations: ['visits'],
  window: { kind: 'tumbling' as const, sizeMs: HOUR_MS },
  latenessMs: 0,
};
const agree = (more: Partial<Query> & { readonly resultBytes?: number } = {}) =>
  agreeOn(PLANS, [{ ...HOURLY, ...more }], 3, undefined, false, undefined, true);

/** Two hours; the last row of the first one is this one. */
function rowsWith(last: Partial<Row>): readonly Row[][] {
  const row = (hour: number, index: number) => ({
    ...{ at: BigInt(hour * HOUR_MS + index) * 1_000n, place: 'JFK', weight: 1n },
  });
  const first = [0, 1, 2, 3, 4].map((index) => row(0, index));
  return [
    [...first, { ...row(0, 5), ...last }],
    [row(1, 0), row(1, 1)],
  ];
}

/** All that a vault lets leave for these rows, prepared steps among it. */
async function leave(computation: Computation, hours: readonly (readonly Row[])[]) {
  const scene = await new StreamScene(computation).start();
  const [north, south] = ['north', 'south'].map((id) => new TestStream(computation, id));
  const left: DoorRecord[] = [];
  for (const [hour, rows] of hours.entries()) {
    const isLast = hour === hours.length - 1;
    for (const [id, stream] of Object.entries({ north, south })) {
      const entries = [
        ...(id === 'north' ? [await stream?.seal(rows)] : []),
        await stream?.manifest((hour + 1) * HOUR_MS, isLast),
      ].flatMap((record) => record ?? []);
      const from = scene.log.get(id)?.length ?? 0;
      scene.append(id, 0, ...entries);
      await scene.vault.accept(
        id,
        entries.map((record, index) => ({ ...record, offset: from + index })),
      );
    }
    const { departure } = await scene.vault.closeWindows();
    left.push(...(departure.prepared ? [departure.prepared] : []), ...departure.records);
    scene.committed.push(...departure.records);
  }
  const { records, prepared } = await scene.vault.checkpoint();
  left.push(...(prepared ? [prepared] : []), ...records);
  return { left, results: await scene.results('hourly') };
}

const isResult = ({ headers }: DoorRecord) => headers['ce_type'] === RECORD_TYPES.aggregate;

/** As the operator of the log sees it. */
function seenOf({ key, value, headers }: DoorRecord) {
  const { seal = '', ...plain } = headers;
  return { key, bytes: value.length, sealBytes: seal.length, headers: plain };
}

const DATASETS: Readonly<Record<string, Partial<Row>>> = {
  'another row of the group': {},
  'a group that falls under the minimum': { place: 'a new group that nobody sees' },
  'a large number': { weight: 2n ** 62n },
  'no number': { weight: null },
  'a long text': { place: 'x'.repeat(2_000) },
};

describe('what leaves is as large, whatever one row says', () => {
  test('results, checkpoints, prepared steps and entries of uses', async () => {
    const computation = await agree();
    const seen = [];
    for (const last of Object.values(DATASETS)) {
      const { left, results } = await leave(computation, rowsWith(last));
      expect(results).toHaveLength(2);
      seen.push(left.map(seenOf));
    }
    for (const each of seen) expect(each).toEqual(seen[0]);
    const types = new Set(seen[0]?.map(({ headers }) => headers['ce_type']));
    const { aggregate, checkpoint, prepared, use } = RECORD_TYPES;
    expect(types).toEqual(new Set([aggregate, checkpoint, prepared, use]));
  }, 60_000);

  test('results of several parts, where the contract sets a size beyond one record', async () => {
    const computation = await agree({ resultBytes: 2 * CIPHERTEXT_BYTES_MAX + 5_000 });
    const seen = [];
    for (const last of [{}, { place: 'x'.repeat(2_000) }]) {
      const { left, results } = await leave(computation, rowsWith(last));
      expect(results.map(({ rows }) => rows.length)).toEqual([1, 0]);
      seen.push(left.map(seenOf));
    }
    expect(seen[1]).toEqual(seen[0]);
    const types = seen[0]?.map(({ headers }) => headers['ce_type']);
    expect(types?.filter((type) => type === RECORD_TYPES.aggregate)).toHaveLength(2 * 3);
  }, 60_000);

  test('a window of which every group is suppressed has a result like any other', async () => {
    const computation = await agree();
    const { left, results } = await leave(computation, rowsWith({}));
    expect(results.map(({ rows }) => rows.map(([place, n]) => [place, n]))).toEqual([
      [['JFK', 6]],
      [],
    ]);
    expect(results.map(({ seal }) => seal.suppressedGroups)).toEqual([0, 1]);
    const [full, empty] = left.filter(isResult);
    expect(empty?.value.length).toBe(full?.value.length);
    for (const record of [full, empty]) {
      const seal = record ? claimedAggregate(record) : {};
      expect(Object.keys(seal).filter((name) => /row|group|late/i.test(name))).toEqual([]);
      expect(JSON.stringify(seal)).not.toMatch(/"(rows|lateRows|retractedRows)"/);
    }
  }, 60_000);

  test('a backlog of windows leaves in as few steps as their sizes allow', async () => {
    const resultBytes = 250_000;
    const computation = await agree({ resultBytes });
    const scene = await new StreamScene(computation).start();
    const hours = Array.from({ length: 20 }, (_none, hour) => hour);
    const rows = hours.map((hour) => ({ at: BigInt(hour * HOUR_MS) * 1_000n, place: 'JFK' }));
    const [north, south] = ['north', 'south'].map((id) => new TestStream(computation, id));
    if (!north || !south) expect.fail('both publish');
    scene.append('north', 0, await north.seal(rows), await north.manifest(20 * HOUR_MS, true));
    scene.append('south', 0, await south.manifest(20 * HOUR_MS, true));
    await scene.run();
    const types = scene.committed.map(({ headers }) => headers['ce_type']);
    const steps = types
      .join(' ')
      .split(RECORD_TYPES.checkpoint)
      .map((text) => {
        return text.split(RECORD_TYPES.aggregate).length - 1;
      });
    const inOne = Math.ceil(STEP_BYTES / (resultBytes + TAG_BYTES + 3_000));
    expect(steps.filter((results) => results > 0)).toEqual([inOne, 20 - inOne]);
  }, 60_000);

  test('more groups show as another of few sizes, or not at all', async () => {
    const groups = (count: number) => [
      Array.from({ length: 3 * count }, (_none, index) => ({
        ...{ at: BigInt(index) * 1_000n, place: `place ${index % count}`, weight: 1n },
      })),
      ...rowsWith({}).slice(1),
    ];
    const sizeOf = ({ left }: { left: readonly DoorRecord[] }) =>
      left.find(({ headers }) => headers['ce_type'] === RECORD_TYPES.aggregate)?.value.length;
    const ladder = await agree();
    const sizes = [];
    for (const count of [1, 40, 400]) sizes.push(sizeOf(await leave(ladder, groups(count))));
    const [small, medium] = PADDED_SIZES;
    expect(sizes).toEqual([small + TAG_BYTES, small + TAG_BYTES, medium + TAG_BYTES]);
    const fixed = await agree({ resultBytes: 5_000 });
    for (const count of [1, 40, 400]) {
      const told = await leave(fixed, groups(count));
      expect(sizeOf(told)).toBe(5_000 + TAG_BYTES);
      const [result] = told.results;
      expect(result?.seal.withheld).toBe(count === 400 ? 'too-large' : undefined);
      expect(result?.rows.length).toBe(count === 400 ? 0 : count);
    }
  }, 60_000);
});

test('more groups than one record holds are told in two', async () => {
  const computation = await agreeOn(PLANS, [HOURLY], 1, undefined, false, undefined, true);
  const groups = Array.from({ length: 25_000 }, (_none, index) => ({
    ...{ at: BigInt(index) * 1_000n, place: `place ${index}`, weight: 1n },
  }));
  const { left, results } = await leave(computation, [groups]);
  const places = results.flatMap(({ rows }) => rows.map(([place]) => place));
  expect(new Set(places).size).toBe(groups.length);
  const bytes = left.filter(isResult).map(({ value }) => value.length - TAG_BYTES);
  expect(bytes).toEqual([CIPHERTEXT_BYTES_MAX, CIPHERTEXT_BYTES_MAX]);
}, 60_000);

describe('a result that cannot be made', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('leaves all the same, and says so to its reader and to the owners alone', async () => {
    const computation = await agree();
    const usual = await leave(computation, rowsWith({}));
    vi.spyOn(Aggregator.prototype, 'aggregate').mockRejectedValueOnce(
      new StrongroomError('ERR_QUERY_FAILED', { query: 'hourly' }),
    );
    const failed = await leave(computation, rowsWith({}));
    expect(failed.left.map(seenOf)).toEqual(usual.left.map(seenOf));
    const [first, second] = failed.results;
    expect(first?.seal).toMatchObject({ withheld: 'failed', rows: 0, suppressedGroups: 0 });
    expect(first?.rows).toEqual([]);
    expect(second?.seal.withheld).toBeUndefined();
  }, 60_000);

  test('for too many rows is as large as the largest', async () => {
    vi.spyOn(Aggregator.prototype, 'aggregate').mockRejectedValueOnce(
      new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'AGGREGATE_ROWS_MAX' }),
    );
    const { left, results } = await leave(await agree(), rowsWith({}));
    expect(results[0]?.seal).toMatchObject({ withheld: 'too-large', rows: 0 });
    const sizes = left.filter(isResult).map(({ value }) => value.length - TAG_BYTES);
    // The second hour has a small one.
    const largest = Array.from({ length: RESULT_PARTS_MAX }, () => CIPHERTEXT_BYTES_MAX);
    expect(sizes).toEqual([...largest, PADDED_SIZES[0]]);
  }, 60_000);

  test('stops the vault where its engine does not answer any more', async () => {
    vi.spyOn(Aggregator.prototype, 'aggregate').mockRejectedValueOnce(
      new StrongroomError('ERR_QUERY_FAILED'),
    );
    vi.spyOn(Aggregator.prototype, 'answers').mockResolvedValueOnce(false);
    await expect(leave(await agree(), rowsWith({}))).rejects.toMatchObject({
      code: 'ERR_QUERY_FAILED',
    });
  }, 60_000);
});

import type { Query } from '@strongroom/protocol/contract';
import { StreamIdSchema } from '@strongroom/protocol/fields';
import { HELD_BATCHES_MAX } from '@strongroom/protocol/limits';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';
import type { EntryOutcome } from './door.ts';

const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const PLANS = [
  {
    ...{ id: 'north', relation: 'visits', columns: COLUMNS, eventTime: 'at' },
    streams: [
      { id: 'gate-a', partition: 0 },
      { id: 'gate-b', partition: 2 },
      { id: 'gate-c', partition: 2 },
    ],
  },
  { id: 'south', relation: 'visits', columns: COLUMNS, eventTime: 'at' },
];
const HOURLY: Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> = {
  id: 'hourly' as Query['id'],
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  window: { kind: 'tumbling', sizeMs: HOUR_MS },
  latenessMs: 0,
};
const GATES = { 'gate-a': 0, 'gate-b': 2, 'gate-c': 2 } as const;

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, [HOURLY], 1);
}, 60_000);

const gate = (name: string) => new TestStream(computation, 'north', StreamIdSchema.parse(name));
/** `count` rows in this hour. */
const rowsAt = (hour: number, count: number, place = 'x'): Row[] =>
  Array.from({ length: count }, (_none, index) => ({
    at: BigInt(hour * HOUR_MS + index) * 1_000n,
    place,
  }));
const codes = (outcomes: readonly EntryOutcome[]) => outcomes.map(({ code }) => code ?? 'ok');

describe('several streams of one dataset', () => {
  test('close a window when all of them are complete, and each is told of its rows', async () => {
    const scene = await new StreamScene(computation).start();
    const gates = Object.entries(GATES).map(([name, partition], index) => ({
      ...{ name, partition, stream: gate(name), rows: index + 1 },
    }));
    const south = new TestStream(computation, 'south');
    scene.append('south', 0, await south.seal(rowsAt(0, 4)), await south.manifest(0, true));
    for (const { partition, stream, rows } of gates) {
      scene.append('north', partition, await stream.seal(rowsAt(0, rows)));
    }
    for (const { partition, stream } of gates) {
      await scene.run();
      expect(await scene.results('hourly')).toEqual([]);
      scene.append('north', partition, await stream.manifest(HOUR_MS));
    }
    expect(codes(await scene.run())).toEqual(['ok']);
    const [result, ...more] = await scene.results('hourly');
    expect(more).toEqual([]);
    expect(result?.rows).toEqual([['x', 10]]);
    expect(
      result?.seal.inputs.map(({ stream, sequences, rows }) => [stream, sequences, rows]),
    ).toEqual([
      ['gate-a', 1, 1],
      ['gate-b', 1, 2],
      ['gate-c', 1, 3],
      [south.stream, 1, 4],
    ]);
    expect(scene.closing?.streams.map(({ stream, partition }) => [stream, partition])).toEqual([
      ['gate-a', 0],
      ['gate-b', 2],
      ['gate-c', 2],
      [south.stream, 0],
    ]);
  });

  test('are counted on after a restart, each from its own point', async () => {
    const scene = await new StreamScene(computation).start();
    const [b, c] = [gate('gate-b'), gate('gate-c')];
    const a = gate('gate-a');
    scene.append('north', 2, await b.seal(rowsAt(0, 2)), await c.seal(rowsAt(5, 1)));
    scene.append('north', 0, await a.seal(rowsAt(0, 1)));
    await scene.run();
    await scene.checkpoint();
    await scene.start();
    scene.append('north', 2, await b.seal(rowsAt(0, 3)), await c.manifest(0, true));
    scene.append('north', 2, await b.manifest(0, true));
    scene.append('north', 0, await a.manifest(0, true));
    scene.append('south', 0, await new TestStream(computation, 'south').manifest(0, true));
    expect(codes(await scene.run()).filter((code) => code !== 'ok')).toEqual([]);
    const results = await scene.results('hourly');
    expect(results.map(({ rows }) => rows)).toEqual([[['x', 6]], [], [], [], [], [['x', 1]]]);
    expect(scene.closing?.done).toBe(true);
    scene.vault.finish();
  });

  test('have no other names and no other partitions than the contract says', async () => {
    const scene = await new StreamScene(computation).start();
    const [b, other] = [gate('gate-b'), gate('gate-x')];
    const unnamed = new TestStream(computation, 'north');
    const first = await b.seal(rowsAt(0, 1));
    scene.append('north', 1, first, await b.manifest(5));
    scene.append(
      'north',
      2,
      await other.seal(rowsAt(0, 1)),
      await unnamed.seal(rowsAt(0, 1)),
      first,
    );
    const south = await new TestStream(computation, 'south').seal(rowsAt(0, 1));
    scene.append('south', 1, south);
    expect(codes(await scene.run())).toEqual([
      'ERR_STREAM_PARTITION',
      'ERR_STREAM_PARTITION',
      'ERR_STREAM_UNKNOWN',
      'ERR_STREAM_UNKNOWN',
      'ok',
      'ERR_STREAM_PARTITION',
    ]);
  });

  test('a gap in one of them holds windows open, and is told', async () => {
    const scene = await new StreamScene(computation).start();
    const b = gate('gate-b');
    const [first, ...rest] = [await b.seal(rowsAt(0, 1)), await b.seal(rowsAt(0, 1))];
    scene.append('north', 2, ...rest, await b.seal(rowsAt(0, 1)), await b.manifest(HOUR_MS));
    expect(codes(await scene.run())).toEqual(['ERR_STREAM_GAP', 'ERR_STREAM_GAP', 'ok']);
    const told = () => scene.closing?.streams.find(({ stream }) => stream === 'gate-b');
    expect(told()).toMatchObject({ sequences: 0, held: 2, missing: 3, watermark: null });
    if (first) scene.append('north', 2, first);
    expect(codes(await scene.run())).toEqual(['ok']);
    expect(told()).toMatchObject({ sequences: 3, held: 0, missing: 0, watermark: HOUR_MS });
  });

  test('keeps a bounded number of early batches, and reads the rest again', async () => {
    const scene = await new StreamScene(computation).start();
    const a = gate('gate-a');
    const first = await a.seal(rowsAt(0, 1));
    const early = [];
    for (let n = 0; n < HELD_BATCHES_MAX + 3; n += 1) early.push(await a.seal(rowsAt(0, 1)));
    scene.append('north', 0, ...early);
    const outcomes = await scene.run();
    expect(outcomes.filter(({ kind }) => kind === 'held')).toHaveLength(HELD_BATCHES_MAX);
    expect(codes(outcomes.slice(-3))).toEqual([
      'ERR_STREAM_GAP',
      'ERR_STREAM_GAP',
      'ERR_STREAM_GAP',
    ]);
    scene.append('north', 0, first);
    await scene.run();
    const told = () => scene.closing?.streams.find(({ stream }) => stream === 'gate-a');
    const counted = 1 + HELD_BATCHES_MAX;
    expect(told()).toMatchObject({ sequences: counted, missing: 3, rereadFrom: HELD_BATCHES_MAX });
    await scene.checkpoint();
    scene.seek();
    expect(codes(await scene.run())).toEqual(['ok', 'ok', 'ok', 'ERR_BATCH_REPLAYED']);
    expect(scene.outcomes.at(-1)).toMatchObject({ again: true });
    expect(told()).toMatchObject({ sequences: counted + 3, missing: 0, rereadFrom: null });
    // A new vault reads what there was no room for, too.
    await scene.start();
    await scene.run();
    scene.seek();
    await scene.run();
    expect(told()).toMatchObject({ sequences: counted + 3, held: 0, missing: 0 });
  });
});

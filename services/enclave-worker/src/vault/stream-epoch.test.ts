import type { Query } from '@strongroom/protocol/contract';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { StreamScene } from '../../test/stream-scene.ts';
import type { EntryOutcome } from './door.ts';

const HOUR_MS = 3_600_000;
const COLUMNS = [
  { name: 'at', type: 'timestamp-us', nullable: false },
  { name: 'place', type: 'utf8', nullable: false },
] as const;
const PLANS = [{ id: 'north', relation: 'visits', columns: COLUMNS, eventTime: 'at' }];
const QUERY = {
  sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
  relations: ['visits'],
  latenessMs: 0,
};
const HOURLY: Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> = {
  ...{ ...QUERY, id: 'hourly' as Query['id'] },
  window: { kind: 'tumbling', sizeMs: HOUR_MS },
};

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, [HOURLY], 1, undefined, false, undefined, true);
}, 60_000);

const rowsAt = (hour: number, count: number, place = 'x'): Row[] =>
  Array.from({ length: count }, (_none, index) => ({
    at: BigInt(hour * HOUR_MS + index) * 1_000n,
    place,
  }));
const codes = (outcomes: readonly EntryOutcome[]) => outcomes.map(({ code }) => code ?? 'ok');
const tables = async (scene: StreamScene) =>
  (await scene.results('hourly')).map(({ rows }) => rows);

describe('a producer that lost its state', () => {
  test('goes on in a new epoch; what the old one still sends is refused', async () => {
    const scene = await new StreamScene(computation).start();
    const old = new TestStream(computation, 'north');
    scene.append('north', 0, await old.seal(rowsAt(0, 2)), await old.seal(rowsAt(0, 1)));
    const { opening, stream } = await old.reopen();
    const zombie = [await old.seal(rowsAt(0, 50)), await old.manifest(HOUR_MS, true)];
    scene.append('north', 0, opening, ...zombie, await stream.seal(rowsAt(0, 4)), opening);
    scene.append('north', 0, await stream.manifest(HOUR_MS));
    const outcomes = await scene.run();
    expect(outcomes.map(({ kind, code }) => code ?? kind)).toEqual([
      'batch',
      'batch',
      'opening',
      'ERR_STREAM_EPOCH',
      'ERR_STREAM_EPOCH',
      'batch',
      'ERR_BATCH_REPLAYED',
      'manifest',
    ]);
    const [result] = await scene.results('hourly');
    expect(result?.rows).toEqual([['x', 7]]);
    expect(result?.seal.inputs[0]).toMatchObject({ epoch: 1, sequences: 3, rows: 7 });
    expect(scene.closing?.streams[0]).toMatchObject({ epoch: 1, stalled: false });
  });

  test('an opening that does not fit stalls the stream, until one fits', async () => {
    const scene = await new StreamScene(computation).start();
    const old = new TestStream(computation, 'north');
    const first = await old.seal(rowsAt(0, 1));
    const short = await old.reopen();
    scene.append('north', 0, first, await old.seal(rowsAt(0, 2)));
    // The producer was shown a log without the second batch.
    scene.append('north', 0, short.opening, await short.stream.seal(rowsAt(0, 2)));
    scene.append('north', 0, await old.manifest(5 * HOUR_MS));
    expect(codes(await scene.run())).toEqual([
      'ok',
      'ok',
      'ERR_OPENING_MISMATCH',
      'ERR_STREAM_GAP',
      'ok',
    ]);
    expect(await tables(scene)).toEqual([]);
    expect(scene.closing?.streams[0]).toMatchObject({ epoch: 0, stalled: true, sequences: 2 });
    await scene.checkpoint();
    await scene.start();
    await scene.run();
    expect(scene.closing?.streams[0]).toMatchObject({ stalled: true });
    expect(await tables(scene)).toEqual([]);
    const { opening, stream } = await old.reopen(2);
    scene.append('north', 0, opening, await stream.seal(rowsAt(1, 3)));
    scene.append('north', 0, await stream.manifest(5 * HOUR_MS, true));
    expect(codes(await scene.run()).filter((code) => code === 'ok')).toHaveLength(3);
    expect(scene.closing?.streams[0]).toMatchObject({ epoch: 2, stalled: false, held: 0 });
    expect(await tables(scene)).toEqual([[['x', 3]], [['x', 3]]]);
  });

  test('an opening that comes early waits, and so does its epoch', async () => {
    const scene = await new StreamScene(computation).start();
    const old = new TestStream(computation, 'north');
    const [first, second] = [await old.seal(rowsAt(0, 1)), await old.seal(rowsAt(0, 1))];
    const { opening, stream } = await old.reopen();
    const next = await stream.seal(rowsAt(0, 1));
    const late = await old.seal(rowsAt(0, 9));
    scene.append('north', 0, next, opening, late, await stream.manifest(HOUR_MS, true), second);
    expect(codes(await scene.run())).toEqual([
      'ERR_STREAM_GAP',
      'ERR_STREAM_GAP',
      'ERR_STREAM_GAP',
      'ok',
      'ERR_STREAM_GAP',
    ]);
    expect(scene.closing?.streams[0]).toMatchObject({ held: 4, missing: 3 });
    expect(scene.vault.takeQuarantined()).toEqual([]);
    scene.append('north', 0, first);
    expect(codes(await scene.run())).toEqual(['ok', 'ERR_STREAM_EPOCH']);
    // Its bytes are gone from the vault by now; its owner is told all the same.
    expect(scene.vault.takeQuarantined()).toHaveLength(1);
    expect(scene.closing).toMatchObject({ done: true, streams: [{ held: 0, sequences: 3 }] });
    expect(await tables(scene)).toEqual([[['x', 3]]]);
  });

  test('a restart between the epochs reads both again', async () => {
    const scene = await new StreamScene(computation).start();
    const old = new TestStream(computation, 'north');
    scene.append('north', 0, await old.seal(rowsAt(0, 1)), await old.seal(rowsAt(0, 2)));
    const { opening, stream } = await old.reopen();
    scene.append('north', 0, opening);
    await scene.run();
    await scene.checkpoint();
    await scene.start();
    scene.append('north', 0, await stream.seal(rowsAt(0, 4)), await stream.manifest(0, true));
    expect(codes(await scene.run()).filter((code) => code !== 'ok')).toEqual([]);
    expect(await tables(scene)).toEqual([[['x', 7]]]);
  });
});

describe('a batch that its owner takes back', () => {
  test('does not count, and results and the ledger of uses say so', async () => {
    const scene = await new StreamScene(computation).start();
    const stream = new TestStream(computation, 'north');
    const wrong = await stream.seal(rowsAt(0, 5, 'wrong'));
    const right = await stream.seal(rowsAt(0, 2));
    scene.append('north', 0, wrong, right);
    await scene.run();
    scene.append('north', 0, await stream.retract(0, wrong), await stream.seal(rowsAt(1, 1)));
    scene.append('north', 0, await stream.manifest(HOUR_MS));
    const outcomes = await scene.run();
    expect(outcomes[0]).toMatchObject({ kind: 'retraction', retractedRows: 5 });
    const [result] = await scene.results('hourly');
    expect(result?.rows).toEqual([['x', 2]]);
    expect(result?.seal.inputs[0]).toMatchObject({ sequences: 4, rows: 2, retractedRows: 5 });
    expect(scene.closing?.streams[0]?.rows).toBe(8);
  });

  test('in one go with the batch itself', async () => {
    const scene = await new StreamScene(computation).start();
    const stream = new TestStream(computation, 'north');
    // Its times would open windows long before all others.
    const wrong = await stream.seal(rowsAt(-50, 5, 'wrong'));
    scene.append('north', 0, wrong, await stream.seal(rowsAt(0, 2)));
    scene.append('north', 0, await stream.retract(0, wrong), await stream.manifest(0, true));
    await scene.run();
    expect(await tables(scene)).toEqual([[['x', 2]]]);
    expect(scene.closing?.done).toBe(true);
  });

  test('too late, twice or a wrong one is told with a code and takes nothing back', async () => {
    const scene = await new StreamScene(computation).start();
    const stream = new TestStream(computation, 'north');
    const first = await stream.seal([...rowsAt(0, 2), ...rowsAt(1, 3)]);
    const second = await stream.seal(rowsAt(1, 4));
    scene.append('north', 0, first, second, await stream.manifest(HOUR_MS));
    await scene.run();
    scene.append('north', 0, await stream.retract(0, first), await stream.retract(1, first));
    const taken = await stream.retract(1, second);
    scene.append(
      'north',
      0,
      taken,
      await stream.retract(1, second),
      await stream.retract(4, taken),
    );
    scene.append('north', 0, await stream.manifest(0, true));
    expect(codes(await scene.run())).toEqual([
      'ERR_RETRACTION_LATE',
      'ERR_RETRACTION_UNKNOWN',
      'ok',
      'ERR_RETRACTION_UNKNOWN',
      'ERR_RETRACTION_UNKNOWN',
      'ok',
    ]);
    expect(await tables(scene)).toEqual([[['x', 2]], [['x', 3]]]);
  });

  test('stays out after a restart, though its window has half closed by then', async () => {
    const scene = await new StreamScene(computation).start();
    const stream = new TestStream(computation, 'north');
    const before = await stream.seal(rowsAt(1, 1));
    const wrong = await stream.seal([...rowsAt(0, 2, 'wrong'), ...rowsAt(1, 3, 'wrong')]);
    scene.append('north', 0, before, wrong, await stream.seal(rowsAt(0, 1)));
    scene.append('north', 0, await stream.retract(1, wrong), await stream.manifest(HOUR_MS));
    await scene.run();
    expect(await tables(scene)).toEqual([[['x', 1]]]);
    await scene.start();
    const late = await stream.retract(0, wrong);
    scene.append('north', 0, late, await stream.manifest(0, true));
    const outcomes = await scene.run();
    expect(codes(outcomes)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ERR_RETRACTION_UNKNOWN', 'ok']);
    expect(outcomes.reduce((sum, { retractedRows = 0 }) => sum + retractedRows, 0)).toBe(0);
    const [, last] = await scene.results('hourly');
    expect(last?.rows).toEqual([['x', 1]]);
    expect(last?.seal.inputs[0]).toMatchObject({ retractedRows: 5 });
  });

  test('an earlier batch of an older epoch can be taken back too', async () => {
    const scene = await new StreamScene(computation).start();
    const old = new TestStream(computation, 'north');
    const wrong = await old.seal(rowsAt(0, 5));
    const { opening, stream } = await old.reopen();
    scene.append('north', 0, wrong, opening, await stream.retract(0, wrong));
    scene.append('north', 0, await stream.seal(rowsAt(0, 1)), await stream.manifest(0, true));
    await scene.run();
    expect(await tables(scene)).toEqual([[['x', 1]]]);
  });
});

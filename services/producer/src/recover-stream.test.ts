import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';
import type { PublishStep } from './outbox.ts';
import { streamInput } from './source-input.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const columns = datasetOf(['seen timestamp-ms', 'n int32', 'word utf8?'], 'seen');
const agreed = await agreeOn(columns);
const named = await agreeOn({ ...columns, streams: [{ id: 'gate', partition: 1 }] as never });
const START = Date.UTC(2001, 0, 1);
const ROWS = 5_050;

/** One row a second, in order; `salt` changes a time in every hundred rows. */
function csvRows(from: number, to: number, salt = 0): string {
  const rows = Array.from({ length: to - from }, (_, at) => {
    const n = from + at;
    const seen = new Date(START + n * 1_000 + (n % 100 === 99 ? salt : 0)).toISOString();
    return `${seen},${n},${n % 5 === 0 ? '' : `word ${n % 7}`}\n`;
  });
  return `seen,n,word\n${rows.join('')}`;
}
const source = fileWith(folder.path, 'rows.csv', csvRows(0, ROWS));
const numbers = (rows: unknown[][]) => rows.map((row) => row[1]);
const all = Array.from({ length: ROWS }, (_none, n) => n);

let benches = 0;
function newBench(of = agreed): Bench {
  benches += 1;
  const bench = benchOf(of, folder.path, `recovered-${benches}`);
  return of === named ? { ...bench, entries: () => bench.entries(1) } : bench;
}

/** A run that dies at its n-th such step. */
async function dyingRun(bench: Bench, step: PublishStep, count: number, more = {}) {
  let left = count;
  const onStep = (at: PublishStep) => {
    if (at !== step) return;
    left -= 1;
    if (left === 0) throw new Error('killed');
  };
  await expect(bench.publish(source, { outbox: { onStep }, ...more })).rejects.toThrow('killed');
  return bench.entries().length;
}

function lose(bench: Bench): void {
  rmSync(bench.stateFolder, { recursive: true, force: true });
}

describe('a producer whose state folder is lost', () => {
  test.each([
    ['records-sent', 1, {}],
    ['records-sent', 2, { batchRows: 77 }],
    ['group-written', 2, {}],
    ['group-removed', 1, { batchBytes: 4_096, batchRows: 5_000 }],
    ['group-removed', 1, { compression: { how: 'zstd', level: 1 } }],
  ] as const)('goes on behind what the log has (%s, %d)', async (step, count, more) => {
    for (const of of [agreed, named]) {
      const bench = newBench(of);
      expect(await dyingRun(bench, step, count, more)).toBeGreaterThan(0);
      lose(bench);
      const report = await bench.publish(source, { recover: true });
      expect(report).toMatchObject({ resumed: true, totalRows: ROWS, final: true });
      const received = await receive(bench);
      expect(numbers(received.rows)).toEqual(all);
      expect(received).toMatchObject({ final: true, repeats: 0 });
      const again = await bench.publish(source, { recover: true });
      expect(again).toMatchObject({ rows: 0, totalRows: ROWS });
    }
  });

  test('may lose it again, and die in between', async () => {
    const bench = newBench();
    await dyingRun(bench, 'records-sent', 1);
    for (const step of [
      'group-written',
      'records-sent',
      'state-written',
      'group-removed',
    ] as const) {
      lose(bench);
      await dyingRun(bench, step, 1, { recover: true });
      await dyingRun(bench, step, 2, { recover: true, batchRows: 5 });
    }
    lose(bench);
    await bench.publish(source, { recover: true });
    expect(numbers((await receive(bench)).rows)).toEqual(all);
  });

  test('reads a pipe to where it was, and goes on', async () => {
    const bench = newBench();
    await dyingRun(bench, 'records-sent', 1);
    lose(bench);
    const input = streamInput(Readable.from([Buffer.from(csvRows(0, ROWS))]), '-');
    await bench.publish('-', { recover: true, input });
    expect(numbers((await receive(bench)).rows)).toEqual(all);
  });

  test('has nothing to do when the stream has ended', async () => {
    const bench = newBench();
    await bench.publish(source);
    const before = bench.entries().length;
    lose(bench);
    const report = await bench.publish(source, { recover: true });
    expect(report).toMatchObject({ rows: 0, totalRows: ROWS, final: true, resumed: true });
    expect(bench.entries()).toHaveLength(before);
    expect(readdirSync(bench.stateFolder)).toEqual(['state.json']);
  });

  test.each([
    ['other times', csvRows(0, ROWS, 1), 'event times'],
    ['fewer rows', csvRows(0, 500), 'ends before'],
    ['shifted rows', csvRows(1, ROWS), 'event times'],
    ['other words', csvRows(0, ROWS).replaceAll('word ', 'other word '), 'length'],
  ])('refuses a source with %s', async (_name, text, problem) => {
    const bench = newBench();
    const before = await dyingRun(bench, 'records-sent', 1);
    lose(bench);
    const other = fileWith(folder.path, `other-${benches}.csv`, text);
    const failure = await failureOf(bench.publish(other, { recover: true }));
    expect([failure.code, failure.text.includes(problem)]).toEqual(['ERR_SOURCE_CHANGED', true]);
    expect(bench.entries()).toHaveLength(before);
  });

  test('is told when there is nothing to recover, and not to begin a stream twice', async () => {
    const bench = newBench(named);
    expect((await failureOf(bench.publish(source, { recover: true }))).code).toBe(
      'ERR_STREAM_NOT_FOUND',
    );
    await bench.publish(source);
    const elsewhere = { stateFolder: join(folder.path, 'elsewhere') };
    expect((await failureOf(bench.publish(source, elsewhere))).code).toBe('ERR_STREAM_BEGUN');
  });
});

import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { LogError } from '@strongroom/record-log/log-error';
import { RuntimeError } from '@strongroom/runtime/coded-error';
import { writeFileAtomic } from '@strongroom/runtime/files';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';
import { PUBLISH_STEPS, type PublishStep } from './outbox.ts';
import { streamInput } from './source-input.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const agreed = await agreeOn(datasetOf(['seen timestamp-ms', 'n int32', 'word utf8?'], 'seen'));
const START = Date.UTC(2001, 0, 1);

/** One row a second, in order. */
function csvRows(from: number, to: number): string {
  const rows = Array.from({ length: to - from }, (_, at) => {
    const n = from + at;
    const seen = new Date(START + n * 1_000).toISOString();
    return `${seen},${n},${n % 5 === 0 ? '' : `word ${n % 7}`}\n`;
  });
  return `seen,n,word\n${rows.join('')}`;
}

function expectedRows(from: number, to: number): unknown[][] {
  return Array.from({ length: to - from }, (_, at) => {
    const n = from + at;
    return [BigInt(START + n * 1_000), n, n % 5 === 0 ? null : `word ${n % 7}`];
  });
}

let benches = 0;
const newBench = (): Bench => {
  benches += 1;
  return benchOf(agreed, folder.path, `state-${benches}`);
};
const ROWS = 7_050;
const source = fileWith(folder.path, 'rows.csv', csvRows(0, ROWS));

describe('a source', () => {
  test('is published whole, in order, and its end is vouched for', async () => {
    const bench = newBench();
    const report = await bench.publish(source);
    expect(report).toMatchObject({
      dataset: 'measured',
      rows: ROWS,
      totalRows: ROWS,
      batches: 71,
      resumed: false,
      resentRecords: 0,
      watermark: START + (ROWS - 1) * 1_000,
      final: true,
    });
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
    expect(received).toMatchObject({ final: true, repeats: 0, segments: 1 });
    // Groups of 32 batches: each ends with a manifest.
    expect(received.watermarks).toEqual([3_199, 6_399, ROWS - 1].map((n) => START + n * 1_000));
    expect(readdirSync(bench.stateFolder)).toEqual(['state.json']);
    expect(statSync(bench.stateFolder).mode & 0o777).toBe(0o700);
    expect(statSync(join(bench.stateFolder, 'state.json')).mode & 0o777).toBe(0o600);
  });

  test('is compressed when asked for, to the same rows in fewer bytes', async () => {
    const [plain, packed] = [newBench(), newBench()];
    const before = await plain.publish(source);
    const report = await packed.publish(source, { compression: { how: 'zstd', level: 1 } });
    expect(before.compression).toMatchObject({ how: 'none', chosen: 'none' });
    expect(report.compression).toMatchObject({ how: 'zstd', chosen: 'zstd', level: 1 });
    expect(report.bytes).toBeLessThan(0.7 * before.bytes);
    const received = await receive(packed);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
    expect(received.final).toBe(true);
  });

  test('is published once: a second run has nothing to do', async () => {
    const bench = newBench();
    await bench.publish(source);
    const before = bench.entries().length;
    const again = await bench.publish(source);
    expect(again).toMatchObject({
      compression: null,
      rows: 0,
      bytes: 0,
      totalRows: ROWS,
      resumed: true,
      final: true,
    });
    expect(bench.entries()).toHaveLength(before);
  });

  test('without a row has a final manifest all the same', async () => {
    const bench = newBench();
    const empty = fileWith(folder.path, 'empty.csv', csvRows(0, 0));
    expect(await bench.publish(empty)).toMatchObject({ rows: 0, watermark: null, final: true });
    expect(await receive(bench)).toMatchObject({ rows: [], watermarks: [null], final: true });
  });

  test('from standard input is published too', async () => {
    const bench = newBench();
    const input = streamInput(Readable.from([Buffer.from(csvRows(0, 500))]), '-');
    expect(await bench.publish('-', { input })).toMatchObject({ rows: 500, final: true });
    expect((await receive(bench)).rows).toEqual(expectedRows(0, 500));
  });

  test('may be followed by another one when the stream is left open', async () => {
    const bench = newBench();
    const first = fileWith(folder.path, 'first.csv', csvRows(0, 250));
    const second = fileWith(folder.path, 'second.csv', csvRows(250, 400));
    expect(await bench.publish(first, { final: false })).toMatchObject({ final: false, rows: 250 });
    expect(await bench.publish(first, { final: false })).toMatchObject({ rows: 0, resumed: true });
    expect((await receive(bench)).final).toBe(false);
    expect(await bench.publish(second)).toMatchObject({ final: true, rows: 150, totalRows: 400 });
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, 400));
    // A run begins a segment of its own: no secret seals what another run may have sealed.
    expect(received).toMatchObject({ final: true, segments: 2 });
  });

  test.each([50, 60_000])('of %i rows that has grown is not published once more', async (rows) => {
    const bench = newBench();
    const path = fileWith(folder.path, 'grown.csv', csvRows(0, rows));
    await bench.publish(path, { final: false, batchRows: 8_192 });
    const sent = bench.entries().length;
    appendFileSync(path, csvRows(rows, rows + 10).replace(/^.*\n/, ''));
    const failure = await failureOf(bench.publish(path, { final: false }));
    expect([failure.code, failure.text]).toEqual([
      'ERR_SOURCE_CHANGED',
      expect.stringContaining('has grown'),
    ]);
    expect(bench.entries()).toHaveLength(sent);
  });

  test('that begins as one without a row did is another one', async () => {
    const bench = newBench();
    await bench.publish(fileWith(folder.path, 'no-rows.csv', csvRows(0, 0)), { final: false });
    expect(await bench.publish(fileWith(folder.path, 'some.csv', csvRows(0, 10)))).toMatchObject({
      rows: 10,
    });
  });

  test('that somebody still writes is not taken for a whole one', async () => {
    const bench = newBench();
    const path = fileWith(folder.path, 'written.csv', csvRows(0, 20_000));
    const { size } = statSync(path);
    let times = 0;
    const onProgress = () => {
      times += 1;
      if (times === 1) appendFileSync(path, '1');
    };
    const failure = await failureOf(bench.publish(path, { onProgress, checkFirst: false }));
    expect([failure.code, failure.text]).toEqual([
      'ERR_SOURCE_CHANGED',
      expect.stringContaining('while it was read'),
    ]);
    expect((await receive(bench)).final).toBe(false);
    truncateSync(path, size);
    expect(await bench.publish(path)).toMatchObject({ final: true, totalRows: 20_000 });
    expect((await receive(bench)).rows).toEqual(expectedRows(0, 20_000));
  });

  test('that was published before may be named again to end the stream', async () => {
    const bench = newBench();
    await bench.publish(source, { final: false });
    expect(await bench.publish(source)).toMatchObject({ rows: 0, final: true, totalRows: ROWS });
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
    expect(received.final).toBe(true);
  });

  test('may be published in parts', async () => {
    const bench = newBench();
    await bench.publish(source, { limitRows: 1_234, final: false });
    expect((await receive(bench)).rows).toEqual(expectedRows(0, 1_234));
    await bench.publish(source, { limitRows: 5_000, final: false });
    await bench.publish(source);
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
    expect(received.final).toBe(true);
  });

  test('that ends exactly with a group is vouched for once', async () => {
    const bench = newBench();
    const path = fileWith(folder.path, 'even.csv', csvRows(0, 3_200));
    expect(await bench.publish(path)).toMatchObject({ rows: 3_200, batches: 32, final: true });
    const received = await receive(bench);
    expect(received.watermarks).toHaveLength(2);
    expect(received.final).toBe(true);
  });
});

/** What a killed process throws at itself in these tests. */
class Killed extends Error {}

/** Dies when a step is reached for the n-th time. */
function killAt(step: PublishStep, time: number) {
  let times = 0;
  return {
    onStep(reached: PublishStep) {
      if (reached !== step) return;
      times += 1;
      if (times >= time) throw new Killed(step);
    },
  };
}

describe('a producer that is killed', () => {
  const moments = PUBLISH_STEPS.flatMap((step) =>
    (step === 'stream-begun' ? [1] : [1, 2, 3]).map((time): [PublishStep, number] => [step, time]),
  );

  test.each(moments)(
    'at %s, time %i, goes on without repeating or skipping a row',
    async (step, time) => {
      const bench = newBench();
      await expect(bench.publish(source, { outbox: killAt(step, time) })).rejects.toThrow(Killed);
      const report = await bench.publish(source);
      expect(report).toMatchObject({ resumed: true, totalRows: ROWS, final: true });
      const received = await receive(bench);
      expect(received.rows).toEqual(expectedRows(0, ROWS));
      expect(received.final).toBe(true);
    },
  );

  test('again and again, at random moments', async () => {
    const bench = newBench();
    let seed = 7;
    for (let run = 0; run < 16; run += 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      const step = PUBLISH_STEPS[seed % PUBLISH_STEPS.length] ?? 'group-written';
      const limitRows = Math.min(ROWS, (run + 1) * 450);
      const options = { limitRows, final: false, outbox: killAt(step, 1) };
      await bench.publish(source, options).catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error;
      });
    }
    await bench.publish(source);
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
    expect(received.repeats).toBeGreaterThan(0);
  });

  test.each(['before', 'after'] as const)('by a log that fails %s it has written', async (when) => {
    const bench = newBench();
    let calls = 0;
    const log = {
      ...bench.log,
      append: async (...call: Parameters<typeof bench.log.append>) => {
        calls += 1;
        if (calls === 2 && when === 'before') throw new LogError('ERR_LOG_FAILED');
        await bench.log.append(...call);
        if (calls === 2) throw new LogError('ERR_LOG_FAILED');
      },
    };
    expect((await failureOf(bench.publish(source, { log }))).code).toBe('ERR_LOG_FAILED');
    await bench.publish(source);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });

  test('while half of a group is sent sends the same bytes again', async () => {
    const bench = newBench();
    const log = {
      ...bench.log,
      append: async (topic: string, records: Parameters<typeof bench.log.append>[1]) => {
        await bench.log.append(topic, records.slice(0, 10));
        throw new Killed();
      },
    };
    await expect(bench.publish(source, { log })).rejects.toThrow(Killed);
    const half = bench.entries();
    expect(half).toHaveLength(10);
    const report = await bench.publish(source);
    expect(report.resentRecords).toBeGreaterThanOrEqual(33);
    const received = await receive(bench);
    expect(received.repeats).toBe(10);
    expect(received.rows).toEqual(expectedRows(0, ROWS));
  });

  test('reading standard input goes on with the same rows from their start', async () => {
    const bench = newBench();
    const input = () => streamInput(Readable.from([Buffer.from(csvRows(0, ROWS))]), '-');
    const outbox = killAt('group-removed', 1);
    await expect(bench.publish('-', { input: input(), outbox })).rejects.toThrow(Killed);
    await bench.publish('-', { input: input() });
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });
});

describe('a producer that is told to stop', () => {
  test('finishes its group and can go on', async () => {
    const bench = newBench();
    const stopping = new AbortController();
    const outbox = { onStep: (step: PublishStep) => step === 'records-sent' && stopping.abort() };
    const report = await bench.publish(source, { outbox, signal: stopping.signal });
    expect(report.rows).toBeGreaterThan(0);
    expect(report.rows).toBeLessThan(ROWS);
    expect(report.final).toBe(false);
    const received = await receive(bench);
    expect(received.rows).toEqual(expectedRows(0, report.rows));
    expect(received.watermarks.at(-1)).toBe(report.watermark);
    await bench.publish(source);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });

  test.each([
    ['before its first line has come', 10],
    ['while the engine waits for more', 20_000],
  ])('does so while its source is silent, %s', async (_name, rows) => {
    const bench = newBench();
    const stopping = new AbortController();
    const silent = new PassThrough();
    silent.write(csvRows(0, rows));
    setTimeout(() => stopping.abort(), 200);
    const input = streamInput(silent, '-');
    const work = bench.publish('-', { input, signal: stopping.signal, format: 'csv' });
    const hanging = new Promise((resolve) => setTimeout(resolve, 20_000, 'it hangs'));
    expect(await Promise.race([work, hanging])).toMatchObject({ final: false });
    const { rows: published } = await receive(bench);
    expect(published).toEqual(expectedRows(0, published.length));
    await bench.publish(source);
  });
});

describe('nothing is published', () => {
  const nothing = (bench: Bench) => expect(bench.entries()).toEqual([]);

  test.each([
    ['a bad value at the very end', `${csvRows(0, ROWS)}2002-01-01,x,y\n`, 'ERR_COLUMN_TYPE'],
    ['a null at the very end', `${csvRows(0, ROWS)}2002-01-01,,y\n`, 'ERR_COLUMN_NULL'],
    ['a line that is cut short', `${csvRows(0, ROWS)}2002-01-01,5`, 'ERR_SOURCE_MALFORMED'],
    ['no event time at the very end', `${csvRows(0, ROWS)},5,y\n`, 'ERR_EVENT_TIME_MISSING'],
    ['a row that is late at the very end', `${csvRows(0, ROWS)}2000-01-01,5,y\n`, 'ERR_LATE_ROWS'],
    [
      'a row too large for a batch',
      `${csvRows(0, ROWS)}2002-01-01,5,${'y'.repeat(950_000)}\n`,
      'ERR_BATCH_TOO_LARGE',
    ],
    ['an unknown column', 'seen,n,word,more\n', 'ERR_COLUMN_UNKNOWN'],
    ['a missing column', 'seen,n\n', 'ERR_COLUMN_MISSING'],
  ])('of a file with %s', async (_name, text, code) => {
    const bench = newBench();
    const path = fileWith(folder.path, 'bad.csv', text);
    expect((await failureOf(bench.publish(path))).code).toBe(code);
    nothing(bench);
    // The state folder is as good as new.
    await bench.publish(source);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });

  test('under a contract that lacks a signature', async () => {
    const bench = newBench();
    const signed = structuredClone(agreed.signedContract) as { signatures: unknown[] };
    signed.signatures.pop();
    const failure = await failureOf(bench.publish(source, { signedContract: signed }));
    expect(failure.code).toBe('ERR_CONTRACT_UNSIGNED');
    nothing(bench);
    expect(existsSync(bench.stateFolder)).toBe(false);
  });

  test('by another party, and with another key', async () => {
    const bench = newBench();
    const failure = await failureOf(bench.publish(source, { identity: agreed.analyst }));
    expect(failure.code).toBe('ERR_IDENTITY_MISMATCH');
    const { identityJson } = await createIdentity('owner-a', { reading: false });
    const impostor = parseIdentity(identityJson);
    const other = await failureOf(bench.publish(source, { identity: impostor }));
    expect(other.code).toBe('ERR_IDENTITY_MISMATCH');
    nothing(bench);
  });

  test('of an unknown dataset, an unreadable file, a column that is not agreed', async () => {
    const bench = newBench();
    const unknown = await failureOf(bench.publish(source, { datasetId: 'other' }));
    expect(unknown.code).toBe('ERR_DATASET_UNKNOWN');
    const missing = await failureOf(bench.publish(`${folder.path}/none.csv`));
    expect(missing.code).toBe('ERR_FILE_UNREADABLE');
    const foreign = await failureOf(bench.publish(source, { columns: 'n=other' }));
    expect(foreign.code).toBe('ERR_COLUMN_UNKNOWN');
    nothing(bench);
  });

  test('to a full disk, and all of it once there is room', async () => {
    for (const failing of ['state.json', 'group-']) {
      const bench = newBench();
      const write: typeof writeFileAtomic = async (path, bytes, mode) => {
        if (path.includes(failing)) throw new RuntimeError('ERR_DISK_FULL', { path });
        await writeFileAtomic(path, bytes, mode);
      };
      const failure = await failureOf(bench.publish(source, { outbox: { write } }));
      expect(failure.code).toBe('ERR_DISK_FULL');
      nothing(bench);
      await bench.publish(source);
      expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
    }
  });

  test('of a group for which there is no room, after those for which there was', async () => {
    const bench = newBench();
    const write: typeof writeFileAtomic = async (path, bytes, mode) => {
      if (path.endsWith('000002.sealed')) throw new RuntimeError('ERR_DISK_FULL', { path });
      await writeFileAtomic(path, bytes, mode);
    };
    const failure = await failureOf(bench.publish(source, { outbox: { write } }));
    expect(failure.code).toBe('ERR_DISK_FULL');
    expect((await receive(bench)).rows).toEqual(expectedRows(0, 3_200));
    await bench.publish(source);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });
});

describe('a state folder', () => {
  test('serves one producer at a time, also after one was killed', async () => {
    const bench = newBench();
    let second: Promise<{ code: string }> | undefined;
    const outbox = {
      onStep: () => {
        second ??= failureOf(bench.publish(source));
      },
    };
    const slow = {
      ...bench.log,
      append: (...call: Parameters<typeof bench.log.append>) =>
        (second ?? Promise.resolve()).then(() => bench.log.append(...call)),
    };
    await bench.publish(source, { outbox, log: slow });
    expect((await second)?.code).toBe('ERR_STATE_LOCKED');
    for (const left of ['999999999 5\n', `${process.pid} 5\n`, '']) {
      writeFileSync(join(bench.stateFolder, 'lock'), left);
      expect(await bench.publish(source)).toMatchObject({ rows: 0, final: true });
    }
  });

  test('refuses another source before it has published the first one', async () => {
    const bench = newBench();
    await bench.publish(source, { limitRows: 1_000, final: false });
    const other = fileWith(folder.path, 'other.csv', csvRows(5, ROWS));
    const failure = await failureOf(bench.publish(other));
    expect(failure.code).toBe('ERR_SOURCE_CHANGED');
    const copy = fileWith(folder.path, 'copy.txt', readFileSync(source));
    await bench.publish(copy);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
    expect((await failureOf(bench.publish(other))).code).toBe('ERR_SOURCE_CHANGED');
  });

  test.each([
    [
      'a changed state',
      (path: string) => replaceIn(join(path, 'state.json'), '"sequence": 10', '"sequence": 11'),
    ],
    ['a state that is no JSON', (path: string) => writeFileSync(join(path, 'state.json'), '{')],
    [
      'a state of another shape',
      (path: string) => writeFileSync(join(path, 'state.json'), '{"v":2}'),
    ],
    ['other files', (path: string) => writeFileSync(join(path, 'letter.txt'), 'x')],
    [
      'a group from nowhere',
      (path: string) => writeFileSync(join(path, 'group-000000000009.sealed'), 'x'),
    ],
  ])('with %s is refused, and nothing is sent', async (_name, damage) => {
    const bench = newBench();
    await bench.publish(source, { limitRows: 1_000, final: false });
    const before = bench.entries().length;
    damage(bench.stateFolder);
    expect((await failureOf(bench.publish(source))).code).toBe('ERR_STATE_CORRUPT');
    expect(bench.entries()).toHaveLength(before);
  });

  test('with a damaged or missing group is refused', async () => {
    const bench = newBench();
    const log = { ...bench.log, append: async () => Promise.reject(new Killed()) };
    await expect(bench.publish(source, { log })).rejects.toThrow(Killed);
    const groups = readdirSync(bench.stateFolder).filter((name) => name.startsWith('group'));
    expect(groups).toHaveLength(2);
    const [first = '', second = ''] = groups.map((name) => join(bench.stateFolder, name));
    const whole = readFileSync(first);
    const flipped = Buffer.from(whole);
    flipped[5_000] = (flipped[5_000] ?? 0) ^ 1;
    for (const damaged of [flipped, whole.subarray(0, -1), Buffer.alloc(0), readFileSync(second)]) {
      writeFileSync(first, damaged);
      expect((await failureOf(bench.publish(source))).code).toBe('ERR_STATE_CORRUPT');
    }
    expect(bench.entries()).toEqual([]);
    writeFileSync(first, whole);
    await bench.publish(source);
    expect((await receive(bench)).rows).toEqual(expectedRows(0, ROWS));
  });

  test('of another contract is refused', async () => {
    const bench = newBench();
    await bench.publish(source);
    const other = benchOf(await agreeOn(agreed.dataset), folder.path, `state-${benches}`);
    expect((await failureOf(other.publish(source))).code).toBe('ERR_STATE_CORRUPT');
  });
});

function replaceIn(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error('nothing to replace');
  writeFileSync(path, text.replace(from, to));
}

describe('event times', () => {
  const shuffled = (rows: readonly number[]) => {
    const lines = csvRows(0, 400).trim().split('\n');
    return [lines[0], ...rows.map((n) => lines[n + 1]), ''].join('\n');
  };
  const numbers = Array.from({ length: 400 }, (_, n) => n);
  // Row 150 comes 100 rows late.
  const late = [...numbers.filter((n) => n !== 150), 150];

  test('may be out of order within the lag', async () => {
    const bench = newBench();
    const path = fileWith(folder.path, 'lag.csv', shuffled(late));
    expect((await failureOf(bench.publish(path))).code).toBe('ERR_LATE_ROWS');
    expect(bench.entries()).toEqual([]);
    const rule = { lagMs: 250_000, allowLate: false };
    const report = await bench.publish(path, { rule });
    expect(report.watermark).toBe(START + (399 - 250) * 1_000);
    expect((await receive(bench)).rows).toHaveLength(400);
  });

  test('may be late when the owner says so, and the watermark never goes back', async () => {
    const bench = newBench();
    const path = fileWith(folder.path, 'late.csv', shuffled(late));
    const rule = { lagMs: 0, allowLate: true };
    await bench.publish(path, { rule, limitRows: 300, final: false });
    await bench.publish(path, { rule: { lagMs: 1_000_000, allowLate: true } });
    const { watermarks, rows } = await receive(bench);
    expect(rows).toHaveLength(400);
    expect(watermarks).toEqual([START + 300_000, START + 300_000]);
  });

  test('do not concern a dataset without them', async () => {
    const plain = await agreeOn(datasetOf(['n int32']));
    const bench = benchOf(plain, folder.path, 'plain');
    const path = fileWith(folder.path, 'plain.csv', 'n\n3\n1\n2\n');
    expect(await bench.publish(path)).toMatchObject({ watermark: null, final: true, rows: 3 });
    expect((await receive(bench)).watermarks).toEqual([null]);
  });
});

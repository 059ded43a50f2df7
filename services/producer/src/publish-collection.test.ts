import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, parquetWith, temporaryFolder } from '../test/source-fixtures.ts';
import { checkOnly } from './check-only.ts';
import { openFolder } from './folder-source.ts';
import { FINISHED_FILE, PUBLISH_STEPS, type PublishStep } from './outbox.ts';
import type { PublishRequest } from './publish-source.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

const agreed = await agreeOn(datasetOf(['n int32', 'word utf8?']));

let folders = 0;
interface Folder {
  readonly bench: Bench;
  readonly path: string;
  put(name: string, content: string | Uint8Array): void;
  publish(options?: Partial<PublishRequest>, source?: string): ReturnType<Bench['publish']>;
  /** The numbers that a worker would count, in order. */
  numbers(): Promise<number[]>;
}

function newFolder(): Folder {
  folders += 1;
  const path = join(temporary.path, `folder-${folders}`);
  mkdirSync(path);
  const bench = benchOf(agreed, temporary.path, `state-${folders}`);
  return {
    bench,
    path,
    put(name, content) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), content);
    },
    publish: (options = {}, source = path) =>
      bench.publish('', { input: openFolder(source), final: false, ...options }),
    numbers: async () => (await receive(bench)).rows.map(([n]) => Number(n)),
  };
}

function csvOf(from: number, to: number): string {
  const lines = Array.from({ length: to - from }, (_, at) => `${from + at},word ${at % 3}\n`);
  return `n,word\n${lines.join('')}`;
}

const ndjsonOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `{"n": ${from + at}}\n`).join('');

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

describe('a folder', () => {
  test('is published file by file, by name, whatever the formats', async () => {
    const folder = newFolder();
    folder.put('b.csv.gz', gzipSync(csvOf(100, 350)));
    folder.put('a/1.csv', csvOf(0, 100));
    folder.put('c.ndjson.zst', zstdCompressSync(ndjsonOf(350, 400)));
    folder.put('_SUCCESS', '');
    folder.put('a/.1.csv.crc', 'crc');
    const sql = 'SELECT CAST(range AS INTEGER) AS n, NULL::VARCHAR AS word FROM range(400, 500)';
    await parquetWith(folder.path, 'd.parquet', sql);
    const report = await folder.publish({ final: true });
    expect(report).toMatchObject({ rows: 500, totalRows: 500, final: true });
    expect(await folder.numbers()).toEqual(range(0, 500));
    expect((await receive(folder.bench)).segments).toBe(1);
  });

  test('gives what is new in it, each file once', async () => {
    const folder = newFolder();
    folder.put('2.csv', csvOf(0, 10));
    expect((await folder.publish()).rows).toBe(10);
    expect((await folder.publish()).rows).toBe(0);
    folder.put('1.csv', csvOf(10, 20));
    folder.put('3.csv', csvOf(20, 30));
    expect((await folder.publish({}, join(folder.path, '*.csv'))).rows).toBe(20);
    expect(await folder.publish({ final: true })).toMatchObject({ rows: 0, final: true });
    expect(await folder.numbers()).toEqual(range(0, 30));
    expect((await receive(folder.bench)).final).toBe(true);
    expect((await folder.publish({ final: true })).rows).toBe(0);
    folder.put('4.csv', csvOf(30, 31));
    expect((await failureOf(folder.publish())).code).toBe('ERR_SOURCE_CHANGED');
  });

  test('that was moved, or touched, is the same; a changed file is not', async () => {
    const folder = newFolder();
    folder.put('1.csv', csvOf(0, 10));
    await folder.publish();
    renameSync(folder.path, `${folder.path}-moved`);
    mkdirSync(folder.path);
    writeFileSync(join(`${folder.path}-moved`, '1.csv'), csvOf(0, 10));
    expect((await folder.publish({}, `${folder.path}-moved`)).rows).toBe(0);
    folder.put('1.csv', csvOf(0, 11));
    const { code, text } = await failureOf(folder.publish());
    expect(code).toBe('ERR_SOURCE_CHANGED');
    expect(text).toContain('1.csv');
  });

  test('knows a file under another name, and refuses a copy', async () => {
    const folder = newFolder();
    folder.put('1.csv', csvOf(0, 10));
    await folder.publish();
    renameSync(join(folder.path, '1.csv'), join(folder.path, 'first.csv'));
    expect((await folder.publish()).rows).toBe(0);
    folder.put('1.csv', csvOf(0, 10));
    folder.put('2.csv', csvOf(0, 10));
    const { code, text } = await failureOf(folder.publish());
    expect(code).toBe('ERR_SOURCE_CHANGED');
    expect(text).toContain('2.csv');
    expect(await folder.numbers()).toEqual(range(0, 10));
  });

  test('is read to its end before the first row of any file leaves', async () => {
    const folder = newFolder();
    folder.put('1.csv', csvOf(0, 10));
    folder.put('2.csv', 'n,word\nsecret,x\n');
    const { code, text } = await failureOf(folder.publish());
    expect(code).toBe('ERR_COLUMN_TYPE');
    expect(text).not.toContain('secret');
    expect(folder.bench.entries()).toEqual([]);
    const request = { ...agreed, datasetId: 'measured', input: openFolder(folder.path) };
    const rule = { lagMs: 0, allowLate: false };
    const { signal } = new AbortController();
    folder.put('2.csv', csvOf(10, 15));
    const checked = await checkOnly({ ...request, format: 'auto', rule, signal });
    expect(checked).toMatchObject({ items: 2, rows: 15 });
  });
});

class Killed extends Error {}

describe('a producer that is killed at a folder', () => {
  // Three files of two groups each: the fourth time is at the end of the second one.
  const moments = PUBLISH_STEPS.flatMap((step) =>
    (step === 'stream-begun' ? [1] : [1, 4]).map((time): [PublishStep, number] => [step, time]),
  );

  test.each(moments)('at %s, time %i, repeats and skips no row', async (step, time) => {
    const folder = newFolder();
    for (const file of range(0, 3)) folder.put(`${file}.csv`, csvOf(file * 40, file * 40 + 40));
    let times = 0;
    const onStep = (reached: PublishStep) => {
      times += reached === step ? 1 : 0;
      if (reached === step && times === time) throw new Killed();
    };
    const options = { batchRows: 1 };
    await expect(folder.publish({ ...options, outbox: { onStep } })).rejects.toThrow(Killed);
    folder.put('00.csv', csvOf(120, 125));
    await folder.publish(options);
    expect((await folder.numbers()).sort((a, b) => a - b)).toEqual(range(0, 125));
    expect((await folder.publish(options)).rows).toBe(0);
  });

  test('in the middle of a line of the list', async () => {
    const folder = newFolder();
    folder.put('1.csv', csvOf(0, 10));
    folder.put('2.csv', csvOf(10, 20));
    await folder.publish();
    const list = join(folder.bench.stateFolder, FINISHED_FILE);
    const lines = readFileSync(list, 'utf8');
    writeFileSync(list, lines.slice(0, -20));
    expect((await folder.publish()).rows).toBe(0);
    expect(readFileSync(list, 'utf8')).toBe(lines);
  });
});

describe('a list of finished files', () => {
  const damages: [string, (list: string) => void][] = [
    ['that is gone', (list) => rmSync(list)],
    ['that lost a line', (list) => writeFileSync(list, linesOf(list).slice(1).join('\n'))],
    ['of which a line was changed', (list) => writeFileSync(list, changedIn(list))],
    ['with lines of somebody else', (list) => appendFileSync(list, readFileSync(list))],
  ];
  const linesOf = (list: string) => readFileSync(list, 'utf8').split('\n');
  const changedIn = (list: string) => readFileSync(list, 'utf8').replace('"rows":10', '"rows":11');

  test.each(damages)('%s is refused', async (_name, damage) => {
    const folder = newFolder();
    for (const file of range(0, 3)) folder.put(`${file}.csv`, csvOf(file * 10, file * 10 + 10));
    await folder.publish();
    damage(join(folder.bench.stateFolder, FINISHED_FILE));
    expect((await failureOf(folder.publish())).code).toBe('ERR_STATE_CORRUPT');
  });
});

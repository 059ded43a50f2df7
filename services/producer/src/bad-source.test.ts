import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import {
  CompressionType,
  compressionRegistry,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
} from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  failureOf,
  fileWith,
  parquetWith,
  readAll,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import { parseColumnMapping } from './column-mapping.ts';
import { streamInput } from './source-input.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Stands in every bad row; no error may say it. */
const SECRET = 'marker7f3a';

const dataset = datasetOf(['seen timestamp-us', 'n int32', 'word utf8?', 'share float64?'], 'seen');
const HEADER = 'seen,n,word,share\n';
const GOOD = '2001-01-01 00:00:00,1,a,0.5\n';

async function expectFailure(path: string, code: string, ...said: string[]): Promise<void> {
  const failure = await failureOf(readAll(dataset, path));
  expect(failure.code).toBe(code);
  expect(failure.text).not.toContain(SECRET);
  for (const words of said) expect(failure.text).toContain(words);
}

describe('CSV', () => {
  test.each<[string, string, string, string[]]>([
    ['no header', `2001-01-01 00:00:00,1,${SECRET},0.5\n`, 'ERR_COLUMN_MISSING', []],
    ['an empty file', '', 'ERR_SOURCE_MALFORMED', []],
    ['a missing column', 'seen,n,word\n', 'ERR_COLUMN_MISSING', ['share']],
    ['an unknown column', 'seen,n,word,share,more\n', 'ERR_COLUMN_UNKNOWN', ['more', '"place":5']],
    [
      'an unknown column of odd letters',
      `seen,n,word,share,${SECRET}@x\n`,
      'ERR_COLUMN_UNKNOWN',
      [],
    ],
    ['a column twice', 'seen,n,word,share,n\n', 'ERR_SOURCE_MALFORMED', ['named twice']],
    ['a header without an end', `seen,n,word,"share\n${SECRET}`, 'ERR_SOURCE_MALFORMED', []],
    ['too few fields', `${HEADER}${GOOD}2001-01-01,1\n`, 'ERR_SOURCE_MALFORMED', ['"line":3']],
    [
      'too many fields',
      `${HEADER}2001-01-01,1,${SECRET},1,5\n`,
      'ERR_SOURCE_MALFORMED',
      ['"line":2'],
    ],
    ['an open quote', `${HEADER}2001-01-01,1,"${SECRET},1\n`, 'ERR_SOURCE_MALFORMED', ['"line":2']],
    [
      'letters for a number',
      `${HEADER}${GOOD}2001-01-01,${SECRET},a,1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"', 'int32', '"row":2'],
    ],
    [
      'a fraction for a whole number',
      `${HEADER}2001-01-01,5.7,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a number with a group mark',
      `${HEADER}2001-01-01,1_000,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a number in hexadecimal',
      `${HEADER}2001-01-01,0x1F,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a number too large',
      `${HEADER}2001-01-01,2147483648,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a float beyond all floats',
      `${HEADER}2001-01-01,1,${SECRET},1e400\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"share"'],
    ],
    [
      'a decimal comma',
      `${HEADER}2001-01-01,1,${SECRET},"0,5"\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"share"'],
    ],
    [
      'no number',
      `${HEADER}2001-01-01,,${SECRET},1\n`,
      'ERR_COLUMN_NULL',
      ['"column":"n"', '"row":1'],
    ],
    [
      'no event time',
      `${HEADER}${GOOD},1,${SECRET},1\n`,
      'ERR_EVENT_TIME_MISSING',
      ['"column":"seen"', '"row":2'],
    ],
    [
      'an American date',
      `${HEADER}01/02/2001,1,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"seen"'],
    ],
    [
      'a time in another zone',
      `${HEADER}2001-01-01T00:00:00+02:00,1,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"seen"'],
    ],
    [
      'a seventh digit',
      `${HEADER}2001-01-01 00:00:00.1234567,1,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"seen"'],
    ],
    [
      'an endless time',
      `${HEADER}infinity,1,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"seen"'],
    ],
    [
      'a day that no calendar has',
      `${HEADER}2001-02-30,1,${SECRET},1\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"seen"'],
    ],
    [
      'a line too long',
      `${HEADER}2001-01-01,1,${SECRET.repeat(250_000)},1\n`,
      'ERR_SOURCE_MALFORMED',
      [],
    ],
  ])('%s', async (_name, text, code, said) => {
    const path = fileWith(folder.path, 'bad.csv', text);
    const failure = await failureOf(readAll(dataset, path, { format: 'csv' }));
    expect(failure.code).toBe(code);
    expect(failure.text).not.toContain(SECRET);
    for (const words of said) expect(failure.text).toContain(words);
  });

  test('bytes that are not UTF-8, in the header and in a row', async () => {
    const bad = Buffer.from([0xff, 0xfe]);
    const row = Buffer.concat([
      Buffer.from(`${HEADER}2001-01-01,1,${SECRET}`),
      bad,
      Buffer.from(',1\n'),
    ]);
    await expectFailure(fileWith(folder.path, 'utf8.csv', row), 'ERR_SOURCE_MALFORMED', '"line":2');
    const header = Buffer.concat([Buffer.from('seen,'), bad, Buffer.from(`\n${SECRET}\n`)]);
    await expectFailure(fileWith(folder.path, 'utf8h.csv', header), 'ERR_SOURCE_MALFORMED');
  });

  test('a date with a time, a moment finer than milliseconds', async () => {
    const days = datasetOf(['day date32', 'at timestamp-ms']);
    const path = fileWith(folder.path, 'day.csv', 'day,at\n2001-01-01 10:00:00,2001-01-01\n');
    expect((await failureOf(readAll(days, path))).code).toBe('ERR_COLUMN_TYPE');
    const fine = fileWith(folder.path, 'fine.csv', 'day,at\n2001-01-01,2001-01-01 00:00:00.0005\n');
    expect((await failureOf(readAll(days, fine))).code).toBe('ERR_COLUMN_TYPE');
  });

  test('a stream that breaks is no source that ended', async () => {
    async function* broken() {
      yield Buffer.from(`${HEADER}${GOOD.repeat(10_000)}`);
      throw Object.assign(new Error(SECRET), { code: 'EIO' });
    }
    const input = streamInput(Readable.from(broken()), '-');
    const failure = await failureOf(readAll(dataset, '-', { input }));
    expect(failure.code).toBe('ERR_FILE_UNREADABLE');
    expect(failure.text).toContain('EIO');
    expect(failure.text).not.toContain(SECRET);
  });
});

describe('NDJSON', () => {
  const row = (members: string) => `{"seen":"2001-01-01","n":1,${members}}\n`;
  test.each<[string, string, string, string[]]>([
    ['no JSON', `${row('"word":"a"')}{"seen":${SECRET}}\n`, 'ERR_SOURCE_MALFORMED', ['"line":2']],
    [
      'two objects on a line',
      `${row('"word":"a"').trim()} {"n":"${SECRET}"}\n`,
      'ERR_SOURCE_MALFORMED',
      [],
    ],
    ['an array of objects', `[{"n":"${SECRET}"}]\n`, 'ERR_SOURCE_MALFORMED', []],
    ['an object over several lines', `{\n"n": "${SECRET}"\n}\n`, 'ERR_SOURCE_MALFORMED', []],
    [
      'a line that is no object',
      `${row('"word":"a"')}"${SECRET}"\n`,
      'ERR_SOURCE_MALFORMED',
      ['"row":2'],
    ],
    ['an unknown member', row(`"${SECRET}":5`), 'ERR_COLUMN_UNKNOWN', ['"row":1']],
    ['a member twice', row(`"word":"a","word":"${SECRET}"`), 'ERR_SOURCE_MALFORMED', ['"row":1']],
    ['a missing column', '{"seen":"2001-01-01"}\n', 'ERR_COLUMN_MISSING', ['"column":"n"']],
    [
      'a null',
      `{"seen":"2001-01-01","n":null,"word":"${SECRET}"}\n`,
      'ERR_COLUMN_NULL',
      ['"column":"n"'],
    ],
    [
      'no event time',
      `{"seen":null,"n":1,"word":"${SECRET}"}\n`,
      'ERR_EVENT_TIME_MISSING',
      ['seen'],
    ],
    [
      'a number as text',
      `{"seen":"2001-01-01","n":"5","word":"${SECRET}"}\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a fraction',
      `{"seen":"2001-01-01","n":5.7,"word":"${SECRET}"}\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    [
      'a truth value for a number',
      `{"seen":"2001-01-01","n":true}\n`,
      'ERR_COLUMN_TYPE',
      ['"column":"n"'],
    ],
    ['a number for a text', row('"word":5'), 'ERR_COLUMN_TYPE', ['"column":"word"']],
    ['an object for a text', row(`"word":{"${SECRET}":1}`), 'ERR_COLUMN_TYPE', ['"column":"word"']],
    [
      'a number for a time',
      `{"seen":978307200000,"n":1,"word":"${SECRET}"}\n`,
      'ERR_COLUMN_TYPE',
      ['seen'],
    ],
    ['a float beyond all floats', row('"share":1e400'), 'ERR_COLUMN_TYPE', ['"column":"share"']],
  ])('%s', async (_name, text, code, said) => {
    const path = fileWith(folder.path, 'bad.ndjson', text);
    const failure = await failureOf(readAll(dataset, path, { format: 'ndjson' }));
    expect(failure.code).toBe(code);
    expect(failure.text).not.toContain(SECRET);
    for (const words of said) expect(failure.text).toContain(words);
  });

  test('a member twice among others that are left out', async () => {
    const path = fileWith(folder.path, 'twice.ndjson', row(`"x":1,"word":"a","word":"${SECRET}"`));
    const columns = parseColumnMapping('word', dataset);
    const failure = await failureOf(readAll(dataset, path, { columns }));
    expect(failure.code).toBe('ERR_SOURCE_MALFORMED');
  });
});

describe('Parquet', () => {
  const columns = (change: string) =>
    `SELECT * REPLACE (${change}) FROM (SELECT TIMESTAMP '2001-01-01' AS seen, 1 AS n,
      '${SECRET}' AS word, 0.5::DOUBLE AS share FROM range(3))`;
  test.each<[string, string, string, string[]]>([
    ['a list', columns(`[1] AS n`), 'ERR_COLUMN_TYPE', ['LIST', 'int32']],
    ['bytes for a text', columns(`'${SECRET}'::BLOB AS word`), 'ERR_COLUMN_TYPE', ['BLOB', 'utf8']],
    ['a text for a number', columns(`'5' AS n`), 'ERR_COLUMN_TYPE', ['VARCHAR', 'int32']],
    ['a number for a text', columns('5 AS word'), 'ERR_COLUMN_TYPE', ['INTEGER', 'utf8']],
    ['a number too large', columns('2147483648 AS n'), 'ERR_COLUMN_TYPE', ['BIGINT', '"row":1']],
    ['a fraction', columns('5.5::DOUBLE AS n'), 'ERR_COLUMN_TYPE', ['DOUBLE', '"row":1']],
    ['many digits', columns('1::DECIMAL(38, 2) AS share'), 'ERR_COLUMN_TYPE', ['DECIMAL']],
    ['an inexact float', columns('9007199254740993 AS share'), 'ERR_COLUMN_TYPE', ['BIGINT']],
    ['a null', columns('NULL::INTEGER AS n'), 'ERR_COLUMN_NULL', ['"column":"n"', '"row":1']],
    ['no event time', columns('NULL::TIMESTAMP AS seen'), 'ERR_EVENT_TIME_MISSING', ['seen']],
    ['an endless time', columns(`'infinity'::TIMESTAMP AS seen`), 'ERR_COLUMN_TYPE', ['seen']],
    [
      'a finer time',
      columns(`TIMESTAMP_NS '2001-01-01 00:00:00.0000001' AS seen`),
      'ERR_COLUMN_TYPE',
      ['TIMESTAMP_NS'],
    ],
    [
      'an unknown column',
      `SELECT *, 1 AS more FROM (${columns('1 AS n')})`,
      'ERR_COLUMN_UNKNOWN',
      ['more'],
    ],
    [
      'a missing column',
      `SELECT seen, n, word FROM (${columns('1 AS n')})`,
      'ERR_COLUMN_MISSING',
      ['share'],
    ],
    [
      'another case',
      `SELECT seen, n AS "N", word, share FROM (${columns('1 AS n')})`,
      'ERR_COLUMN_MISSING',
      ['"column":"n"'],
    ],
  ])('%s', async (_name, sql, code, said) => {
    const path = await parquetWith(folder.path, 'bad.parquet', sql);
    await expectFailure(path, code, ...said);
  });

  test('a file that is cut short, scribbled over, or no Parquet at all', async () => {
    const sql = columns('1 AS n').replace('range(3)', 'range(200000)');
    const whole = readFileSync(await parquetWith(folder.path, 'whole.parquet', sql));
    const cut = fileWith(folder.path, 'cut.parquet', whole.subarray(0, whole.length >> 1));
    await expectFailure(cut, 'ERR_SOURCE_MALFORMED');
    const scribbled = Buffer.from(whole).fill(7, 8, 64);
    await expectFailure(
      fileWith(folder.path, 'scribbled.parquet', scribbled),
      'ERR_SOURCE_MALFORMED',
    );
    const other = fileWith(folder.path, 'other.parquet', `PAR1${SECRET}`);
    await expectFailure(other, 'ERR_SOURCE_MALFORMED');
  });

  test('standard input', async () => {
    const input = streamInput(Readable.from([Buffer.from('PAR1')]), '-');
    expect((await failureOf(readAll(dataset, '-', { input }))).code).toBe('ERR_USAGE');
  });
});

describe('Arrow', () => {
  test('a stream that is cut anywhere', async () => {
    const numbers = datasetOf(['n int32', 'word utf8']);
    const sql = `SELECT n::INTEGER AS n, 'word ' || (n % 7) AS word FROM range(5000) t(n)`;
    const [arrowBatch] = await readAll(numbers, await parquetWith(folder.path, 'a.parquet', sql));
    const table = tableFromIPC(arrowBatch?.bytes ?? new Uint8Array());
    for (const kind of ['stream', 'file'] as const) {
      const whole = tableToIPC(table.concat(table), kind);
      for (const share of [0, 0.001, 0.01, 0.3, 0.5, 0.7, 0.9, 0.99]) {
        const path = fileWith(folder.path, 'cut.arrow', whole.subarray(0, whole.length * share));
        const failure = await failureOf(readAll(numbers, path, { format: 'arrow' }));
        expect([kind, share, failure.code]).toEqual([kind, share, 'ERR_SOURCE_MALFORMED']);
      }
    }
  });

  test('a text that is not UTF-8', async () => {
    const words = datasetOf(['word utf8']);
    const path = await parquetWith(folder.path, 'w.parquet', `SELECT '${SECRET}' AS word`);
    const [arrowBatch] = await readAll(words, path);
    const bytes = Buffer.from(arrowBatch?.bytes ?? []);
    bytes.fill(0xff, bytes.indexOf(SECRET), bytes.indexOf(SECRET) + 4);
    const failure = await failureOf(readAll(words, fileWith(folder.path, 'w.arrow', bytes)));
    expect(failure.code).toBe('ERR_SOURCE_MALFORMED');
    expect(failure.text).toContain('UTF-8');
  });

  test('buffers in LZ4, which data frames write where nothing is said', async () => {
    // A frame's magic and nothing of LZ4 behind it: nobody comes so far as to unpack it.
    const encode = (bytes: Uint8Array) =>
      Buffer.concat([Buffer.from('04224d1840', 'hex'), new Uint8Array(12), bytes]);
    compressionRegistry.set(CompressionType.LZ4_FRAME, { encode });
    const table = tableFromArrays({ n: Int32Array.from({ length: 100 }, (_, at) => at) });
    const bytes = tableToIPC(table, 'file', CompressionType.LZ4_FRAME);
    const path = fileWith(folder.path, 'lz4.arrow', bytes);
    const failure = await failureOf(readAll(datasetOf(['n int32']), path));
    expect(failure.code).toBe('ERR_SOURCE_MALFORMED');
    expect(failure.text).toContain('other than with zstd');
  });

  test('another type', async () => {
    const path = await parquetWith(folder.path, 'n.parquet', 'SELECT 5::BIGINT AS n');
    const [arrowBatch] = await readAll(datasetOf(['n int64']), path);
    const arrow = fileWith(folder.path, 'n.arrow', arrowBatch?.bytes ?? '');
    const failure = await failureOf(readAll(datasetOf(['n utf8']), arrow));
    expect(failure.code).toBe('ERR_COLUMN_TYPE');
    expect(failure.text).toContain('Int64');
  });
});

describe('any source', () => {
  test('that is not there, or is a folder', async () => {
    await expectFailure(`${folder.path}/none.csv`, 'ERR_FILE_UNREADABLE');
    await expectFailure(folder.path, 'ERR_FILE_UNREADABLE');
  });

  test('a row that no batch can hold', async () => {
    const path = fileWith(folder.path, 'huge.csv', `word\n${SECRET.repeat(100_000)}\n`);
    const failure = await failureOf(readAll(datasetOf(['word utf8']), path));
    expect(failure.code).toBe('ERR_BATCH_TOO_LARGE');
    expect(failure.text).not.toContain(SECRET);
  });
});

describe('--columns', () => {
  test.each([
    ['x=none', 'ERR_COLUMN_UNKNOWN'],
    ['x=n,y=n', 'ERR_USAGE'],
    ['=n', 'ERR_USAGE'],
    ['', 'ERR_USAGE'],
  ])('%j is refused', async (text, code) => {
    const failure = await failureOf(
      Promise.resolve().then(() => parseColumnMapping(text, dataset)),
    );
    expect(failure.code).toBe(code);
  });

  test('a source column that is not there', async () => {
    const path = fileWith(folder.path, 'less.csv', `${HEADER}${GOOD}`);
    const columns = parseColumnMapping('N=n', dataset);
    const failure = await failureOf(readAll(dataset, path, { columns }));
    expect(failure.code).toBe('ERR_COLUMN_MISSING');
    expect(failure.text).toContain('"sourceColumn":"N"');
  });
});

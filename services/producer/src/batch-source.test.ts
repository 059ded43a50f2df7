import { Readable } from 'node:stream';
import { tableFromIPC, tableToIPC } from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  fileWith,
  parquetWith,
  readAll,
  rowsOf,
  tablesOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import { streamInput } from './source-input.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const dataset = datasetOf(
  [
    'flag bool?',
    'tiny int16?',
    'small int32',
    'large int64?',
    'ratio float64?',
    'word utf8?',
    'day date32?',
    'seen timestamp-ms',
    'exact timestamp-us?',
  ],
  'seen',
);

/** The rows that every format has to give: 64-bit whole numbers as bigint. */
const EXPECTED = [
  [
    true,
    -32768,
    2147483647,
    9007199254740993n,
    0.1,
    'say "a, b"',
    11323,
    978307200123n,
    978307200123456n,
  ],
  [null, null, -2147483648, null, null, null, null, 978307200000n, null],
  [false, 7, 0, -1n, -2.5e300, '', -1, 978307260000n, -1n],
  [true, 0, 1, 0n, 3, 'grüße, 世界: 14 bytes or more', 0, 978307260001n, 0n],
];

const SQL = `SELECT * FROM (VALUES
  (true, (-32768)::SMALLINT, 2147483647, 9007199254740993::BIGINT, 0.1::DOUBLE, 'say "a, b"',
    DATE '2001-01-01', TIMESTAMP_MS '2001-01-01 00:00:00.123',
    TIMESTAMP '2001-01-01 00:00:00.123456'),
  (NULL, NULL, -2147483648, NULL, NULL, NULL, NULL, TIMESTAMP_MS '2001-01-01 00:00:00', NULL),
  (false, 7, 0, -1, -2.5e300, '', DATE '1969-12-31', TIMESTAMP_MS '2001-01-01 00:01:00',
    TIMESTAMP '1969-12-31 23:59:59.999999'),
  (true, 0, 1, 0, 3, 'grüße, 世界: 14 bytes or more', DATE '1970-01-01',
    TIMESTAMP_MS '2001-01-01 00:01:00.001', TIMESTAMP '1970-01-01 00:00:00'))
  t(flag, tiny, small, large, ratio, word, day, seen, exact)`;

const CSV = [
  'flag,tiny,small,large,ratio,word,day,seen,exact',
  'true,-32768,2147483647,9007199254740993,0.1,"say ""a, b""",2001-01-01,' +
    '2001-01-01 00:00:00.123,2001-01-01T00:00:00.123456Z',
  ',,-2147483648,,,,,2001-01-01,',
  'false,7,+0,-1,-2.5e300,"",1969-12-31,2001-01-01 00:01,1969-12-31 23:59:59.999999',
  't,0,1.0,0,3,"grüße, 世界: 14 bytes or more",1970-01-01,' +
    '2001-01-01 00:01:00.001000,1970-01-01 00:00:00',
  '',
].join('\r\n');

const NDJSON = [
  '{"flag":true,"tiny":-32768,"small":2147483647,"large":9007199254740993,"ratio":0.1,' +
    '"word":"say \\"a, b\\"","day":"2001-01-01","seen":"2001-01-01 00:00:00.123",' +
    '"exact":"2001-01-01T00:00:00.123456Z"}',
  '{"small":-2147483648,"flag":null,"seen":"2001-01-01"}',
  '{"flag":false,"tiny":7,"small":0,"large":-1,"ratio":-2.5e300,"word":"","day":"1969-12-31",' +
    '"seen":"2001-01-01 00:01","exact":"1969-12-31 23:59:59.999999"}',
  '{"flag":true,"tiny":0,"small":1.0,"large":0,"ratio":3,' +
    '"word":"gr\\u00fc\\u00dfe, 世界: 14 bytes or more",' +
    '"day":"1970-01-01","seen":"2001-01-01 00:01:00.001","exact":"1970-01-01 00:00:00"}',
].join('\n');

describe('every format gives the same rows', () => {
  test('Parquet', async () => {
    const path = await parquetWith(folder.path, 'rows.parquet', SQL);
    expect(rowsOf(await readAll(dataset, path))).toEqual(EXPECTED);
  });

  test('CSV', async () => {
    const path = fileWith(folder.path, 'rows.csv', CSV);
    expect(rowsOf(await readAll(dataset, path))).toEqual(EXPECTED);
  });

  test.each([';', '\t', '|'])('CSV with %j between fields, and a byte order mark', async (mark) => {
    const text = CSV.replaceAll(/"[^"\n]*(""[^"\n]*)*"|,/g, (part) => (part === ',' ? mark : part));
    const path = fileWith(folder.path, 'marks.csv', `\ufeff${text}`);
    expect(rowsOf(await readAll(dataset, path))).toEqual(EXPECTED);
  });

  test('NDJSON', async () => {
    const path = fileWith(folder.path, 'rows.ndjson', NDJSON);
    expect(rowsOf(await readAll(dataset, path))).toEqual(EXPECTED);
  });

  test.each(['file', 'stream'] as const)('Arrow %s', async (kind) => {
    const parquet = await parquetWith(folder.path, 'rows2.parquet', SQL);
    const [arrowBatch] = await readAll(dataset, parquet);
    const table = tableFromIPC(arrowBatch?.bytes ?? new Uint8Array());
    const path = fileWith(folder.path, `rows-${kind}.bin`, tableToIPC(table, kind));
    expect(rowsOf(await readAll(dataset, path))).toEqual(EXPECTED);
  });

  test.each([
    ['CSV', CSV],
    ['NDJSON', NDJSON],
  ])('%s from a stream, in pieces of any size', async (_name, text) => {
    for (const size of [1, 7, 100_000]) {
      const bytes = Buffer.from(text);
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.subarray(at * size, (at + 1) * size),
      );
      const input = streamInput(Readable.from(pieces), '-');
      expect(rowsOf(await readAll(dataset, '-', { input }))).toEqual(EXPECTED);
    }
  });

  test('Arrow file and stream from standard input', async () => {
    const parquet = await parquetWith(folder.path, 'rows3.parquet', SQL);
    const [arrowBatch] = await readAll(dataset, parquet);
    const table = tableFromIPC(arrowBatch?.bytes ?? new Uint8Array());
    const stream = Buffer.from(tableToIPC(table, 'stream'));
    const magic = Buffer.from('ARROW1');
    const file = Buffer.concat([magic, Buffer.alloc(2), stream, Buffer.from('footer'), magic]);
    for (const content of [stream, file]) {
      const input = streamInput(Readable.from([content]), '-');
      expect(rowsOf(await readAll(dataset, '-', { input }))).toEqual(EXPECTED);
    }
  });
});

describe('an Arrow batch', () => {
  test('has the columns of the contract, dictionary-encoded text, and no metadata', async () => {
    const path = await parquetWith(folder.path, 'types.parquet', SQL);
    const [table] = tablesOf(await readAll(dataset, path));
    expect(
      table?.schema.fields.map(({ name, type, nullable }) => [name, `${type}`, nullable]),
    ).toEqual([
      ['flag', 'Bool', true],
      ['tiny', 'Int16', true],
      ['small', 'Int32', false],
      ['large', 'Int64', true],
      ['ratio', 'Float64', true],
      ['word', 'Dictionary<Int32, Utf8>', true],
      ['day', 'Date32<DAY>', true],
      ['seen', 'Timestamp<MILLISECOND>', false],
      ['exact', 'Timestamp<MICROSECOND>', true],
    ]);
    expect(table?.schema.metadata.size).toBe(0);
    expect(table?.batches.length).toBe(1);
  });

  test('knows its rows, its event times in milliseconds rounded down, and its cursor', async () => {
    const rows = `SELECT TIMESTAMP '1969-12-31 23:59:59.9994' + to_microseconds(n * 1000) AS seen
      FROM range(10) t(n)`;
    const path = await parquetWith(folder.path, 'times.parquet', rows);
    const timed = datasetOf(['seen timestamp-us'], 'seen');
    const facts = (await readAll(timed, path, { batchRows: 4 })).map(({ bytes, ...rest }) => rest);
    expect(facts).toEqual([
      { rows: 4, cursor: 4, eventTime: { min: -1, max: 2 } },
      { rows: 4, cursor: 8, eventTime: { min: 3, max: 6 } },
      { rows: 2, cursor: 10, eventTime: { min: 7, max: 8 } },
    ]);
    const days = datasetOf(['seen date32'], 'seen');
    const dayPath = fileWith(folder.path, 'days.csv', 'seen\n1969-12-31\n2001-01-01\n');
    expect((await readAll(days, dayPath))[0]?.eventTime).toEqual({
      min: -86_400_000,
      max: 978_307_200_000,
    });
  });

  test('outside the event times that the contract names is not sealed', async () => {
    const eventTimes = { from: '2026-01-01T00:00:00Z', until: '2027-01-01T00:00:00Z' };
    const bounded = { ...datasetOf(['seen date32'], 'seen'), eventTimes };
    const source = (days: string) => fileWith(folder.path, 'bounded.csv', `seen\n${days}\n`);
    const inside = await readAll(bounded, source('2026-01-01\n2026-12-31'));
    expect(inside.map(({ rows }) => rows)).toEqual([2]);
    for (const days of ['2026-06-01\n2025-12-31', '2027-01-01', '2026-06-01\n9999-12-31']) {
      const refused = await readAll(bounded, source(days)).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'ERR_EVENT_TIME_RANGE', facts: eventTimes });
      expect(JSON.stringify(refused)).not.toMatch(/2025|9999/);
    }
  });

  test('of a dataset without event time has none', async () => {
    const path = fileWith(folder.path, 'plain.csv', 'a\n1\n');
    expect((await readAll(datasetOf(['a int32']), path))[0]?.eventTime).toBeNull();
  });

  test('leaves nothing of other rows under a null', async () => {
    const rows = `SELECT CASE WHEN n % 3 = 0 THEN 7000000000 + n END AS a,
      CASE WHEN n % 2 = 0 THEN 'text ' || n END AS b FROM range(5000) t(n)`;
    const path = await parquetWith(folder.path, 'nulls.parquet', rows);
    const tables = tablesOf(await readAll(datasetOf(['a int64?', 'b utf8?']), path));
    for (const table of tables) {
      const numbers = table.getChildAt(0)?.data[0];
      const texts = table.getChildAt(1)?.data[0];
      for (let row = 0; row < table.numRows; row += 1) {
        if (!numbers?.getValid(row)) expect(numbers?.values[row]).toBe(0n);
        if (!texts?.getValid(row)) expect(texts?.values[row]).toBe(0);
      }
      expect(texts?.dictionary?.nullCount).toBe(0);
    }
  });
});

describe('batches are cut', () => {
  const wide = datasetOf(['n int32', 'text utf8']);
  const count = 3_000;
  const sql = `SELECT n::INTEGER AS n, repeat(chr(65 + (n % 26)::INTEGER), 900) || n AS text
    FROM range(${count}) t(n)`;

  test.each<[string, { batchRows?: number; batchBytes?: number }]>([
    ['by rows', { batchRows: 700 }],
    ['by bytes', { batchBytes: 100_000 }],
    ['by bytes that few rows fill', { batchBytes: 5_000 }],
  ])('%s, in order, each row once', async (_name, limits) => {
    const path = await parquetWith(folder.path, 'wide.parquet', sql);
    const arrowBatches = await readAll(wide, path, limits);
    expect(arrowBatches.length).toBeGreaterThan(4);
    for (const { rows, bytes } of arrowBatches) {
      expect(rows).toBeLessThanOrEqual(limits.batchRows ?? 8_192);
      expect(bytes.length).toBeLessThanOrEqual(limits.batchBytes ?? 900_000);
    }
    const numbers = rowsOf(arrowBatches).map(([n]) => n);
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
    expect(arrowBatches.at(-1)?.cursor).toBe(count);
    const texts = rowsOf(arrowBatches).map(([n, text]) => `${text}`.endsWith(`${n}`));
    expect(texts.every((ends) => ends)).toBe(true);
  });

  test.each([
    ['Parquet', 'skip.parquet'],
    ['CSV', 'skip.csv'],
    ['NDJSON', 'skip.ndjson'],
    ['Arrow', 'skip.arrow'],
  ])('from any row on: %s', async (format, name) => {
    const numbers = datasetOf(['n int32']);
    const path = await numbersAs(format, name, 5_000);
    for (const [skipRows, limitRows] of [
      [0, 10],
      [2_047, 2_049],
      [2_048, 5_000],
      [4_999, 5_000],
      [5_000, 5_000],
      [3_000, 2_000],
    ] as const) {
      const arrowBatches = await readAll(numbers, path, { skipRows, limitRows, batchRows: 1_000 });
      const expected = Array.from({ length: Math.max(0, limitRows - skipRows) }, (_, n) => [
        skipRows + n,
      ]);
      expect(rowsOf(arrowBatches)).toEqual(expected);
      if (expected.length > 0) expect(arrowBatches.at(-1)?.cursor).toBe(limitRows);
    }
  });

  async function numbersAs(format: string, name: string, rows: number): Promise<string> {
    const numbers = Array.from({ length: rows }, (_, n) => n);
    if (format === 'CSV') return fileWith(folder.path, name, `n\n${numbers.join('\n')}\n`);
    if (format === 'NDJSON') {
      return fileWith(folder.path, name, numbers.map((n) => `{"n":${n}}\n`).join(''));
    }
    const parquet = `SELECT n::INTEGER AS n FROM range(${rows}) t(n)`;
    const path = await parquetWith(folder.path, `${name}.parquet`, parquet);
    if (format === 'Parquet') return path;
    const arrowBatches = await readAll(datasetOf(['n int32']), path, { batchRows: 900 });
    const [first, ...others] = tablesOf(arrowBatches);
    if (first === undefined) throw new Error('no rows');
    return fileWith(folder.path, name, tableToIPC(first.concat(...others), 'stream'));
  }
});

describe('columns', () => {
  test('are renamed and selected by a mapping, in the order of the contract', async () => {
    const path = fileWith(folder.path, 'mapped.csv', 'Date,N,extra\n2001-01-01,5,x\n');
    const timed = datasetOf(['n int32', 'day date32'], 'day');
    const columns = new Map([
      ['day', 'Date'],
      ['n', 'N'],
    ]);
    expect(rowsOf(await readAll(timed, path, { columns }))).toEqual([[5, 11323]]);
    const json = fileWith(
      folder.path,
      'mapped.ndjson',
      '{"Date":"2001-01-01","a/b~c":5,"x":[1]}\n',
    );
    const pointers = new Map([
      ['day', 'Date'],
      ['n', 'a/b~c'],
    ]);
    expect(rowsOf(await readAll(timed, json, { columns: pointers }))).toEqual([[5, 11323]]);
    const parquet = await parquetWith(
      folder.path,
      'mapped.parquet',
      `SELECT DATE '2001-01-01' AS "Date", 5 AS "we""ird", [1] AS other`,
    );
    const quoted = new Map([
      ['day', 'Date'],
      ['n', 'we"ird'],
    ]);
    expect(rowsOf(await readAll(timed, parquet, { columns: quoted }))).toEqual([[5, 11323]]);
  });

  test('an empty source has no batches', async () => {
    const numbers = datasetOf(['n int32']);
    const empty = await parquetWith(folder.path, 'empty.parquet', 'SELECT 1 AS n WHERE false');
    expect(await readAll(numbers, empty)).toEqual([]);
    expect(await readAll(numbers, fileWith(folder.path, 'empty.csv', 'n\n'))).toEqual([]);
    const path = fileWith(folder.path, 'empty.ndjson', '');
    expect(await readAll(numbers, path, { format: 'ndjson' })).toEqual([]);
  });

  test('a path with letters of a glob pattern means one file', async () => {
    fileWith(folder.path, 'ab.csv', 'n\n1\n');
    const path = fileWith(folder.path, "a*'[b].csv", 'n\n2\n');
    expect(rowsOf(await readAll(datasetOf(['n int32']), path))).toEqual([[2]]);
  });
});

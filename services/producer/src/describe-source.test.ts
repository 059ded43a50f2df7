import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { datasetOf, failureOf, parquetWith, readAll, rowsOf } from '../test/source-fixtures.ts';
import { parseColumnMapping } from './column-mapping.ts';
import { parseDialect } from './csv-dialect.ts';
import { describeSource } from './describe-source.ts';

let run: string;
beforeAll(async () => {
  run = await mkdtemp(join(tmpdir(), 'strongroom-describe-'));
});
afterAll(() => rm(run, { recursive: true }));

async function described(text: string) {
  const path = join(run, 'rows');
  await writeFile(path, text);
  return describeSource(path);
}
const refused = (text: string) => described(text).then(() => undefined, codeOf);

describe('a file described for a contract', () => {
  test('CSV: names, types, the first column of times, what is missing', async () => {
    const text = 'at,ward,minutes\n2026-03-02T08:00:00Z,a,5\n2026-03-02 08:10:00Z,,7\n';
    expect(await described(text)).toEqual({
      ...{ format: 'csv', rows: 2, eventTime: 'at' },
      columns: [
        { name: 'at', type: 'timestamp-us-utc', nullable: false },
        { name: 'ward', type: 'utf8', nullable: true },
        { name: 'minutes', type: 'int64', nullable: false },
      ],
    });
  });

  test.each([
    ['2026-03-02 08:00:00', 'timestamp-us'],
    ['2026-03-02', 'date32'],
    ['0.5', 'float64'],
    ['true', 'bool'],
    ['"12"', 'utf8'],
  ])('a value %s is of type %s', async (value, type) => {
    const { columns } = await described(`x;y\n${value};word\n`);
    expect(columns.map((each) => each.type)).toEqual([type === 'utf8' ? 'int64' : type, 'utf8']);
  });

  test('all rows decide, not the first ones', async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => `${index}`);
    const { columns } = await described(`n,m\n${rows.map((row) => `${row},1`).join('\n')}\nx,\n`);
    expect(columns).toEqual([
      { name: 'n', type: 'utf8', nullable: false },
      { name: 'm', type: 'int64', nullable: true },
    ]);
  });

  test('NDJSON; no column of times', async () => {
    const { format, columns, eventTime } = await described('{"a":1}\n{"a":2,"b":"x"}\n');
    expect([format, eventTime]).toEqual(['ndjson', undefined]);
    expect(columns.map(({ name, nullable }) => [name, nullable])).toEqual([
      ['a', false],
      ['b', true],
    ]);
  });

  test('names that no contract can have are brought into form, for --columns', async () => {
    const text = 'Visit Time,Größe,Grö e,42\n2026-03-02,1,2,3\n';
    const { columns, mapping } = await described(text);
    expect(columns.map(({ name }) => name)).toEqual(['visit_time', 'grosse', 'gro_e', 'column_4']);
    expect(mapping).toBe('Visit Time=visit_time,Größe=grosse,Grö e=gro_e,42=column_4');
  });

  test.each([
    ['ARROW1 and so on', 'ERR_USAGE'],
    ['{"a":{"b":1}}\n', 'ERR_SOURCE_MALFORMED'],
    ['{"a":\n', 'ERR_SOURCE_MALFORMED'],
    ['', 'ERR_SOURCE_MALFORMED'],
    ['[{"a":1}]', 'ERR_SOURCE_MALFORMED'],
    ['a,b\n1,2\n3\n', 'ERR_SOURCE_MALFORMED'],
  ])('%j is refused with %s', async (text, code) => {
    expect(await refused(text)).toBe(code);
  });
});

test('more columns than a contract can have are told by their number', async () => {
  const names = Array.from({ length: 3_000 }, (_, at) => `c${at}`);
  const failure = await failureOf(described(`${names.join()}\n`));
  expect(failure.code).toBe('ERR_LIMIT_EXCEEDED');
  expect(failure.text).toContain('"found":3000');
});

/** What a bank's file holds, and what a draft should say of it. */
const COLUMNS: readonly [values: readonly string[], shape: object][] = [
  [['9007199254740993', '-1'], { type: 'int64' }],
  [['18446744073709551615', '0'], { type: 'uint64' }],
  [['18446744073709551617', ''], { type: 'decimal128', precision: 20, scale: 0 }],
  [['1234567.891234567891', '0.5'], { type: 'decimal128', precision: 19, scale: 12 }],
  [['0.1', '0.30000000000000004'], { type: 'float64' }],
  [['1e3', '.5'], { type: 'float64' }],
  [['1'.repeat(39), '2'], { type: 'utf8' }],
  // What tells them apart would be lost in a number.
  [['01067', '12'], { type: 'utf8' }],
  [['+4930', '12'], { type: 'utf8' }],
  [['inf', 'nan'], { type: 'utf8' }],
  [['yes', 'no'], { type: 'bool' }],
  [['2026-01-31', '2026-02-01'], { type: 'date32' }],
  [['2026-01-31', '2026-02-01 10:00'], { type: 'timestamp-us' }],
  [['2026-03-29 02:30:00+01:00', '2026-03-29T03:30:00Z'], { type: 'timestamp-us-utc' }],
  // DuckDB takes these for dates and times, and no rule of ours does.
  [['31.12.2025', '01.01.2026'], { type: 'utf8' }],
  [['01/02/2025', '01/03/2025'], { type: 'utf8' }],
  [['2026-01-31 10:00:00.123456789', '2026-01-31'], { type: 'utf8' }],
  [['2026-03-29 02:30:00+01:00', '2026-03-29 03:30:00'], { type: 'utf8' }],
  [['10:00', '11:00'], { type: 'utf8' }],
  [['', ''], { type: 'utf8' }],
];

describe('a description is what rows are published by', () => {
  const readBack = async (path: string, csv?: string) => {
    const dialect = csv === undefined ? undefined : parseDialect(csv);
    const { columns, mapping, rows } = await describeSource(path, dialect);
    const dataset = { ...datasetOf(['x int8']), columns: [...columns] };
    const options = {
      csv: dialect,
      ...(mapping === undefined ? {} : { columns: parseColumnMapping(mapping, dataset) }),
    };
    const read = rowsOf(await readAll(dataset, path, options));
    expect(read).toHaveLength(rows);
    return { columns, read };
  };

  test('of CSV', async () => {
    const header = COLUMNS.map((_, at) => `"Spalte ${at}, neu"`).join(';');
    const lines = [0, 1].map((row) => COLUMNS.map(([values]) => values[row]).join(';'));
    const path = join(run, 'bank');
    await writeFile(path, `\ufeff${header}\r\n${lines.join('\r\n')}\r\n`);
    const { columns } = await readBack(path);
    for (const [at, [values, shape]] of COLUMNS.entries()) {
      const nullable = values.includes('');
      expect([values, columns[at]]).toEqual([values, expect.objectContaining(shape)]);
      expect([values, columns[at]?.nullable]).toEqual([values, nullable]);
    }
  });

  test('of CSV as it is said to be written', async () => {
    const path = join(run, 'own');
    const text = 'Müller;1.234,50;31.12.2025\nWeiß;0,5;01.01.2026\n';
    await writeFile(path, Buffer.from(text, 'latin1'));
    const own = 'delimiter=semicolon header=no encoding=windows-1252 numbers=1.234,56';
    const { columns, read } = await readBack(path, `${own} dates=31.12.2001`);
    expect(columns.map(({ type }) => type)).toEqual(['utf8', 'float64', 'date32']);
    expect(read).toEqual([
      ['Müller', 1234.5, 20_453],
      ['Weiß', 0.5, 20_454],
    ]);
  });

  test('of NDJSON, without what no contract can have', async () => {
    const path = join(run, 'lines');
    const lines = [
      { id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a,"b"': 1.5, at: '2026-01-01', o: { x: 1 } },
      { id: 'x', at: null, l: [1], mixed: 1 },
      { id: 'y', mixed: 'a', '': 1 },
    ];
    await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { columns } = await readBack(path);
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      ...['id utf8', 'a_b float64', 'at date32'],
    ]);
    const { leftOut } = await describeSource(path);
    expect(leftOut?.map(({ name }) => name)).toEqual(['o', 'l', 'mixed', '']);
  });

  test('of Parquet, without what no contract can have', async () => {
    const sql = `SELECT [1] AS l, TIMESTAMP_NS '2026-01-01 00:00:00.000001' AS us, 1::HUGEINT AS h,
      TIMESTAMP_NS '2026-01-01 00:00:00.000000001' AS ns, uuid() AS u, 1.5::DECIMAL(38, 9) AS d`;
    const path = await parquetWith(run, 'p', sql);
    const { columns } = await readBack(path);
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      ...['us timestamp-us', 'h float64', 'u utf8', 'd decimal128'],
    ]);
    const { leftOut } = await describeSource(path);
    expect(leftOut?.map(({ place, name }) => [place, name])).toEqual([
      [1, 'l'],
      [4, 'ns'],
    ]);
  });

  test('says no value of a row where a file has no header or too few fields', async () => {
    const path = join(run, 'secret');
    for (const text of ['1,marker7f3a,2026-01-01\n2,b,2026-01-02\n', 'a,b\n"marker7f3a,x"\n']) {
      await writeFile(path, text);
      const failure = await failureOf(describeSource(path));
      expect(failure.code).toBe('ERR_SOURCE_MALFORMED');
      expect(failure.text).not.toContain('marker7f3a');
    }
  });
});

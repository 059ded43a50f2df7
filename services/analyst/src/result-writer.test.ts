import {
  chmod,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import type { Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { StopNoticeSchema } from '@strongroom/protocol/stop-notice';
import {
  Table as ArrowTable,
  Bool,
  DateDay,
  Decimal,
  Dictionary,
  Float64,
  Int32,
  Int64,
  makeData,
  makeVector,
  type Table,
  TimestampMicrosecond,
  tableFromIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collect, createScene, DAY_MS, flightsTable, type Scene } from '../test/scene.ts';
import { fileSink } from './byte-sink.ts';
import type { VerifiedResult } from './open-aggregate.ts';
import { readAggregates } from './read-aggregates.ts';
import { createResultWriter, type Format } from './result-writer.ts';

let folder: string;
let scene: Scene;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-analyst-'));
  scene = await createScene();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Results that went through sealing, the log and all checks. */
async function resultsOf(...tables: readonly Table[]): Promise<VerifiedResult[]> {
  const worker = await scene.worker();
  await scene.append(worker.tokenRecord);
  for (const [emission, table] of tables.entries()) {
    await scene.append(await worker.seal({ emission, table }));
  }
  const { contract, contractId, authority, log, clock } = scene;
  const options = { contract, contractId, identity: authority, log, clock, roots: AMD_ROOTS };
  const readings = await collect(readAggregates(options));
  return readings.map((reading) => {
    if (reading.kind !== 'result') throw new Error(reading.kind);
    return reading.result;
  });
}

async function writeAll(
  results: readonly VerifiedResult[],
  format: Format,
  out: string,
  more: { withProof?: boolean; queries?: readonly Query[] } = {},
): Promise<void> {
  const writer = await createResultWriter({
    format,
    out,
    queries: more.queries ?? scene.contract.queries.slice(0, 1),
    withProof: more.withProof ?? false,
    live: false,
    onGone: () => undefined,
  });
  try {
    for (const result of results) await writer.write(result);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  await writer.close();
}

/** One value of every type that a result may have, and a missing one. */
function everyType(): Table {
  const words = Uint32Array.from([0xffffff85, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0, 0]);
  const decimals = makeData({
    type: new Decimal(2, 38, 128),
    length: 2,
    nullCount: 1,
    nullBitmap: Uint8Array.from([0b01]),
    data: words,
  });
  return new ArrowTable({
    flag: vectorFromArray([true, null], new Bool()),
    small: vectorFromArray([-7, null], new Int32()),
    large: vectorFromArray([2n ** 62n, null], new Int64()),
    ratio: vectorFromArray([0.1, null], new Float64()),
    day: vectorFromArray([new Date(Date.UTC(1999, 11, 31)), null], new DateDay()),
    moment: vectorFromArray([978_307_200_000.25, null], new TimestampMicrosecond()),
    name: vectorFromArray(['x', null], new Dictionary(new Utf8(), new Int32())),
    amount: makeVector(decimals),
  });
}

describe('csv', () => {
  test('quotes what it must, and puts the window in front', async () => {
    const file = join(folder, 'daily.csv');
    await writeAll(await resultsOf(flightsTable(0), flightsTable(1)), 'csv', file);
    const day = (date: number) => `2001-01-0${date}T00:00:00.000Z`;
    expect(await readFile(file, 'utf8')).toBe(
      [
        'window_start,window_end,origin,flights',
        `${day(1)},${day(2)},A,10`,
        `${day(1)},${day(2)},"B, ""b""",${2n ** 60n}`,
        `${day(2)},${day(3)},A,11`,
        `${day(2)},${day(3)},"B, ""b""",${2n ** 60n}`,
        '',
      ].join('\r\n'),
    );
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('keeps every type exact', async () => {
    const file = join(folder, 'daily.csv');
    await writeAll(await resultsOf(everyType()), 'csv', file);
    const [, first, second] = (await readFile(file, 'utf8')).split('\r\n');
    expect(first?.split(',').slice(2)).toEqual([
      'true',
      '-7',
      `${2n ** 62n}`,
      '0.1',
      '1999-12-31',
      '2001-01-01T00:00:00.000250Z',
      'x',
      '-1.23',
    ]);
    expect(second?.split(',').slice(2)).toEqual(Array(8).fill(''));
  });
});

test('a text of another owner is no formula in csv, and as it is elsewhere', async () => {
  const texts = ['=1+1', '@SUM(A1)', '+cmd', '-x', '\t=1', '-12.5', '+4', 'a=b'];
  const table = new ArrowTable({
    name: vectorFromArray(texts, new Dictionary(new Utf8(), new Int32())),
    n: vectorFromArray(
      texts.map(() => -1),
      new Int32(),
    ),
  });
  const results = await resultsOf(table);
  await writeAll(results, 'csv', join(folder, 'x.csv'));
  const lines = (await readFile(join(folder, 'x.csv'), 'utf8')).split('\r\n').slice(1, -1);
  const told = lines.map((line) => line.split(',').slice(2));
  const safe = ["'=1+1", "'@SUM(A1)", "'+cmd", "'-x", "'\t=1", '-12.5', '+4', 'a=b'];
  expect(told).toEqual(safe.map((text) => [text, '-1']));
  await writeAll(results, 'json', join(folder, 'x.jsonl'));
  expect(await readFile(join(folder, 'x.jsonl'), 'utf8')).toContain('"=1+1"');
});

describe('parquet', () => {
  test('holds what was read, in types that keep it exact', async () => {
    const file = join(folder, "it's.parquet");
    await writeAll(await resultsOf(everyType(), everyType()), 'parquet', file);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const path = file.replaceAll("'", "''");
    const typed = await connection.runAndReadAll(`DESCRIBE FROM read_parquet('${path}')`);
    expect(typed.getRows().map(([name, type]) => [name, type])).toEqual([
      ['window_start', 'TIMESTAMP'],
      ['window_end', 'TIMESTAMP'],
      ['flag', 'BOOLEAN'],
      ['small', 'BIGINT'],
      ['large', 'BIGINT'],
      ['ratio', 'DOUBLE'],
      ['day', 'DATE'],
      ['moment', 'TIMESTAMP'],
      ['name', 'VARCHAR'],
      ['amount', 'DECIMAL(38,2)'],
    ]);
    const rows = await connection.runAndReadAll(
      `SELECT COLUMNS(*)::VARCHAR FROM read_parquet('${path}') WHERE flag ORDER BY 1`,
    );
    const values = ['true', '-7', `${2n ** 62n}`, '0.1', '1999-12-31'];
    const rest = ['2001-01-01 00:00:00.00025', 'x', '-1.23'];
    expect(rows.getRows()).toEqual([
      ['2001-01-01 00:00:00', '2001-01-02 00:00:00', ...values, ...rest],
      ['2001-01-02 00:00:00', '2001-01-03 00:00:00', ...values, ...rest],
    ]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    connection.closeSync();
    instance.closeSync();
  });
});

describe('arrow', () => {
  test('holds all windows under one schema, without dictionaries', async () => {
    const file = join(folder, 'daily.arrow');
    await writeAll(await resultsOf(everyType(), everyType()), 'arrow', file);
    const table = tableFromIPC(await readFile(file));
    expect(table.numRows).toBe(4);
    expect(table.schema.fields.map((field) => `${field.name} ${field.type}`)).toContain(
      'name Utf8',
    );
    expect([...(table.getChild('name') ?? [])]).toEqual(['x', null, 'x', null]);
    expect([...(table.getChild('large') ?? [])]).toEqual([2n ** 62n, null, 2n ** 62n, null]);
    const start = Date.UTC(2001, 0, 1);
    expect([...(table.getChild('window_start') ?? [])]).toEqual([
      start,
      start,
      start + DAY_MS,
      start + DAY_MS,
    ]);
  });
});

describe('json', () => {
  test('is one line a window, without a rounded number', async () => {
    const file = join(folder, 'results.jsonl');
    await writeAll(await resultsOf(flightsTable(0), everyType()), 'json', file, {
      withProof: true,
    });
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    const [first, second] = lines.map((line) => JSON.parse(line));
    const start = Date.UTC(2001, 0, 1);
    expect(first).toMatchObject({
      query: 'daily',
      window: { start, end: start + DAY_MS },
      epoch: 0,
      emission: 0,
      suppressedGroups: 1,
      rows: [
        { origin: 'A', flights: 10 },
        { origin: 'B, "b"', flights: `${2n ** 60n}` },
      ],
      proof: {
        platform: 'simulated',
        measurement: { name: 'build 1' },
        contract: scene.contractId,
        checkpoint: 0,
        inputs: [
          { owner: 'north', streams: 1, batches: 3, rows: 40, lateRows: 0, retractedRows: 0 },
          { owner: 'south', streams: 1, batches: 3, rows: 2, lateRows: 0, retractedRows: 0 },
        ],
      },
    });
    expect(second.rows[0]).toMatchObject({ large: `${2n ** 62n}`, amount: '-1.23', flag: true });
  });
});

describe('table', () => {
  test('says how many rows of the input came too late', async () => {
    const file = join(folder, 'late.txt');
    const results = await resultsOf(new ArrowTable({ origin: vectorFromArray(['A']) }));
    const late = results.map((result) => {
      const inputs = result.inputs.map((input) => ({ ...input, lateRows: 3 }));
      return { ...result, inputs };
    });
    await writeAll(late, 'table', file);
    expect(await readFile(file, 'utf8')).toContain('| 6 input rows came too late so far');
  });

  test('says why a result was withheld', async () => {
    const worker = await scene.worker();
    const content = { rows: 0, suppressedGroups: 0, withheld: 'failed' } as const;
    await scene.append(worker.tokenRecord, await worker.seal({ content }));
    const results = await resultsOf();
    await writeAll(results, 'table', join(folder, 'withheld.txt'));
    const text = await readFile(join(folder, 'withheld.txt'), 'utf8');
    expect(text).toContain('| WITHHELD: it could not be computed over these rows');
    await writeAll(results, 'json', join(folder, 'withheld.jsonl'));
    const line = await readFile(join(folder, 'withheld.jsonl'), 'utf8');
    expect(JSON.parse(line)).toMatchObject({ withheld: 'failed', suppressedGroups: 0, rows: [] });
  });

  test('says what it is, and lets no cell steer the terminal', async () => {
    const file = join(folder, 'results.txt');
    const evil = vectorFromArray(['\u001b[2J\nwindow: forged'], new Utf8());
    await writeAll(await resultsOf(new ArrowTable({ origin: evil })), 'table', file, {
      withProof: true,
    });
    const text = await readFile(file, 'utf8');
    expect(text).toContain('daily | 2001-01-01T00:00:00.000Z to 2001-01-02T00:00:00.000Z | 1 rows');
    expect(text).toContain('1 groups withheld (5 rows, rules)');
    expect(text).not.toContain('too late');
    expect(text).toContain('\\u{1b}[2J\\u{a}window: forged');
    expect(text).not.toContain('\u001b');
    expect(text).toContain('NOT HARDWARE');
    expect(text).toContain('north: 40 rows of the window, 1 stream, 3 batches');
  });
});

describe('output', () => {
  test('a folder gets a file a query, private to the reader', async () => {
    const out = join(folder, 'results');
    await writeAll(await resultsOf(flightsTable(0)), 'csv', out, {
      queries: scene.contract.queries,
    });
    expect(await readdir(out)).toEqual(['daily.csv']);
    expect((await stat(out)).mode & 0o777).toBe(0o700);
  });

  test('what lay at its place before says nothing about who may read it', async () => {
    const results = await resultsOf(flightsTable(0));
    for (const format of ['csv', 'parquet', 'arrow'] as const) {
      const [out, theirs] = [join(folder, `x.${format}`), join(folder, 'theirs')];
      await writeFile(theirs, 'untouched');
      await symlink(theirs, `${out}.part`);
      await writeAll(results, format, out);
      expect(await readFile(theirs, 'utf8')).toBe('untouched');
      expect((await lstat(out)).mode & 0o777).toBe(0o600);
    }
    const live = join(folder, 'live.csv');
    await writeFile(live, '');
    await chmod(live, 0o666);
    await (await fileSink(live, true)).close();
    expect((await stat(live)).mode & 0o777).toBe(0o600);
  });

  test('one file cannot hold several queries, and text formats can', async () => {
    const several = { queries: scene.contract.queries };
    const results = await resultsOf(flightsTable(0));
    for (const format of ['csv', 'parquet', 'arrow'] as const) {
      const written = writeAll(results, format, join(folder, `x.${format}`), several);
      expect(codeOf(await written.catch((error) => error))).toBe('ERR_USAGE');
    }
    await writeAll(results, 'json', join(folder, 'x.jsonl'), several);
    expect(await readdir(folder)).toEqual(['x.jsonl']);
  });

  test('nothing that looks finished is left when reading fails', async () => {
    const results = await resultsOf(flightsTable(0));
    for (const format of ['csv', 'parquet', 'arrow', 'json', 'table'] as const) {
      const writer = await createResultWriter({
        format,
        out: join(folder, `x.${format}`),
        queries: scene.contract.queries.slice(0, 1),
        withProof: false,
        live: false,
        onGone: () => undefined,
      });
      for (const result of results) await writer.write(result);
      await writer.discard();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test('a window with other columns is refused, not shifted', async () => {
    const results = await resultsOf(flightsTable(0), everyType());
    for (const format of ['csv', 'parquet', 'arrow'] as const) {
      const written = writeAll(results, format, join(folder, `y.${format}`));
      expect(codeOf(await written.catch((error) => error))).toBe('ERR_AGGREGATE_MALFORMED');
    }
  });

  test('a folder that cannot be written is an error of ours', async () => {
    const results = await resultsOf(flightsTable(0));
    const written = writeAll(results, 'csv', join(folder, 'missing', 'x.csv'));
    const error: unknown = await written.catch((thrown) => thrown);
    expect(error instanceof Error && 'code' in error ? error.code : '').toBe('ERR_FILE_UNWRITABLE');
  });
});

describe('a stop notice', () => {
  const notice = StopNoticeSchema.parse({
    ...{ v: 1, contract: 'ab'.repeat(32), epoch: 7, token: 'cd'.repeat(32) },
    ...{ stoppedBy: 'north', at: Date.UTC(2026, 0, 1) },
    streams: [{ dataset: 'flights-north', stream: 'A'.repeat(22), sequences: 3, rows: 40 }],
  });

  test.each([
    ['json', 'daily.jsonl', '"ended":{"by":"north","at":"2026-01-01T00:00:00.000Z","epoch":7'],
    ['table', 'daily.txt', `stopped at sequence 3 of stream ${'A'.repeat(22)} (40 rows), ended by`],
  ] as const)('is told in %s, also where no result came before', async (format, name, text) => {
    for (const out of [join(folder, name), join(folder, 'of-each')]) {
      const queries = scene.contract.queries.slice(0, 1);
      const onGone = () => undefined;
      const output = { format, out, queries, withProof: false, live: false, onGone };
      const writer = await createResultWriter(output);
      await writer.end(notice);
      await writer.close();
    }
    expect(await readFile(join(folder, name), 'utf8')).toContain(text);
    expect(await readFile(join(folder, 'of-each', name), 'utf8')).toContain(text);
  });

  test('is no row of a file of rows', async () => {
    const out = join(folder, 'daily.csv');
    const options = { format: 'csv', out, queries: scene.contract.queries.slice(0, 1) } as const;
    const more = { withProof: false, live: false, onGone: () => undefined };
    const writer = await createResultWriter({ ...options, ...more });
    await writer.end(notice);
    await writer.close();
    expect(await readdir(folder)).toEqual([]);
  });
});

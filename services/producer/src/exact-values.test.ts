import { readFileSync } from 'node:fs';
import type { ColumnType } from '@strongroom/protocol/contract';
import { Table, Timestamp, TimeUnit, tableToIPC, vectorFromArray } from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  failureOf,
  fileWith,
  parquetWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';

/** What a reader would change without a word: rounded, cut off, or moved by a zone. */

const folder = temporaryFolder();
afterAll(() => folder.remove());

let files = 0;
const fileOf = (bytes: string | Uint8Array) => {
  files += 1;
  return fileWith(folder.path, `${files}`, bytes);
};

async function published(path: string, type: ColumnType): Promise<unknown> {
  return rowsOf(await readAll(datasetOf([`c ${type}`]), path))[0]?.[0];
}
const refusalOf = (path: string, type: ColumnType) => failureOf(published(path, type));

const texts = (value: string) => [fileOf(`c\n${value}\n`), fileOf(`{"c":${value}}\n`)];

describe('a whole number in a float column', () => {
  test.each<[string, ColumnType]>([
    ['9007199254740993', 'float64'],
    ['-9007199254740993', 'float64'],
    ['18446744073709551617', 'float64'],
    ['123456789012345678901234567890123456789012', 'float64'],
    ['16777217', 'float32'],
  ])('%s is none of %s', async (value, type) => {
    for (const path of texts(value)) {
      expect([path, (await refusalOf(path, type)).code]).toEqual([path, 'ERR_COLUMN_TYPE']);
    }
  });

  test.each<[string, ColumnType]>([
    ['9007199254740992', 'float64'],
    ['1152921504606846976', 'float64'],
    // What JavaScript writes for 2^70 - 2^17.
    ['1180591620717411200000', 'float64'],
    ['123456789012345680000', 'float64'],
    ['1e300', 'float64'],
    ['16777216', 'float32'],
    ['-49703341529235460', 'float32'],
    ['0.1', 'float64'],
  ])('%s is one of %s', async (value, type) => {
    const number = type === 'float32' ? Math.fround(Number(value)) : Number(value);
    for (const path of texts(value)) expect(await published(path, type)).toBe(number);
  });
});

test.each(['9007199254740993.0', '9007199254740993.5'])(
  '%s in JSON is no whole number',
  async (n) => {
    const path = fileOf(`{"c":${n}}\n`);
    for (const type of ['int64', 'uint64'] as const) {
      expect((await refusalOf(path, type)).code).toBe('ERR_COLUMN_TYPE');
    }
  },
);

describe('a time without a zone', () => {
  const [noon, micros] = [`TIMESTAMP '2001-07-01 12:00:00'`, 994_000_000_000_000n];

  test.each([`DATE '2001-07-01'`, noon, `${noon}::TIMESTAMP_MS`, `${noon}::TIMESTAMP_NS`])(
    '%s in Parquet is none in UTC',
    async (sql) => {
      const path = await parquetWith(folder.path, 'naive.parquet', `SELECT ${sql} AS c`);
      const { code, text } = await refusalOf(path, 'timestamp-us-utc');
      expect([code, text]).toEqual(['ERR_COLUMN_TYPE', expect.stringContaining('without a zone')]);
      expect(await published(path, 'timestamp-us')).toBeTypeOf('bigint');
    },
  );

  test('in Arrow is none in UTC, and one with any zone is', async () => {
    const arrowOf = (zone: string | null) => {
      const vector = vectorFromArray([micros / 1_000n], new Timestamp(TimeUnit.MILLISECOND, zone));
      return fileOf(tableToIPC(new Table({ c: vector }), 'stream'));
    };
    for (const zone of [null, '']) {
      expect((await refusalOf(arrowOf(zone), 'timestamp-us-utc')).code).toBe('ERR_COLUMN_TYPE');
      expect(await published(arrowOf(zone), 'timestamp-us')).toBe(micros);
    }
    for (const zone of ['UTC', 'Europe/Berlin', '+02:00']) {
      expect(await published(arrowOf(zone), 'timestamp-us-utc')).toBe(micros);
    }
  });
});

describe('nanoseconds in Parquet that DuckDB would cut off', () => {
  const types: ColumnType[] = ['timestamp-ms', 'timestamp-us', 'timestamp-us-utc', 'date32'];

  test('are refused with a zone', async () => {
    const sql = `SELECT struct_pack(a := 1, b := [2]) AS before,
      TIMESTAMP_NS '2001-01-01 00:00:00.123456789' AS c`;
    const bytes = readFileSync(await parquetWith(folder.path, 'ns.parquet', sql));
    // In the footer: isAdjustedToUTC from false to true (Thrift's compact protocol).
    bytes[bytes.indexOf(Buffer.from('121c3c', 'hex'))] = 0x11;
    for (const type of types) {
      const dataset = datasetOf([`c ${type}`]);
      const columns = new Map([['c', 'c']]);
      const { code, text } = await failureOf(readAll(dataset, fileOf(bytes), { columns }));
      expect([code, text]).toEqual(['ERR_COLUMN_TYPE', expect.stringContaining('nanoseconds')]);
    }
  });

  test('are refused in 96 bits', async () => {
    const path = fileOf(Buffer.from(OF_96_BITS, 'base64'));
    for (const type of types) {
      const { code, text } = await refusalOf(path, type);
      expect([code, text]).toEqual(['ERR_COLUMN_TYPE', expect.stringContaining('nanoseconds')]);
    }
  });

  test('without a zone are taken where none is lost', async () => {
    const of = (fraction: string) =>
      parquetWith(
        folder.path,
        'plain.parquet',
        `SELECT TIMESTAMP_NS '1970-01-01 00:00:00.${fraction}' AS c`,
      );
    expect(await published(await of('123456000'), 'timestamp-us')).toBe(123_456n);
    expect((await refusalOf(await of('123456001'), 'timestamp-us')).code).toBe('ERR_COLUMN_TYPE');
  });
});

/** Written by pyarrow 26: one time of 96 bits in a column `c`. */
const OF_96_BITS = `UEFSMRUAFSQVJCwVAhUAFQYVBhwAAAACAAAAAgEVzfB6wkgAAGeKJQAVBBksNQAYBnNjaGVt
YRUCABUGJQIYAWMAFgIZHBkcJgAcFQYZJQYAGRgBYxUAFgIWShZKJghJHBUAFQAVAgA8KQYZJgACAAAAFkoWAiYIFkoAKCB
wYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRkcHAAAAHoAAABQQVIx`;

test('a UUID in Parquet is its text', async () => {
  const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  const path = await parquetWith(folder.path, 'uuid.parquet', `SELECT '${id}'::UUID AS c`);
  expect(await published(path, 'utf8')).toBe(id);
});

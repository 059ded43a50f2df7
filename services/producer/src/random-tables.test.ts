import { COLUMN_TYPES, type ColumnType } from '@strongroom/protocol/contract';
import { tableFromIPC, tableToIPC } from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import {
  datasetOf,
  fileWith,
  parquetWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';

/** Random tables in each format go through the producer: what comes out is what went in. */

const folder = temporaryFolder();
afterAll(() => folder.remove());

const micros = fc.bigInt(-(10n ** 16n), 10n ** 16n);
const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constantFrom('', 'null', 'NULL', '"', ',', '\n', ' a ', 'ORD', 'a text of more than 12 bytes'),
);
const VALUES: Record<ColumnType, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -0x80, max: 0x7f }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  int32: fc.integer(),
  int64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  uint8: fc.integer({ min: 0, max: 0xff }),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  uint64: fc.bigInt(0n, 2n ** 64n - 1n),
  float32: fc.float({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  decimal128: fc.bigInt(1n - 10n ** 20n, 10n ** 20n - 1n),
  float64: fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  // A NUL ends a text in many places; DuckDB and Arrow carry it, SQL literals do not.
  utf8: word.map((text) => text.replaceAll('\0', '')),
  date32: fc.integer({ min: -700_000, max: 2_900_000 }),
  'timestamp-ms': fc.bigInt(-(10n ** 13n), 10n ** 13n),
  'timestamp-us': micros,
  'timestamp-us-utc': micros,
};

const SQL_CASTS: Record<ColumnType, (value: string) => string> = {
  bool: (value) => value,
  int8: (value) => `(${value})::TINYINT`,
  int16: (value) => `(${value})::SMALLINT`,
  int32: (value) => `(${value})::INTEGER`,
  int64: (value) => `(${value})::BIGINT`,
  uint8: (value) => `(${value})::UTINYINT`,
  uint16: (value) => `(${value})::USMALLINT`,
  uint32: (value) => `(${value})::UINTEGER`,
  uint64: (value) => `(${value})::UBIGINT`,
  float32: (value) => `'${value}'::FLOAT`,
  decimal128: (value) => `'${pointed(BigInt(value))}'::DECIMAL(20, 3)`,
  float64: (value) => `'${value}'::DOUBLE`,
  utf8: (value) => `'${value.replaceAll("'", "''")}'`,
  date32: (value) => `(DATE '1970-01-01' + (${value})::INTEGER)`,
  'timestamp-ms': (value) => `make_timestamp((${value})::BIGINT * 1000)::TIMESTAMP_MS`,
  'timestamp-us': (value) => `make_timestamp((${value})::BIGINT)`,
  'timestamp-us-utc': (value) => `make_timestamp((${value})::BIGINT)::TIMESTAMPTZ`,
};

const SQL_TYPES: Record<ColumnType, string> = {
  bool: 'BOOLEAN',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  float32: 'FLOAT',
  decimal128: 'DECIMAL(20, 3)',
  float64: 'DOUBLE',
  utf8: 'VARCHAR',
  date32: 'DATE',
  'timestamp-ms': 'TIMESTAMP_MS',
  'timestamp-us': 'TIMESTAMP',
  'timestamp-us-utc': 'TIMESTAMPTZ',
};

interface Column {
  readonly type: ColumnType;
  readonly nullable: boolean;
}

const tables = fc
  .array(fc.record({ type: fc.constantFrom(...COLUMN_TYPES), nullable: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })
  .chain((columns) =>
    fc
      .array(
        fc.tuple(
          ...columns.map(({ type, nullable }) =>
            nullable ? fc.option(VALUES[type], { nil: null }) : VALUES[type],
          ),
        ),
        { minLength: 1, maxLength: 40 },
      )
      .map((rows) => ({ columns, rows })),
  );

function query(columns: readonly Column[], rows: readonly (readonly unknown[])[]): string {
  const terms = rows.map((row) =>
    row.map((value, at) => {
      const type = columns[at]?.type ?? 'utf8';
      const term = value === null ? 'NULL' : SQL_CASTS[type](`${value}`);
      return `CAST(${term} AS ${SQL_TYPES[type]})`;
    }),
  );
  const names = columns.map((_, at) => `c${at}`).join(', ');
  const values = terms.map((row) => `(${row.join(', ')})`).join(', ');
  return `SELECT * FROM (VALUES ${values}) t(${names})`;
}

/** With three digits behind the point. */
function pointed(value: bigint): string {
  const digits = `${value < 0n ? -value : value}`.padStart(4, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -3)}.${digits.slice(-3)}`;
}

/** The engine's own exact forms of a number and a time. */
function textOf(type: ColumnType, value: unknown): string {
  const text = `${value}`;
  if (type === 'date32') return new Date(Number(text) * 86_400_000).toISOString().slice(0, 10);
  if (type === 'timestamp-ms') return new Date(Number(text)).toISOString();
  if (type === 'decimal128') return pointed(BigInt(text));
  if (type === 'timestamp-us-utc') return `${textOf('timestamp-us', value)}Z`;
  if (type !== 'timestamp-us') return text;
  const seconds = BigInt(text) - (((BigInt(text) % 1_000_000n) + 1_000_000n) % 1_000_000n);
  const rest = `${BigInt(text) - seconds}`.padStart(6, '0');
  return `${new Date(Number(seconds / 1_000n)).toISOString().slice(0, 19)}.${rest}`;
}

test('Parquet and Arrow in, Arrow out', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(tables, fc.integer({ min: 1, max: 50 }), async (table, batchRows) => {
      const { columns, rows } = table;
      const dataset = datasetOf(
        columns.map(({ type, nullable }, at) => `c${at} ${type}${nullable ? '?' : ''}`),
      );
      const parquet = await parquetWith(folder.path, 'random.parquet', query(columns, rows));
      const out = await readAll(dataset, parquet, { batchRows });
      expect(rowsOf(out)).toEqual(rows);
      const [first, ...others] = out.map(({ bytes }) => tableFromIPC(bytes));
      if (first === undefined) throw new Error('no rows');
      const arrow = fileWith(folder.path, 'random.arrow', tableToIPC(first.concat(...others)));
      const again = await readAll(dataset, arrow, { batchRows });
      expect(again).toEqual(out);
    }),
    { numRuns: 60 },
  );
});

test('CSV and NDJSON in, Arrow out', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(tables, async ({ columns, rows }) => {
      const dataset = datasetOf(
        columns.map(({ type, nullable }, at) => `c${at} ${type}${nullable ? '?' : ''}`),
      );
      const names = columns.map((_, at) => `c${at}`);
      const csv = rows.map((row) => row.map((value, at) => csvField(columns[at], value)).join(','));
      const csvPath = fileWith(folder.path, 'random.csv', [names.join(','), ...csv, ''].join('\n'));
      const json = rows.map((row) => {
        const members = row.map((value, at) => `"c${at}":${jsonValue(columns[at], value)}`);
        return `{${members.join(',')}}\n`;
      });
      const jsonPath = fileWith(folder.path, 'random.ndjson', json.join(''));
      expect(rowsOf(await readAll(dataset, csvPath, { format: 'csv' }))).toEqual(rows);
      expect(rowsOf(await readAll(dataset, jsonPath))).toEqual(rows);
    }),
    { numRuns: 60 },
  );
});

function csvField(column: Column | undefined, value: unknown): string {
  if (value === null || column === undefined) return '';
  return `"${textOf(column.type, value).replaceAll('"', '""')}"`;
}

function jsonValue(column: Column | undefined, value: unknown): string {
  if (value === null || column === undefined) return 'null';
  const text = textOf(column.type, value);
  const quoted = column.type === 'utf8' || /^date|^time|^decimal/.test(column.type);
  if (column.type.startsWith('float') && !Number.isFinite(value)) return text;
  return quoted ? JSON.stringify(text) : text;
}

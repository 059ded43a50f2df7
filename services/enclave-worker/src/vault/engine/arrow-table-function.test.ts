import { DuckDBDecimalValue, type DuckDBValue } from '@duckdb/node-api';
import { COLUMN_TYPES, type ColumnContract, type ColumnType } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { TIME_DAYS_MAX, TIME_DAYS_MIN } from '@strongroom/protocol/limits';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cellsByArrow, cellsOf } from '../../../test/arrow-cells.ts';
import {
  type CellValue,
  columnOf,
  datasetWith,
  encodeColumns,
  type TestColumn,
} from '../../../test/arrow-tables.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { Engine } from './engine.ts';
import { makeRowGroup } from './row-group.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
});
afterAll(() => engine.close());

/** What comes out of the engine for batches of one table, column by column, in test spelling. */
async function throughEngine(
  batches: readonly (readonly TestColumn[])[],
  terms = '*',
): Promise<CellValue[][]> {
  const columns = batches[0]?.map((column) => column.contract) ?? [];
  const dataset = datasetWith(columns);
  const read = batches.map((arrowBatch) =>
    readArrowBatch(encodeColumns(arrowBatch), dataset, arrowBatch[0]?.values.length ?? 0),
  );
  const group = makeRowGroup(columns, read);
  await engine.insert('CREATE OR REPLACE TABLE t AS SELECT * FROM strongroom_rows()', group);
  const reader = await engine.read(`SELECT ${terms} FROM t`);
  return reader.getColumns().map((column) => column.map(cellOf));
}

function cellOf(value: DuckDBValue): CellValue {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if ('micros' in value && typeof value.micros === 'bigint') return value.micros;
  if ('millis' in value && typeof value.millis === 'bigint') return value.millis;
  if ('days' in value && typeof value.days === 'number') return value.days;
  throw new Error(`unexpected value ${value}`);
}

const timesOf = (perDay: bigint) =>
  fc.oneof(
    fc.bigInt({ min: BigInt(TIME_DAYS_MIN) * perDay, max: BigInt(TIME_DAYS_MAX) * perDay }),
    fc.constantFrom(-1n, 0n, -25_567n * perDay),
  );
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const VALUES: Record<ColumnType, fc.Arbitrary<CellValue>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.oneof(int64, fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n)),
  uint8: fc.integer({ min: 0, max: 255 }),
  uint16: fc.integer({ min: 0, max: 65_535 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  uint64: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constant(2n ** 64n - 1n)),
  float32: fc.float(),
  decimal128: fc.oneof(
    fc.bigInt({ min: 1n - 10n ** 20n, max: 10n ** 20n - 1n }),
    fc.constantFrom(0n, -1n, 10n ** 20n - 1n, 1n - 10n ** 20n),
  ),
  float64: fc.double(),
  utf8: fc.oneof(fc.constantFrom('', 'SFO', "O'Hare", '__proto__', 'a\0b', 'a\0c'), fc.string()),
  date32: fc.integer({ min: TIME_DAYS_MIN, max: TIME_DAYS_MAX }),
  'timestamp-ms': timesOf(86_400_000n),
  'timestamp-us': timesOf(86_400_000_000n),
  'timestamp-us-utc': timesOf(86_400_000_000n),
};
const LENGTHS = [0, 1, 7, 8, 9, 63, 64, 65, 2047, 2048, 2049];

/** Few distinct values, repeated to the wanted length, so that long columns are cheap to make. */
function columnArbitrary(type: ColumnType, nullable: boolean): fc.Arbitrary<TestColumn[]> {
  const value = nullable ? fc.option(VALUES[type], { nil: null }) : VALUES[type];
  const lengths = fc.array(fc.constantFrom(...LENGTHS), { minLength: 1, maxLength: 3 });
  return fc.tuple(lengths, fc.array(value, { minLength: 1, maxLength: 40 })).map(([all, pool]) =>
    all.map((length, shift) => ({
      contract: columnOf('c', type, nullable),
      values: Array.from({ length }, (_none, row) => pool[(row * 7 + shift) % pool.length] ?? null),
    })),
  );
}

describe('Arrow rows in DuckDB are the rows that were written', () => {
  test.each(COLUMN_TYPES)('%s', async (type) => {
    const columns = fc.boolean().chain((nullable) => columnArbitrary(type, nullable));
    await fc.assert(
      fc.asyncProperty(columns, async (batches) => {
        const found = await throughEngine(batches.map((column) => [column]));
        const written = batches.flatMap((column) => column.values);
        expect(found[0] ?? []).toEqual(written);
      }),
      { numRuns: 60 },
    );
  });

  test('our reading is that of apache-arrow, and both are what DuckDB holds', async () => {
    const rowsOfAllTypes = fc.constantFrom(...LENGTHS.slice(1)).chain((length) =>
      fc.tuple(
        ...COLUMN_TYPES.map((type) =>
          fc.array(fc.option(VALUES[type], { nil: null }), { minLength: 1, maxLength: 9 }).map(
            (pool): TestColumn => ({
              contract: columnOf(type.replaceAll('-', '_'), type, true),
              values: Array.from({ length }, (_none, row) => pool[row % pool.length] ?? null),
            }),
          ),
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(rowsOfAllTypes, async (columns) => {
        const bytes = encodeColumns(columns);
        const dataset = datasetWith(columns.map(({ contract }) => contract));
        const read = readArrowBatch(bytes, dataset, columns[0]?.values.length ?? 0);
        expect(cellsOf(read)).toEqual(cellsByArrow(bytes));
        expect(await throughEngine([columns])).toEqual(columns.map(({ values }) => values));
      }),
      { numRuns: 40 },
    );
  });

  test.each([254, 255, 256, 257, 65_535, 65_536, 70_000])('%d labels', async (count) => {
    const labels = Array.from({ length: count }, (_none, index) => `label ${index}`);
    const half = Math.ceil(count / 2);
    // Two batches whose dictionaries differ: the second's indices are not the first's.
    const batches = [labels.slice(0, half), [...labels.slice(half), 'label 0', 'label 1']];
    const found = await throughEngine(
      batches.map((values) => [{ contract: { name: 'c', type: 'utf8', nullable: false }, values }]),
      // An ENUM's values are made one by one from its list of labels.
      'c::VARCHAR',
    );
    expect(found[0]).toEqual(batches.flat());
  });

  test.each([1, 4, 5, 9, 10, 18, 19, 38])('decimals of %d digits', async (precision) => {
    const most = 10n ** BigInt(precision) - 1n;
    for (const scale of [0, 1, precision]) {
      const contract = columnOf('c', 'decimal128', true, { precision, scale });
      const values = [most, -most, null, 0n, 1n, -1n, most / 2n, null];
      expect((await throughEngine([[{ contract, values }]]))[0]).toEqual(values);
      for (const value of [most + 1n, -most - 1n]) {
        const bytes = encodeColumns([{ contract, values: [0n, value] }]);
        expect(() => readArrowBatch(bytes, datasetWith([contract]), 2)).toThrow(/digits/);
      }
    }
  });

  test('no label at all, beside none and beside very many', async () => {
    const contract: ColumnContract = { name: 'c', type: 'utf8', nullable: true };
    const empty = Array.from({ length: 9 }, () => null);
    const many = Array.from({ length: 65_536 }, (_none, index) => `label ${index}`);
    for (const batches of [[empty], [empty, empty], [empty, many, empty], [[''], empty]]) {
      const found = await throughEngine(
        batches.map((values) => [{ contract, values }]),
        'c::VARCHAR',
      );
      expect(found[0]).toEqual(batches.flat());
    }
  });

  test.each([122_879, 122_880, 122_881, 200_000])('%d rows in one batch', async (count) => {
    const values = Array.from({ length: count }, (_none, index) => index);
    const column: TestColumn = { contract: { name: 'c', type: 'int32', nullable: false }, values };
    expect((await throughEngine([[column]]))[0]).toEqual(values);
  });
});

test('a failing scan says a code and nothing of a row', async () => {
  const column: TestColumn = {
    contract: { name: 'c', type: 'utf8', nullable: false },
    values: ['MARKER-7f3a'],
  };
  const dataset = datasetWith([column.contract]);
  const group = makeRowGroup(dataset.columns, [
    readArrowBatch(encodeColumns([column]), dataset, 1),
  ]);
  const failing = engine.insert('SELECT c::INTEGER FROM strongroom_rows()', group, { query: 'q' });
  const error = await failing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(codeOf(error)).toBe('ERR_QUERY_FAILED');
  expect(String(error) + JSON.stringify(error)).not.toContain('MARKER');
});

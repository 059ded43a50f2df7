import { SQLNULL } from '@duckdb/node-api';
import type { ResultChunks } from '@strongroom/analysis/locked-engine';
import { RESULT_TYPES, resultTypeOf } from '@strongroom/analysis/sql-types';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from './engine.ts';
import { ResultColumn } from './result-columns.ts';
import { encodeColumn, encodeResult } from './result-types.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open({ memoryMb: 128 });
});
afterAll(() => engine.close());

/** The engine's memory and the values that it gives one by one become the same bytes. */
function expectSame(result: ResultChunks, rows: readonly number[]): Uint8Array {
  const columns = ResultColumn.allOf(result);
  const taken = encodeResult(
    columns.map((column) => column.take(rows)),
    rows.length,
  );
  const slowly = columns.map(({ name, type, values }) =>
    encodeColumn({ name, type, values: rows.map((row) => values[row] ?? null) }),
  );
  expect(Buffer.from(taken).equals(Buffer.from(encodeResult(slowly, rows.length)))).toBe(true);
  return taken;
}

/** A term over a number `n` that differs from row to row, and its engine's name where it has one. */
const TERMS: readonly (readonly [term: string, type: (typeof RESULT_TYPES)[number]])[] = [
  ['n % 3 = 0', 'BOOLEAN'],
  ['(n % 256 - 128)::TINYINT', 'TINYINT'],
  ['(n * 7919 % 65536 - 32768)::SMALLINT', 'SMALLINT'],
  ['((hash(n) % 4294967296)::BIGINT - 2147483648)::INTEGER', 'INTEGER'],
  ['(hash(n)::HUGEINT - 9223372036854775808)::BIGINT', 'BIGINT'],
  ['(n % 256)::UTINYINT', 'UTINYINT'],
  ['(n * 7919 % 65536)::USMALLINT', 'USMALLINT'],
  ['(hash(n) % 4294967296)::UINTEGER', 'UINTEGER'],
  ['hash(n)', 'UBIGINT'],
  ['(hash(n)::HUGEINT - 9223372036854775808) * (hash(n + 1) // 2)::HUGEINT', 'HUGEINT'],
  ['(hash(n) % 1000)::FLOAT / (n % 7)', 'FLOAT'],
  [
    "CASE n % 5 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN -('nan'::DOUBLE) ELSE -n / (n % 7) END",
    'DOUBLE',
  ],
  ['((n % 19999 - 9999) / 100)::DECIMAL(4, 2)', 'DECIMAL'],
  ['((hash(n) % 1999999999)::BIGINT - 999999999)::DECIMAL(9, 0)', 'DECIMAL'],
  ['(((hash(n) % 1999999999)::BIGINT - 999999999) * 99999999)::DECIMAL(18, 1)', 'DECIMAL'],
  ['((hash(n)::HUGEINT - 9223372036854775808) * 10000000000)::DECIMAL(38, 5)', 'DECIMAL'],
  ["repeat('ä', (hash(n) % 9)::BIGINT) || n", 'VARCHAR'],
  ["repeat('x' || n, (hash(n) % 40)::BIGINT)", 'VARCHAR'],
  ["DATE '1969-12-01' + (n % 100)::INTEGER", 'DATE'],
  ["CASE n % 3 WHEN 0 THEN 'infinity'::DATE WHEN 1 THEN '-infinity'::DATE END", 'DATE'],
  ['make_timestamp((hash(n) % 4000000000000000)::BIGINT - 2000000000000000)', 'TIMESTAMP'],
  ['make_timestamp(n * 1000)::TIMESTAMP_MS', 'TIMESTAMP_MS'],
  ['make_timestamp(n)::TIMESTAMPTZ', 'TIMESTAMP_TZ'],
];

describe('a result column', () => {
  test('is tried in every type that a result may have', () => {
    const others = RESULT_TYPES.filter((type) => type !== 'SQLNULL');
    expect(new Set(TERMS.map(([, type]) => type))).toEqual(new Set(others));
  });

  test('may have no type but that of NULL', async () => {
    // The engine of today makes integers of it.
    const result = await engine.readUntil('SELECT NULL AS v FROM range(9)', 9);
    for (const rows of [[], [0], [1, 8]]) expectSame({ ...result, types: [SQLNULL] }, rows);
  });

  test.each(TERMS)('%s becomes the bytes that its values make', async (term, type) => {
    const part = fc.record({
      first: fc.nat({ max: 1_000_000 }),
      // A chunk of the engine holds 2,048 rows.
      count: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 5_000 })),
      nullEvery: fc.constantFrom(0, 1, 2, 3, 64),
      keepOneOf: fc.constantFrom(1, 2, 7, 5_000),
    });
    await fc.assert(
      fc.asyncProperty(part, async ({ first, count, nullEvery, keepOneOf }) => {
        const isNull = nullEvery === 0 ? 'false' : `n % ${nullEvery} = 0`;
        // The filter leaves chunks of uneven length.
        const sql = `SELECT CASE WHEN NOT (${isNull}) THEN v END AS v FROM
          (SELECT n, ${term} AS v FROM range(${first}, ${first + count}) t(n))
          WHERE hash(n) % 11 <> 0`;
        const result = await engine.readUntil(sql, 10_000);
        const all = Array.from({ length: result.rows }, (_none, row) => row);
        expectSame(result, all);
        expectSame(
          result,
          all.filter((row) => row % keepOneOf === 0),
        );
        expect(result.types.map(resultTypeOf)).toEqual([type]);
      }),
      { numRuns: 12 },
    );
  });

  test('shows nothing of what lies below a null', async () => {
    // The engine computes `v` for all rows, and only then says which are null.
    const sql = `SELECT CASE WHEN n % 2 = 0 THEN v END AS v, CASE WHEN n % 2 = 0 THEN t END AS t
      FROM (SELECT n, n + 7770000 AS v, 'secret' || n AS t FROM range(100) t(n))`;
    const result = await engine.readUntil(sql, 100);
    const bytes = expectSame(
      result,
      Array.from({ length: 100 }, (_none, row) => row),
    );
    const [numbers, texts] = [0, 1].map((at) => tableFromIPC(bytes).getChildAt(at)?.data[0]);
    expect([...(numbers?.values ?? [])].filter((value) => value !== 0n)).toHaveLength(50);
    expect(new TextDecoder().decode(texts?.values).match(/secret/g)).toHaveLength(50);
  });

  test('writes one number for all that are none', async () => {
    const sql = `SELECT CASE n WHEN 0 THEN 'nan'::DOUBLE ELSE -('nan'::DOUBLE) END AS v,
      CASE n WHEN 0 THEN 'nan'::FLOAT ELSE -('nan'::FLOAT) END AS f FROM range(2) t(n)`;
    const bytes = expectSame(await engine.readUntil(sql, 2), [0, 1]);
    const table = tableFromIPC(bytes);
    const cells = (at: number) => {
      const values: Float64Array | undefined = table.getChildAt(at)?.data[0]?.values;
      return Buffer.from(new Uint8Array(values?.slice().buffer ?? [])).toString('hex');
    };
    expect(cells(0)).toBe('000000000000f87f'.repeat(2));
    expect(cells(1)).toBe('0000c07f'.repeat(2));
  });

  test('refuses rows out of order and rows that are not there', async () => {
    const [column] = ResultColumn.allOf(await engine.readUntil('SELECT * FROM range(9)', 9));
    for (const rows of [[1, 0], [9], [-1]]) expect(() => column?.take(rows)).toThrow();
    expect(column?.take([0, 8]).data.length).toBe(2);
  });
});

import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open({ memoryMb: 64 });
});
afterAll(() => engine.close());

async function codeFrom(sql: string): Promise<string | undefined> {
  return engine.run(sql).then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}

/** The second wall: what would happen if the SQL gate let one of these through. */
test.each([
  "SELECT * FROM read_text('/etc/hostname')",
  "SELECT * FROM read_blob('/proc/self/environ')",
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM read_parquet('x.parquet')",
  "SELECT * FROM read_json('x.json')",
  "SELECT * FROM glob('/etc/*')",
  "SELECT * FROM sniff_csv('/etc/passwd')",
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM 'x.csv'",
  "COPY (SELECT 1) TO '/tmp/strongroom-copy.csv'",
  "EXPORT DATABASE '/tmp/strongroom-export'",
  "ATTACH '/tmp/strongroom.db' AS other",
  'INSTALL httpfs',
  'LOAD httpfs',
  "LOAD '/tmp/x.duckdb_extension'",
  'SET enable_external_access = true',
  "SET temp_directory = '/tmp'",
  'SET memory_limit = 100000000000',
  'SET lock_configuration = false',
  'RESET threads',
  "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
])('the locked engine refuses %s', async (sql) => {
  expect(await codeFrom(sql)).toBe('ERR_QUERY_FAILED');
});

test('memory that runs out has a code of its own, and the engine lives on', async () => {
  const sql = "CREATE TABLE t AS SELECT repeat('x', 40) || range::VARCHAR FROM range(10000000)";
  expect(await codeFrom(sql)).toBe('ERR_VAULT_MEMORY');
  expect(await codeFrom('SELECT 1')).toBeUndefined();
});

test('an engine that has no memory to start with says so', async () => {
  const code = await LockedEngine.open({ memoryMb: 0 }).then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
  expect(code).toBe('ERR_VAULT_MEMORY');
});

test('a second engine is as locked as the first', async () => {
  const second = await LockedEngine.open({ memoryMb: 128 });
  second.close();
  expect(await codeFrom('SELECT 1')).toBeUndefined();
});

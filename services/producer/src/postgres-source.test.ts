import { chmodSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasPostgres, type PostgresServer, startPostgres } from '../test/postgres-server.ts';
import { agreeOn, type Bench, benchOf, receive } from '../test/publish-fixtures.ts';
import { datasetOf, failureOf, fileWith, temporaryFolder } from '../test/source-fixtures.ts';
import { openRequested } from './open-requested.ts';
import type { PublishStep } from './outbox.ts';
import { openPostgres, type PostgresOptions } from './postgres-source.ts';
import type { PublishRequest } from './publish-source.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const numbers = await agreeOn(
  datasetOf(['seen timestamp-us-utc', 'n int64', 'word utf8?'], 'seen'),
);
const one = await agreeOn(datasetOf(['word utf8?']));

class Killed extends Error {}

function killAt(step: PublishStep, time: number) {
  let times = 0;
  return {
    onStep(reached: PublishStep) {
      times += reached === step ? 1 : 0;
      if (reached === step && times === time) throw new Killed();
    },
  };
}

describe.skipIf(!hasPostgres)('PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server?.stop());

  let benches = 0;
  const newBench = (agreed = numbers): Bench => {
    benches += 1;
    return benchOf(agreed, folder.path, `state-${benches}`);
  };
  async function publish(
    bench: Bench,
    options: Partial<PostgresOptions>,
    more: Partial<PublishRequest> = {},
  ) {
    const { url, passwordFile } = server;
    const input = openPostgres({ url, passwordFile, sql: 'TABLE rows', ...options });
    try {
      return await bench.publish('', { input, final: false, batchRows: 10, ...more });
    } finally {
      await input.close();
    }
  }

  async function table(name: string, rows: number): Promise<void> {
    await server.run(`DROP TABLE IF EXISTS ${name};
      CREATE TABLE ${name} (seen timestamptz NOT NULL, n bigint NOT NULL, word text)`);
    await insert(name, 0, rows);
  }
  const insert = (name: string, from: number, to: number) =>
    server.run(`INSERT INTO ${name} SELECT '2001-01-01 01:00+01'::timestamptz + n * '1 s'::interval,
      n, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'a "b",\\n' || n END
      FROM generate_series(${from}, ${to - 1}) AS n`);

  const expected = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => {
      const n = from + at;
      const seen = BigInt(Date.UTC(2001, 0, 1) + n * 1_000) * 1_000n;
      return [seen, BigInt(n), n % 3 === 0 ? null : n % 3 === 1 ? '' : `a "b",\n${n}`];
    });
  const rowsIn = async (bench: Bench) => (await receive(bench)).rows;

  test('a table is published as it is, in the order of event time', async () => {
    await table('rows', 500);
    const bench = newBench();
    expect(await publish(bench, {}, { final: true })).toMatchObject({ rows: 500, final: true });
    expect(await rowsIn(bench)).toEqual(expected(0, 500));
    expect(await publish(bench, {}, { final: true })).toMatchObject({ rows: 0, final: true });
  });

  test('an increment gives what is new, each row once', async () => {
    await table('growing', 0);
    const bench = newBench();
    const growing = { sql: 'TABLE growing', increment: 'n' };
    expect((await publish(bench, growing)).rows).toBe(0);
    await insert('growing', 0, 25);
    expect((await publish(bench, growing)).rows).toBe(25);
    expect((await publish(bench, growing)).rows).toBe(0);
    await insert('growing', 25, 60);
    expect(await publish(bench, growing, { final: true })).toMatchObject({ rows: 35, final: true });
    expect(await rowsIn(bench)).toEqual(expected(0, 60));
    expect((await publish(bench, growing)).rows).toBe(0);
    await insert('growing', 60, 61);
    expect((await failureOf(publish(bench, growing))).code).toBe('ERR_SOURCE_CHANGED');
  });

  test.each<[PublishStep, number]>([
    ['group-written', 2],
    ['state-written', 1],
  ])('a producer that is killed at %s goes on, also when rows came since', async (step, time) => {
    await table('killed', 900);
    const bench = newBench();
    const killed = { sql: 'TABLE killed', increment: 'n' };
    const outbox = killAt(step, time);
    await expect(publish(bench, killed, { outbox })).rejects.toThrow(Killed);
    await insert('killed', 900, 950);
    await publish(bench, killed);
    await publish(bench, killed);
    expect(await rowsIn(bench)).toEqual(expected(0, 950));
  });

  test('rows that come late, or change while a part is published, are seen', async () => {
    await table('late', 900);
    const bench = newBench();
    const late = { sql: 'TABLE late', increment: 'n' };
    await expect(publish(bench, late, { outbox: killAt('group-removed', 1) })).rejects.toThrow();
    await server.run(`UPDATE late SET word = 'other' WHERE n = 700`);
    expect((await failureOf(publish(bench, late))).code).toBe('ERR_SOURCE_CHANGED');
    await server.run('UPDATE late SET word = E\'a "b",\\n\' || n WHERE n = 700; ');
    await server.run("UPDATE late SET word = '' WHERE n = 700");
    await publish(bench, late);
    await insert('late', 5, 6);
    const { code, text } = await failureOf(publish(bench, late));
    expect(code).toBe('ERR_SOURCE_CHANGED');
    expect(text).toContain('at or below');
    await server.run('DELETE FROM late WHERE n < 100');
    await insert('late', 900, 910);
    expect((await publish(bench, late)).rows).toBe(10);
  });

  test('a database is one state while it is read', async () => {
    await table('shot', 400);
    const bench = newBench();
    let times = 0;
    const onProgress = () => {
      times += 1;
      if (times === 1) void server.run('DELETE FROM shot WHERE n > 200');
    };
    await publish(bench, { sql: 'TABLE shot' }, { onProgress });
    expect(await rowsIn(bench)).toEqual(expected(0, 400));
  });

  test('one column of nulls, empty texts and line ends loses none', async () => {
    await server.run(`DROP TABLE IF EXISTS words; CREATE TABLE words AS
      SELECT * FROM (VALUES (NULL), (''), (E'\\n'), ('\\.'), ('"'), (E'\\r')) AS words (word)`);
    const bench = newBench(one);
    await publish(bench, { sql: 'TABLE words' });
    const words = (await rowsIn(bench)).map(([word]) => word);
    expect(new Set(words)).toEqual(new Set([null, '', '\n', '\\.', '"', '\r']));
  });

  const EXACT: [string, string, unknown][] = [
    ['bool', 'true', true],
    ['int16', '(-32768)::smallint', -32_768],
    ['int64', '9007199254740993::bigint', 9_007_199_254_740_993n],
    ['int32', '5.00::numeric', 5],
    ['decimal128', '12345678901234567.891::numeric(20,3)', 12_345_678_901_234_567_891n],
    ['float32', '0.1::real', Math.fround(0.1)],
    ['float64', '0.1::float8', 0.1],
    ['float64', `'-Infinity'::float8`, Number.NEGATIVE_INFINITY],
    ['utf8', `'ä'::varchar`, 'ä'],
    [
      'utf8',
      `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`,
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ],
    ['utf8', `'sad'::mood`, 'sad'],
    ['date32', `'2001-02-03'::date`, 11_356],
    ['timestamp-us-utc', `'2001-01-01 00:00:00.000001+02'::timestamptz`, 978_300_000_000_001n],
    ['timestamp-us', `'2001-01-01 00:00'::timestamp`, 978_307_200_000_000n],
  ];
  test('every value is exactly that', async () => {
    await server.run(`DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('sad')`);
    const columns = EXACT.map(([type], at) => `v${at} ${type}`);
    const bench = newBench(await agreeOn(datasetOf(columns)));
    const terms = EXACT.map(([_type, sql], at) => `${sql} AS v${at}`);
    await publish(bench, { sql: `SELECT ${terms.join(', ')}` });
    expect(await rowsIn(bench)).toEqual([EXACT.map(([_type, _sql, value]) => value)]);
  });

  const REFUSED: [string, string][] = [
    ['utf8', `'\\x6869'::bytea`],
    ['utf8', `'{"a":1}'::jsonb`],
    ['utf8', `ARRAY['a']`],
    ['utf8', '1::int'],
    ['int32', '5.5::numeric'],
    ['int32', '3000000000::bigint'],
    ['float64', '9007199254740993::bigint'],
    ['float64', '0.1::real'],
    ['float64', '0.1::numeric'],
    ['decimal128', `'NaN'::numeric`],
    ['decimal128', '0.0001::numeric'],
    ['timestamp-us-utc', `'2001-01-01 00:00'::timestamp`],
    ['timestamp-ms', `'2001-01-01 00:00:00.000001'::timestamp`],
    ['timestamp-us', `'infinity'::timestamp`],
    ['date32', `'0044-03-15 BC'::date`],
  ];
  test.each(REFUSED)('%s of %s is refused', async (type, sql) => {
    const bench = newBench(await agreeOn(datasetOf([`v ${type}`])));
    const failure = await failureOf(publish(bench, { sql: `SELECT ${sql} AS v` }));
    expect(failure.code).toBe('ERR_COLUMN_TYPE');
    expect(bench.entries()).toEqual([]);
  });

  test('what PostgreSQL says of a row does not come out', async () => {
    const sql = `SELECT now() AS seen, 1::bigint AS n, ('secret' || n)::int::text AS word
      FROM generate_series(1, 2) AS n`;
    const { code, text } = await failureOf(publish(newBench(), { sql }));
    expect(code).toBe('ERR_SOURCE_REFUSED');
    expect(text).toContain('22P02');
    expect(text).not.toContain('secret');
  });

  test('a connection that breaks while rows come is an error, and goes on', async () => {
    await table('broken', 20_000);
    const bench = newBench();
    let times = 0;
    const onProgress = () => {
      times += 1;
      if (times !== 1) return;
      void server.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'strongroom-producer'`);
    };
    const broken = { sql: 'TABLE broken', increment: 'n' };
    const batches = { batchRows: 50, checkFirst: false };
    await failureOf(publish(bench, broken, { ...batches, onProgress }));
    await publish(bench, broken, batches);
    expect(await rowsIn(bench)).toEqual(expected(0, 20_000));
  });

  test('a user is let in by a password in a file, and nobody by one in the address', async () => {
    const wrong = fileWith(folder.path, 'wrong', 'wrong');
    const { code, text } = await failureOf(publish(newBench(), { passwordFile: wrong }));
    expect(code).toBe('ERR_SOURCE_REFUSED');
    expect(text).toContain('28P01');
    const url = new URL(`postgres://owner:told@127.0.0.1:1/postgres`);
    const told = await failureOf(publish(newBench(), { url }));
    expect(told.code).toBe('ERR_USAGE');
    expect(told.text).not.toContain('told@');
    const { host, port } = server.url;
    const passFile = fileWith(folder.path, 'pgpass', `127.0.0.1:${port}:*:owner:a-secret-word\n`);
    vi.stubEnv('PGPASSFILE', passFile);
    chmodSync(passFile, 0o600);
    const source = `postgres://owner@${host}/postgres`;
    const input = await openRequested({ source, table: 'rows', increment: 'n' });
    expect((await newBench().publish('', { input, final: false })).rows).toBe(500);
    if (input.type === 'growing') await input.close();
    const nowhere = { url: new URL('postgres://owner@127.0.0.1:1/postgres') };
    expect((await failureOf(publish(newBench(), nowhere))).code).toBe('ERR_SOURCE_UNREACHABLE');
    const remote = { url: new URL('postgres://owner@db.example/x?sslmode=require') };
    expect((await failureOf(publish(newBench(), remote))).code).toBe('ERR_USAGE');
  });

  test('a stream is that of one query', async () => {
    const bench = newBench();
    await publish(bench, { increment: 'n' });
    expect((await failureOf(publish(bench, { increment: 'seen' }))).code).toBe(
      'ERR_SOURCE_CHANGED',
    );
    const failure = failureOf(publish(newBench(), { increment: 'word' }));
    expect((await failure).code).toBe('ERR_USAGE');
  });
});

import type { ColumnContract, Contract, Dataset, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId, PartyId, QueryId } from '@strongroom/protocol/fields';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LockedEngine } from './locked-engine.ts';
import type { SqlParser } from './sql-bound.ts';
import { checkQuery } from './sql-gate.ts';

function datasetWith(columns: ColumnContract[], more: Partial<Dataset>): Dataset {
  return {
    id: 'set' as DatasetId,
    owner: 'owner' as PartyId,
    relation: 'rows',
    columns,
    keyId: 'kek',
    wrappingKey: { kty: 'RSA', n: 'x', e: 'AQAB' },
    ...more,
  };
}

const flights = datasetWith(
  [
    { name: 'date', type: 'timestamp-us', nullable: false },
    { name: 'delay', type: 'int64', nullable: true },
    { name: 'distance', type: 'int32', nullable: false },
    { name: 'origin', type: 'utf8', nullable: false },
    { name: 'destination', type: 'utf8', nullable: false },
  ],
  { relation: 'flights', eventTime: 'date' },
);
const airports = datasetWith(
  [
    { name: 'iata', type: 'utf8', nullable: false },
    { name: 'state', type: 'utf8', nullable: true },
    { name: 'latitude', type: 'float64', nullable: false },
  ],
  { relation: 'airports' },
);
const contract = { datasets: [flights, airports], queries: [] } as unknown as Contract;

let engine: LockedEngine;
beforeAll(async () => {
  engine = await LockedEngine.open();
  await engine.run(`CREATE TABLE flights AS SELECT TIMESTAMP '2001-01-01' AS date,
    1::BIGINT AS delay,
    2 AS distance, 'SFO' AS origin, 'LAX' AS destination`);
  await engine.run(`CREATE TABLE airports AS SELECT 'SFO' AS iata, 'CA' AS state, 1.5 AS latitude`);
});
afterAll(() => engine.close());

function queryOf(sql: string, relations: string[]): Query {
  return {
    id: 'q' as QueryId,
    sql,
    relations,
    window: { kind: 'whole' },
    latenessMs: 0,
    readers: [],
    disclosure: { minimumGroupRows: 10, groupRowsColumn: 'n' },
  };
}

const check = (sql: string, relations = ['flights']) =>
  checkQuery(engine, contract, queryOf(sql, relations));

const BOTH = ['flights', 'airports'];
const GOOD: [string, string[]?][] = [
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin'],
  ['select origin, count(*) as n from flights group by origin;'],
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin -- a comment'],
  ['SELECT count(*) AS n FROM flights'],
  ['SELECT count(*) AS n, sum(delay) AS total, avg(delay) AS mean FROM flights'],
  ['SELECT count(DISTINCT origin) AS origins, count(*) AS n FROM flights'],
  ['SELECT min(delay) AS low, max(delay) AS high, count(*) AS n FROM flights'],
  ['SELECT min(abs(delay) + distance) AS low, count(*) AS n FROM flights'],
  ['SELECT max(CASE WHEN delay > 0 THEN delay ELSE 0 END) AS m, count(*) AS n FROM flights'],
  ['SELECT stddev(delay) AS s, variance(delay) AS v, count(*) AS n FROM flights'],
  ["SELECT date_trunc('day', date) AS day, count(*) AS n FROM flights GROUP BY day"],
  ['SELECT year(date) AS y, month(date) AS m, count(*) AS n FROM flights GROUP BY y, m'],
  ['SELECT extract(hour FROM date) AS h, count(*) AS n FROM flights GROUP BY 1'],
  ['SELECT date::DATE AS d, count(*) AS n FROM flights GROUP BY d'],
  ['SELECT round(avg(delay), 2) AS mean, count(*) AS n FROM flights'],
  ['SELECT coalesce(sum(delay), 0) AS s, count(*) AS n FROM flights'],
  ["SELECT origin, count(*) AS n FROM flights WHERE origin IN ('SFO', 'LAX') GROUP BY origin"],
  ["SELECT count(*) AS n FROM flights WHERE delay BETWEEN 1 AND 9 AND origin LIKE 'S%'"],
  ["SELECT count(*) AS n FROM flights WHERE date >= TIMESTAMP '2001-01-01' - INTERVAL 1 DAY"],
  ['SELECT count(*) FILTER (WHERE delay > 15) AS late, count(*) AS n FROM flights'],
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin HAVING count(*) > 20'],
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY n DESC'],
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY n DESC LIMIT 10'],
  ['SELECT origin, count(*) AS n FROM flights GROUP BY origin LIMIT 10;'],
  [
    'SELECT a.state, count(*) AS n FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY 1',
    BOTH,
  ],
  [
    `SELECT a.state AS state, avg(f.delay) AS mean, count(*) AS n
     FROM flights f LEFT JOIN airports a ON a.iata = f.origin AND a.latitude > 0
     WHERE f.delay IS NOT NULL GROUP BY a.state ORDER BY mean DESC, state`,
    BOTH,
  ],
  ['WITH late AS (SELECT * FROM flights WHERE delay > 15) SELECT count(*) AS n FROM late'],
  ['SELECT max(d) AS m, count(*) AS n FROM (SELECT delay * 2 AS d FROM flights) AS twice'],
  [
    `SELECT s.state, count(*) AS n FROM (SELECT origin AS iata FROM flights) f
     JOIN airports s USING (iata) GROUP BY s.state`,
    BOTH,
  ],
  ['SELECT delay // 15 AS slot, count(*) AS n FROM flights GROUP BY slot ORDER BY slot'],
  ['SELECT count(*) AS n, sum(delay * distance) / sum(distance) AS weighted FROM flights'],
  [
    'SELECT upper(origin) AS o, NOT (delay > 3 OR delay < 1) AS x, count(*) AS n FROM flights GROUP BY ALL'.replace(
      'ALL',
      '1, 2',
    ),
  ],
];

const ROWS = 'count(*) AS n';
const HOSTILE: [string, string[]?][] = [
  // Other statements, and more than one.
  [''],
  ['SELEC 1'],
  ["COPY flights TO '/tmp/x.csv'"],
  ["ATTACH '/tmp/x.db' AS x"],
  ['INSTALL httpfs'],
  ['PRAGMA version'],
  ['SET threads = 4'],
  ['CREATE TABLE x AS SELECT 1'],
  ['DROP TABLE flights'],
  ['EXPLAIN ANALYZE SELECT * FROM flights'],
  ['DESCRIBE flights'],
  ['SUMMARIZE flights'],
  ['SHOW TABLES'],
  ['VALUES (1)'],
  ['CALL pragma_version()'],
  ['PIVOT flights ON origin USING sum(delay)'],
  [`SELECT ${ROWS} FROM flights; SELECT * FROM flights`],
  [`SELECT ${ROWS} FROM flights; DROP TABLE flights`],
  // Rows without a group.
  ['SELECT * FROM flights'],
  ['FROM flights'],
  ['SELECT origin FROM flights'],
  ['SELECT origin, delay AS n FROM flights'],
  ['SELECT origin, 100 AS n FROM flights GROUP BY origin'],
  ['SELECT origin, sum(100) AS n FROM flights GROUP BY origin'],
  ['SELECT origin, count(delay) AS n FROM flights GROUP BY origin'],
  ['SELECT origin, count(*) + 100 AS n FROM flights GROUP BY origin'],
  ['SELECT origin, count(*) FILTER (WHERE delay > 1) AS n FROM flights GROUP BY origin'],
  ['SELECT origin, count(*) AS rows FROM flights GROUP BY origin'],
  [`SELECT origin, ${ROWS}, ${ROWS} FROM flights GROUP BY origin`],
  [`SELECT origin, ${ROWS}, sum(delay) FROM flights GROUP BY origin`],
  [`SELECT DISTINCT origin, ${ROWS} FROM flights GROUP BY origin`],
  [`SELECT DISTINCT ON (origin) origin, ${ROWS} FROM flights GROUP BY origin`],
  [`SELECT *, ${ROWS} FROM flights GROUP BY ALL`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY ALL`],
  // Aggregates that carry single rows.
  ...[
    'list(delay)',
    'array_agg(delay)',
    "string_agg(origin, ',')",
    'any_value(origin)',
    'first(origin)',
    'last(origin)',
    'arbitrary(origin)',
    'mode(origin)',
    'arg_max(origin, delay)',
    'arg_min(origin, delay)',
    'max_by(origin, delay)',
    'histogram(origin)',
    'approx_top_k(origin, 3)',
    'quantile_disc(delay, 0.5)',
    'median(delay)',
    'min(origin)',
    'max(origin)',
    'max(date)',
    'max(coalesce(origin, destination))',
    'min(CASE WHEN delay > 1 THEN origin ELSE destination END)',
    'max(delay, 5)',
    'bit_xor(delay)',
    'product(delay)',
    'list(delay ORDER BY date)',
    'sum(delay ORDER BY date)',
    'entropy(origin)',
  ].map((expression): [string] => [`SELECT ${expression} AS x, ${ROWS} FROM flights`]),
  [`SELECT x, ${ROWS} FROM (SELECT list(delay) AS x FROM flights) AS y GROUP BY x`],
  [`WITH y AS (SELECT first(origin) AS x FROM flights) SELECT x, ${ROWS} FROM y GROUP BY x`],
  [`SELECT max(x) AS m, ${ROWS} FROM (SELECT origin AS x FROM flights) AS y`],
  [`SELECT max(delay) AS m, ${ROWS} FROM (SELECT origin AS delay FROM flights) AS y`],
  // Windows, samples, sets, subqueries in expressions.
  [`SELECT row_number() OVER () AS x, ${ROWS} FROM flights`],
  [`SELECT sum(delay) OVER () AS x, ${ROWS} FROM flights GROUP BY delay`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin QUALIFY true`],
  [`SELECT ${ROWS} FROM flights TABLESAMPLE 10%`],
  [`SELECT ${ROWS} FROM flights USING SAMPLE 3`],
  [`SELECT ${ROWS} FROM flights UNION ALL SELECT ${ROWS} FROM flights`],
  [`SELECT ${ROWS} FROM (SELECT * FROM flights UNION ALL SELECT * FROM flights) AS x`],
  [`SELECT (SELECT max(delay) FROM flights) AS x, ${ROWS} FROM flights`],
  [`SELECT ${ROWS} FROM flights WHERE EXISTS (SELECT 1 FROM flights)`],
  [`SELECT ${ROWS} FROM flights WHERE delay > ANY (SELECT delay FROM flights)`],
  [`SELECT ${ROWS} FROM (SELECT * FROM flights LIMIT 1) AS x`],
  [`SELECT ${ROWS} FROM (SELECT DISTINCT origin FROM flights) AS x`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY ROLLUP (origin)`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY CUBE (origin, destination)`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY GROUPING SETS ((origin), ())`],
  [`WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT ${ROWS} FROM t`],
  // Tables that are not the query's.
  [`SELECT ${ROWS} FROM airports`],
  [`SELECT ${ROWS} FROM flights, airports`],
  [`SELECT ${ROWS} FROM main.flights`],
  [`SELECT ${ROWS} FROM memory.main.flights`],
  [`SELECT ${ROWS} FROM duckdb_settings()`],
  [`SELECT ${ROWS} FROM information_schema.tables`],
  [`SELECT ${ROWS} FROM sqlite_master`],
  [`SELECT ${ROWS} FROM strongroom_rows()`],
  [`SELECT ${ROWS} FROM range(10)`],
  [`SELECT ${ROWS} FROM unnest([1, 2])`],
  [`SELECT ${ROWS} FROM read_csv('/etc/passwd')`],
  [`SELECT ${ROWS} FROM read_text('/etc/passwd')`],
  [`SELECT ${ROWS} FROM glob('/*')`],
  [`SELECT ${ROWS} FROM '/etc/passwd'`],
  [`SELECT ${ROWS} FROM 'x.parquet'`],
  [`SELECT ${ROWS} FROM (VALUES (1)) AS t(x)`],
  [`SELECT ${ROWS}`],
  [`SELECT ${ROWS} FROM flights AT (VERSION => 1)`],
  [`WITH flights AS (SELECT * FROM flights) SELECT ${ROWS} FROM flights`],
  // A relation that the contract names and the SQL does not.
  [`SELECT ${ROWS} FROM flights`, BOTH],
  // Joins that multiply rows.
  [`SELECT ${ROWS} FROM flights CROSS JOIN airports`, BOTH],
  [`SELECT ${ROWS} FROM flights, airports`, BOTH],
  [`SELECT ${ROWS} FROM flights f JOIN airports a ON true`, BOTH],
  [`SELECT ${ROWS} FROM flights f JOIN airports a ON f.origin = f.origin`, BOTH],
  [`SELECT ${ROWS} FROM flights f JOIN airports a ON f.origin = 'SFO'`, BOTH],
  [`SELECT ${ROWS} FROM flights f JOIN airports a ON f.origin = a.iata OR true`, BOTH],
  [`SELECT ${ROWS} FROM flights f JOIN airports a ON f.origin > a.iata`, BOTH],
  [`SELECT ${ROWS} FROM flights NATURAL JOIN airports`, BOTH],
  [`SELECT ${ROWS} FROM flights f FULL JOIN airports a ON f.origin = a.iata`, BOTH],
  [`SELECT ${ROWS} FROM flights f POSITIONAL JOIN airports a`, BOTH],
  [`SELECT ${ROWS} FROM flights f ASOF JOIN airports a ON f.delay >= a.latitude`, BOTH],
  // Functions and types.
  ...[
    'error(origin)',
    'printf(origin)',
    "repeat('x', 1000000000)",
    "origin || 'x'",
    'md5(origin)',
    'hash(origin)',
    "regexp_extract(origin, '.*')",
    "getvariable('x')",
    "current_setting('threads')",
    'version()',
    'now()',
    'random()',
    'uuid()',
    'current_user',
    'current_date',
    'CAST(origin AS BLOB)',
    'CAST(origin AS STRUCT(a INTEGER))',
    '[delay]',
    '{a: delay}',
    'origin[1]',
    'list_sum(range(200000000))',
    'flights',
    'rowid',
    'COLUMNS(*)',
    '$1',
    'read_text(origin)',
    'origin COLLATE NOCASE',
    "origin ~ 'a+'",
  ].map((expression): [string] => [`SELECT ${expression} AS x, ${ROWS} FROM flights GROUP BY 1`]),
  // Orders and limits that hide something.
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin ORDER BY random()`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin ORDER BY (SELECT 1)`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin LIMIT 10 OFFSET 3`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin LIMIT 10%`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin LIMIT (SELECT 1)`],
  [`SELECT origin, ${ROWS} FROM flights GROUP BY origin HAVING (SELECT true)`],
];

describe('the gate accepts', () => {
  test.each(GOOD)('%s', async (sql, relations = ['flights']) => {
    const checked = await check(sql, relations);
    const reader = await engine.read(checked.sql);
    expect(reader.columnNames()[checked.groupRowsIndex]).toBe('n');
  });
});

describe('the gate refuses', () => {
  test.each(HOSTILE)('%s', async (sql, relations = ['flights']) => {
    const error = await check(sql, relations).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(codeOf(error)).toBe('ERR_QUERY_REFUSED');
  });
});

test('a refusal names the query, the place and the position in the text', async () => {
  const sql = 'SELECT count(*) AS n, any_value(origin) AS x FROM flights';
  const error = await check(sql).catch((thrown: unknown) => thrown);
  expect(error instanceof StrongroomError ? error.facts : {}).toEqual({
    query: 'q',
    place: 'function any_value',
    position: sql.indexOf('any_value'),
  });
});

test('ties and what a LIMIT keeps do not depend on the order of arrival', async () => {
  const sql = 'SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY n DESC LIMIT 2';
  const checked = await check(sql);
  expect(checked.sql.replace(/\s+/g, ' ')).toBe(
    'SELECT origin, count_star() AS n FROM flights GROUP BY origin ORDER BY n DESC, 1, 2 LIMIT 2',
  );
});

test('memory that runs out while a query is judged is no refusal of the query', async () => {
  const starved = {
    parse: async () => {
      throw new StrongroomError('ERR_VAULT_MEMORY');
    },
  } as unknown as SqlParser;
  const sql = 'SELECT origin, count(*) AS n FROM flights GROUP BY origin';
  const code = await checkQuery(starved, contract, queryOf(sql, ['flights'])).then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
  expect(code).toBe('ERR_VAULT_MEMORY');
});

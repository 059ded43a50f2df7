import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contract, Query } from '@strongroom/protocol/contract';

/** A contract with two relations, rows for them, and the statements that are tried on both. */

const RELATIONS = ['flights', 'airports'] as const;

export const contract = {
  queries: [],
  datasets: [
    {
      id: 'flights',
      relation: 'flights',
      columns: [
        { name: 'date', type: 'timestamp-us', nullable: false },
        { name: 'ms', type: 'timestamp-ms', nullable: false },
        { name: 'day', type: 'date32', nullable: false },
        { name: 'delay', type: 'int64', nullable: true },
        { name: 'distance', type: 'int32', nullable: false },
        { name: 'fare', type: 'float64', nullable: false },
        { name: 'late', type: 'bool', nullable: false },
        { name: 'origin', type: 'utf8', nullable: false },
        { name: 'destination', type: 'utf8', nullable: false },
      ],
    },
    {
      id: 'airports',
      relation: 'airports',
      columns: [
        { name: 'iata', type: 'utf8', nullable: false },
        { name: 'state', type: 'utf8', nullable: true },
        { name: 'latitude', type: 'float64', nullable: false },
      ],
    },
  ],
} as unknown as Contract;

export const TABLES = [
  `CREATE OR REPLACE TABLE flights ("date" TIMESTAMP, ms TIMESTAMP_MS, "day" DATE, delay BIGINT,
    distance INTEGER, fare DOUBLE, late BOOLEAN, origin VARCHAR, destination VARCHAR)`,
  'CREATE OR REPLACE TABLE airports (iata VARCHAR, "state" VARCHAR, latitude DOUBLE)',
] as const;

export const ROWS = [
  `INSERT INTO flights SELECT TIMESTAMP '2020-01-01' + to_hours(i), TIMESTAMP '2020-01-01',
    DATE '2020-01-01' + i, i * 7 % 100, i, i / 3, i % 3 = 0, ['SFO', 'LAX', 'JFK'][i % 3 + 1],
    ['SFO', 'JFK'][i % 2 + 1]
    FROM range(60) t(r), (SELECT r::INTEGER AS i)`,
  "INSERT INTO airports VALUES ('SFO', 'CA', 37.6), ('LAX', 'CA', 33.9), ('SEA', NULL, 47.4)",
] as const;

/** Every value at an end of its type, so that whatever can fail for a row has such a row. */
export const EXTREMES = [
  `INSERT INTO flights SELECT d, m, y, b, i, f, f > 0, o, o FROM
    (SELECT unnest(['infinity'::TIMESTAMP, '-infinity', '290309-12-22 (BC) 00:00:00',
      '294247-01-10 04:00:54.775806', '2020-01-01']) AS d),
    (SELECT unnest(['infinity'::TIMESTAMP_MS, '-infinity', '2020-01-01']) AS m),
    (SELECT unnest(['infinity'::DATE, '-infinity', '5877642-06-25 (BC)', '5881580-07-10']) AS y),
    (SELECT unnest([-9223372036854775808, 9223372036854775807, 0, -1, NULL]) AS b),
    (SELECT unnest([-2147483648, 2147483647]) AS i),
    (SELECT unnest(['inf'::DOUBLE, 'nan', 1.7e308, -1.7e308]) AS f),
    (SELECT unnest(['', 'abc', '1', '%_\\', 'ß€😀', '99999999999999999999']) AS o)`,
  "INSERT INTO airports SELECT o, o, f FROM (SELECT unnest(['', '1', 'abc']) AS o), " +
    "(SELECT unnest(['inf'::DOUBLE, '-inf', 'nan']) AS f)",
] as const;

export function queryOf(sql: string): Query {
  const relations = RELATIONS.filter((name) => new RegExp(`\\b${name}\\b`).test(sql));
  return {
    id: 'q',
    sql,
    relations: relations.length > 0 ? relations : ['flights'],
    window: { kind: 'whole' },
    latenessMs: 0,
    readers: [],
    disclosure: { minimumGroupRows: 10, groupRowsColumn: 'n' },
  } as unknown as Query;
}

export const APPROVED: readonly string[] = linesOf('approved-queries.sql').filter(isStatement);

interface HostileStatement {
  /** What it tries. */
  readonly kind: string;
  readonly sql: string;
}

export const HOSTILE: readonly HostileStatement[] = readHostile();

function readHostile(): HostileStatement[] {
  let kind = '';
  return linesOf('hostile-statements.sql').flatMap((line) => {
    kind = /^-- kind: (.*)$/.exec(line)?.[1] ?? kind;
    return isStatement(line) ? [{ kind, sql: line }] : [];
  });
}

function linesOf(file: string): string[] {
  return readFileSync(join(import.meta.dirname, file), 'utf8').split('\n');
}

function isStatement(line: string): boolean {
  return line !== '' && !line.startsWith('-- ');
}

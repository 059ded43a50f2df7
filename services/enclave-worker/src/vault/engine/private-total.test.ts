import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import {
  COLUMN_TYPES,
  type ColumnType,
  type Contract,
  type Query,
} from '@strongroom/protocol/contract';
import type { ContractId, DatasetId, QueryId } from '@strongroom/protocol/fields';
import { TIME_DAYS_MAX, TIME_DAYS_MIN } from '@strongroom/protocol/limits';
import { describe, expect, test } from 'vitest';
import {
  type CellValue,
  columnOf,
  datasetWith,
  encodeColumns,
} from '../../../test/arrow-tables.ts';
import { PRIVACY } from '../../../test/private-scene.ts';
import { NoiseSeeds } from '../noise-seeds.ts';
import { PrivateQueries } from '../private-queries.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';

/**
 * A query with noise that fails for a value of one row tells that the row is there, whatever the
 * noise is. So none fails: every type at its ends, under all that the gate lets through.
 */

const ends = (bits: bigint) => [-(2n ** (bits - 1n)), -1n, 0n, 2n ** (bits - 1n) - 1n];
const times = (perDay: bigint) => [
  BigInt(TIME_DAYS_MIN) * perDay,
  -1n,
  0n,
  BigInt(TIME_DAYS_MAX + 1) * perDay - 1n,
];
const LONG_TEXT = 'x'.repeat(1_000_000);
const ODD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0];
const EXTREMES: Readonly<Record<ColumnType, readonly CellValue[]>> = {
  bool: [true, false],
  int8: ends(8n).map(Number),
  int16: ends(16n).map(Number),
  int32: ends(32n).map(Number),
  int64: ends(64n),
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0n, 2n ** 64n - 1n],
  float32: [...ODD, 3.4e38, -3.4e38, 1e-45],
  float64: [...ODD, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE],
  decimal128: [10n ** 38n - 1n, 1n - 10n ** 38n, 0n, 1n],
  utf8: ['', '\0', '\u001f', '1', '9'.repeat(40), '%_\\', '2020-01-01', 'ß', LONG_TEXT],
  date32: [TIME_DAYS_MIN, -1, 0, TIME_DAYS_MAX],
  'timestamp-ms': times(86_400_000n),
  'timestamp-us': times(86_400_000_000n),
  'timestamp-us-utc': times(86_400_000_000n),
};

const OF_ALL = [
  ...['x', 'coalesce(x, y)', 'CASE WHEN x = y THEN x ELSE y END', 'nullif(x, y)', 'greatest(x, y)'],
  ...['x = y', 'x < y', 'x BETWEEN y AND x', 'x IS DISTINCT FROM y', 'x IN (y)'],
  ...['VARCHAR', 'BOOLEAN', 'TINYINT', 'BIGINT', 'UBIGINT', 'HUGEINT', 'FLOAT', 'DOUBLE'].map(
    castTo,
  ),
  ...['DECIMAL(4, 2)', 'DECIMAL(38, 10)', 'DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE'].map(
    castTo,
  ),
  ...['BIGINT', 'DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'DOUBLE'].map(
    (type) => `CAST(CAST(x AS VARCHAR) AS ${type})`,
  ),
];
function castTo(type: string): string {
  return `CAST(x AS ${type})`;
}
const OF_NUMBERS = [
  ...['x + y', 'x - y', 'x * y', 'x / y', 'x // y', 'x % y', '-x', 'x * x * x', 'x + 2147483647'],
  ...['abs(x)', 'round(x)', 'floor(x)', 'ceil(x)', 'trunc(x)', 'sign(x)', 'x // 0', 'x % 0'],
  ...["to_years(CAST(x AS INTEGER)) + DATE '2020-01-01'", "CAST(x AS INTEGER) + DATE '2020-01-01'"],
];
const PARTS = ['year', 'isoyear', 'quarter', 'month', 'week', 'day', 'dow', 'doy', 'hour', 'epoch'];
const OF_TIMES = [
  ...PARTS.flatMap((part) => [
    `date_part('${part}', x)`,
    `date_trunc('${part === 'dow' || part === 'doy' || part === 'epoch' ? 'second' : part}', x)`,
    `date_diff('${part === 'dow' || part === 'doy' || part === 'epoch' ? 'minute' : part}', x, y)`,
  ]),
  ...['year(x)', 'yearweek(x)', 'epoch(x)', 'last_day(x)', 'monthname(x)', 'dayname(x)'],
  ...["date_sub('year', x, y)", "x > DATE '2020-01-01'", 'x + to_days(1)', 'x - to_months(1)'],
  // Beyond the ends of what the engine has, where types differ in how far they go.
  ...['years(292000)', 'years(-292000)', 'years(284245)', 'days(2147483647)'].flatMap((span) => [
    `date_trunc('isoyear', x - to_${span})`,
    `CAST(date_trunc('year', x - to_${span}) AS VARCHAR)`,
    `CAST(x + to_${span} AS TIMESTAMP WITH TIME ZONE)`,
    `CAST(CAST(x + to_${span} AS DATE) AS TIMESTAMP WITH TIME ZONE)`,
    `last_day(x + to_${span}) + 1`,
    `date_diff('day', x, x + to_${span})`,
  ]),
];
const OF_TEXT = [
  ...['lower(x)', 'upper(x)', 'length(x)', 'trim(x)', "x LIKE '%a'", "starts_with(x, 'a')"],
  ...["contains(x, 'x')", "x > 'b'", 'CAST(x AS DATE) + to_years(200000)'],
];

function expressionsOf(type: ColumnType): readonly string[] {
  if (type === 'utf8') return [...OF_ALL, ...OF_TEXT];
  if (/^date|^time/.test(type)) return [...OF_ALL, ...OF_TIMES];
  return type === 'bool' ? OF_ALL : [...OF_ALL, ...OF_NUMBERS];
}

const isNumber = (type: ColumnType) => /^u?int|^float|^decimal/.test(type);

/** Each value beside each, and each of many people. */
function sceneOf(type: ColumnType) {
  const digits = { precision: 38, scale: 0 };
  const columns = [
    columnOf('person', 'int32', false),
    columnOf('x', type, true, digits),
    columnOf('y', type, true, digits),
  ];
  const x = {
    dimension: {},
    joinKey: {},
    measure: isNumber(type) ? { low: '-10', high: '10' } : {},
  };
  const rules: AnalysisRules = {
    columns: { person: { contributor: true, joinKey: {} }, x, y: { dimension: {}, joinKey: {} } },
  };
  const dataset = { ...datasetWith(columns, { id: 't' as DatasetId, relation: 't' }), rules };
  const values = [...EXTREMES[type], null];
  const rows = values
    .flatMap((one) => values.map((other) => [one, other] as const))
    // A few long texts say as much as many.
    .filter(([one, other]) => one === other || (one !== LONG_TEXT && other !== LONG_TEXT))
    .map(([one, other], person): CellValue[] => [person, one, other]);
  const bytes = encodeColumns(
    columns.map((contract, at) => ({ contract, values: rows.map((row) => row[at] ?? null) })),
  );
  return { dataset, arrowBatch: readArrowBatch(bytes, dataset, rows.length) };
}

function queryOf(sql: string, id: string): Query {
  return {
    ...{ id: id as QueryId, sql, relations: ['t'], readers: [], latenessMs: 0 },
    ...{ window: { kind: 'whole' }, disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' } },
    privacy: { ...PRIVACY, bins: { x: ['-10', '0', '10'] } },
  };
}

/** What became of each query. @throws ERR_QUERY_REFUSED for one that has to be taken out here */
async function outcomes(type: ColumnType, statements: readonly string[]): Promise<string[]> {
  const { dataset, arrowBatch } = sceneOf(type);
  const queries = statements.map((sql, at) => queryOf(sql, `q${at}`));
  const contract = { datasets: [dataset], queries } as unknown as Contract;
  const aggregator = await Aggregator.open(contract, { memoryMb: 256 });
  const batches = [{ arrowBatch, stream: 0, batchNumber: 0 }];
  await aggregator.append(dataset.id, batches, Number.NEGATIVE_INFINITY);
  const seeds = new NoiseSeeds(new Uint8Array(32), 'ab' as ContractId);
  const privateQueries = new PrivateQueries(contract, aggregator);
  const found: string[] = [];
  for (const query of queries) {
    const told = await privateQueries.result(query, null, seeds, undefined).catch(String);
    found.push(typeof told === 'string' ? told : `told ${told.result.encode().length > 0}`);
  }
  aggregator.close();
  return found;
}

/** Types between a narrow and a wide one of their kind have nothing of their own. */
const TYPES = COLUMN_TYPES.filter(
  (type) => process.env['STRONGROOM_LONG'] === '1' || !/^u?int(16|32)$/.test(type),
);

describe.each(TYPES)('%s at its ends', (type) => {
  test('fails no query with noise', { timeout: 60_000 }, async () => {
    const all = expressionsOf(type);
    const named = all.map((each, at) => `${each} AS d${at}`);
    const isTold = all.map((each) => `coalesce(CAST((${each}) AS VARCHAR), 'none') <> 'other'`);
    const measures = 'sum(x) AS s, avg(x) AS a, var_pop(x) AS v, histogram(x) AS h';
    const statements = [
      `SELECT ${named.join(', ')}, count(*) AS n FROM t GROUP BY ${all.map((_each, at) => `d${at}`)}`,
      `SELECT count(*) AS n, count(x) AS known FROM t WHERE ${isTold.join(' AND ')}`,
      `SELECT count(*) AS n FROM t a JOIN t b ON a.person = b.person AND a.x = b.y AND
        coalesce(CAST(${type === 'utf8' ? 'length(a.x)' : 'a.x'} AS TINYINT), 0) <> 99`,
      ...(isNumber(type)
        ? [`SELECT count(*) AS n, ${measures}, quantile_disc(x, 0.5) AS q FROM t`]
        : []),
    ];
    const found = await outcomes(type, statements);
    expect(found).toEqual(statements.map(() => 'told true'));
  });
});

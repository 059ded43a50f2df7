import { describe, expect, test } from 'vitest';
import { amendmentProblemsIn, isWidening } from './amendment.ts';
import { COLUMN_TYPES, type ColumnType, type Contract } from './contract.ts';
import { ContractIdSchema } from './fields.ts';

const ID = ContractIdSchema.parse('ab'.repeat(32));

/** Only what an amendment is judged by. */
function versionWith(columns: readonly object[], more: object = {}, version = 1): Contract {
  const dataset = { id: 'flights', owner: 'north', eventTime: 'at', columns, ...more };
  const datasets = [dataset];
  const link = version === 1 ? {} : { previous: ID };
  return { version, ...link, datasets } as unknown as Contract;
}

const AT = { name: 'at', type: 'timestamp-ms', nullable: false };
const column = (type: string, nullable = true) => ({ name: 'c', type, nullable });

const since = (version: number) => ({ ...column('utf8'), since: version });
const decimal = (precision: number, scale: number) => ({
  ...column('decimal128'),
  ...{ precision, scale },
});

function problems(before: readonly object[], after: readonly object[], more: object = {}) {
  const contract = versionWith(before);
  return amendmentProblemsIn({ contract, contractId: ID }, versionWith(after, more, 2)).map(
    ({ place }) => place,
  );
}

/** Exact numbers: integers from -2^low (or 0) to below 2^high, all of which the type has. */
const INTEGERS: Readonly<Record<string, { low: number; high: number; isFloat?: true }>> = {
  ...{ int8: { low: 7, high: 7 }, int16: { low: 15, high: 15 } },
  ...{ int32: { low: 31, high: 31 }, int64: { low: 63, high: 63 } },
  ...{ uint8: { low: 0, high: 8 }, uint16: { low: 0, high: 16 } },
  ...{ uint32: { low: 0, high: 32 }, uint64: { low: 0, high: 64 } },
  float32: { low: 24, high: 24, isFloat: true },
  float64: { low: 53, high: 53, isFloat: true },
};
const TIMES = ['date32', 'timestamp-ms', 'timestamp-us'];

function holdsAll(to: string, from: string): boolean {
  const [wide, narrow] = [INTEGERS[to], INTEGERS[from]];
  if (!wide || !narrow) return TIMES.includes(from) && TIMES.indexOf(from) < TIMES.indexOf(to);
  if (narrow.isFloat && !wide.isFloat) return false;
  return narrow.low <= wide.low && narrow.high <= wide.high;
}

describe('columns of a dataset that stays', () => {
  const pairs = COLUMN_TYPES.flatMap((from) => COLUMN_TYPES.map((to) => [from, to] as const));

  test.each(pairs)('%s to %s', (from, to) => {
    const allowed = from === to || holdsAll(to, from);
    expect(problems([AT, column(from)], [AT, column(to)])).toEqual(
      allowed ? [] : ['datasets.flights.columns.c'],
    );
  });

  test('a widening is never taken back, and leads on where the next one leads', () => {
    for (const [from, to] of pairs)
      if (isWidening(from, to)) expect(isWidening(to, from)).toBe(false);
    const steps = (from: ColumnType) => COLUMN_TYPES.filter((to) => isWidening(from, to));
    for (const from of COLUMN_TYPES) {
      for (const over of steps(from)) {
        for (const to of steps(over)) expect(isWidening(from, to)).toBe(true);
      }
    }
  });

  test.each<[string, readonly object[], readonly object[], object, string[]]>([
    ['a nullable column is added', [AT], [AT, column('utf8')], {}, []],
    ['columns are put in another order', [AT, column('utf8')], [column('utf8'), AT], {}, []],
    ['a column without nulls is added', [AT], [AT, column('utf8', false)], {}, ['columns.c']],
    ['a column is taken away', [AT, column('utf8')], [AT], {}, ['columns.c']],
    ['a column gets nulls', [AT, column('utf8', false)], [AT, column('utf8')], {}, ['columns.c']],
    ['a column loses nulls', [AT, column('utf8')], [AT, column('utf8', false)], {}, ['columns.c']],
    ['a column is added and says so', [AT], [AT, since(2)], {}, []],
    ['a column is added as of another version', [AT], [AT, since(3)], {}, ['columns.c']],
    ['a column of before is called new', [AT, column('utf8')], [AT, since(2)], {}, ['columns.c']],
    ['a new column is called old', [AT, since(2)], [AT, column('utf8')], {}, ['columns.c']],
    ['a decimal gets digits', [AT, decimal(9, 2)], [AT, decimal(11, 3)], {}, []],
    ['a decimal loses whole digits', [AT, decimal(9, 2)], [AT, decimal(9, 3)], {}, ['columns.c']],
    ['a decimal loses a fraction', [AT, decimal(9, 2)], [AT, decimal(9, 1)], {}, ['columns.c']],
    ['the owner is another one', [AT], [AT], { owner: 'south' }, ['owner']],
    ['the event time is another one', [AT], [AT], { eventTime: 'c' }, ['eventTime']],
  ])('%s', (_name, before, after, more, places) => {
    expect(problems(before, after, more)).toEqual(
      places.map((place) => `datasets.flights.${place}`),
    );
  });

  test('another dataset is another dataset', () => {
    expect(problems([AT, column('utf8')], [AT], { id: 'trains' })).toEqual([]);
  });
});

test('an amendment names the version before and counts on by one', () => {
  const contract = versionWith([AT]);
  const judge = (version: number, contractId = ID) =>
    amendmentProblemsIn({ contract, contractId }, versionWith([AT], {}, version)).map(
      ({ place }) => place,
    );
  expect(judge(2)).toEqual([]);
  expect(judge(3)).toEqual(['version']);
  expect(judge(1)).toEqual(['previous', 'version']);
  expect(judge(2, ContractIdSchema.parse('cd'.repeat(32)))).toEqual(['previous']);
});

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Query } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { type Privacy, PrivacySchema } from '@strongroom/protocol/privacy';
import { tableFromIPC } from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { clopperPearson } from '../../packages/privacy/test/statistics.ts';
import type {
  Aggregator,
  Statistics,
} from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { NoiseSeeds } from '../../services/enclave-worker/src/vault/noise-seeds.ts';
import { PrivateQueries } from '../../services/enclave-worker/src/vault/private-queries.ts';
import {
  openPrivate,
  privateQuery,
  show,
  type Visit,
} from '../../services/enclave-worker/test/private-scene.ts';

/** From rows to the bytes that are sealed: what noise hides, and what it leaves. */

type Cells = Readonly<Record<string, number | string | null>>;

const CONTRACT = 'ab'.repeat(32) as ContractId;
const HOUR = 3_600_000;
let lives = 0;
/** The secret of another computation, the same ones in every run: what passes once passes again. */
const fresh = () => {
  lives += 1;
  return new NoiseSeeds(createHash('sha256').update(`secret ${lives}`).digest(), CONTRACT);
};

/** The engine's exact numbers once, and then as many draws of noise over them as are wanted. */
async function counted(query: Query, visits: readonly Visit[]): Promise<Statistics> {
  const aggregator = await openPrivate(query);
  try {
    await show(aggregator, { visits });
    return await aggregator.statistics(query, null, 'ab');
  } finally {
    aggregator.close();
  }
}

class Told {
  readonly #query: Query;
  readonly #queries: PrivateQueries;

  /** @param windows of exact numbers, which come one after the other and again from the first */
  constructor(query: Query, windows: readonly Statistics[]) {
    let at = 0;
    const plan = windows[0]?.plan;
    const aggregator = {
      planOf: () => plan,
      statistics: async () => windows[at++ % windows.length],
    } as unknown as Aggregator;
    this.#query = query;
    this.#queries = new PrivateQueries({ queries: [query] } as never, aggregator);
  }

  async bytes(seeds: NoiseSeeds): Promise<Uint8Array> {
    return (await this.#queries.result(this.#query, null, seeds, undefined)).result.encode();
  }

  async rows(seeds: NoiseSeeds): Promise<Cells[]> {
    return rowsOf(await this.bytes(seeds));
  }

  /** The results of consecutive hours. */
  async hours(seeds: NoiseSeeds, count: number): Promise<Cells[][]> {
    let totals: Parameters<PrivateQueries['result']>[3];
    const all: Cells[][] = [];
    for (let hour = 0; hour < count; hour += 1) {
      const window = { start: hour * HOUR, end: (hour + 1) * HOUR };
      const told = await this.#queries.result(this.#query, window, seeds, totals);
      totals = JSON.parse(JSON.stringify(told.totals ?? null)) ?? undefined;
      all.push(rowsOf(told.result.encode()));
    }
    return all;
  }
}

function rowsOf(bytes: Uint8Array): Cells[] {
  const table = tableFromIPC(bytes);
  return Array.from({ length: table.numRows }, (_none, row) =>
    Object.fromEntries(
      table.schema.fields.map((field, column) => {
        const value: unknown = table.getChildAt(column)?.get(row) ?? null;
        const scale = 'scale' in field.type ? 10 ** Number(field.type.scale) : 1;
        const isText = value === null || typeof value === 'string';
        return [field.name, isText ? value : Number(decimalOf(value)) / scale];
      }),
    ),
  );
}

/** Arrow's decimals are four words, the lowest first, in two's complement. */
function decimalOf(value: unknown): bigint {
  if (!(value instanceof Uint32Array)) return BigInt(String(value));
  const bits = value.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return BigInt.asIntN(128, bits);
}

const number = (row: Cells | undefined, name: string) => Number(row?.[name]);
const visit = (person: string, more: Partial<Visit> = {}): Visit => ({
  ...{ person, place: 'SFO', delay: 20, bags: 1n },
  ...more,
});
const crowd = (people: number, more: Partial<Visit> = {}) =>
  Array.from({ length: people }, (_none, at) => visit(`p${at}`, more));

const EPSILON = 1;
const TRIALS = 600;

/** Whoever sees the result and guesses is right no more often than epsilon allows, at 99 %. */
async function expectHidden(
  privacy: Partial<Privacy>,
  sql: string,
  [one, other]: readonly [readonly Visit[], readonly Visit[]],
  guess: (rows: readonly Cells[]) => boolean,
  epsilon: number,
  delta = 0,
): Promise<void> {
  const query = privateQuery(sql, privacy);
  const rates: { low: number; high: number }[] = [];
  for (const visits of [one, other]) {
    const told = new Told(query, [await counted(query, visits)]);
    let hits = 0;
    for (let trial = 0; trial < TRIALS; trial += 1) {
      if (guess(await told.rows(fresh()))) hits += 1;
    }
    rates.push(clopperPearson(hits, TRIALS, 0.99));
  }
  const [first, second] = rates;
  if (!first || !second) throw new Error('two inputs');
  expect(first.low - delta).toBeLessThanOrEqual(Math.exp(epsilon) * second.high);
  expect(second.low - delta).toBeLessThanOrEqual(Math.exp(epsilon) * first.high);
}

const COUNT = 'SELECT place, count(*) AS n FROM visits GROUP BY place';
const SUM = 'SELECT count(*) AS n, sum(delay) AS late FROM visits';
const loud = (person: string) =>
  ['SFO', 'JFK'].flatMap((place) => [1n, 2n].map((bags) => visit(person, { place, bags })));
const pairs: [string, string, [Visit[], Visit[]], (rows: readonly Cells[]) => boolean][] = [
  [
    'a contributor in two groups, with all the rows it may have',
    COUNT,
    [[...crowd(5), ...loud('x')], crowd(5)],
    (rows) => rows.reduce((sum, row) => sum + number(row, 'n'), 0) > 7,
  ],
  [
    'a contributor with a value at the bound',
    SUM,
    [[...crowd(5), visit('x', { delay: 1e9 }), visit('x', { delay: 1e8 })], crowd(5)],
    (rows) => number(rows[0], 'late') > 200,
  ],
  ['nobody, or somebody', COUNT, [loud('x'), []], (rows) => number(rows[0], 'n') > 0],
];

describe('what leaves does not tell of one contributor', () => {
  test.each(pairs)('Laplace: %s', { timeout: 60_000 }, async (_name, sql, inputs, guess) => {
    await expectHidden({ loss: { epsilon: '1', delta: '0' } }, sql, inputs, guess, EPSILON);
  });

  test.each(pairs)('Gaussian: %s', { timeout: 60_000 }, async (_name, sql, inputs, guess) => {
    const privacy = { mechanism: 'gaussian', loss: { epsilon: '1', delta: '0.01' } } as const;
    await expectHidden(privacy, sql, inputs, guess, EPSILON, 0.01);
  });

  test('and the same trials would tell of one, were the loss four times as large', async () => {
    const [, sql, inputs, guess] = pairs[0] ?? expect.fail('a pair');
    const weak = { loss: { epsilon: '6', delta: '0' } };
    const found = expectHidden(weak, sql, inputs, guess, EPSILON);
    await expect(found).rejects.toThrow();
  });

  test('a group of one contributor is not shown, a large one is', async () => {
    const sql = 'SELECT bags, count(*) AS n FROM visits GROUP BY bags';
    const query = privateQuery(sql, { loss: { epsilon: '2', delta: '0.00001' } });
    const visits = [...crowd(200), visit('x', { bags: 7n })];
    const told = new Told(query, [await counted(query, visits)]);
    for (let trial = 0; trial < 200; trial += 1) {
      expect((await told.rows(fresh())).map((row) => number(row, 'bags'))).toEqual([1]);
    }
  });
});

describe('one input, one result', () => {
  test('the same rows give the same bytes, other rows other noise', async () => {
    const query = privateQuery(COUNT);
    const seeds = fresh();
    const told = async (visits: readonly Visit[]) =>
      new Told(query, [await counted(query, visits)]);
    const same = await told(crowd(9));
    const again = await told(crowd(9).toReversed());
    expect(await same.bytes(seeds)).toEqual(await again.bytes(seeds));
    expect(await same.bytes(fresh())).not.toEqual(await same.bytes(seeds));
    // Another value than the one that was added does not show as a difference of exactly that.
    const changes = new Set<number>();
    for (let trial = 0; trial < 20; trial += 1) {
      const secret = fresh();
      const [before] = await same.rows(secret);
      const [after] = await (await told(crowd(10))).rows(secret);
      changes.add(number(after, 'n') - number(before, 'n'));
    }
    expect(changes.size).toBeGreaterThan(3);
  });
});

const ALL = `SELECT place, count(*) AS n, count(DISTINCT person) AS people, sum(bags) AS bags,
  avg(delay) AS mean, var_pop(delay) AS spread, histogram(delay) AS bins,
  quantile_disc(delay, 0.5) AS median FROM visits GROUP BY place`;

describe('how near results are', () => {
  // Half of the delays are 5, half are 25; everybody has one row.
  const visits = crowd(2_000).map((each, at) => ({ ...each, delay: at % 2 === 0 ? 5 : 25 }));
  const truth = {
    ...{ n: 2_000, people: 2_000, bags: 2_000, mean: 15, spread: 100 },
    ...{ bins_1: 0, bins_2: 1_000, bins_3: 1_000, bins_4: 0 },
  };

  test.each<[string, Partial<Privacy>]>([
    ['Laplace', {}],
    ['Gaussian', { mechanism: 'gaussian', loss: { rho: '0.5' } }],
  ])('%s: intervals hold the answer without noise, at their level', async (_name, privacy) => {
    const query = privateQuery(ALL, privacy);
    const told = new Told(query, [await counted(query, visits)]);
    const held = new Map<string, number>();
    const trials = 200;
    let error = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const row = (await told.rows(fresh())).find(({ place }) => place === 'SFO');
      for (const [name, exact] of Object.entries(truth)) {
        const [low, high] = [number(row, `${name}_low`), number(row, `${name}_high`)];
        if (low <= exact && exact <= high) held.set(name, (held.get(name) ?? 0) + 1);
      }
      error = Math.max(error, Math.abs(number(row, 'mean') - truth.mean));
      expect(number(row, 'median_low')).toBeLessThanOrEqual(15);
      expect(number(row, 'median_high')).toBeGreaterThanOrEqual(5);
    }
    for (const name of Object.keys(truth)) {
      expect(clopperPearson(held.get(name) ?? 0, trials, 0.99).high).toBeGreaterThan(0.95);
    }
    // Delays may be 110.5 apart: the noise of 200 results is far below what it could be.
    expect(error).toBeLessThan(10);
  });
});

test('the example of docs/privacy.md runs, and its columns are those that it names', async () => {
  const text = readFileSync('docs/privacy.md', 'utf8');
  const [, json = ''] = text.match(/```json\n([^`]*)```/) ?? [];
  const [, sql = ''] = text.match(/```sql\n([^`]*)```/) ?? [];
  const query = privateQuery(sql, PrivacySchema.parse(JSON.parse(json)));
  const told = new Told(query, [await counted(query, crowd(40))]);
  const rows = await told.rows(fresh());
  expect(rows.map(({ place }) => place)).toEqual(['JFK', 'LHR', 'SFO']);
  const names = ['n', 'bags', 'mean', 'median'];
  const columns = names.flatMap((name) => [name, `${name}_low`, `${name}_high`]);
  expect(Object.keys(rows[0] ?? {})).toEqual(['place', ...columns]);
});

describe('running totals', () => {
  const privacy = { continual: { windows: 8 }, loss: { epsilon: '4', delta: '0' } } as const;
  const query = {
    ...privateQuery(COUNT, privacy),
    window: { kind: 'tumbling', sizeMs: HOUR },
  } as const satisfies Query;

  test('are totals since the beginning of their period, near the truth', async () => {
    const told = new Told(query, [await counted(query, crowd(500))]);
    const hours = await told.hours(fresh(), 20);
    for (const [hour, rows] of hours.entries()) {
      const [low, high] = ['n_low', 'n_high'].map((name) => number(rows[2], name));
      expect(Math.abs(number(rows[2], 'n') - 500 * ((hour % 8) + 1))).toBeLessThan(200);
      expect((high ?? 0) - (low ?? 0)).toBeLessThan(400);
    }
  });

  test('that protect a whole period bear as many times more noise', async () => {
    const widthOf = async (protects: 'window' | 'period') => {
      const continual = { windows: 8, protects };
      const { window } = query;
      const period = { ...privateQuery(COUNT, { ...privacy, continual }), window };
      const told = new Told(period, [await counted(period, crowd(500))]);
      const [rows] = await told.hours(fresh(), 1);
      return number(rows?.[2], 'n_high') - number(rows?.[2], 'n_low');
    };
    const [one, all] = [await widthOf('window'), await widthOf('period')];
    expect(all / one).toBeGreaterThan(7);
    expect(all / one).toBeLessThan(9);
  });

  test('an hour has one noise in all totals that it is in', async () => {
    const told = new Told(query, [await counted(query, crowd(50))]);
    const seeds = fresh();
    expect(await told.hours(seeds, 8)).toEqual(await told.hours(seeds, 8));
  });
});

import { gaussianNoise } from '@strongroom/privacy/noise';
import { selectionThreshold } from '@strongroom/privacy/partition-selection';
import { rational, rationalOf } from '@strongroom/privacy/rational';
import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import type { ColumnContract, Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { DatasetId, PartyId, QueryId } from '@strongroom/protocol/fields';
import type { Privacy } from '@strongroom/protocol/privacy';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CellValue,
  columnOf,
  datasetWith,
  encodeColumns,
} from '../../../test/arrow-tables.ts';
import { PRIVACY } from '../../../test/private-scene.ts';
import { planNoise } from '../private-noise.ts';
import { Aggregator } from './aggregate.ts';
import { readArrowBatch } from './arrow-batch.ts';

/** What is added of a measure's values, exactly; and what rules mean where there is noise. */

type Rules = Pick<AnalysisRules, 'minimumContributors' | 'maximumGroups'>;
interface Scene {
  readonly column: ColumnContract;
  readonly low?: string;
  readonly high?: string;
  readonly rules?: Rules;
  /** One dataset each. */
  readonly owners?: readonly string[];
  readonly privacy?: Partial<Privacy>;
  readonly domain?: readonly string[];
}

const SUMS = 'SELECT count(*) AS n, count(x) AS known, sum(x) AS s FROM t';
const GROUPS = 'SELECT place, count(*) AS n FROM t GROUP BY place';

function contractOf(sql: string, scene: Scene) {
  const { column, low = '-100', high = '100', rules = {}, owners = ['one'], domain } = scene;
  const query: Query = {
    ...{ id: 'q' as QueryId, sql, relations: ['t'], readers: [], latenessMs: 0 },
    ...{ window: { kind: 'whole' }, disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' } },
    privacy: { ...PRIVACY, bins: {}, ...scene.privacy },
  };
  const columns = [columnOf('person', 'int32', false), columnOf('place', 'utf8', false), column];
  const place = { dimension: domain ? { values: [...domain] } : {} };
  const x = { measure: { low, high } };
  const datasets = owners.map((owner, at) => ({
    ...datasetWith(columns, { id: `t${at}` as DatasetId, relation: 't', owner: owner as PartyId }),
    rules: { columns: { person: { contributor: true as const }, place, x }, ...rules },
  }));
  return { query, contract: { datasets, queries: [query] } as unknown as Contract };
}

async function numbersOf(scene: Scene, values: readonly CellValue[]): Promise<string[]> {
  const { query, contract } = contractOf(SUMS, scene);
  const aggregator = await Aggregator.open(contract, { memoryMb: 64 });
  try {
    const [dataset] = contract.datasets;
    if (!dataset) throw new Error('a dataset');
    const cells = [values.map((_value, at) => at), values.map(() => 'SFO'), values];
    const bytes = encodeColumns(
      dataset.columns.map((each, at) => ({ contract: each, values: cells[at] ?? [] })),
    );
    const arrowBatch = readArrowBatch(bytes, dataset, values.length);
    await aggregator.append(dataset.id, [{ arrowBatch, stream: 0, batchNumber: 0 }], -Infinity);
    const { groups } = await aggregator.statistics(query, null, 'ab');
    return (groups[0] ?? []).map(String);
  } finally {
    aggregator.close();
  }
}

/** In units of 10^-digits, rounded with a half away from 0, within the bounds. */
function unitsOf(value: bigint, scale: number, digits: number): bigint {
  const shift = 10n ** BigInt(Math.abs(digits - scale));
  const size = value < 0n ? -value : value;
  const units = digits >= scale ? size * shift : (size + shift / 2n) / shift;
  const bound = 100n * 10n ** BigInt(digits);
  const bounded = units > bound ? bound : units;
  return value < 0n ? -bounded : bounded;
}

describe('decimals are added exactly', () => {
  const shapes = fc.integer({ min: 1, max: 38 }).chain((precision) =>
    fc.record({
      precision: fc.constant(precision),
      scale: fc.integer({ min: 0, max: precision }),
      digits: fc.integer({ min: 0, max: 9 }),
    }),
  );
  const scenes = shapes.chain((shape) => {
    const most = 10n ** BigInt(shape.precision) - 1n;
    const near = 150n * 10n ** BigInt(shape.scale);
    const inside = near < most ? near : most;
    const value = fc.oneof(
      fc.bigInt(-most, most),
      fc.bigInt(-inside, inside),
      fc.constantFrom(most, -most, 0n),
    );
    return fc.record({
      shape: fc.constant(shape),
      values: fc.array(fc.option(value), { minLength: 1, maxLength: 12 }),
    });
  });

  test('whatever their digits are, and whatever number of them is kept', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async ({ shape, values }) => {
        const column = columnOf('x', 'decimal128', true, shape);
        const privacy = { fractionDigits: { x: shape.digits } };
        const known = values.filter((value) => value !== null);
        const units = known.map((value) => unitsOf(value, shape.scale, shape.digits));
        const sum = units.reduce((total, each) => total + each, 0n);
        const expected = [values.length, known.length, sum].map(String);
        expect(await numbersOf({ column, privacy }, values)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

test.each<[ColumnContract['type'], CellValue[], string]>([
  ['uint8', [0, 7, 255], '107'],
  ['uint16', [3, 65_535], '103'],
  ['uint32', [3, 2 ** 32 - 1], '103'],
  ['uint64', [3n, 2n ** 53n + 1n, 2n ** 64n - 1n], '203'],
  ['int64', [3n, -(2n ** 63n), 2n ** 63n - 1n], '3'],
  ['float32', [Number.NaN, Number.POSITIVE_INFINITY, 2], '102'],
  ['float64', [Number.NaN, Number.POSITIVE_INFINITY, 2], '102'],
])('%s is added exactly, and not a number is no value', async (type, values, sum) => {
  const isNumber = (value: CellValue) => typeof value === 'bigint' || !Number.isNaN(value);
  const known = values.filter(isNumber).length;
  const found = await numbersOf({ column: columnOf('x', type, true) }, [...values, null]);
  expect(found).toEqual([String(values.length + 1), String(known), sum]);
});

describe('rules of owners, where there is noise', () => {
  const column = columnOf('x', 'int64', false);
  const several = { minimumContributors: { group: 5, ofOwner: 30 } };

  async function planned(scene: Scene) {
    const { query, contract } = contractOf(GROUPS, scene);
    const aggregator = await Aggregator.open(contract, { memoryMb: 64 });
    const plan = aggregator.planOf(query) ?? expect.fail('it has a plan');
    aggregator.close();
    return planNoise(plan);
  }

  async function refusal(scene: Scene): Promise<unknown> {
    const error = await planned(scene).catch((thrown: unknown) => thrown);
    expect(codeOf(error)).toBe('ERR_QUERY_REFUSED');
    return error instanceof StrongroomError ? error.facts['place'] : undefined;
  }

  test('the minimum of an owner is one of the noisy number, where it is the only one', async () => {
    const { threshold } = await planned({ column, domain: ['SFO', 'JFK'], rules: several });
    expect(threshold).toBe(30n);
    const { threshold: alone } = await planned({ column, rules: { ...several } });
    expect(alone).toBeGreaterThanOrEqual(30n);
  });

  test('of several owners it is refused: noise cannot tell none from few', async () => {
    const scene = { column, domain: ['SFO'], owners: ['one', 'two'] };
    expect(await refusal({ ...scene, rules: several })).toContain('ofOwner');
    const { threshold } = await planned({ ...scene, rules: { minimumContributors: { group: 5 } } });
    expect(threshold).toBe(5n);
  });

  test('a domain larger than the most groups would never be shown', async () => {
    const scene = { column, domain: ['SFO', 'JFK'] };
    expect(await refusal({ ...scene, rules: { maximumGroups: 1 } })).toContain('maximumGroups');
    await planned({ ...scene, rules: { maximumGroups: 2 } });
    await planned({ column, rules: { maximumGroups: 1 } });
  });

  test('groups without a domain say what loss they need', async () => {
    const rho = (loss: Privacy['loss']) => ({ loss, mechanism: 'gaussian' }) as const;
    const without = { column, privacy: rho({ rho: '0.1' }) };
    expect(await refusal(without)).toContain('a delta beside rho');
    const pure = { loss: { epsilon: '1', delta: '0' } };
    expect(await refusal({ column, privacy: pure })).toContain('a delta above 0');
    const both = rho({ rho: '0.1', delta: '0.000001' });
    expect(await refusal({ column, domain: ['SFO'], privacy: both })).toContain('for nothing');
    const { noises, threshold } = await planned({ column, privacy: both });
    // All of rho is for noise, all of delta for the threshold; two numbers, in two groups each.
    const counts = gaussianNoise(rationalOf('0.05'), rational(2n));
    expect(noises.at(-1)).toEqual(counts);
    const selection = { noise: counts, groups: 2n, delta: rationalOf('0.000001') };
    expect(threshold).toBe(selectionThreshold(selection));
  });
});

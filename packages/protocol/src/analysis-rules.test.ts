import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AGGREGATE_NAMES,
  type AnalysisRules,
  AnalysisRulesSchema,
  type ColumnRule,
  ruleProblemIn,
  stricterOf,
} from './analysis-rules.ts';
import { unitsOf } from './decimal.ts';

const COLUMNS = [
  { name: 'patient', type: 'utf8', nullable: false },
  { name: 'ward', type: 'utf8', nullable: true },
  { name: 'cost', type: 'int64', nullable: true },
  { name: 'weight', type: 'float64', nullable: false },
  { name: 'day', type: 'date32', nullable: false },
  { name: 'urgent', type: 'bool', nullable: false },
];

const problemOf = (rules: unknown, others: AnalysisRules[] = []) => {
  const dataset = { relation: 'stays', columns: COLUMNS };
  const ruled = { ...dataset, rules: AnalysisRulesSchema.parse(rules) };
  return ruleProblemIn(ruled, [ruled, ...others.map((each) => ({ ...dataset, rules: each }))]);
};

describe('rules fit the columns of their dataset', () => {
  test('each kind of column may have each fitting use', () => {
    const columns = {
      patient: { contributor: true, joinKey: {}, measure: { functions: ['count_distinct'] } },
      ward: { dimension: { values: ['east', null] } },
      cost: { measure: { low: '0', high: '1000.5', functions: ['sum', 'avg'] } },
      weight: { measure: {} },
      day: { dimension: { values: ['2026-01-31'] } },
      urgent: { dimension: { values: [true, false] } },
    };
    const minimumContributors = { group: 10, ofOwner: 5 };
    expect(problemOf({ columns, minimumContributors, maximumGroups: 9 })).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['an unknown column', { columns: { doctor: { dimension: {} } } }],
    ['a contributor that may be null', { columns: { ward: { contributor: true } } }],
    ['a contributor that is a float', { columns: { weight: { contributor: true } } }],
    [
      'two contributors',
      { columns: { patient: { contributor: true }, day: { contributor: true } } },
    ],
    ['nobody to count', { columns: {}, minimumContributors: { group: 5 } }],
    ['a text that is summed', { columns: { ward: { measure: {} } } }],
    ['a date that is averaged', { columns: { day: { measure: { functions: ['avg'] } } } }],
    ['a lower bound alone', { columns: { cost: { measure: { low: '0' } } } }],
    ['bounds without a range', { columns: { cost: { measure: { low: '2', high: '2' } } } }],
    ['bounds the wrong way', { columns: { cost: { measure: { low: '-1', high: '-2' } } } }],
    ['a number among texts', { columns: { ward: { dimension: { values: [1] } } } }],
    ['null where none is', { columns: { urgent: { dimension: { values: [null] } } } }],
    ['a date that is none', { columns: { day: { dimension: { values: ['31.1.'] } } } }],
    ['a domain of floats', { columns: { weight: { dimension: { values: [1] } } } }],
    ['a value twice', { columns: { ward: { dimension: { values: ['a', 'a'] } } } }],
  ])('refuses %s', (_name, rules) => {
    expect(problemOf(rules)).toBeTypeOf('string');
  });

  test('datasets of one relation count one and the same contributor', () => {
    const rules = { columns: { patient: { contributor: true } } };
    expect(problemOf(rules, [{ columns: { patient: { contributor: true } } }])).toBeUndefined();
    expect(problemOf(rules, [{ columns: { day: { contributor: true } } }])).toBeTypeOf('string');
    expect(problemOf(rules, [{ columns: {} }])).toBeTypeOf('string');
  });

  test.each([
    { columns: { cost: { measure: { low: '-0', high: '1' } } } },
    { columns: { cost: { measure: { low: '1.50', high: '2' } } } },
    { columns: { cost: { measure: { functions: ['median'] } } } },
    { columns: { cost: { measure: { functions: [] } } } },
    { columns: { ward: { dimension: { values: [] } } } },
    { columns: { ward: { dimension: { values: [0.5] } } } },
    { columns: { ward: { shown: true } } },
    { columns: { patient: { contributor: false } } },
    { columns: {}, minimumContributors: { ofOwner: 5 } },
    { columns: {}, maximumGroups: 0 },
    { columns: {}, functions: ['sum('] },
    { columns: {}, approvedQueries: [{ id: 'q' }] },
    { columns: {}, more: true },
    {},
  ])('has no other shape: %j', (rules) => {
    expect(AnalysisRulesSchema.safeParse(rules).success).toBe(false);
  });
});

describe('the strictest rule wins', () => {
  const dimension = (...values: (string | null)[]) => ({ ward: { dimension: { values } } });
  const measure = (more: object) => ({ cost: { measure: more } });
  test.each<[string, object, object, object]>([
    ['a column that one hides', { columns: { ward: { dimension: {} } } }, { columns: {} }, {}],
    [
      'a use that one does not give',
      { columns: { ward: { dimension: {}, joinKey: {} } } },
      { columns: { ward: { joinKey: {} } } },
      { columns: { ward: { joinKey: {} } } },
    ],
    [
      'what joins tell',
      { columns: { ward: { joinKey: { matches: 'exact', rowsPerKey: 3 } } } },
      { columns: { ward: { joinKey: { matches: 'exact', rowsPerKey: 2 } } } },
      { columns: { ward: { joinKey: { matches: 'exact', rowsPerKey: 2 } } } },
    ],
    [
      'what one join may tell and the other not',
      { columns: { ward: { joinKey: { matches: 'exact' } } } },
      { columns: { ward: { joinKey: { rowsPerKey: 2 } } } },
      { columns: { ward: { joinKey: { rowsPerKey: 2 } } } },
    ],
    [
      'two domains',
      { columns: dimension('b', 'a', null) },
      { columns: dimension(null, 'b', 'c') },
      { columns: dimension('b', null) },
    ],
    [
      'a domain and none',
      { columns: dimension('a') },
      { columns: { ward: { dimension: {} } } },
      { columns: dimension('a') },
    ],
    [
      'bounds that overlap',
      { columns: measure({ low: '-1.5', high: '10', functions: ['sum', 'avg'] }) },
      { columns: measure({ low: '-2', high: '9.25', functions: ['count', 'sum'] }) },
      { columns: measure({ low: '-1.5', high: '9.25', functions: ['sum'] }) },
    ],
    [
      'bounds that do not',
      { columns: measure({ low: '0', high: '1' }) },
      { columns: measure({ low: '2', high: '3' }) },
      { columns: { cost: {} } },
    ],
    [
      'weights that one accepts',
      { columns: measure({ weights: 'accepted' }) },
      { columns: measure({}) },
      { columns: measure({}) },
    ],
    [
      'weights that both accept',
      { columns: measure({ weights: 'accepted' }) },
      { columns: measure({ functions: ['sum'], weights: 'accepted' }) },
      { columns: measure({ functions: ['sum'], weights: 'accepted' }) },
    ],
    [
      'minimums',
      { minimumContributors: { group: 5, ofOwner: 3 } },
      { minimumContributors: { group: 9 } },
      { minimumContributors: { group: 9, ofOwner: 3 } },
    ],
    [
      'lists and maxima',
      { functions: ['sum', 'avg'], maximumGroups: 9, joinRequired: true },
      { functions: ['sum', 'count'], maximumGroups: 5, joinRequired: false },
      { functions: ['sum'], maximumGroups: 5, joinRequired: true },
    ],
    [
      'approvals',
      { approvedQueries: [{ id: 'q', sqlSha256: 'a'.repeat(64) }] },
      { approvedQueries: [{ id: 'q', sqlSha256: 'b'.repeat(64) }] },
      { approvedQueries: [] },
    ],
  ])('of %s', (_name, one, other, expected) => {
    const full = (rules: object): AnalysisRules => ({ columns: {}, ...rules });
    expect(stricterOf(full(one), full(other))).toEqual(full(expected));
    expect(stricterOf(full(other), full(one))).toEqual(full(expected));
  });

  const maybe = fc.option(rulesOfAnyKind(), { nil: undefined });

  test('in whatever order and however often owners are asked', () => {
    fc.assert(
      fc.property(maybe, maybe, maybe, (a, b, c) => {
        const both = stricterOf(a, b);
        expect(stricterOf(b, a)).toEqual(both);
        expect(stricterOf(both, both)).toEqual(both);
        expect(stricterOf(both, a)).toEqual(both);
        expect(stricterOf(both, c)).toEqual(stricterOf(a, stricterOf(b, c)));
      }),
    );
  });

  test('and it never allows what one of them forbids', () => {
    fc.assert(
      fc.property(rulesOfAnyKind(), maybe, (a, b) => {
        expect(laxerIn(stricterOf(a, b), a)).toBeUndefined();
        expect(laxerIn(stricterOf(b, a), a)).toBeUndefined();
      }),
    );
  });
});

function rulesOfAnyKind(): fc.Arbitrary<AnalysisRules> {
  const optional = { requiredKeys: [] };
  const decimal = fc.integer({ min: -50, max: 50 }).map(String);
  const functions = fc.uniqueArray(fc.constantFrom(...AGGREGATE_NAMES), { minLength: 1 });
  const values = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', null), { minLength: 1 });
  const measure = fc.record(
    { low: decimal, high: decimal, functions, weights: fc.constant('accepted' as const) },
    optional,
  );
  const column: fc.Arbitrary<ColumnRule> = fc.record(
    {
      dimension: fc.record({ values }, optional),
      measure,
      joinKey: fc.constant({}),
      contributor: fc.constant(true as const),
    },
    optional,
  );
  const count = fc.integer({ min: 1, max: 20 });
  const approved = fc.record({
    id: fc.constantFrom('p', 'q'),
    sqlSha256: fc.constantFrom('0'.repeat(64), '1'.repeat(64)),
  });
  return fc
    .record(
      {
        columns: fc.dictionary(fc.constantFrom('x', 'y', 'z'), column),
        minimumContributors: fc.record(
          { group: count, ofOwner: count },
          { requiredKeys: ['group'] },
        ),
        functions: fc.uniqueArray(fc.constantFrom('sum', 'lower', 'avg'), { minLength: 1 }),
        maximumGroups: count,
        joinRequired: fc.boolean(),
        approvedQueries: fc.array(approved, { minLength: 1 }),
      },
      { requiredKeys: ['columns'] },
    )
    .map((rules) => AnalysisRulesSchema.parse(rules));
}

/** Written apart from the merge: the first thing that `merged` allows and `rules` does not. */
function laxerIn(merged: AnalysisRules | undefined, rules: AnalysisRules): string | undefined {
  if (!merged) return 'no rules at all';
  for (const [name, given] of Object.entries(merged.columns)) {
    const owned = rules.columns[name] ?? {};
    if (Object.keys(given).some((use) => !Object.hasOwn(owned, use))) return `${name}: a use`;
    if (given.dimension && !within(given.dimension.values, owned.dimension?.values))
      return `${name}: a value`;
    if (given.measure && !within(given.measure.functions, owned.measure?.functions))
      return `${name}: a function`;
    if (given.measure?.weights && !owned.measure?.weights) return `${name}: weights`;
    const [low, high] = [owned.measure?.low, owned.measure?.high];
    const units = (text: string | undefined, none: bigint) =>
      text === undefined ? none : unitsOf(text);
    const far = 10n ** 40n;
    if (given.measure && units(given.measure.low, -far) < units(low, -far)) return `${name}: low`;
    if (given.measure && units(given.measure.high, far) > units(high, far)) return `${name}: high`;
  }
  const [a, b] = [merged.minimumContributors, rules.minimumContributors];
  if ((a?.group ?? 1) < (b?.group ?? 1) || (a?.ofOwner ?? 1) < (b?.ofOwner ?? 1)) return 'minimum';
  if ((merged.maximumGroups ?? 1e9) > (rules.maximumGroups ?? 1e9)) return 'groups';
  if (rules.joinRequired && !merged.joinRequired) return 'join';
  if (!within(merged.functions, rules.functions)) return 'functions';
  const spelled = (each: AnalysisRules) => each.approvedQueries?.map((one) => JSON.stringify(one));
  return within(spelled(merged), spelled(rules)) ? undefined : 'approvals';
}

function within(
  given: readonly unknown[] | undefined,
  owned: readonly unknown[] | undefined,
): boolean {
  return owned === undefined || (given?.every((each) => owned.includes(each)) ?? false);
}

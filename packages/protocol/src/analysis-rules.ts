// More than 300 lines, because what a rule says, and which of two is stricter, are read together.
import { z } from 'zod';
import type { Canonical } from './canonical-form.ts';
import { unitsOf } from './decimal.ts';
import { QueryIdSchema, Sha256HexSchema, SqlNameSchema } from './fields.ts';
import {
  AGGREGATE_ROWS_MAX,
  COLUMNS_MAX,
  CONTRIBUTIONS_MAX,
  DOMAIN_VALUES_MAX,
  QUERIES_MAX,
} from './limits.ts';

/**
 * What an owner lets queries do with its dataset, column by column. A dataset without rules is
 * bound by the gate and by each query's own disclosure rule alone. Where a query reads several
 * datasets, the strictest rule wins: `stricterOf` is that, once. See docs/analysis-rules.md.
 */

/** Functions over the rows of a group, as rules call them; deviations are samples' and whole's. */
export const AGGREGATE_NAMES = [
  'count',
  'count_distinct',
  'sum',
  'sum_distinct',
  'avg',
  'min',
  'max',
  'stddev',
  'variance',
  // Over bins that the contract fixes, in queries with noise.
  'histogram',
  'quantile',
] as const;
export type AggregateName = (typeof AGGREGATE_NAMES)[number];

/** They show the value of one row: a measure has them where its rule names them. */
const SINGLE_VALUES: readonly string[] = ['min', 'max'] satisfies AggregateName[];

/** What a measure may be folded by when its rule says nothing. */
export const MEASURE_FUNCTIONS: readonly AggregateName[] = AGGREGATE_NAMES.filter(
  (name) => !SINGLE_VALUES.includes(name),
);

/** Those that take what is no number. */
const COUNTS: readonly string[] = ['count', 'count_distinct'] satisfies AggregateName[];

/** An exact number with one spelling: `-3`, `0.5`. */
export const DecimalSchema = z.string().regex(/^(?!-0$)-?(0|[1-9]\d{0,17})(\.\d{0,11}[1-9])?$/);

const DomainValueSchema = z.union([z.string().max(200), z.int(), z.boolean(), z.null()]);
export type DomainValue = z.infer<typeof DomainValueSchema>;

/** What a column may be used for; without any member it is hidden, as one that is not named. */
export const ColumnRuleSchema = z.strictObject({
  /** Groups may be made of it and rows chosen by it; with `values`, of these alone. */
  dimension: z.exactOptional(
    z.strictObject({
      values: z.exactOptional(z.array(DomainValueSchema).min(1).max(DOMAIN_VALUES_MAX)),
    }),
  ),
  /** It may be folded over the rows of a group, and not be seen or compared otherwise. */
  measure: z.exactOptional(
    z.strictObject({
      /** What a query with noise clamps it to. */
      low: z.exactOptional(DecimalSchema),
      high: z.exactOptional(DecimalSchema),
      /** Absent: all that its type allows but min and max, which show the value of one row. */
      functions: z.exactOptional(z.array(z.enum(AGGREGATE_NAMES)).min(1)),
      /**
       * Its owner knows that others may give each value a weight, by how many of their rows it is
       * joined with or by numbers. Absent: a query without noise where they could is refused.
       */
      weights: z.exactOptional(z.literal('accepted')),
    }),
  ),
  /** It may be compared for equality with a join key of another table. */
  joinKey: z.exactOptional(
    z.strictObject({
      /** How many match another owner's may be told without noise. Absent: with noise only. */
      matches: z.exactOptional(z.literal('exact')),
      /** Without noise: so many rows of each key are joined at most, others are left out. */
      rowsPerKey: z.exactOptional(z.int().min(1).max(CONTRIBUTIONS_MAX)),
    }),
  ),
  /** Names whom a row is about: such are counted, and never shown. */
  contributor: z.exactOptional(z.literal(true)),
});
export type ColumnRule = z.infer<typeof ColumnRuleSchema>;

export const AnalysisRulesSchema = z.strictObject({
  columns: z
    .record(SqlNameSchema, ColumnRuleSchema)
    .refine((columns) => Object.keys(columns).length <= COLUMNS_MAX, 'too many columns'),
  /** A group with fewer distinct contributors than this is not disclosed. */
  minimumContributors: z.exactOptional(
    z.strictObject({
      /** Of all owners together. */
      group: z.int().min(1).max(1_000_000),
      /** Of each owner that has any in the group: else others could surround one with their own. */
      ofOwner: z.exactOptional(z.int().min(1).max(1_000_000)),
    }),
  ),
  /** The only functions that a query may name, of those that the gate knows. Default: all. */
  functions: z.exactOptional(
    z
      .array(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/))
      .min(1)
      .max(COLUMNS_MAX),
  ),
  /** Of a result: one that would have more groups discloses none. */
  maximumGroups: z.exactOptional(z.int().min(1).max(AGGREGATE_ROWS_MAX)),
  /** The dataset is only read joined with one of another owner. */
  joinRequired: z.exactOptional(z.boolean()),
  /** The only queries that may read it, word for word. Default: all of the contract. */
  approvedQueries: z.exactOptional(
    z
      .array(z.strictObject({ id: QueryIdSchema, sqlSha256: Sha256HexSchema }))
      .min(1)
      .max(QUERIES_MAX),
  ),
});
export type AnalysisRules = z.infer<typeof AnalysisRulesSchema>;

interface RuledDataset {
  readonly relation: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly nullable: boolean;
    readonly canonical?: Canonical;
  }[];
  readonly rules?: AnalysisRules;
}

/** What contradicts a dataset's columns in its rules; undefined: nothing. */
export function ruleProblemIn(
  dataset: RuledDataset,
  all: readonly RuledDataset[],
): string | undefined {
  const { rules, columns } = dataset;
  if (!rules) return undefined;
  for (const [name, rule] of Object.entries(rules.columns)) {
    const column = columns.find((each) => each.name === name);
    if (!column) return `${name}: no column of the dataset`;
    const problem = columnProblem(column, rule);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  const contributors = contributorsOf(rules);
  if (contributors.length > 1) return 'one column names the contributor';
  if (rules.minimumContributors && contributors.length === 0) {
    return 'minimumContributors: no column names the contributor';
  }
  // What is counted in a table is counted over the rows of all its owners.
  const others = all.flatMap((each) => (each.relation === dataset.relation ? each : []));
  const isShared = others.every(
    (other) => !other.rules || contributorsOf(other.rules)[0] === contributors[0],
  );
  return isShared ? undefined : 'datasets of one relation name one contributor column';
}

function columnProblem(
  { type, nullable, canonical }: RuledDataset['columns'][number],
  { dimension, measure, contributor }: ColumnRule,
): string | undefined {
  if (dimension && canonical?.hashedWith !== undefined) {
    return 'a keyed hash is one person by another name, and no dimension';
  }
  if (contributor && (nullable || type.startsWith('float'))) {
    return 'a contributor is known in every row, and no floating-point number';
  }
  const values = dimension?.values ?? [];
  if (!values.every((value) => isValueOf(value, type, nullable))) {
    return `a value of the domain is none of ${type}`;
  }
  if (new Set(values).size !== values.length) return 'a value of the domain comes twice';
  if (!measure) return undefined;
  const { low, high, functions } = measure;
  const isNumber = /^(u?int|float|decimal)/.test(type);
  const counts = functions?.every((each) => COUNTS.includes(each)) ?? false;
  if (!isNumber && !counts) return `${type} can be counted, and is no other measure`;
  if ((low === undefined) !== (high === undefined)) return 'low and high come together';
  if (low === undefined || high === undefined) return undefined;
  if (!isNumber) return 'low and high are of numbers';
  return unitsOf(low) < unitsOf(high) ? undefined : 'low is below high';
}

function isValueOf(value: DomainValue, type: string, nullable: boolean): boolean {
  if (value === null) return nullable;
  if (type === 'utf8') return typeof value === 'string';
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'date32') return typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value);
  return /^u?int/.test(type) && typeof value === 'number';
}

function contributorsOf({ columns }: AnalysisRules): string[] {
  return Object.keys(columns).filter((name) => columns[name]?.contributor);
}

/**
 * The strictest of both: what it allows, both allow. Order and repetition change nothing, and
 * absent rules forbid nothing. A list that comes out empty allows nothing.
 */
export function stricterOf(
  one: AnalysisRules | undefined,
  other: AnalysisRules | undefined,
): AnalysisRules | undefined {
  const [a, b] = [one ?? other, other ?? one];
  return a && b && stricterRules(a, b);
}

function stricterRules(one: AnalysisRules, other: AnalysisRules): AnalysisRules {
  const columns: Record<string, ColumnRule> = {};
  for (const name of Object.keys(one.columns).sort()) {
    const [a, b] = [one.columns[name], other.columns[name]];
    if (a && b) columns[name] = stricterColumn(a, b);
  }
  return { columns, ...stricterLimits(one, other) };
}

/** All but the columns: what holds for a query as a whole. */
export type RuleLimits = Omit<AnalysisRules, 'columns'>;

export function stricterLimits(one: RuleLimits, other: RuleLimits): RuleLimits {
  const [a, b] = [one.minimumContributors, other.minimumContributors];
  const ofOwner = larger(a?.ofOwner, b?.ofOwner);
  const minimum = { group: larger(a?.group, b?.group) ?? 1, ...present({ ofOwner }) };
  return present({
    minimumContributors: a || b ? minimum : undefined,
    functions: common(one.functions, other.functions),
    maximumGroups: smaller(one.maximumGroups, other.maximumGroups),
    joinRequired: one.joinRequired || other.joinRequired || undefined,
    approvedQueries: common(
      one.approvedQueries,
      other.approvedQueries,
      ({ id, sqlSha256 }) => `${id} ${sqlSha256}`,
    ),
  });
}

function stricterColumn(a: ColumnRule, b: ColumnRule): ColumnRule {
  return present({
    dimension: a.dimension && b.dimension && stricterDomain(a.dimension, b.dimension),
    measure: a.measure && b.measure && stricterMeasure(a.measure, b.measure),
    joinKey: a.joinKey && b.joinKey && stricterKey(a.joinKey, b.joinKey),
    contributor: a.contributor && b.contributor,
  });
}

type Dimension = NonNullable<ColumnRule['dimension']>;
type Measure = NonNullable<ColumnRule['measure']>;
type JoinKeyRule = NonNullable<ColumnRule['joinKey']>;

function stricterKey(a: JoinKeyRule, b: JoinKeyRule): JoinKeyRule {
  return present({
    matches: a.matches && b.matches,
    rowsPerKey: smaller(a.rowsPerKey, b.rowsPerKey),
  });
}

function stricterDomain(a: Dimension, b: Dimension): Dimension {
  return present({ values: common(a.values, b.values, (value) => JSON.stringify(value)) });
}

/** Bounds without anything between them leave no measure. */
function stricterMeasure(a: Measure, b: Measure): Measure | undefined {
  const low = farther(a.low, b.low, 1);
  const high = farther(a.high, b.high, -1);
  const isEmpty = low !== undefined && high !== undefined && unitsOf(low) > unitsOf(high);
  if (isEmpty) return undefined;
  const weights = a.weights && b.weights;
  return present({ low, high, functions: commonFunctions(a, b), weights });
}

/** Of two, one of which names min: the other one does not allow it. */
function commonFunctions(a: Measure, b: Measure): AggregateName[] | undefined {
  if (!a.functions && !b.functions) return undefined;
  return common(a.functions ?? MEASURE_FUNCTIONS, b.functions ?? MEASURE_FUNCTIONS);
}

function farther(
  a: string | undefined,
  b: string | undefined,
  direction: 1 | -1,
): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const isFarther = (unitsOf(a) - unitsOf(b)) * BigInt(direction) > 0n;
  return isFarther ? a : b;
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

/** In one order, so that it does not matter which list came first. */
function common<Item>(
  a: readonly Item[] | undefined,
  b: readonly Item[] | undefined,
  nameOf: (item: Item) => string = String,
): Item[] | undefined {
  const first = a ?? b;
  if (!first) return undefined;
  const wanted = new Set((b ?? first).map(nameOf));
  const kept = new Map(first.map((item) => [nameOf(item), item]));
  return [...kept]
    .filter(([name]) => wanted.has(name))
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([, item]) => item);
}

/** Leaves out what is undefined: an absent member and an undefined one are the same rule. */
function present<Members extends object>(members: Members): Present<Members> {
  const kept = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Present<Members>;
}
type Present<Members> = {
  [Name in keyof Members as undefined extends Members[Name] ? never : Name]: Members[Name];
} & {
  [Name in keyof Members as undefined extends Members[Name] ? Name : never]?: Exclude<
    Members[Name],
    undefined
  >;
};

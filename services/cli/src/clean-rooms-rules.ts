import {
  AGGREGATE_NAMES,
  type AggregateName,
  type AnalysisRules,
  AnalysisRulesSchema,
  type ColumnRule,
} from '@strongroom/protocol/analysis-rules';
import type { ColumnContract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import { isObject } from './json.ts';

/**
 * Analysis rules of AWS Clean Rooms in our vocabulary. What has no counterpart is said, and whether
 * our rules are then weaker: those are for the owner to accept, never for us to leave out.
 */

export interface ImportedRules {
  readonly rules: AnalysisRules;
  /** Demands that are not kept: whoever imports has to say that it knows. */
  readonly weaker: readonly string[];
  /** What queries could do there and cannot here. */
  readonly stricter: readonly string[];
}

const columnNames = z.array(z.string().min(1).max(128)).max(256);
const operators = z.array(z.enum(['OR', 'AND'])).optional();
const additionalAnalyses = z.string().optional();

const AggregationSchema = z.strictObject({
  aggregateColumns: z
    .array(
      z.strictObject({
        columnNames,
        function: z.enum(['SUM', 'SUM_DISTINCT', 'COUNT', 'COUNT_DISTINCT', 'AVG']),
      }),
    )
    .min(1),
  joinColumns: columnNames,
  joinRequired: z.literal('QUERY_RUNNER').optional(),
  allowedJoinOperators: operators,
  dimensionColumns: columnNames,
  scalarFunctions: z.array(z.string()),
  outputConstraints: z
    .array(
      z.strictObject({
        columnName: z.string(),
        minimum: z.int().min(2).max(100_000),
        type: z.literal('COUNT_DISTINCT'),
      }),
    )
    .min(1),
  additionalAnalyses,
});

const ListSchema = z.strictObject({
  joinColumns: columnNames.min(1),
  allowedJoinOperators: operators,
  listColumns: columnNames,
  additionalAnalyses,
});

const CustomSchema = z.strictObject({
  allowedAnalyses: z.array(z.string()),
  allowedAnalysisProviders: z.array(z.string()).optional(),
  additionalAnalyses,
  disallowedOutputColumns: columnNames.optional(),
  differentialPrivacy: z
    .strictObject({ columns: z.array(z.strictObject({ name: z.string() })) })
    .optional(),
});

const KindSchema = z.union([
  z.strictObject({ aggregation: AggregationSchema }),
  z.strictObject({ list: ListSchema }),
  z.strictObject({ custom: CustomSchema }),
]);

/**
 * @param columns of the dataset, where they are known; a custom rule names only the exceptions
 * @throws ERR_CONFIG_INVALID for JSON of another shape
 */
export function importCleanRooms(
  document: unknown,
  columns: readonly ColumnContract[] | undefined,
): ImportedRules {
  const parsed = KindSchema.safeParse(kindIn(document));
  if (!parsed.success) {
    const place = 'one of aggregation, list, custom, as the Clean Rooms API writes them';
    throw new StrongroomError('ERR_CONFIG_INVALID', { place });
  }
  const kind = parsed.data;
  const draft = new RuleDraft();
  if ('aggregation' in kind) readAggregation(kind.aggregation, draft);
  else if ('list' in kind) readList(kind.list, draft);
  else readCustom(kind.custom, columns, draft);
  return draft.finish();
}

/** Out of what the API, its command and the console put around it. */
function kindIn(document: unknown): unknown {
  let inside = document;
  for (const member of ['analysisRule', 'policy', 'analysisRulePolicy', 'v1']) {
    if (isObject(inside) && isObject(inside[member])) inside = inside[member];
  }
  if (!isObject(inside)) return inside;
  if ('aggregateColumns' in inside) return { aggregation: inside };
  if ('listColumns' in inside) return { list: inside };
  return 'allowedAnalyses' in inside ? { custom: inside } : inside;
}

class RuleDraft {
  readonly weaker: string[] = [];
  readonly stricter: string[] = [];
  readonly limits: Partial<Omit<AnalysisRules, 'columns'>> = {};
  readonly #columns = new Map<string, ColumnRule>();

  allow(names: readonly string[], rule: ColumnRule): void {
    for (const name of names) {
      const column = name.toLowerCase();
      this.#columns.set(column, { ...this.#columns.get(column), ...rule });
    }
  }

  fold(names: readonly string[], by: AggregateName): void {
    for (const name of names) {
      const before = this.#columns.get(name.toLowerCase())?.measure?.functions ?? [];
      this.allow([name], { measure: { functions: [...new Set([...before, by])] } });
    }
  }

  common(rule: {
    readonly allowedJoinOperators?: readonly string[] | undefined;
    readonly additionalAnalyses?: string | undefined;
  }): void {
    if (rule.allowedJoinOperators?.includes('OR')) {
      this.stricter.push('allowedJoinOperators: join keys are compared one beside the other (AND)');
    }
    if (rule.additionalAnalyses === 'REQUIRED') {
      this.weaker.push('additionalAnalyses: results may leave without a further analysis');
    }
  }

  finish(): ImportedRules {
    const columns = Object.fromEntries(this.#columns);
    const parsed = AnalysisRulesSchema.safeParse({ columns, ...this.limits });
    if (!parsed.success) {
      const place = parsed.error.issues[0]?.path.join('.') ?? '';
      throw new StrongroomError('ERR_CONFIG_INVALID', { place, problem: 'it cannot be a rule' });
    }
    return { rules: parsed.data, weaker: this.weaker, stricter: this.stricter };
  }
}

function readAggregation(rule: z.infer<typeof AggregationSchema>, draft: RuleDraft): void {
  draft.common(rule);
  draft.allow(rule.dimensionColumns, { dimension: {} });
  draft.allow(rule.joinColumns, { joinKey: { matches: 'exact' } });
  for (const each of rule.aggregateColumns) {
    draft.fold(each.columnNames, AGGREGATES[each.function]);
  }
  if (rule.joinRequired) draft.limits.joinRequired = true;
  draft.limits.functions = functionsOf(rule, draft);
  const [first, ...others] = [...rule.outputConstraints].sort((a, b) => b.minimum - a.minimum);
  if (!first) return;
  draft.allow([first.columnName], { contributor: true });
  draft.limits.minimumContributors = { group: first.minimum };
  for (const { columnName, minimum } of others) {
    draft.weaker.push(
      `outputConstraints: one column is counted (${first.columnName}); ` +
        `a group may have fewer than ${minimum} of ${columnName}`,
    );
  }
}

const AGGREGATES = {
  SUM: 'sum',
  SUM_DISTINCT: 'sum_distinct',
  COUNT: 'count',
  COUNT_DISTINCT: 'count_distinct',
  AVG: 'avg',
} as const satisfies Record<string, AggregateName>;

/** Scalar functions that the gate knows, by the name under which it knows them. */
const SCALARS: Readonly<Record<string, readonly string[]>> = {
  ABS: ['abs'],
  CAST: ['cast'],
  CEILING: ['ceil', 'ceiling'],
  COALESCE: ['coalesce'],
  EXTRACT: ['date_part'],
  FLOOR: ['floor'],
  LOWER: ['lower'],
  ROUND: ['round'],
  TRUNC: ['trunc', 'date_trunc'],
  UPPER: ['upper'],
};

function functionsOf(rule: z.infer<typeof AggregationSchema>, draft: RuleDraft): string[] {
  // A query of ours counts the rows of its groups.
  const functions = new Set<string>(['count']);
  for (const each of rule.aggregateColumns) functions.add(AGGREGATES[each.function]);
  for (const name of rule.scalarFunctions) {
    const known = SCALARS[name.toUpperCase()];
    if (!known) draft.stricter.push(`scalarFunctions: ${name} is no function that the gate knows`);
    for (const each of known ?? []) functions.add(each);
  }
  return [...functions];
}

function readList(rule: z.infer<typeof ListSchema>, draft: RuleDraft): void {
  draft.common(rule);
  draft.allow(rule.joinColumns, { joinKey: { matches: 'exact' } });
  draft.allow(rule.listColumns, { dimension: {} });
  draft.limits.joinRequired = true;
  draft.stricter.push('listColumns: no rows are listed, groups of them are; see minimumGroupRows');
}

function readCustom(
  rule: z.infer<typeof CustomSchema>,
  columns: readonly ColumnContract[] | undefined,
  draft: RuleDraft,
): void {
  draft.common(rule);
  if (!columns) {
    throw new StrongroomError('ERR_USAGE', {
      problem: 'a custom rule names no columns: give --contract and --dataset',
    });
  }
  const hidden = new Set((rule.disallowedOutputColumns ?? []).map((name) => name.toLowerCase()));
  for (const { name, type } of columns) {
    draft.allow([name], { joinKey: { matches: 'exact' } });
    if (hidden.has(name)) continue;
    const isNumber = /^(u?int|float|decimal)/.test(type);
    const functions: AggregateName[] = isNumber
      ? [...AGGREGATE_NAMES]
      : ['count', 'count_distinct'];
    draft.allow([name], { dimension: {}, measure: { functions } });
  }
  if (hidden.size > 0) {
    draft.stricter.push('disallowedOutputColumns: they are compared with join keys and no more');
  }
  const approved = rule.allowedAnalyses.filter((each) => each !== 'ANY_QUERY');
  if (approved.length > 0 || rule.allowedAnalyses.length === 0) {
    draft.weaker.push(
      'allowedAnalyses: templates are not known here; name the queries in approvedQueries',
    );
  }
  if (rule.allowedAnalysisProviders) {
    draft.weaker.push('allowedAnalysisProviders: every party may propose a query; all sign it');
  }
  for (const [index, { name }] of (rule.differentialPrivacy?.columns ?? []).entries()) {
    if (index === 0) draft.allow([name], { contributor: true });
    else draft.weaker.push(`differentialPrivacy: one column is counted, ${name} is not`);
  }
  if (rule.differentialPrivacy) {
    draft.weaker.push('differentialPrivacy: noise is a member of each query, not of these rules');
  }
}

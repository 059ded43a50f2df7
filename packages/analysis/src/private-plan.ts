// More than 300 lines, because what a private query may say is read here in one piece.

import type { DomainValue } from '@strongroom/protocol/analysis-rules';
import type { ColumnContract, Contract, Query } from '@strongroom/protocol/contract';
import { unitsOf } from '@strongroom/protocol/decimal';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PRIVATE_ROWS_MAX } from '@strongroom/protocol/limits';
import type { Privacy } from '@strongroom/protocol/privacy';
import { multipliedIn, resolve, type Table, tablesIn } from './private-tables.ts';
import { type SqlParser, writeTotal } from './sql-bound.ts';
import { absent, columnRefsIn, listOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/**
 * The plain form of queries with noise: dimensions and counts, sums, averages, variances,
 * histograms and quantiles of columns, over one FROM and WHERE. Whatever else a SELECT can say is
 * refused, since only of this form it is known how much one contributor can change a result. A plan
 * is made of a query that the gate let through; it says the rows that count, and what of them.
 */
export interface PrivatePlan {
  readonly query: Query;
  readonly privacy: Privacy;
  /** SQL for the rows before any bound: columns `contributor`, `dimension 0`, …, `measure 0`, … */
  readonly rowsSql: string;
  /** Relations whose rows are bounded before they are joined, by contributor. */
  readonly joined: readonly { readonly relation: string; readonly contributor: string }[];
  readonly dimensions: readonly Dimension[];
  readonly measures: readonly Measure[];
  readonly statistics: readonly Statistic[];
  /** Result columns, in the order of the SQL. */
  readonly outputs: readonly Output[];
  /** A group with a smaller noisy count of contributors is not disclosed. */
  readonly minimumContributors: number;
  /** A result with more groups shows none. */
  readonly maximumGroups: number;
}

export interface Dimension {
  readonly name: string;
  /** The public domain; null where groups are selected by a threshold. */
  readonly values: readonly DomainValue[] | null;
  /** Of the column, where there is a domain. */
  readonly type: ColumnContract['type'] | null;
}

/** A column in fixed point: integers in units of 10^-digits. */
export interface Measure {
  readonly column: string;
  readonly type: ColumnContract['type'];
  /** Of a decimal: the digits behind its point. */
  readonly scale: number;
  readonly digits: number;
  readonly low: bigint;
  readonly high: bigint;
  readonly edges: readonly bigint[];
  /** Of any type: only whether there is a value matters. */
  readonly isCounted: boolean;
}

/** Exact integers of one group, to which noise is added: one, or one for each bin. */
export type Statistic =
  /** Rows, or those with a value of the measure. */
  | { readonly kind: 'rows'; readonly measure: number | null }
  | { readonly kind: 'contributors' }
  | { readonly kind: 'sum'; readonly measure: number }
  /** Of differences from the middle of the bounds: averages and variances need less noise so. */
  | { readonly kind: 'centred'; readonly measure: number }
  | { readonly kind: 'squares'; readonly measure: number }
  | { readonly kind: 'bins'; readonly measure: number };

/** A result column; numbers are places among the plan's dimensions, measures and statistics. */
export type Output = { readonly name: string } & (
  | { readonly kind: 'dimension'; readonly dimension: number }
  | { readonly kind: 'count'; readonly of: number }
  | { readonly kind: 'sum'; readonly of: number; readonly measure: number }
  | Derived<'average'>
  | (Derived<'variance'> & { readonly squares: number })
  | { readonly kind: 'histogram'; readonly of: number; readonly measure: number }
  | {
      readonly kind: 'quantile';
      readonly of: number;
      readonly measure: number;
      /** A share in units of 10^-12. */
      readonly share: bigint;
    }
);

interface Derived<Kind extends string> {
  readonly kind: Kind;
  readonly measure: number;
  readonly rows: number;
  readonly centred: number;
}

/**
 * @param query one that passed the gate
 * @throws ERR_QUERY_REFUSED naming the query, the place and, where it is known, its position;
 *   ERR_VAULT_MEMORY
 */
export async function planPrivateQuery(
  writer: SqlParser,
  contract: Contract,
  query: Query,
): Promise<PrivatePlan> {
  try {
    const tree = nodeOf(JSON.parse(await writer.parse(query.sql)));
    const top = nodeOf(nodeOf(listOf(tree['statements'])[0])['node']);
    demandPlain(top);
    const tables = tablesIn(top, contract);
    const plan = new Planner(query, tables).plan(top);
    const rowsSql = await writeTotal(writer, contract, query, plan.rows);
    const { rows: _rows, ...rest } = plan;
    return { ...rest, rowsSql, joined: multipliedIn(tables) };
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code === 'ERR_VAULT_MEMORY') throw error;
    throw new StrongroomError('ERR_QUERY_REFUSED', { ...error.facts, query: query.id });
  }
}

function demandPlain(top: TreeNode): void {
  if (listOf(nodeOf(top['cte_map'])['map']).length > 0) throw refuse('noise over WITH', top);
  if (listOf(top['modifiers']).length > 0) throw refuse('noise over ORDER BY or LIMIT', top);
  if (top['having'] !== null) throw refuse('noise over HAVING', nodeOf(top['having']));
}

/** Reads the select list and comes to know what of the rows it needs. */
class Planner {
  readonly #query: Query;
  readonly #privacy: Privacy;
  readonly #tables: readonly Table[];
  readonly #dimensions: (Dimension & { readonly expression: TreeNode })[] = [];
  readonly #measures: (Measure & { readonly expression: TreeNode })[] = [];
  readonly #statistics = new Map<string, { readonly at: number; readonly statistic: Statistic }>();

  constructor(query: Query, tables: readonly Table[]) {
    if (!query.privacy) throw refuse('a query without privacy');
    this.#query = query;
    this.#privacy = query.privacy;
    this.#tables = tables;
  }

  plan(top: TreeNode): Omit<PrivatePlan, 'rowsSql' | 'joined'> & { readonly rows: TreeNode } {
    const outputs = listOf(top['select_list']).map((item) => this.#output(nodeOf(item)));
    this.#checkGroups(top);
    const minimumContributors = minimumOf(this.#tables, top);
    const maximums = this.#tables.map(({ rules }) => rules.maximumGroups ?? PRIVATE_ROWS_MAX);
    const maximumGroups = Math.min(PRIVATE_ROWS_MAX, ...maximums);
    const isSelected = this.#dimensions.some(({ values }) => values === null);
    const { loss } = this.#privacy;
    if (isSelected) this.#demandSelection(top);
    else if ('rho' in loss && 'delta' in loss) {
      throw refuse('a delta beside rho buys groups without a domain: here it is for nothing', top);
    } else if (groupsOf(this.#dimensions) > maximumGroups) {
      throw refuse('a domain of more groups than maximumGroups: it would never be shown', top);
    }
    if (isSelected || minimumContributors > 1) this.#statistic({ kind: 'contributors' });
    const statistics = [...this.#statistics.values()].map(({ statistic }) => statistic);
    const dimensions = this.#dimensions.map(({ expression: _expression, ...each }) => each);
    const measures = this.#measures.map(({ expression: _expression, ...measure }) => measure);
    const rest = { dimensions, measures, statistics, outputs, minimumContributors, maximumGroups };
    demandNames(rest, top);
    return { query: this.#query, privacy: this.#privacy, ...rest, rows: this.#rows(top) };
  }

  /** The same FROM and WHERE, and of each row what is counted. */
  #rows(top: TreeNode): TreeNode {
    const owner = this.#tables.find(
      ({ contributor, isHidden }) => contributor !== undefined && !isHidden,
    );
    const contributor = {
      class: 'COLUMN_REF',
      type: 'COLUMN_REF',
      alias: '',
      column_names: [owner?.alias, owner?.contributor],
    };
    const items = [
      { ...contributor, alias: 'contributor' },
      ...this.#dimensions.map((each, at) => ({ ...each.expression, alias: dimensionName(at) })),
      ...this.#measures.map((each, at) => ({ ...each.expression, alias: `measure ${at}` })),
    ];
    return { ...top, select_list: items, group_expressions: [], group_sets: [], having: null };
  }

  #output(node: TreeNode): Output {
    const name = nameOf(node);
    const isFunction = node['class'] === 'FUNCTION';
    const reader = isFunction ? AGGREGATES.get(textOf(node['function_name'])) : undefined;
    if (!reader) return { name, kind: 'dimension', dimension: this.#dimension(node, name) };
    absent(node, ['filter']);
    return { name, ...this.#aggregate(reader, node) };
  }

  #aggregate(kind: AggregateKind, node: TreeNode): Unnamed<Output> {
    const [argument, ...more] = listOf(node['children']).map(nodeOf);
    if (kind === 'count' && !argument) return { kind, of: this.#rowCount(null) };
    if (argument?.['class'] !== 'COLUMN_REF') throw refuse('not of a column', node);
    if (more.length !== (kind === 'quantile' ? 1 : 0)) throw refuse('other arguments', node);
    if (node['distinct'] === true) return this.#distinct(kind, argument, node);
    const measure = this.#measure(argument, kind);
    if (kind === 'count') return { kind, of: this.#rowCount(measure) };
    if (kind === 'sum') return { kind, of: this.#statistic({ kind: 'sum', measure }), measure };
    if (kind === 'histogram' || kind === 'quantile') {
      const of = this.#statistic({ kind: 'bins', measure });
      if (kind === 'histogram') return { kind, of, measure };
      if (this.#privacy.continual) throw refuse('a quantile of running totals', node);
      return { kind, of, measure, share: shareOf(more[0]) };
    }
    const rows = this.#rowCount(measure);
    const centred = this.#statistic({ kind: 'centred', measure });
    if (kind === 'average') return { kind, measure, rows, centred };
    const { low, high } = this.#measures[measure] ?? { low: 0n, high: 0n };
    if (high - low > VARIANCE_UNITS_MAX) throw refuse('a variance between bounds so wide', node);
    const squares = this.#statistic({ kind: 'squares', measure });
    return { kind, measure, rows, centred, squares };
  }

  #distinct(kind: AggregateKind, argument: TreeNode, node: TreeNode): Unnamed<Output> {
    const [table, name] = resolve(argument, this.#tables) ?? [];
    if (kind !== 'count' || name === undefined || table?.contributor !== name) {
      throw refuse('DISTINCT of other than the contributor', node);
    }
    return { kind, of: this.#statistic({ kind: 'contributors' }) };
  }

  #dimension(node: TreeNode, name: string): number {
    let domain: Pick<Dimension, 'values' | 'type'> = { values: null, type: null };
    for (const ref of columnRefsIn(node)) {
      const [table, column = ''] = resolve(ref, this.#tables) ?? [];
      const rule = table?.rules.columns[column];
      if (!rule?.dimension) throw refuse(`${column} is no dimension`, ref);
      const type = table?.columns.find((each) => each.name === column)?.type ?? null;
      if (ref === node) domain = { values: rule.dimension.values ?? null, type };
    }
    if (columnRefsIn(node).length === 0) throw refuse('a constant', node);
    this.#dimensions.push({ name, ...domain, expression: { ...node, alias: '' } });
    return this.#dimensions.length - 1;
  }

  #measure(ref: TreeNode, kind: AggregateKind): number {
    const [table, name = ''] = resolve(ref, this.#tables) ?? [];
    const column = table?.columns.find((each) => each.name === name);
    const rule = table?.rules.columns[name]?.measure;
    if (!table || !column || !rule) throw refuse(`${name} is no measure`, ref);
    const isCount = kind === 'count';
    const isNumber = /^u?int|^float|^decimal/.test(column.type);
    if (!isNumber && !isCount) throw refuse(`noise on ${column.type}`, ref);
    const known = this.#measures.findIndex(
      ({ expression, isCounted }) => placeIn(expression) === placeIn(ref) && isCounted === isCount,
    );
    if (known >= 0) return known;
    const digits = this.#privacy.fractionDigits?.[name] ?? 0;
    const edges = (this.#privacy.bins?.[name] ?? []).map((edge) => exact(edge, digits, ref));
    const isBinned = kind === 'histogram' || kind === 'quantile';
    if (isBinned && edges.length === 0) throw refuse(`bins of ${name}`, ref);
    const bounds = isCount ? { low: 0n, high: 0n } : boundsOf(rule, edges, digits, ref);
    const { type, scale = 0 } = column;
    this.#measures.push({
      column: name,
      type,
      scale,
      digits,
      ...bounds,
      edges,
      isCounted: isCount,
      expression: ref,
    });
    return this.#measures.length - 1;
  }

  /** Where every row has a value, rows need not be counted twice. */
  #rowCount(measure: number | null): number {
    const of = measure === null ? undefined : this.#measures[measure];
    const [table, name] = (of && resolve(of.expression, this.#tables)) ?? [];
    const column = table?.columns.find((each) => each.name === name);
    const isWhole = this.#tables.length === 1 && column && !column.nullable;
    const isSame = isWhole && !column.type.startsWith('float');
    return this.#statistic({ kind: 'rows', measure: isSame ? null : measure });
  }

  #statistic(statistic: Statistic): number {
    const key = JSON.stringify(statistic);
    const known = this.#statistics.get(key);
    if (known) return known.at;
    const at = this.#statistics.size;
    this.#statistics.set(key, { at, statistic });
    return at;
  }

  /** GROUP BY names the dimensions, all and no other: by name, position or the same text. */
  #checkGroups(top: TreeNode): void {
    const groups = listOf(top['group_expressions']).map(nodeOf);
    const items = listOf(top['select_list']).map(nodeOf);
    const meant = groups.map((group) => {
      const constant = group['class'] === 'CONSTANT' ? nodeOf(group['value'])['value'] : undefined;
      const item = typeof constant === 'number' ? items[constant - 1] : undefined;
      const name = item ? nameOf(item) : undefined;
      const found = this.#dimensions.findIndex(
        (each) =>
          each.name === name ||
          shapeOf(each.expression) === shapeOf(group) ||
          (group['class'] === 'COLUMN_REF' && each.name === lastOf(group)),
      );
      if (found < 0) throw refuse('a group that is not shown', group);
      return found;
    });
    if (new Set(meant).size !== this.#dimensions.length) throw refuse('GROUP BY', top);
  }

  #demandSelection(top: TreeNode): void {
    const { loss, continual } = this.#privacy;
    if (continual) throw refuse('running totals of groups without a domain', top);
    if (!('delta' in loss) || loss.delta === '0') {
      const delta = 'rho' in loss ? 'a delta beside rho' : 'a delta above 0';
      throw refuse(`groups without a domain: give values to each dimension, or ${delta}`, top);
    }
  }
}

/**
 * What the noisy number of a group's contributors has to reach. Where only one owner has any, its
 * own minimum is one of the group; of several, noise cannot tell who has none from who has few.
 */
function minimumOf(tables: readonly Table[], top: TreeNode): number {
  const minimums = tables.map(({ rules }) => rules.minimumContributors);
  const ofOwner = Math.max(0, ...minimums.map((minimum) => minimum?.ofOwner ?? 0));
  const counted = tables.filter(({ contributor }) => contributor !== undefined);
  const owners = new Set(counted.flatMap((table) => table.owners));
  if (ofOwner > 1 && owners.size > 1) {
    throw refuse('noise with minimumContributors.ofOwner over several owners: set its group', top);
  }
  return Math.max(ofOwner, ...minimums.map((minimum) => minimum?.group ?? 0));
}

/** Of a public domain; 1 for what has none. */
export function groupsOf(dimensions: readonly Dimension[]): number {
  return dimensions.reduce((product, { values }) => product * (values?.length ?? 1), 1);
}

/** The names of the result's columns: a dimension's own, a number's with those of its interval. */
export function columnNamesOf(outputs: readonly Output[], measures: readonly Measure[]): string[] {
  return outputs.flatMap((output) => {
    if (output.kind === 'dimension') return [output.name];
    return numberNamesOf(output, measures).flatMap((name) => [name, `${name}_low`, `${name}_high`]);
  });
}

/** A histogram is a column for each bin, numbered from 1. */
export function numberNamesOf(output: Output, measures: readonly Measure[]): string[] {
  if (output.kind !== 'histogram') return [output.name];
  const bins = (measures[output.measure]?.edges.length ?? 1) - 1;
  return Array.from({ length: bins }, (_none, bin) => `${output.name}_${bin + 1}`);
}

function demandNames(
  { outputs, measures }: Pick<PrivatePlan, 'outputs' | 'measures'>,
  top: TreeNode,
) {
  const names = columnNamesOf(outputs, measures).map((name) => name.toLowerCase());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw refuse(`two result columns ${twice}`, top);
}

type Unnamed<Named> = Named extends unknown ? Omit<Named, 'name'> : never;

/** How many integers of a group a statistic is. */
export function widthOf(statistic: Statistic, measures: readonly Measure[]): number {
  if (statistic.kind !== 'bins') return 1;
  return (measures[statistic.measure]?.edges.length ?? 1) - 1;
}

/** The column of a plan's dimension, wherever its rows or its statistics are a table. */
export function dimensionName(at: number): string {
  return `dimension ${at}`;
}

/** The columns of a statistic's integers, where a plan's statistics are a table. */
export function statisticNames(
  statistic: Statistic,
  at: number,
  measures: readonly Measure[],
): string[] {
  const width = widthOf(statistic, measures);
  return Array.from({ length: width }, (_none, index) => `statistic ${at} ${index}`);
}

/** The middle of a measure's bounds. */
export function middleOf({ low, high }: Measure): bigint {
  return (low + high) >> 1n;
}

/**
 * How much one contributor's rows in one group can change a statistic: the sum of the changes of
 * all its integers, for whoever has at most `rowsPerGroup` rows there.
 */
export function changeOf(statistic: Statistic, plan: Pick<PrivatePlan, 'measures' | 'privacy'>) {
  const rows = BigInt(plan.privacy.rowsPerGroup);
  if (statistic.kind === 'contributors') return 1n;
  if (statistic.kind === 'rows' || statistic.kind === 'bins') return rows;
  const measure = plan.measures[statistic.measure];
  if (!measure) throw refuse('a measure');
  if (statistic.kind === 'sum')
    return rows * larger(magnitude(measure.low), magnitude(measure.high));
  const middle = middleOf(measure);
  const farthest = larger(measure.high - middle, middle - measure.low);
  return rows * (statistic.kind === 'centred' ? farthest : farthest * farthest);
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

type AggregateKind = 'count' | 'sum' | 'average' | 'variance' | 'histogram' | 'quantile';

const AGGREGATES: ReadonlyMap<string, AggregateKind> = new Map([
  ['count', 'count'],
  ['count_star', 'count'],
  ['sum', 'sum'],
  ['avg', 'average'],
  ['var_pop', 'variance'],
  ['histogram', 'histogram'],
  ['quantile_disc', 'quantile'],
]);

function nameOf(node: TreeNode): string {
  const alias = textOf(node['alias']);
  return alias === '' ? lastOf(node) : alias;
}

function lastOf(node: TreeNode): string {
  return (
    listOf(node['column_names'] ?? [])
      .map(textOf)
      .at(-1)
      ?.toLowerCase() ?? ''
  );
}

function placeIn(ref: TreeNode): string {
  return listOf(ref['column_names']).map(textOf).join('.').toLowerCase();
}

function shapeOf(tree: unknown): string {
  return JSON.stringify(tree, (member, value) =>
    member === 'query_location' || member === 'alias' ? undefined : value,
  );
}

interface Bounds {
  readonly low: bigint;
  readonly high: bigint;
}

/** The rule's, towards each other to the nearest unit; those of the bins where it has none. */
function boundsOf(
  { low, high }: { readonly low?: string; readonly high?: string },
  edges: readonly bigint[],
  digits: number,
  ref: TreeNode,
): Bounds {
  const step = 10n ** BigInt(DECIMAL_DIGITS - digits);
  if (low !== undefined && high !== undefined) {
    const bounds = {
      low: -floorOf(-unitsOf(low), step),
      high: floorOf(unitsOf(high), step),
    };
    const isSmall = larger(magnitude(bounds.low), magnitude(bounds.high)) <= UNITS_MAX;
    if (!isSmall || bounds.low > bounds.high) throw refuse('bounds in units of its digits', ref);
    return bounds;
  }
  const [first, last] = [edges[0], edges.at(-1)];
  if (first !== undefined && last !== undefined) return { low: first, high: last };
  throw refuse('a measure without low and high', ref);
}

const DECIMAL_DIGITS = 12;
/** Doubles are exact up to here. */
const UNITS_MAX = 2n ** 53n;
/** Of 2^40 rows the squares of differences from the middle add up within 128 bits. */
const VARIANCE_UNITS_MAX = 2n ** 44n;

function floorOf(value: bigint, step: bigint): bigint {
  const quotient = value / step;
  return value % step < 0n ? quotient - 1n : quotient;
}

function exact(edge: string, digits: number, ref: TreeNode): bigint {
  const step = 10n ** BigInt(DECIMAL_DIGITS - digits);
  const units = unitsOf(edge);
  if (units % step !== 0n || magnitude(units / step) > UNITS_MAX) {
    throw refuse('an edge with more digits than its measure', ref);
  }
  return units / step;
}

/** A literal between 0 and 1, in units of 10^-12. */
function shareOf(node: TreeNode | undefined): bigint {
  const constant = node?.['class'] === 'CONSTANT' ? nodeOf(node['value']) : undefined;
  const type = nodeOf(constant?.['type'] ?? {});
  const scale = type['id'] === 'DECIMAL' ? nodeOf(type['type_info'])['scale'] : 0;
  const value = constant?.['value'];
  if (typeof value !== 'number' || typeof scale !== 'number' || scale > DECIMAL_DIGITS) {
    throw refuse('a share that is no decimal literal', node);
  }
  const share = BigInt(value) * 10n ** BigInt(DECIMAL_DIGITS - scale);
  const isShare = share > 0n && share < 10n ** BigInt(DECIMAL_DIGITS);
  if (!isShare) throw refuse('a share that is not between 0 and 1', node);
  return share;
}

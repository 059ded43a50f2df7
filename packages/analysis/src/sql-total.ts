import { AGGREGATE_FUNCTIONS, DEVIATIONS, SPAN_FUNCTIONS, TIME_PART_NUMBERS } from './sql-lists.ts';
import { listOf, nodeOf, shapeOf, type TreeNode, textOf } from './sql-tree.ts';

/**
 * Makes an expression that a single row could make fail give NULL for that row: a window without a
 * result would tell whoever sees the log that some row holds the value in question. `sql-plan.ts`
 * checks afterwards, on the engine's own plan, that nothing was left out.
 */
export function makeTotal(top: TreeNode): TreeNode {
  return nodeOf(total(top, ROWS));
}

/** What fails for some numbers or times of some types: it is put into TRY. */
const FALLIBLE: ReadonlySet<string> = new Set([
  '+',
  '-',
  '*',
  '//',
  '%',
  'abs',
  'date_part',
  'date_trunc',
  'date_diff',
  'date_sub',
  'last_day',
  'monthname',
  'dayname',
  ...TIME_PART_NUMBERS,
  ...SPAN_FUNCTIONS,
]);

/** 10^27 squares of what is smaller than this stay below the largest double. */
export const DEVIATION_VALUE_MAX = 1e140;

/**
 * What an expression looks at: rows, or groups with these expressions. The engine can have TRY
 * below an aggregation, but not above it; there, types that cannot fail have to do, and the plan
 * decides.
 */
type Level = 'rows' | ReadonlySet<string>;
const ROWS = 'rows';

function total(value: unknown, level: Level): unknown {
  if (Array.isArray(value)) return value.map((each) => total(each, level));
  if (typeof value !== 'object' || value === null) return value;
  const node = nodeOf(value);
  // Whoever wrote TRY has done it already.
  if (node['type'] === 'OPERATOR_TRY') return node;
  if (node['type'] === 'SELECT_NODE') return totalSelect(node);
  if (level !== ROWS && level.has(keyOf(node))) return total(node, ROWS);
  const isAggregate = node['class'] === 'FUNCTION' && isAggregation(node);
  const within = mapMembers(node, (each) => total(each, isAggregate ? ROWS : level));
  if (node['class'] === 'CONSTANT') return asText(node);
  if (node['class'] === 'CAST') {
    // A literal that is no date fails for all rows: that is said before any comes.
    if (nodeOf(node['child'])['class'] === 'CONSTANT') return { ...within, try_cast: false };
    // TRY_CAST to and from times with a zone fails for some of them all the same; TRY does not.
    return level === ROWS ? tried(within) : { ...within, try_cast: true };
  }
  if (node['class'] !== 'FUNCTION') return within;
  const name = textOf(node['function_name']);
  if (DEVIATIONS.has(name)) {
    return { ...within, children: listOf(within['children']).map(whereSmall) };
  }
  if (name === 'avg') return meanOf(within);
  return level === ROWS && FALLIBLE.has(name) ? tried(within) : within;
}

function totalSelect(node: TreeNode): TreeNode {
  const groups = listOf(node['group_expressions']).map((each) => groupKey(nodeOf(each), node));
  const isGrouped = groups.length > 0 || holdsAggregate([node['select_list'], node['having']]);
  const level = isGrouped ? new Set(groups) : ROWS;
  return mapMembers(node, (each, member) => total(each, ABOVE.has(member) ? level : ROWS));
}

/** Clauses that look at groups where there are any. */
const ABOVE: ReadonlySet<string> = new Set(['select_list', 'having', 'modifiers']);

/** GROUP BY may name a result column, or count to it. */
function groupKey(group: TreeNode, select: TreeNode): string {
  const items = listOf(select['select_list']).map(nodeOf);
  const position = group['class'] === 'CONSTANT' ? nodeOf(group['value'])['value'] : undefined;
  if (typeof position === 'number') return keyOf(items[position - 1] ?? group);
  const path = group['class'] === 'COLUMN_REF' ? listOf(group['column_names']).map(textOf) : [];
  const named = items.find(({ alias }) => path.length === 1 && alias === path[0]);
  return keyOf(named ?? group);
}

/** Equal for two expressions that are written alike. */
function keyOf(node: TreeNode): string {
  return shapeOf({ ...node, alias: '' });
}

function mapMembers(node: TreeNode, map: (value: unknown, member: string) => unknown): TreeNode {
  return Object.fromEntries(
    Object.entries(node).map(([member, value]) => [member, map(value, member)]),
  );
}

function holdsAggregate(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return isAggregation(value) || Object.values(value).some(holdsAggregate);
}

function isAggregation(value: object): boolean {
  const name = 'function_name' in value ? value.function_name : undefined;
  return typeof name === 'string' && AGGREGATE_FUNCTIONS.has(name);
}

function tried(node: TreeNode): TreeNode {
  const operator = { ...COMMON, class: 'OPERATOR', type: 'OPERATOR_TRY' };
  return { ...operator, alias: node['alias'], children: [{ ...node, alias: '' }] };
}

/** The engine writes the double 1e5 as 100000.0, which its parser reads as a decimal. */
function asText(node: TreeNode): TreeNode {
  const { type, value } = nodeOf(node['value']);
  if (nodeOf(type)['id'] !== 'DOUBLE') return node;
  return { ...doubleFrom(String(value)), alias: node['alias'] };
}

/**
 * sum(x)::DOUBLE / count(x): of exact numbers, the engine's own `avg` divides in whatever a `long
 * double` is on the machine, and a sum and a count can be put together from parts.
 */
function meanOf(node: TreeNode): TreeNode {
  const of = { ...node, alias: '' };
  const sum = { ...DOUBLE_CAST, child: { ...of, function_name: 'sum' }, try_cast: false };
  const quotient = { ...CALL, function_name: '/', is_operator: true };
  const children = [sum, { ...of, function_name: 'count' }];
  return { ...quotient, alias: node['alias'], children };
}

/** CASE WHEN abs(x::DOUBLE) < 1e140 THEN x::DOUBLE END; also NaN is not smaller. */
function whereSmall(value: unknown): TreeNode {
  const number = { ...DOUBLE_CAST, child: value, try_cast: true };
  const isSmall = {
    ...COMMON,
    class: 'COMPARISON',
    type: 'COMPARE_LESSTHAN',
    left: { ...ABS, children: [number] },
    right: doubleFrom(String(DEVIATION_VALUE_MAX)),
  };
  return {
    ...COMMON,
    class: 'CASE',
    type: 'CASE_EXPR',
    case_checks: [{ when_expr: isSmall, then_expr: number }],
    else_expr: constant('NULL', { is_null: true }),
  };
}

function doubleFrom(text: string): TreeNode {
  const child = constant('VARCHAR', { is_null: false, value: text });
  return { ...DOUBLE_CAST, child, try_cast: false };
}

function constant(id: string, more: object): TreeNode {
  const value = { type: { id, type_info: null }, ...more };
  return { ...COMMON, class: 'CONSTANT', type: 'VALUE_CONSTANT', value };
}

/** No name, and no place in the text. */
const COMMON = { alias: '', query_location: -1 };

const DOUBLE_CAST = {
  ...COMMON,
  class: 'CAST',
  type: 'OPERATOR_CAST',
  cast_type: { id: 'DOUBLE', type_info: null },
};

const CALL = {
  ...COMMON,
  class: 'FUNCTION',
  type: 'FUNCTION',
  schema: '',
  filter: null,
  order_bys: { type: 'ORDER_MODIFIER', orders: [] },
  distinct: false,
  is_operator: false,
  export_state: false,
  catalog: '',
};

const ABS = { ...CALL, function_name: 'abs' };

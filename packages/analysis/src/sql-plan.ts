import type { Problems } from './problems.ts';
import { DEVIATIONS } from './sql-lists.ts';
import { DEVIATION_VALUE_MAX } from './sql-total.ts';
import { listOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';
import { isTotalCast, isTotalFunction, type TypeName, typeFrom, ZONED } from './sql-types.ts';

/**
 * The second look at a query: at the plan that the engine bound it to. Only here every cast that
 * the text does not show is there to be seen. Outside of TRY, nothing may stand that fails for some
 * values of its types; and no table may be read in another way than the tree said.
 */

/** A literal that the engine turns into another type: whether it can, has to be tried. */
export interface LiteralCast {
  readonly sql: string;
  readonly type: string;
}

interface PlanFacts {
  /** Subqueries under EXISTS: no other part of a query may look at the rows outside of it. */
  readonly existsCount: number;
  /** Where everything that is refused is put. */
  readonly problems: Problems;
  /** Where in the contract's text stands what the plan has there. */
  readonly locate: (location: unknown) => number | undefined;
}

/** Refuses what fails for the values of some row, at each place where it does. */
export function checkPlan(plans: unknown, facts: PlanFacts): readonly LiteralCast[] {
  const walk: Walk = { facts, literals: [], dependentJoins: 0 };
  for (const plan of listOf(plans)) visit(plan, walk, false);
  if (walk.dependentJoins > facts.existsCount) {
    facts.problems.add(refuse('a subquery that looks at the rows outside of it'));
  }
  return walk.literals;
}

interface Walk {
  readonly facts: PlanFacts;
  readonly literals: LiteralCast[];
  dependentJoins: number;
}

const PLAN_NODES: ReadonlySet<string> = new Set([
  'LOGICAL_PROJECTION',
  'LOGICAL_AGGREGATE_AND_GROUP_BY',
  'LOGICAL_FILTER',
  'LOGICAL_COMPARISON_JOIN',
  'LOGICAL_ANY_JOIN',
  'LOGICAL_DELIM_JOIN',
  'LOGICAL_DELIM_GET',
  'LOGICAL_CROSS_PRODUCT',
  'LOGICAL_GET',
  'LOGICAL_MATERIALIZED_CTE',
  'LOGICAL_CTE_REF',
  'LOGICAL_ORDER_BY',
  'LOGICAL_LIMIT',
]);

function visit(value: unknown, walk: Walk, isTried: boolean): void {
  if (Array.isArray(value)) {
    for (const each of value) visit(each, walk, isTried);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const node = nodeOf(value);
  const kind = node['expression_class'];
  if (kind !== undefined) {
    visitExpression(node, textOf(kind), walk, isTried);
    return;
  }
  const type = node['type'];
  if (typeof type === 'string' && type.startsWith('LOGICAL_')) {
    walk.facts.problems.collect(() => checkNode(node, type, walk));
  }
  for (const member of Object.values(node)) visit(member, walk, isTried);
}

function checkNode(node: TreeNode, type: string, walk: Walk): void {
  if (!PLAN_NODES.has(type)) throw refuse(type);
  if (type === 'LOGICAL_GET' && node['name'] !== 'seq_scan') throw refuse('a table function');
  if (type !== 'LOGICAL_DELIM_JOIN') return;
  // A lateral join may multiply rows as it likes; a mark only says whether there is one.
  if (node['join_type'] !== 'MARK') throw refuse('a subquery that looks at the rows outside of it');
  walk.dependentJoins += 1;
}

type Check = (node: TreeNode, walk: Walk, isTried: boolean) => void;
const NOTHING_TO_CHECK: Check = () => undefined;

const EXPRESSIONS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['BOUND_REF', NOTHING_TO_CHECK],
  ['BOUND_CONSTANT', NOTHING_TO_CHECK],
  ['BOUND_CASE', NOTHING_TO_CHECK],
  ['BOUND_COMPARISON', NOTHING_TO_CHECK],
  ['BOUND_CONJUNCTION', NOTHING_TO_CHECK],
  ['BOUND_BETWEEN', NOTHING_TO_CHECK],
  ['BOUND_OPERATOR', NOTHING_TO_CHECK],
  ['BOUND_CAST', checkCast],
  ['BOUND_FUNCTION', checkFunction],
  ['BOUND_AGGREGATE', checkAggregate],
]);

function visitExpression(node: TreeNode, kind: string, walk: Walk, isTried: boolean): void {
  walk.facts.problems.collect(() => {
    const check = EXPRESSIONS.get(kind);
    if (!check) throw refuseAt(kind, node, walk);
    check(node, walk, isTried);
  });
  const within = isTried || node['type'] === 'OPERATOR_TRY';
  for (const member of Object.values(node)) visit(member, walk, within);
}

function checkCast(node: TreeNode, walk: Walk, isTried: boolean): void {
  const child = nodeOf(node['child']);
  const [from, to] = [typeOf(child), typeOf(node)];
  // For a time with a zone TRY_CAST gives NULL for many values, and fails for some.
  const isTryCast = node['try_cast'] === true && from.id !== ZONED && to.id !== ZONED;
  if (isTried || isTryCast || isTotalCast(from, to)) return;
  const sql = literalSql(node);
  if (sql !== undefined) {
    walk.literals.push({ sql, type: to.id });
    return;
  }
  throw refuseAt(
    `${from.id} taken for ${to.id} fails for some values; TRY (…) gives NULL there`,
    node,
    walk,
  );
}

/** SQL for a cast of a literal, or for a cast of that; undefined for all else. */
function literalSql(node: TreeNode): string | undefined {
  if (node['expression_class'] === 'BOUND_CAST') {
    const { id, width, scale } = typeOf(node);
    const inner = literalSql(nodeOf(node['child']));
    const type = id === 'DECIMAL' ? `DECIMAL(${width}, ${scale})` : id;
    return inner && `CAST(${inner} AS ${type})`;
  }
  if (node['expression_class'] !== 'BOUND_CONSTANT') return undefined;
  const { value, type } = nodeOf(node['value']);
  if (typeFrom(type).id === 'DECIMAL') return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  return `'${String(value).replaceAll("'", "''")}'`;
}

function checkFunction(node: TreeNode, walk: Walk, isTried: boolean): void {
  const name = textOf(node['name']);
  const types = listOf(node['arguments']).map(typeFrom);
  if (isTried || isTotalFunction(name, types)) return;
  const said = `${name} of ${types.map(({ id }) => id).join(', ')}`;
  throw refuseAt(`${said} fails for some values; of DOUBLE it does not`, node, walk);
}

/**
 * A sum of 2^63 values of 64 bits fits into 128, and one of 10^14 decimals of 24 digits, at which
 * an engine would add for days; of larger values, two may not fit.
 */
function checkAggregate(node: TreeNode, walk: Walk): void {
  const name = textOf(node['name']);
  const types = listOf(node['arguments']).map(typeFrom);
  if (name === 'count' || name === 'count_star' || name === 'min' || name === 'max') return;
  const isSum = name === 'sum' || name === 'avg';
  if (isSum && types.every(isSummable)) return;
  if (DEVIATIONS.has(name) && listOf(node['children']).every(isSmall)) return;
  const said = `${name} of ${types.map(({ id }) => id).join(', ')}`;
  const other = isSum ? `DOUBLE or DECIMAL(${SUMMED_DIGITS_MAX}, …)` : 'DOUBLE';
  throw refuseAt(`${said} fails for some values; of ${other} it does not`, node, walk);
}

function isSummable(type: TypeName): boolean {
  const isNarrow = type.id !== 'DECIMAL' || (type.width ?? 38) <= SUMMED_DIGITS_MAX;
  return SUMMABLE.has(type.id) && isNarrow;
}

const SUMMED_DIGITS_MAX = 24;
const SUMMABLE: ReadonlySet<string> = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'DECIMAL',
]);

/** What `sql-total.ts` writes around the argument of a deviation, and nothing like it. */
function isSmall(value: unknown): boolean {
  const node = nodeOf(value);
  const branches = node['expression_class'] === 'BOUND_CASE' ? listOf(node['case_checks']) : [];
  const [branch, ...more] = branches.map(nodeOf);
  if (!branch || more.length > 0) return false;
  const { when_expr: condition, then_expr: number } = branch;
  const { type, left, right } = nodeOf(condition);
  const { name, children } = nodeOf(left);
  const [argument] = Array.isArray(children) ? children : [];
  return (
    type === 'COMPARE_LESSTHAN' &&
    name === 'abs' &&
    isSame(argument, number) &&
    isLimit(right) &&
    isNull(node['else_expr'])
  );
}

/** The same expression, wherever it stands in the text. */
function isSame(one: unknown, other: unknown): boolean {
  const text = (tree: unknown) =>
    JSON.stringify(tree, (name, value) => (name === 'query_location' ? undefined : value));
  return text(one) === text(other);
}

function isLimit(value: unknown): boolean {
  const node = nodeOf(value);
  if (node['expression_class'] === 'BOUND_CAST') return isLimit(node['child']);
  if (node['expression_class'] !== 'BOUND_CONSTANT') return false;
  return Number(nodeOf(node['value'])['value']) === DEVIATION_VALUE_MAX;
}

function isNull(value: unknown): boolean {
  const node = nodeOf(value);
  if (node['expression_class'] === 'BOUND_CAST') return isNull(node['child']);
  return node['expression_class'] === 'BOUND_CONSTANT' && nodeOf(node['value'])['is_null'] === true;
}

function typeOf(node: TreeNode): TypeName {
  if (node['expression_class'] === 'BOUND_CONSTANT') return typeFrom(nodeOf(node['value'])['type']);
  return node['return_type'] === undefined ? { id: 'BOOLEAN' } : typeFrom(node['return_type']);
}

function refuseAt(place: string, node: TreeNode, { facts }: Walk) {
  return refuse(place, { query_location: facts.locate(node['query_location']) });
}

import { QUERY_TABLES_MAX } from '@strongroom/protocol/limits';
import { checkExpression, type Names } from './sql-expression.ts';
import { JOIN_TYPES } from './sql-lists.ts';
import { checkMembership, isMembership } from './sql-membership.ts';
import { absent, listOf, membersOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/** The tables that a FROM may name: the query's relations, and the CTEs above it. */
export interface Scope {
  readonly names: Names;
  /** With the number of tables that each stands for: a CTE may read several. */
  readonly tables: ReadonlyMap<string, number>;
  /** Relations that were named so far. */
  readonly used: Set<string>;
  /** Tables that were read so far, each as often as it is read. */
  readonly reads: { count: number };
  readonly depth: number;
}

const SELECT_MEMBERS = [
  'modifiers',
  'cte_map',
  'select_list',
  'from_table',
  'where_clause',
  'group_expressions',
  'group_sets',
  'aggregate_handling',
  'having',
  'sample',
  'qualify',
];
const SELECT_DEPTH_MAX = 16;

/**
 * Checks a SELECT but for its modifiers and for what only the outermost one must be. Returns the
 * names by which its FROM can be qualified.
 */
export function checkSelect(value: unknown, outer: Scope): Set<string> {
  const node = nodeOf(value);
  membersOf(node, SELECT_MEMBERS);
  if (node['type'] !== 'SELECT_NODE') throw refuse(textOf(node['type']), node);
  if (outer.depth > SELECT_DEPTH_MAX) throw refuse('nesting', node);
  const scope = withTables(node['cte_map'], outer);
  const { problems } = scope.names;
  problems.collect(() => absent(node, ['sample', 'qualify']));
  if (node['aggregate_handling'] !== 'STANDARD_HANDLING')
    problems.add(refuse('GROUP BY ALL', node));
  for (const item of listOf(node['select_list'])) checkItem(item, scope);
  const fromNames = namesFrom(node['from_table'], scope) ?? new Set();
  if (node['where_clause'] !== null) checkWhere(node['where_clause'], scope, fromNames);
  if (node['having'] !== null) checkExpression(node['having'], scope.names);
  const groups = listOf(node['group_expressions']);
  for (const group of groups) checkExpression(group, scope.names);
  problems.collect(() => checkGroupSets(listOf(node['group_sets']), groups.length));
  return fromNames;
}

/** Among what must all hold for a row, also that it has, or has not, a partner in another table. */
function checkWhere(value: unknown, scope: Scope, fromNames: ReadonlySet<string>): void {
  const node = nodeOf(value);
  if (node['type'] === 'CONJUNCTION_AND') {
    membersOf(node, ['children']);
    for (const child of listOf(node['children'])) checkWhere(child, scope, fromNames);
  } else if (isMembership(node)) {
    scope.names.problems.collect(() => checkMembership(node, scope, fromNames));
  } else {
    checkExpression(node, scope.names);
  }
}

/** An inner select hands rows on: nothing may order, cut or thin them out by chance. */
export function checkInnerSelect(value: unknown, scope: Scope): Set<string> {
  const statement = nodeOf(value);
  membersOf(statement, ['node', 'named_param_map']);
  absent(statement, ['named_param_map']);
  const node = nodeOf(statement['node']);
  if (Array.isArray(node['modifiers'])) {
    for (const modifier of node['modifiers']) throw refuse(textOf(nodeOf(modifier)['type']), node);
  }
  return checkSelect(node, { ...scope, depth: scope.depth + 1 });
}

function withTables(cteMap: unknown, outer: Scope): Scope {
  let scope = outer;
  for (const entry of listOf(nodeOf(cteMap)['map']).map(nodeOf)) {
    membersOf(entry, ['key', 'value']);
    const name = textOf(entry['key']).toLowerCase();
    const cte = nodeOf(entry['value']);
    membersOf(cte, ['aliases', 'query', 'materialized', 'key_targets']);
    absent(cte, ['aliases', 'key_targets']);
    if (scope.tables.has(name)) throw refuse(`a second table ${name}`);
    const reads = { count: 0 };
    const within = { ...scope, reads };
    scope.names.problems.collect(() => checkInnerSelect(cte['query'], within));
    scope = { ...scope, tables: new Map([...scope.tables, [name, reads.count]]) };
  }
  return scope;
}

/** `*` hands a relation's columns on; only an inner select may do so. */
function checkItem(value: unknown, scope: Scope): void {
  const node = nodeOf(value);
  if (node['class'] === 'STAR') {
    scope.names.problems.collect(() => {
      if (scope.depth === 0) throw refuse('*', node);
      membersOf(node, STAR_MEMBERS);
      absent(node, STAR_MEMBERS.slice(1));
    });
  } else {
    checkExpression(node, scope.names);
  }
}

const STAR_MEMBERS = [
  'relation_name',
  'exclude_list',
  'replace_list',
  'columns',
  'expr',
  'qualified_exclude_list',
  'rename_list',
];

/** One grouping over all group expressions: no ROLLUP, CUBE or GROUPING SETS. */
function checkGroupSets(sets: readonly unknown[], groups: number): void {
  if (groups === 0 && sets.length === 0) return;
  const [only, ...more] = sets.map(listOf);
  if (!only || more.length > 0 || only.length !== groups) throw refuse('GROUPING SETS');
}

/** `checkFrom`; undefined where it is refused. */
function namesFrom(value: unknown, scope: Scope): Set<string> | undefined {
  let names: Set<string> | undefined;
  scope.names.problems.collect(() => {
    names = checkFrom(value, scope);
  });
  return names;
}

/** Checks a FROM; returns the names by which it can be qualified. */
function checkFrom(value: unknown, scope: Scope): Set<string> {
  const node = nodeOf(value);
  if (node['type'] === 'BASE_TABLE') return checkTable(node, scope);
  if (node['type'] === 'SUBQUERY') return checkSubquery(node, scope);
  if (node['type'] === 'JOIN') return checkJoin(node, scope);
  throw refuse(textOf(node['type']), node);
}

function checkTable(node: TreeNode, scope: Scope): Set<string> {
  const name = textOf(node['table_name']).toLowerCase();
  scope.names.problems.collect(() => {
    membersOf(node, TABLE_MEMBERS);
    absent(node, ['sample', 'schema_name', 'catalog_name', 'at_clause', 'column_name_alias']);
    const reads = scope.tables.get(name);
    if (reads === undefined) throw refuse(`table ${name}`, node);
    scope.used.add(name);
    // A CTE that joins itself, and the next one that one, would double with every line.
    scope.reads.count += reads;
    if (scope.reads.count > QUERY_TABLES_MAX) throw refuse('too many tables', node);
  });
  const alias = textOf(node['alias']).toLowerCase();
  return new Set([alias === '' ? name : alias]);
}

const TABLE_MEMBERS = [
  'sample',
  'schema_name',
  'table_name',
  'column_name_alias',
  'catalog_name',
  'at_clause',
];

function checkSubquery(node: TreeNode, scope: Scope): Set<string> {
  membersOf(node, ['sample', 'subquery', 'column_name_alias']);
  scope.names.problems.collect(() => {
    absent(node, ['sample', 'column_name_alias']);
    checkInnerSelect(node['subquery'], scope);
  });
  return new Set([textOf(node['alias']).toLowerCase()]);
}

function checkJoin(node: TreeNode, scope: Scope): Set<string> {
  membersOf(node, JOIN_MEMBERS);
  absent(node, ['sample', 'delim_flipped', 'duplicate_eliminated_columns']);
  const kind = textOf(node['join_type']);
  const { problems } = scope.names;
  const isRegular = node['ref_type'] === 'REGULAR';
  if (!isRegular) problems.add(refuse(`${textOf(node['ref_type'])} join`, node));
  if (!JOIN_TYPES.has(kind)) problems.add(refuse(`${kind} join`, node));
  const left = namesFrom(node['left'], scope);
  const right = namesFrom(node['right'], scope);
  const using = listOf(node['using_columns']).map(textOf);
  if (node['condition'] !== null) checkExpression(node['condition'], scope.names);
  if (!left || !right) return new Set([...(left ?? []), ...(right ?? [])]);
  if (isRegular && using.length === 0 && !comparesSides(node['condition'], left, right)) {
    problems.add(refuse('a join without an equality of columns of both sides', node));
  }
  // SEMI and ANTI leave the rows of the left side as they are: those of the right are not there.
  return kind === 'SEMI' || kind === 'ANTI' ? left : new Set([...left, ...right]);
}

const JOIN_MEMBERS = [
  'sample',
  'left',
  'right',
  'condition',
  'join_type',
  'ref_type',
  'using_columns',
  'delim_flipped',
  'duplicate_eliminated_columns',
];

/** A join that multiplies every row with every row would make any group look large. */
export function comparesSides(
  value: unknown,
  left: ReadonlySet<string>,
  right: ReadonlySet<string>,
): boolean {
  if (value === null) return false;
  const node = nodeOf(value);
  if (node['type'] === 'CONJUNCTION_AND') {
    return listOf(node['children']).some((child) => comparesSides(child, left, right));
  }
  if (node['type'] !== 'COMPARE_EQUAL') return false;
  const [one, other] = [qualifierOf(node['left']), qualifierOf(node['right'])];
  return (left.has(one) && right.has(other)) || (left.has(other) && right.has(one));
}

function qualifierOf(value: unknown): string {
  const node = nodeOf(value);
  if (node['class'] !== 'COLUMN_REF') return '';
  const path = listOf(node['column_names']).map(textOf);
  return path.length === 2 ? (path[0]?.toLowerCase() ?? '') : '';
}

import { checkExpression } from './sql-expression.ts';
import { checkInnerSelect, comparesSides, type Scope } from './sql-select.ts';
import { absent, listOf, membersOf, nodeOf, refuse, type TreeNode } from './sql-tree.ts';

/**
 * `[NOT] IN (SELECT …)` and `[NOT] EXISTS (SELECT …)`: semi and anti joins. They keep or drop a row
 * and never multiply it. Only WHERE may have them, outside of any OR: elsewhere they would be a
 * value of the row that nobody declared.
 */

export function isMembership(node: TreeNode): boolean {
  return node['class'] === 'SUBQUERY' || negated(node)?.['class'] === 'SUBQUERY';
}

function negated(node: TreeNode): TreeNode | undefined {
  if (node['type'] !== 'OPERATOR_NOT') return undefined;
  return nodeOf(listOf(node['children'])[0]);
}

/** @throws ERR_QUERY_REFUSED */
export function checkMembership(
  node: TreeNode,
  scope: Scope,
  fromNames: ReadonlySet<string>,
): void {
  if (node['type'] === 'OPERATOR_NOT') membersOf(node, ['children']);
  const subquery = negated(node) ?? node;
  membersOf(subquery, ['subquery_type', 'subquery', 'child', 'comparison_type']);
  const kind = subquery['subquery_type'];
  if (kind === 'EXISTS') checkExists(subquery, scope, fromNames);
  else if (kind === 'ANY') checkIn(subquery, scope);
  else throw refuse('a subquery as a value', subquery);
}

function checkExists(node: TreeNode, scope: Scope, outerNames: ReadonlySet<string>): void {
  const innerNames = checkInnerSelect(node['subquery'], scope);
  const inner = nodeOf(nodeOf(node['subquery'])['node']);
  absent(inner, ['group_expressions', 'having']);
  const isApart = [...innerNames].every((name) => !outerNames.has(name));
  if (!isApart || !comparesSides(inner['where_clause'], innerNames, outerNames)) {
    throw refuse('EXISTS without an equality of columns of both sides', node);
  }
}

function checkIn(node: TreeNode, scope: Scope): void {
  if (node['comparison_type'] !== 'COMPARE_EQUAL') throw refuse('a comparison with rows', node);
  checkInnerSelect(node['subquery'], scope);
  const items = listOf(nodeOf(nodeOf(node['subquery'])['node'])['select_list']);
  for (const side of [node['child'], items[0]]) {
    if (nodeOf(side)['class'] !== 'COLUMN_REF') throw refuse('IN of what is not a column', node);
    checkExpression(side, scope.names);
  }
}

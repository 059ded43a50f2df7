import type { FoldedSelect } from './co-partitioned.ts';
import { mapMembers, NotMergeable, OWN_NAME } from './partial-names.ts';
import { isFold } from './rule-scope.ts';
import { type SqlParser, writeOut } from './sql-bound.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';
import { resultTypeOf } from './sql-types.ts';

/**
 * That what an inner select makes of a group is the same in whatever order its rows came, which is
 * another one in a slice: no sums of floating-point numbers, and no group or extreme of them, of
 * which two zeros are one.
 * @param declared the query's relations, as tables
 * @throws NotMergeable, ERR_QUERY_REFUSED, ERR_VAULT_MEMORY
 */
export async function demandSameFolds(
  parser: SqlParser,
  declared: readonly string[],
  { node, groups, entries }: FoldedSelect,
): Promise<void> {
  const folds = foldsIn([node['select_list'], node['having']]);
  if (!folds.every((each) => SAME.has(textOf(each['function_name'])))) {
    throw new NotMergeable('function');
  }
  const items = listOf(node['select_list']);
  const more = [...groups, ...folds].map((each, at) => ({ ...each, alias: `${OWN_NAME}${at}` }));
  const changed = mapMembers(node, (value, member) => {
    if (member === 'select_list') return [...items, ...more];
    if (member !== 'cte_map') return value;
    return { ...nodeOf(value), map: [...entries, ...listOf(nodeOf(value)['map'])] };
  });
  const { types } = await parser.plan(await writeOut(parser, changed), declared);
  if (types.length !== items.length + more.length) throw new NotMergeable('form');
  const isExact = types
    .slice(items.length)
    .every((type) => !/^(FLOAT|DOUBLE)$/.test(resultTypeOf(type) ?? `${type}`));
  if (!isExact) throw new NotMergeable('floating-point');
}

const SAME: ReadonlySet<string> = new Set(['sum', 'count', 'count_star', 'min', 'max']);

function foldsIn(tree: unknown): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap(foldsIn);
  if (typeof tree !== 'object' || tree === null) return [];
  const node = nodeOf(tree);
  const isOne = node['class'] === 'FUNCTION' && isFold(textOf(node['function_name']));
  return isOne ? [node] : Object.values(node).flatMap(foldsIn);
}

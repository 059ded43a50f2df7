import { checkExpression, type Names } from './sql-expression.ts';
import { listOf, membersOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/** ORDER BY and LIMIT of the outermost SELECT: the only place that may have them. */

export function checkModifiers(top: TreeNode, names: Names): void {
  for (const modifier of listOf(top['modifiers']).map(nodeOf)) {
    names.problems.collect(() => checkModifier(modifier, top, names));
  }
}

function checkModifier(modifier: TreeNode, top: TreeNode, names: Names): void {
  if (modifier['type'] === 'ORDER_MODIFIER') {
    for (const order of ordersOf(modifier)) checkExpression(order['expression'], names);
  } else if (modifier['type'] === 'LIMIT_MODIFIER') {
    membersOf(modifier, ['limit', 'offset']);
    if (modifier['offset'] !== null) throw refuse('OFFSET', top);
    const limit = nodeOf(modifier['limit']);
    if (limit['class'] !== 'CONSTANT') throw refuse('LIMIT', limit);
  } else {
    throw refuse(textOf(modifier['type']), top);
  }
}

function ordersOf(modifier: TreeNode): TreeNode[] {
  membersOf(modifier, ['orders']);
  return listOf(modifier['orders']).map(nodeOf);
}

/**
 * Adds all result columns to the end of the order, so that ties (and what a LIMIT keeps of them)
 * are not decided by the order in which rows happened to arrive.
 */
export function withTotalOrder(top: TreeNode): TreeNode {
  const modifiers = listOf(top['modifiers']).map(nodeOf);
  const orders = modifiers.filter(({ type }) => type === 'ORDER_MODIFIER').flatMap(ordersOf);
  const rest = modifiers.filter(({ type }) => type !== 'ORDER_MODIFIER');
  const more = listOf(top['select_list']).map((_item, index) => byPosition(index + 1));
  return {
    ...top,
    modifiers: [{ type: 'ORDER_MODIFIER', orders: [...orders, ...more] }, ...rest],
  };
}

function byPosition(position: number): TreeNode {
  const type = { id: 'INTEGER', type_info: null };
  return {
    type: 'ORDER_DEFAULT',
    null_order: 'ORDER_DEFAULT',
    expression: {
      class: 'CONSTANT',
      type: 'VALUE_CONSTANT',
      alias: '',
      query_location: -1,
      value: { type, is_null: false, value: position },
    },
  };
}

import { type NamedTable, tablesWith } from './partial-names.ts';
import { conditionsIn, listOf, nodeOf, pathOf, type TreeNode, textOf } from './sql-tree.ts';

/** What a condition compares of two sides, as far as it says where rows that match lie. */

type Sides = readonly [readonly NamedTable[], readonly NamedTable[]];

/** USING of a name that, in whichever table of a side it is looked up, is its shared column. */
export function usesShares(from: TreeNode, sides: Sides): boolean {
  return listOf(from['using_columns'])
    .map((name) => textOf(name).toLowerCase())
    .some((name) =>
      sides.every((side) => {
        const having = side.filter(({ columns }) => columns.has(name));
        return having.length > 0 && having.every((table) => isShared(table, name));
      }),
    );
}

/** One of the equalities that must all hold is of two such columns, one of each side. */
export function equatesShares(condition: unknown, sides: Sides): boolean {
  return conditionsIn(condition).some((node) => {
    if (node['type'] !== 'COMPARE_EQUAL') return false;
    const [one, other] = [node['left'], node['right']].map((ref) =>
      sharedTableOf(nodeOf(ref), sides.flat()),
    );
    if (!one || !other) return false;
    const [left, right] = sides;
    return (
      (left.includes(one) && right.includes(other)) || (left.includes(other) && right.includes(one))
    );
  });
}

/** The table whose shared column a reference is; undefined where it could be any other. */
function sharedTableOf(ref: TreeNode, tables: readonly NamedTable[]): NamedTable | undefined {
  const [found, ...others] = tablesWith(ref, tables);
  const isOne = found && others.length === 0 && isShared(found, pathOf(ref).at(-1) ?? '');
  return isOne ? found : undefined;
}

function isShared({ apart }: NamedTable, name: string): boolean {
  return apart.get(name)?.isSession === false;
}

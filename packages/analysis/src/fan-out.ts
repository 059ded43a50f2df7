import { foldsRows, type RowKey, type Rows, type Table } from './rule-scope.ts';
import {
  conditionsIn,
  listOf,
  nodeOf,
  pathOf,
  shapeOf,
  type TreeNode,
  textOf,
} from './sql-tree.ts';

/**
 * Whose rows multiply whose in a FROM. A row that has several partners counts as often: whoever
 * writes the partners gives it a weight. It has one partner at most where what it is compared with
 * is a key of the other table.
 */

/** A column of one use of a table. */
export interface Place {
  readonly table: Table;
  readonly column: string;
}

export type Equality = readonly [Place, Place];

/** Which column of which table a name is; undefined where it could be several, or is none. */
function placeOf(value: unknown, tables: readonly Table[]): Place | undefined {
  const node = nodeOf(value);
  if (node['class'] !== 'COLUMN_REF') return undefined;
  const path = pathOf(node);
  const near = tables.filter(({ qualifier }) => path.length === 1 || qualifier === path[0]);
  const [place, ...more] = placesNamed(path.at(-1) ?? '', near);
  return more.length === 0 ? place : undefined;
}

function placesNamed(column: string, tables: readonly Table[]): Place[] {
  return tables.flatMap((table) => (table.columns.has(column) ? [{ table, column }] : []));
}

/** What holds of the rows of a join, by USING and by ON. */
export function equalitiesOf(
  join: TreeNode,
  left: readonly Table[],
  right: readonly Table[],
): Equality[] {
  const byUsing = listOf(join['using_columns']).flatMap((value) => {
    const name = textOf(value).toLowerCase();
    const ofRight = placesNamed(name, right);
    return placesNamed(name, left).flatMap((one) => ofRight.map((other): Equality => [one, other]));
  });
  const tables = [...left, ...right];
  const byCondition = conditionsIn(join['condition']).flatMap((each) => equalityOf(each, tables));
  // A LEFT join keeps rows of its left side for which this does not hold.
  const holds = ([one, other]: Equality) =>
    join['join_type'] !== 'LEFT' || !(left.includes(one.table) && left.includes(other.table));
  return [...byUsing, ...byCondition].filter((each) => isOfOneType(each) && holds(each));
}

function equalityOf(condition: TreeNode, tables: readonly Table[]): Equality[] {
  if (condition['type'] !== 'COMPARE_EQUAL') return [];
  const [one, other] = [condition['left'], condition['right']].map((each) => placeOf(each, tables));
  return one && other ? [[one, other]] : [];
}

/** Of two types the engine makes one: '1' and '01' are two keys, and one number. */
function isOfOneType([one, other]: Equality): boolean {
  const [a, b] = [one, other].map(({ table, column }) => table.columns.get(column));
  if (!a?.plain || !b?.plain || !a.type || !b.type) return false;
  return shapeOf(a.type) === shapeOf(b.type) || (isInteger(a.type.id) && isInteger(b.type.id));
}

function isInteger(id: string): boolean {
  return /INT(EGER)?$/.test(id);
}

/** Columns that are the same in all rows of a group of the result. */
export function groupedPlaces(
  groups: readonly TreeNode[],
  items: readonly TreeNode[],
  tables: readonly Table[],
): Place[] {
  return groups.flatMap((group) => {
    const path = group['class'] === 'COLUMN_REF' ? listOf(group['column_names']) : [];
    const place = placeOf(group, tables);
    const isColumn = place !== undefined || path.length !== 1;
    // The engine takes a column before an alias.
    const named = items.filter(({ alias }) => !isColumn && alias === path[0]);
    return place ?? (named.length === 1 ? (placeOf(named[0], tables) ?? []) : []);
  });
}

/** By which columns an inner select has one row at most. */
export function keysOfSelect(
  node: TreeNode,
  { items, groups }: { readonly items: readonly TreeNode[]; readonly groups: readonly TreeNode[] },
  tables: readonly Table[],
): RowKey[] {
  if (groups.length === 0 && foldsRows([node['select_list'], node['having']])) {
    return [{ columns: new Set(), isBounded: false }];
  }
  const names = items.map(outputName);
  const nameOf = (isMeant: (item: TreeNode) => boolean) => {
    const name = names[items.findIndex(isMeant)];
    return name !== undefined && names.filter((each) => each === name).length === 1 ? name : null;
  };
  const hasStar = items.some((item) => item['class'] === 'STAR');
  if (groups.length > 0) {
    if (hasStar) return [];
    const columns = groups.map((group) => nameOf((item) => isSame(item, group, tables)));
    return keyOf(columns, false);
  }
  const [table, ...more] = tables;
  if (!table || more.length > 0) return [];
  if (hasStar) return items.length === 1 ? [...table.keys] : [];
  return table.keys.flatMap(({ columns, isBounded }) =>
    keyOf(
      [...columns].map((column) => nameOf((item) => placeOf(item, tables)?.column === column)),
      isBounded,
    ),
  );
}

function keyOf(columns: readonly (string | null)[], isBounded: boolean): RowKey[] {
  const known = columns.filter((column) => column !== null);
  return known.length === columns.length ? [{ columns: new Set(known), isBounded }] : [];
}

function outputName(item: TreeNode): string | undefined {
  const alias = textOf(item['alias'] ?? '');
  return alias.toLowerCase() || pathOf(item).at(-1);
}

/** Whether a group is made of what stands in the item. */
function isSame(item: TreeNode, group: TreeNode, tables: readonly Table[]): boolean {
  if (item === group) return true;
  const [one, other] = [placeOf(item, tables), placeOf(group, tables)];
  if (one || other) return one?.table === other?.table && one?.column === other?.column;
  const path = pathOf(group);
  const isNamed = path.length === 1 && path[0] === outputName(item);
  return isNamed || shapeOf({ ...item, alias: '' }) === shapeOf({ ...group, alias: '' });
}

/** What stands in a FROM, and what is known of its rows. */
export interface JoinedTables {
  readonly tables: readonly Table[];
  readonly equalities: readonly Equality[];
  readonly grouped: readonly Place[];
}

/**
 * Tables of which a row of this one may have several partners that another owner has the say of:
 * all but its owner's own, joined with nothing but such, and those that are joined by a key.
 */
export function weighersOf(
  root: Table,
  from: JoinedTables,
  isOwn: (one: Rows, other: Rows) => boolean,
): Table[] {
  const own = new Set([root]);
  const reached = new Set([root]);
  const found: Table[] = [];
  const left = new Set(from.tables.filter((table) => table !== root));
  const first = (isMeant: (table: Table) => boolean) => [...left].find(isMeant);
  for (;;) {
    const mine = first((table) => isOwn(root, table) && isLinked(table, own, from));
    if (mine) own.add(mine);
    const next = mine ?? first((table) => isOneOf(table, reached, from));
    const weigher = next
      ? undefined
      : (first((each) => isLinked(each, reached, from)) ?? first(all));
    if (weigher) found.push(weigher);
    const taken = next ?? weigher;
    if (!taken) return found;
    reached.add(taken);
    left.delete(taken);
  }
}

const all = () => true;

function comparedWith(
  table: Table,
  others: ReadonlySet<Table>,
  { equalities }: JoinedTables,
): ReadonlySet<string> {
  const columns = equalities.flatMap(([one, other]) => [
    ...(one.table === table && others.has(other.table) ? [one.column] : []),
    ...(other.table === table && others.has(one.table) ? [other.column] : []),
  ]);
  return new Set(columns);
}

function isLinked(table: Table, others: ReadonlySet<Table>, from: JoinedTables): boolean {
  return comparedWith(table, others, from).size > 0;
}

/** Whether one row of it at most goes with a row of the others. */
function isOneOf(table: Table, others: ReadonlySet<Table>, from: JoinedTables): boolean {
  const compared = comparedWith(table, others, from);
  const isGrouped = (column: string) =>
    from.grouped.some((place) => place.table === table && place.column === column);
  return table.keys.some(({ columns, isBounded }) =>
    [...columns].every((column) => compared.has(column) || (!isBounded && isGrouped(column))),
  );
}

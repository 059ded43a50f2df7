import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { sharedOutBy, strayIn } from '@strongroom/protocol/slices';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import {
  apartIn,
  holdsSubquery,
  type NamedTable,
  NotMergeable,
  pathOf,
  tableOf,
  tablesWith,
} from './partial-names.ts';
import { foldsRows } from './rule-scope.ts';
import { isMembership } from './sql-membership.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';

/**
 * Joins of which each slice can do its part. Where rows of all tables are shared out to streams by
 * one column each, alike, and every join compares two of these columns, rows that match are in one
 * slice: both have the value, and neither column has nulls but where a LEFT join found no partner.
 * So the rows of a join are those of its slices, each once, join by join from the inside: matched
 * ones are where their value is, and whether a row has a partner at all (LEFT, SEMI, ANTI, IN,
 * EXISTS) is known where it lies. Whatever else an ON says chooses among these.
 */

/**
 * The tables that names above the FROM of a select can mean.
 * @throws NotMergeable where rows that match may be in two slices, or not be told at all
 */
export function coPartitionedTables(
  top: TreeNode,
  contract: Contract,
  { window }: Pick<Query, 'window'>,
): readonly NamedTable[] {
  const { tables, untimed: relation } = selected(top, contract);
  const isMissed = window.kind !== 'whole' && relation !== undefined;
  if (isMissed) throw new NotMergeable('join-without-event-time', { relation });
  return tables;
}

interface Rows {
  readonly tables: readonly NamedTable[];
  /**
   * A slice tells a window if it has a row of it, so that every row has to have one of a table with
   * an event time in it. Else: whose rows may be there alone.
   */
  readonly untimed: string | undefined;
}

/** The rows of a select's FROM and WHERE. */
function selected(node: TreeNode, contract: Contract): Rows {
  if (listOf(nodeOf(node['cte_map'])['map']).length > 0) throw new NotMergeable('with');
  demandNoSubquery([node['select_list'], node['group_expressions'], node['having']]);
  demandNoSubquery(node['modifiers']);
  const { tables, untimed } = rowsOf(nodeOf(node['from_table']), contract);
  const conditions = conditionsIn(node['where_clause']);
  const behind = conditions.filter(isMembership).map((each) => deciding(each, tables, contract));
  demandNoSubquery(conditions.filter((each) => !isMembership(each)));
  const isTimed = behind.some(({ isMatched, rows }) => isMatched && rows.untimed === undefined);
  return { tables, untimed: isTimed ? undefined : untimed };
}

/** What must all hold. */
function conditionsIn(where: unknown): TreeNode[] {
  if (where === null) return [];
  const node = nodeOf(where);
  if (node['type'] !== 'CONJUNCTION_AND') return [node];
  return listOf(node['children']).flatMap(conditionsIn);
}

/** The rows behind IN or EXISTS, which say in each slice by themselves whether a row stays. */
function deciding(
  membership: TreeNode,
  outer: readonly NamedTable[],
  contract: Contract,
): { rows: Rows; isMatched: boolean } {
  const isMatched = membership['type'] !== 'OPERATOR_NOT';
  const asked = isMatched ? membership : nodeOf(listOf(membership['children'])[0]);
  const inner = nodeOf(nodeOf(asked['subquery'])['node']);
  const isFolded = listOf(inner['group_expressions']).length > 0 || foldsRows(inner['select_list']);
  if (isFolded || inner['having'] !== null) throw new NotMergeable('subquery');
  const rows = selected(inner, contract);
  demandShared([...outer, ...rows.tables], contract);
  if (asked['subquery_type'] === 'EXISTS') {
    if (!equatesShares(inner['where_clause'], [rows.tables, outer])) throw otherColumns(rows);
    return { rows, isMatched };
  }
  const child = apartIn(nodeOf(asked['child']), outer);
  const item = apartIn(nodeOf(listOf(inner['select_list'])[0]), rows.tables);
  if (!child || !item) throw otherColumns(rows);
  // One null behind it drops every row of every slice.
  if (!isMatched && (child.hasNulls || item.hasNulls)) throw new NotMergeable('not-in-nulls');
  return { rows, isMatched };
}

function demandNoSubquery(tree: unknown): void {
  if (holdsSubquery(tree)) throw new NotMergeable('subquery');
}

/** Equal values are in one slice, whichever table they are in. */
function demandShared(tables: readonly NamedTable[], contract: Contract): void {
  const relations = tables.map(({ relation }) => relation);
  for (const relation of relations) {
    if (sharedOutBy(contract, relation) !== undefined) continue;
    throw new NotMergeable('join-not-shared-out', { relation });
  }
  const stray = strayIn(contract, relations);
  if (!stray) return;
  const { dataset, by } = stray;
  throw new NotMergeable(by === 'type' ? 'join-other-type' : 'join-other-slices', { dataset });
}

function otherColumns({ tables: [first] }: Rows): NotMergeable {
  return new NotMergeable('join-other-columns', first && { relation: first.relation });
}

/** The rows of a FROM, every join of which compares columns that rows are shared out by. */
function rowsOf(from: TreeNode, contract: Contract): Rows {
  if (from['type'] !== 'JOIN') return rowsOfTable(from, contract);
  const left = rowsOf(nodeOf(from['left']), contract);
  const right = rowsOf(nodeOf(from['right']), contract);
  const sides = [left.tables, right.tables] as const;
  const all = sides.flat();
  const qualifiers = new Set(all.map(({ qualifier }) => qualifier));
  if (qualifiers.size < all.length) throw new NotMergeable('names');
  demandShared(all, contract);
  const kind = textOf(from['join_type']);
  if (from['ref_type'] !== 'REGULAR' || !KINDS.has(kind)) throw new NotMergeable('join');
  demandNoSubquery(from['condition']);
  if (!usesShares(from, sides) && !equatesShares(from['condition'], sides)) {
    throw otherColumns(right);
  }
  const isTimed = MATCHED.has(kind) && right.untimed === undefined;
  const untimed = isTimed ? undefined : left.untimed;
  if (kind === 'SEMI' || kind === 'ANTI') return { tables: left.tables, untimed };
  const partners = kind === 'LEFT' ? right.tables.map(withNulls) : right.tables;
  return { tables: [...left.tables, ...partners], untimed };
}

function rowsOfTable(from: TreeNode, contract: Contract): Rows {
  const table = tableOf(from, contract);
  const { relation, columns } = table;
  const shared = sharedOutBy(contract, relation);
  const isApart = shared !== undefined && strayIn(contract, [relation]) === undefined;
  // A session is in one slice: else there is no plan.
  const { number } = SESSION_COLUMNS;
  const names = [...(isApart ? [shared] : []), ...(columns.has(number) ? [number] : [])];
  const apart = new Map(names.map((name) => [name, { hasNulls: false }]));
  const [dataset] = datasetsOf(contract, relation);
  const untimed = dataset?.eventTime === undefined ? relation : undefined;
  return { tables: [{ ...table, apart }], untimed };
}

/** Joins of which a row is of both sides. */
const MATCHED: ReadonlySet<string> = new Set(['INNER', 'SEMI']);

/** Those for which the claim above was proven; one that is new to the gate is not. */
const KINDS: ReadonlySet<string> = new Set(['INNER', 'LEFT', 'SEMI', 'ANTI']);

/** What a LEFT join has of rows without a partner. */
function withNulls(table: NamedTable): NamedTable {
  const apart = [...table.apart.keys()].map((name) => [name, { hasNulls: true }] as const);
  return { ...table, apart: new Map(apart) };
}

type Sides = readonly [readonly NamedTable[], readonly NamedTable[]];

/** USING of a name that, in whichever table of a side it is looked up, is its shared column. */
function usesShares(from: TreeNode, sides: Sides): boolean {
  return listOf(from['using_columns'])
    .map((name) => textOf(name).toLowerCase())
    .some((name) =>
      sides.every((side) => {
        const having = side.filter(({ columns }) => columns.has(name));
        return having.length > 0 && having.every(({ apart }) => apart.has(name));
      }),
    );
}

/** One of the equalities that must all hold is of two such columns, one of each side. */
function equatesShares(condition: unknown, sides: Sides): boolean {
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
  const isShared = found?.apart.has(pathOf(ref).at(-1) ?? '') && others.length === 0;
  return isShared ? found : undefined;
}

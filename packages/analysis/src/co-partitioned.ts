import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { sharedOutBy, strayIn } from '@strongroom/protocol/slices';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import {
  type ApartColumn,
  apartIn,
  holdsSubquery,
  type NamedTable,
  NotMergeable,
  spelled,
  tableOf,
  tablesWith,
} from './partial-names.ts';
import { foldsRows } from './rule-scope.ts';
import { OWNER_BIT_COLUMN } from './rules.ts';
import { equatesShares, usesShares } from './shared-columns.ts';
import { isMembership } from './sql-membership.ts';
import { conditionsIn, listOf, nodeOf, pathOf, type TreeNode, textOf } from './sql-tree.ts';

/**
 * Joins of which each slice can do its part. Where rows of all tables are shared out to streams by
 * one column each, alike, and every join compares two of these columns, rows that match are in one
 * slice: both have the value, and neither column has nulls but where a LEFT join found no partner.
 * So the rows of a join are those of its slices, each once, join by join from the inside: matched
 * ones are where their value is, and whether a row has a partner at all (LEFT, SEMI, ANTI, IN,
 * EXISTS) is known where it lies. Whatever else an ON says chooses among these.
 *
 * What an inner select hands on of rows one by one is there in each slice for the rows that it has.
 * Where it makes groups, and of one of these columns among others, all rows of a group are in one
 * slice: its groups are those of the slices, and are rows to the select around it.
 */

/**
 * The rows of a query, as each slice has a part of them.
 * @throws NotMergeable where rows that match may be in two slices, or not be told at all
 */
export function coPartitionedRows(
  top: TreeNode,
  contract: Contract,
  { window }: Pick<Query, 'window'>,
): { readonly tables: readonly NamedTable[]; readonly folded: readonly FoldedSelect[] } {
  const folded: FoldedSelect[] = [];
  const { tables, untimed: relation } = selected(top, {
    contract,
    entries: [],
    ctes: NONE,
    folded,
  });
  const isMissed = window.kind !== 'whole' && relation !== undefined;
  if (isMissed) throw new NotMergeable('join-without-event-time', { relation });
  return { tables, folded };
}

/** An inner select that makes groups, each of which is in one slice as a whole. */
export interface FoldedSelect {
  readonly node: TreeNode;
  readonly groups: readonly TreeNode[];
  /** What a WITH around it has named before. */
  readonly entries: readonly unknown[];
}

interface Scope {
  readonly contract: Contract;
  /** Of every WITH so far, as the tree has them. */
  readonly entries: readonly unknown[];
  readonly ctes: ReadonlyMap<string, Made>;
  /** Where inner selects that make groups are put. */
  readonly folded: FoldedSelect[];
}

interface Rows {
  /** That names above a FROM can mean. */
  readonly tables: readonly NamedTable[];
  /**
   * A slice tells a window if it has a row of it, so that every row has to have one of a table with
   * an event time in it. Else: whose rows may be there alone.
   */
  readonly untimed: string | undefined;
}

/** What an inner select hands on. */
type Made = Omit<NamedTable, 'qualifier'> & Pick<Rows, 'untimed'>;

const NONE: ReadonlyMap<string, Made> = new Map();

/** The rows of a select's FROM and WHERE. */
function selected(node: TreeNode, outer: Scope): Rows {
  const scope = withTables(node, outer);
  demandNoSubquery([node['select_list'], node['group_expressions'], node['having']]);
  demandNoSubquery(node['modifiers']);
  const { tables, untimed } = rowsOf(nodeOf(node['from_table']), scope);
  const conditions = conditionsIn(node['where_clause']);
  const behind = conditions.filter(isMembership).map((each) => deciding(each, tables, scope));
  demandNoSubquery(conditions.filter((each) => !isMembership(each)));
  const isTimed = behind.some(({ isMatched, rows }) => isMatched && rows.untimed === undefined);
  return { tables, untimed: isTimed ? undefined : untimed };
}

function withTables(node: TreeNode, outer: Scope): Scope {
  let scope = outer;
  for (const entry of listOf(nodeOf(node['cte_map'])['map']).map(nodeOf)) {
    const made = madeBy(nodeOf(entry['value'])['query'], scope);
    const ctes = new Map([...scope.ctes, [textOf(entry['key']).toLowerCase(), made]]);
    scope = { ...scope, ctes, entries: [...scope.entries, entry] };
  }
  return scope;
}

function madeBy(statement: unknown, scope: Scope): Made {
  const node = nodeOf(nodeOf(statement)['node']);
  const { tables, untimed } = innerRows(node, scope);
  const apart = new Map<string, ApartColumn>();
  const columns = new Map<string, string>();
  const add = (name: string | undefined, column: ApartColumn | undefined) => {
    const known = name?.toLowerCase();
    // The engine would give it a name that nobody else knows.
    if (name === undefined || known === undefined || columns.has(known)) {
      throw new NotMergeable('names');
    }
    columns.set(known, name);
    if (column) apart.set(known, column);
  };
  for (const item of listOf(node['select_list']).map(nodeOf)) {
    if (item['class'] === 'STAR') {
      const of = textOf(item['relation_name']).toLowerCase();
      for (const table of tables.filter(({ qualifier }) => of === '' || qualifier === of)) {
        for (const [known, name] of table.columns) {
          if (known !== OWNER_BIT_COLUMN) add(name, table.apart.get(known));
        }
      }
    } else add(textOf(item['alias']) || spelled(item, tables), apartIn(item, tables));
  }
  return { relations: tables.flatMap(({ relations }) => relations), columns, apart, untimed };
}

/** The rows of an inner select, and that the groups that it makes of them are in one slice each. */
function innerRows(node: TreeNode, scope: Scope): Rows {
  const rows = selected(node, scope);
  const groups = groupsOf(node, rows.tables);
  const isFolded = groups.length > 0 || foldsRows(node['select_list']) || node['having'] !== null;
  if (!isFolded) return rows;
  if (!groups.some((each) => apartIn(each, rows.tables)?.hasNulls === false)) {
    const [relation] = rows.tables.flatMap(({ relations }) => relations);
    throw new NotMergeable('inner-groups', relation === undefined ? {} : { relation });
  }
  scope.folded.push({ node, groups, entries: scope.entries });
  return rows;
}

/** What a select makes groups of: a number counts to an item, and a name may be one's. */
function groupsOf(node: TreeNode, tables: readonly NamedTable[]): readonly TreeNode[] {
  const items = listOf(node['select_list']).map(nodeOf);
  const groups = listOf(node['group_expressions']).map(nodeOf);
  const isShifted = groups.length > 0 && items.some((item) => item['class'] === 'STAR');
  if (isShifted) throw new NotMergeable('names');
  return groups.map((group) => {
    const place = group['class'] === 'CONSTANT' ? nodeOf(group['value'])['value'] : undefined;
    if (typeof place === 'number') return items[place - 1] ?? group;
    const [name, ...more] = tablesWith(group, tables).length > 0 ? [] : pathOf(group);
    if (name === undefined || more.length > 0) return group;
    return items.find(({ alias }) => textOf(alias).toLowerCase() === name) ?? group;
  });
}

/** The rows behind IN or EXISTS, which say in each slice by themselves whether a row stays. */
function deciding(
  membership: TreeNode,
  outer: readonly NamedTable[],
  scope: Scope,
): { rows: Rows; isMatched: boolean } {
  const isMatched = membership['type'] !== 'OPERATOR_NOT';
  const asked = isMatched ? membership : nodeOf(listOf(membership['children'])[0]);
  const inner = nodeOf(nodeOf(asked['subquery'])['node']);
  const rows = innerRows(inner, scope);
  demandShared([...outer, ...rows.tables], scope.contract);
  if (asked['subquery_type'] === 'EXISTS') {
    if (!equatesShares(inner['where_clause'], [rows.tables, outer])) throw otherColumns(rows);
    return { rows, isMatched };
  }
  const child = apartIn(nodeOf(asked['child']), outer);
  const item = apartIn(nodeOf(listOf(inner['select_list'])[0]), rows.tables);
  if (!child || !item || child.isSession || item.isSession) throw otherColumns(rows);
  // One null behind it drops every row of every slice.
  if (!isMatched && (child.hasNulls || item.hasNulls)) throw new NotMergeable('not-in-nulls');
  return { rows, isMatched };
}

function demandNoSubquery(tree: unknown): void {
  if (holdsSubquery(tree)) throw new NotMergeable('subquery');
}

/** Equal values are in one slice, whichever table they are in. */
function demandShared(tables: readonly NamedTable[], contract: Contract): void {
  const relations = tables.flatMap((table) => table.relations);
  for (const relation of relations) {
    if (sharedOutBy(contract, relation) !== undefined) continue;
    throw new NotMergeable('join-not-shared-out', { relation });
  }
  const stray = strayIn(contract, relations);
  if (!stray) return;
  const { dataset, by } = stray;
  throw new NotMergeable(by === 'type' ? 'join-other-type' : 'join-other-slices', { dataset });
}

function otherColumns({ tables }: Rows): NotMergeable {
  const [relation] = tables.flatMap(({ relations }) => relations);
  return new NotMergeable('join-other-columns', relation === undefined ? {} : { relation });
}

/** The rows of a FROM, every join of which compares columns that rows are shared out by. */
function rowsOf(from: TreeNode, scope: Scope): Rows {
  if (from['type'] !== 'JOIN') return rowsOfTable(from, scope);
  const left = rowsOf(nodeOf(from['left']), scope);
  const right = rowsOf(nodeOf(from['right']), scope);
  const sides = [left.tables, right.tables] as const;
  const all = sides.flat();
  const qualifiers = new Set(all.map(({ qualifier }) => qualifier));
  if (qualifiers.size < all.length) throw new NotMergeable('names');
  demandShared(all, scope.contract);
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

function rowsOfTable(from: TreeNode, scope: Scope): Rows {
  const alias = textOf(from['alias']).toLowerCase();
  const name = from['type'] === 'BASE_TABLE' ? textOf(from['table_name']).toLowerCase() : '';
  const made = from['type'] === 'SUBQUERY' ? madeBy(from['subquery'], scope) : scope.ctes.get(name);
  if (!made) return rowsOfRelation(from, scope.contract);
  const { untimed, ...table } = made;
  return { tables: [{ ...table, qualifier: alias || name }], untimed };
}

function rowsOfRelation(from: TreeNode, contract: Contract): Rows {
  const table = tableOf(from, contract);
  const { relations, columns } = table;
  const [relation = ''] = relations;
  const shared = sharedOutBy(contract, relation);
  const isApart = shared !== undefined && strayIn(contract, relations) === undefined;
  const apart = new Map<string, ApartColumn>();
  if (isApart) apart.set(shared, { hasNulls: false, isSession: false });
  // A session is in one slice: else there is no plan.
  const { number } = SESSION_COLUMNS;
  if (columns.has(number)) apart.set(number, { hasNulls: false, isSession: true });
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
  const apart = new Map<string, ApartColumn>();
  for (const [name, column] of table.apart) apart.set(name, { ...column, hasNulls: true });
  return { ...table, apart };
}

import { type Contract, datasetsOf } from '@strongroom/protocol/contract';
import type { ErrorFacts } from '@strongroom/protocol/errors';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import { foldsRows } from './rule-scope.ts';
import { OWNER_BIT_COLUMN } from './rules.ts';
import { listOf, nodeOf, pathOf, shapeOf, type TreeNode, textOf } from './sql-tree.ts';

/** Why a query needs the rows themselves: a closed list. */
export type RowsReason =
  /** Its rows are bounded by contributor: `privatePartials` has another plan. */
  | 'noise'
  /** A session may go on in the next part. */
  | 'sessions'
  /** It is compared with other results, row by row. */
  | 'compared'
  /** It reads more than one relation as it is. */
  | 'with'
  | 'join'
  | 'subquery'
  /** Rows of a joined relation are not all shared out to streams by one column. */
  | 'join-not-shared-out'
  /** A dataset has another type in that column: equal values would be other bytes. */
  | 'join-other-type'
  /** The streams of a dataset are in other slices than the same values have elsewhere. */
  | 'join-other-slices'
  /** A join, IN or EXISTS compares other columns than those by which rows are shared out. */
  | 'join-other-columns'
  /** Rows of a group of an inner select are in several slices. */
  | 'inner-groups'
  /** NOT IN of what may be null says something about all slices at once. */
  | 'not-in-nulls'
  /** Rows of a table without event time may be in a window that their slice has no row of. */
  | 'join-without-event-time'
  /** Of each join key so many rows count. */
  | 'bounded-keys'
  /** The number of distinct values does not add up. */
  | 'distinct'
  /** A function over rows that nothing is put together of. */
  | 'function'
  /** Sums of them depend on their order, and so does the sign of a zero. */
  | 'floating-point'
  /** A name that may mean two things. */
  | 'names'
  /** It could not be written, or bound to the same types, as a query over partials. */
  | 'form';

/** The query needs the rows themselves. */
export interface NeedsRows {
  readonly kind: 'rows';
  readonly reason: RowsReason;
  /** Names of the contract that say where. */
  readonly facts: ErrorFacts;
}

export class NotMergeable extends Error {
  readonly need: NeedsRows;

  constructor(reason: RowsReason, facts: ErrorFacts = {}) {
    super(reason);
    this.need = { kind: 'rows', reason, facts };
  }
}

/** A column of which no two parts have a value in common. */
export interface ApartColumn {
  readonly hasNulls: boolean;
  /** It is the number of a session, and not what rows are shared out by. */
  readonly isSession: boolean;
}

/** A table in a FROM, and by which name its columns are qualified. */
export interface NamedTable {
  /** Of whose rows it is made. */
  readonly relations: readonly string[];
  /** Empty where it has none. */
  readonly qualifier: string;
  /** By their names in lower case, as results spell them. */
  readonly columns: ReadonlyMap<string, string>;
  readonly apart: ReadonlyMap<string, ApartColumn>;
}

/**
 * What names mean in a query over relations. The engine takes a column before an alias, but for an
 * ORDER BY of a name alone.
 */
export class GroupNames {
  readonly tables: readonly NamedTable[];
  /** What the query groups by, each once, in columns of the relations alone. */
  readonly keys: readonly TreeNode[];
  readonly #shapes: readonly string[];
  readonly #aliases: ReadonlyMap<string, TreeNode>;

  /**
   * @param tables that names above the FROM can mean
   * @throws NotMergeable
   */
  constructor(top: TreeNode, tables: readonly NamedTable[]) {
    this.tables = tables;
    const items = listOf(top['select_list']).map(nodeOf);
    const named = items.filter(({ alias }) => alias !== '');
    this.#aliases = new Map(named.map((item) => [textOf(item['alias']).toLowerCase(), item]));
    const isOurs = [...this.#aliases.keys()].some((alias) => alias.startsWith(OWN_NAME));
    if (isOurs) throw new NotMergeable('names');
    const groups = listOf(top['group_expressions']).map((each) => this.#group(nodeOf(each), items));
    const byShape = new Map(groups.map((group) => [shapeOf(group), group]));
    this.keys = [...byShape.values()];
    this.#shapes = [...byShape.keys()];
  }

  /** Which of the keys an expression is. */
  keyOf(node: TreeNode): number | undefined {
    if (typeof node['class'] !== 'string' || node['class'] === 'CONSTANT') return undefined;
    try {
      const at = this.#shapes.indexOf(shapeOf(this.expand(node)));
      return at < 0 ? undefined : at;
    } catch (error) {
      if (error instanceof NotMergeable) return undefined;
      throw error;
    }
  }

  /**
   * An expression over rows in columns of the relations alone.
   * @throws NotMergeable where it names what is over groups, or what nobody knows
   */
  expand(node: TreeNode): TreeNode {
    return nodeOf(this.#expand({ ...node, alias: '' }, new Set()));
  }

  isColumn(node: TreeNode): boolean {
    return this.tablesWith(node).length > 0;
  }

  tablesWith(node: TreeNode): readonly NamedTable[] {
    return tablesWith(node, this.tables);
  }

  /** A name of a result column, which may be one of the relations' besides. */
  isAlias(node: TreeNode): boolean {
    const [name, ...more] = pathOf(node);
    return name !== undefined && more.length === 0 && this.#aliases.has(name);
  }

  #expand(value: unknown, open: ReadonlySet<TreeNode>): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#expand(each, open));
    if (typeof value !== 'object' || value === null) return value;
    const node = nodeOf(value);
    // Names of another select are looked up there first.
    if (node['class'] === 'SUBQUERY') return { ...node, child: this.#expand(node['child'], open) };
    if (node['class'] !== 'COLUMN_REF') {
      return mapMembers(node, (each) => this.#expand(each, open));
    }
    const name = pathOf(node).at(-1) ?? '';
    const [table, ...others] = this.tablesWith(node);
    if (table) {
      // Several have it that a USING has made one of.
      const isQualified = others.length === 0 && table.qualifier !== '';
      return { ...node, column_names: isQualified ? [table.qualifier, name] : [name] };
    }
    const item = this.isAlias(node) ? this.#aliases.get(name) : undefined;
    if (!item || open.has(item) || foldsRows(item)) throw new NotMergeable('names');
    return this.#expand({ ...item, alias: '' }, new Set([...open, item]));
  }

  /** GROUP BY may count to a result column. */
  #group(group: TreeNode, items: readonly TreeNode[]): TreeNode {
    const place = group['class'] === 'CONSTANT' ? nodeOf(group['value'])['value'] : undefined;
    if (typeof place !== 'number') return this.expand(group);
    const item = items[place - 1];
    if (!item) throw new NotMergeable('names');
    return this.expand(item);
  }
}

/** Those that a column may be one of. */
export function tablesWith(ref: TreeNode, tables: readonly NamedTable[]): readonly NamedTable[] {
  const [name, qualifier, ...more] = pathOf(ref).reverse();
  if (name === undefined || more.length > 0) return [];
  return tables.filter(
    (table) =>
      table.columns.has(name) && (qualifier === undefined || qualifier === table.qualifier),
  );
}

/** As a result column has it that is this one and was given no name. */
export function spelled(ref: TreeNode, tables: readonly NamedTable[]): string | undefined {
  return tablesWith(ref, tables)[0]?.columns.get(pathOf(ref).at(-1) ?? '');
}

/** Undefined: not all that it may be is such a column. */
export function apartIn(ref: TreeNode, tables: readonly NamedTable[]): ApartColumn | undefined {
  const name = pathOf(ref).at(-1) ?? '';
  // Of what a USING has made one, the first is shown.
  const [first, ...others] = tablesWith(ref, tables).map(({ apart }) => apart.get(name));
  return others.every((each) => each !== undefined) ? first : undefined;
}

/** The tables of a query that reads one relation as it is. @throws NotMergeable */
export function onlyTable(top: TreeNode, contract: Contract): readonly NamedTable[] {
  if (listOf(nodeOf(top['cte_map'])['map']).length > 0) throw new NotMergeable('with');
  if (holdsSubquery(top)) throw new NotMergeable('subquery');
  const from = nodeOf(top['from_table']);
  if (from['type'] === 'JOIN') throw new NotMergeable('join');
  return [tableOf(from, contract)];
}

/** @throws NotMergeable where it is no relation as it is */
export function tableOf(node: TreeNode, contract: Contract): NamedTable {
  if (node['type'] !== 'BASE_TABLE') throw new NotMergeable('subquery');
  const relation = textOf(node['table_name']).toLowerCase();
  const qualifier = textOf(node['alias']).toLowerCase() || relation;
  const [{ columns = [], eventTime } = {}] = datasetsOf(contract, relation);
  // Of queries with sessions: of others the gate lets no such name through.
  const ofSessions = eventTime === undefined ? [] : Object.values(SESSION_COLUMNS);
  const names = [...columns.map(({ name }) => name), OWNER_BIT_COLUMN, ...ofSessions];
  const spellings = new Map(names.map((each) => [each, each]));
  return { relations: [relation], qualifier, columns: spellings, apart: new Map() };
}

export function holdsSubquery(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  const isOne = 'class' in tree && tree.class === 'SUBQUERY';
  return isOne || Object.values(tree).some(holdsSubquery);
}

export function mapMembers(
  node: TreeNode,
  map: (value: unknown, member: string) => unknown,
): TreeNode {
  return Object.fromEntries(
    Object.entries(node).map(([member, value]) => [member, map(value, member)]),
  );
}

/** Names of our columns begin so; no column of a contract can. */
export const OWN_NAME = 'partial ';

import { type Contract, datasetsOf } from '@strongroom/protocol/contract';
import { foldsRows } from './rule-scope.ts';
import { OWNER_BIT_COLUMN } from './rules.ts';
import { listOf, nodeOf, shapeOf, type TreeNode, textOf } from './sql-tree.ts';

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

export class NotMergeable extends Error {
  readonly reason: RowsReason;

  constructor(reason: RowsReason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * What names mean in a query over one relation. The engine takes a column before an alias, but for
 * an ORDER BY of a name alone.
 */
export class GroupNames {
  readonly relation: string;
  /** What the query groups by, each once, in columns of the relation alone. */
  readonly keys: readonly TreeNode[];
  readonly #shapes: readonly string[];
  readonly #qualifier: string;
  readonly #columns: ReadonlySet<string>;
  readonly #aliases: ReadonlyMap<string, TreeNode>;

  /** @throws NotMergeable */
  constructor(top: TreeNode, contract: Contract) {
    const from = nodeOf(top['from_table']);
    demandOneTable(top, from);
    this.relation = textOf(from['table_name']).toLowerCase();
    this.#qualifier = textOf(from['alias']).toLowerCase() || this.relation;
    const columns = datasetsOf(contract, this.relation)[0]?.columns ?? [];
    this.#columns = new Set([...columns.map(({ name }) => name), OWNER_BIT_COLUMN]);
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
   * An expression over rows in columns of the relation alone.
   * @throws NotMergeable where it names what is over groups, or what nobody knows
   */
  expand(node: TreeNode): TreeNode {
    return nodeOf(this.#expand({ ...node, alias: '' }, new Set()));
  }

  isColumn(node: TreeNode): boolean {
    const [name, qualifier, ...more] = pathOf(node).reverse();
    const isHere = qualifier === undefined || qualifier === this.#qualifier;
    return name !== undefined && this.#columns.has(name) && isHere && more.length === 0;
  }

  /** A name of a result column, which may be one of the relation's besides. */
  isAlias(node: TreeNode): boolean {
    const [name, ...more] = pathOf(node);
    return name !== undefined && more.length === 0 && this.#aliases.has(name);
  }

  #expand(value: unknown, open: ReadonlySet<TreeNode>): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#expand(each, open));
    if (typeof value !== 'object' || value === null) return value;
    const node = nodeOf(value);
    if (node['class'] !== 'COLUMN_REF') {
      return mapMembers(node, (each) => this.#expand(each, open));
    }
    const name = pathOf(node).at(-1) ?? '';
    if (this.isColumn(node)) return { ...node, column_names: [name] };
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

function demandOneTable(top: TreeNode, from: TreeNode): void {
  if (listOf(nodeOf(top['cte_map'])['map']).length > 0) throw new NotMergeable('with');
  if (from['type'] === 'JOIN') throw new NotMergeable('join');
  const isPlain = from['type'] === 'BASE_TABLE' && !holdsSubquery(top);
  if (!isPlain) throw new NotMergeable('subquery');
}

function holdsSubquery(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  const isOne = 'class' in tree && tree.class === 'SUBQUERY';
  return isOne || Object.values(tree).some(holdsSubquery);
}

function pathOf(node: TreeNode): string[] {
  if (node['class'] !== 'COLUMN_REF') return [];
  return listOf(node['column_names']).map((part) => textOf(part).toLowerCase());
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

import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import type { LockedEngine } from './locked-engine.ts';
import { checkExpression, type Names } from './sql-expression.ts';
import { checkSelect } from './sql-select.ts';
import { listOf, membersOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/** Whoever will run the SQL has to be the one who reads it. */
export type SqlParser = Pick<LockedEngine, 'parse'>;

/** SQL that passed the gate, with an order that leaves no two results of one group set. */
export interface CheckedQuery {
  readonly query: Query;
  readonly sql: string;
  /** Where `count(*) AS <groupRowsColumn>` stands among the result columns. */
  readonly groupRowsIndex: number;
  /** Names of the columns that the text can mean; null when it says `*` somewhere. */
  readonly columnNames: ReadonlySet<string> | null;
}

/**
 * Decides whether a contract's SQL may run. It judges the tree of the parser that will run it, so
 * that the two cannot disagree about what the text says.
 * @throws ERR_QUERY_REFUSED naming the query, the place and, where it is known, its position;
 *   ERR_VAULT_MEMORY
 */
export async function checkQuery(
  parser: SqlParser,
  contract: Contract,
  query: Query,
): Promise<CheckedQuery> {
  try {
    const top = await parseOne(parser, query.sql);
    const columns = columnsOf(contract, query);
    const isPrivate = query.privacy !== undefined;
    const names = { columns, aliases: aliasesIn(top), isPrivate };
    const used = new Set<string>();
    checkSelect(top, { names, tables: new Set(query.relations), used, depth: 0 });
    for (const relation of query.relations) {
      if (!used.has(relation)) throw refuse(`relation ${relation} is not used`);
    }
    const resultNames = checkResultNames(top);
    const groupRowsIndex = findGroupRows(top, resultNames, query.disclosure.groupRowsColumn);
    const sql = await withTotalOrder(parser, query.sql, top, names);
    return { query, sql, groupRowsIndex, columnNames: columnNamesIn(top) };
  } catch (error) {
    // Memory that ran out says nothing about the query, and may be there at the next attempt.
    if (!(error instanceof StrongroomError) || error.code === 'ERR_VAULT_MEMORY') throw error;
    throw new StrongroomError('ERR_QUERY_REFUSED', { ...error.facts, query: query.id });
  }
}

async function parseOne(parser: SqlParser, sql: string): Promise<TreeNode> {
  const tree = nodeOf(JSON.parse(await parser.parse(sql)));
  if (tree['error'] !== false) throw refuse('not a SELECT', { query_location: positionOf(tree) });
  const [statement, ...more] = listOf(tree['statements']).map(nodeOf);
  if (!statement || more.length > 0) throw refuse('more or less than one statement');
  membersOf(statement, ['node', 'named_param_map']);
  if (listOf(statement['named_param_map']).length > 0) throw refuse('a parameter');
  return nodeOf(statement['node']);
}

function positionOf(tree: TreeNode): unknown {
  return typeof tree['position'] === 'string' ? Number(tree['position']) : undefined;
}

function columnsOf(contract: Contract, query: Query): Map<string, 'number' | 'other'> {
  const columns = new Map<string, 'number' | 'other'>();
  const all = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  for (const { name, type } of all.flatMap((dataset) => dataset.columns)) {
    const isNumber = /^(u?int|float)/.test(type) && columns.get(name) !== 'other';
    columns.set(name, isNumber ? 'number' : 'other');
  }
  if (query.window.kind === 'session') {
    columns.set(SESSION_COLUMNS.start, 'other');
    columns.set(SESSION_COLUMNS.end, 'other');
    columns.set(SESSION_COLUMNS.number, 'number');
  }
  return columns;
}

/** Every name that a select list anywhere in the tree gives to an expression. */
function aliasesIn(tree: unknown, found = new Map<string, TreeNode[]>()): Map<string, TreeNode[]> {
  if (Array.isArray(tree)) {
    for (const item of tree) aliasesIn(item, found);
  } else if (typeof tree === 'object' && tree !== null) {
    const node = nodeOf(tree);
    const alias = node['alias'];
    const isNamed = typeof alias === 'string' && !SPECIAL_NAMES.test(alias);
    if (isNamed && typeof node['class'] === 'string') {
      found.set(alias.toLowerCase(), [...(found.get(alias.toLowerCase()) ?? []), node]);
    }
    for (const member of Object.values(node)) aliasesIn(member, found);
  }
  return found;
}

/** Everything that a column reference or USING names; an engine need not keep other columns. */
function columnNamesIn(top: TreeNode): ReadonlySet<string> | null {
  const found = new Set<string>();
  const visit = (tree: unknown): boolean => {
    if (Array.isArray(tree)) return tree.every(visit);
    if (typeof tree !== 'object' || tree === null) return true;
    const node = nodeOf(tree);
    if (node['class'] === 'STAR') return false;
    const names = [node['column_names'] ?? [], node['using_columns'] ?? []].flatMap(listOf);
    for (const name of names) found.add(textOf(name).toLowerCase());
    return Object.values(node).every(visit);
  };
  return visit(top) ? found : null;
}

/** No name at all, or one that means something else where it is not a column. */
const SPECIAL_NAMES = /^$|^(rowid|user|session_user|(current|local)_?(.*))$/i;

/** A result column is a column or has a name, and no name comes twice. */
function checkResultNames(top: TreeNode): string[] {
  const names = listOf(top['select_list']).map((value) => {
    const node = nodeOf(value);
    const alias = textOf(node['alias']);
    if (alias !== '') return alias;
    if (node['class'] !== 'COLUMN_REF') throw refuse('a result column without a name', node);
    return listOf(node['column_names']).map(textOf).at(-1) ?? '';
  });
  if (new Set(names.map((name) => name.toLowerCase())).size !== names.length) {
    throw refuse('two result columns of one name', top);
  }
  return names;
}

/** `count(*)` itself, not something that looks like it: the disclosure rule stands on it. */
function findGroupRows(top: TreeNode, names: readonly string[], wanted: string): number {
  const index = names.indexOf(wanted);
  const found = listOf(top['select_list'])[index];
  const node = found === undefined ? undefined : nodeOf(found);
  const isCount = node?.['class'] === 'FUNCTION' && node['function_name'] === 'count_star';
  if (!isCount || node['filter'] !== null || node['distinct'] !== false) {
    throw refuse(`count(*) AS ${wanted}`, node ?? top);
  }
  return index;
}

/**
 * Adds all result columns to the end of the order, so that ties (and what a LIMIT keeps of them)
 * are not decided by the order in which rows happened to arrive. The text is changed at one place,
 * and the tree of the new text is compared with the old one.
 */
async function withTotalOrder(
  parser: SqlParser,
  sql: string,
  top: TreeNode,
  names: Names,
): Promise<string> {
  const { orders, limit } = readModifiers(top, names);
  const positions = listOf(top['select_list']).map((_item, index) => index + 1);
  const more = `${orders.length > 0 ? ',' : ' ORDER BY'} ${positions.join(', ')}`;
  const bytes = new TextEncoder().encode(sql);
  const [before, after] = splitAtLimit(bytes, limit);
  // The line break ends a comment that the text may end with.
  const ordered = `${before.replace(/[\s;]+$/, '')}\n${more}\n${after}`;
  const again = await parseOne(parser, ordered);
  const found = readModifiers(again, names);
  const rest = found.orders.slice(orders.length).map((order) => nodeOf(order['expression']));
  const isSame =
    shapeOf({ ...again, modifiers: [] }) === shapeOf({ ...top, modifiers: [] }) &&
    shapeOf(found.orders.slice(0, orders.length)) === shapeOf(orders) &&
    shapeOf(found.limit) === shapeOf(limit) &&
    rest.length === positions.length &&
    rest.every((node, index) => nodeOf(node['value'])['value'] === positions[index]);
  if (!isSame) throw refuse('an order that cannot be completed', top);
  return ordered;
}

interface Modifiers {
  readonly orders: readonly TreeNode[];
  readonly limit: TreeNode | undefined;
}

function readModifiers(top: TreeNode, names: Names): Modifiers {
  let orders: readonly TreeNode[] = [];
  let limit: TreeNode | undefined;
  for (const modifier of listOf(top['modifiers']).map(nodeOf)) {
    if (modifier['type'] === 'ORDER_MODIFIER') {
      membersOf(modifier, ['orders']);
      orders = listOf(modifier['orders']).map(nodeOf);
      for (const order of orders) checkExpression(order['expression'], names);
    } else if (modifier['type'] === 'LIMIT_MODIFIER') {
      membersOf(modifier, ['limit', 'offset']);
      if (modifier['offset'] !== null) throw refuse('OFFSET', top);
      limit = nodeOf(modifier['limit']);
      if (limit['class'] !== 'CONSTANT') throw refuse('LIMIT', limit);
    } else {
      throw refuse(textOf(modifier['type']), top);
    }
  }
  return { orders, limit };
}

function splitAtLimit(bytes: Uint8Array, limit: TreeNode | undefined): [string, string] {
  const text = (part: Uint8Array) => new TextDecoder().decode(part);
  if (!limit) return [text(bytes), ''];
  const position = limit['query_location'];
  if (typeof position !== 'number' || position > bytes.length) throw refuse('LIMIT', limit);
  const before = text(bytes.subarray(0, position)).match(/^([\s\S]*)\blimit\s+$/i);
  if (before?.[1] === undefined) throw refuse('LIMIT', limit);
  return [before[1], `LIMIT ${text(bytes.subarray(position))}`];
}

/** A tree's text without the places that it was read from. */
function shapeOf(tree: unknown): string {
  return JSON.stringify(tree ?? null, (member, value) =>
    member === 'query_location' ? undefined : value,
  );
}

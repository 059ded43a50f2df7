import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CELL_QUERIES_MAX } from '@strongroom/protocol/limits';
import { type QuerySet, querySetOf } from './query-sets.ts';
import { foldsRows, quoted } from './rule-scope.ts';
import { OWNER_BIT_COLUMN, rulesOf } from './rules.ts';
import { parseOne, type SqlParser, writeOut, writeTotal } from './sql-bound.ts';
import { isMembership } from './sql-membership.ts';
import { makeTotal } from './sql-total.ts';
import { listOf, nodeOf, refuse, shapeOf, type TreeNode, textOf } from './sql-tree.ts';

/**
 * How the queries of a set tell rows apart: which of them count a row, and in which of their
 * groups. That is known where all have one FROM, and what they tell of a group is a sum over its
 * rows.
 */
export interface SharedRows {
  readonly queries: QuerySet;
  /** One row a row, with columns `in 0`, `group 0.0`, `contributor 0`, `owners 0`, `time 0`, … */
  readonly sql: string;
  /** How many expressions each query groups by. */
  readonly groups: readonly number[];
  /**
   * What is counted in a set of rows: contributors of a table, of all owners or of one; no rows.
   */
  readonly counters: readonly RowCounter[];
  /** Event times of the tables; windows cut each row by all of them. */
  readonly times: readonly { readonly relation: string }[];
  /** The largest of the queries. */
  readonly minimumRows: number;
}

export interface RowCounter {
  /** Number of the column. */
  readonly contributor: number;
  /** Bit of the owner whose rows count; null: all. */
  readonly owner: number | null;
  readonly minimum: number;
}

/**
 * @returns undefined for a query that is in no set
 * @throws ERR_QUERY_DIFFERENCE naming both queries and the place, ERR_VAULT_MEMORY
 */
export async function planSharedRows(
  parser: SqlParser,
  contract: Contract,
  query: Query,
): Promise<SharedRows | undefined> {
  const set = querySetOf(contract, query);
  if (!set) return undefined;
  // Of several, one speaks of another.
  const other = set.find(({ id }) => id !== query.id) ?? query;
  try {
    demandLikeWindows(set);
    const tops: TreeNode[] = [];
    for (const each of set) tops.push(plainOf(await parseOne(parser, each.sql), each, contract));
    return await planOf(parser, contract, set, tops);
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code === 'ERR_VAULT_MEMORY') throw error;
    const { position, ...facts } = error.facts;
    const of = facts['query'] ?? query.id;
    const isOwn = of === query.id;
    // A position is one in the SQL of the query at fault.
    const at = isOwn && position !== undefined ? { position } : {};
    const beside = isOwn ? (facts['other'] ?? other.id) : of;
    const found = { ...facts, ...at, query: query.id, other: beside };
    throw new StrongroomError('ERR_QUERY_DIFFERENCE', found);
  }
}

function demandLikeWindows(set: QuerySet): void {
  if (set.length > CELL_QUERIES_MAX) throw refuse(`more than ${CELL_QUERIES_MAX} queries`);
  const isCut = set.every(({ window: { kind } }) => kind === 'tumbling' || kind === 'hopping');
  const windows = new Set(set.map(({ window }) => JSON.stringify(Object.entries(window).sort())));
  if (!isCut && windows.size > 1) throw refuse('windows of other kinds');
}

/** Refuses what is no sum over the rows of one FROM; without names that are not needed. */
function plainOf(top: TreeNode, query: Query, contract: Contract): TreeNode {
  const at = (place: string, node: TreeNode = top) => {
    const { facts } = refuse(place, node);
    return new StrongroomError('ERR_QUERY_DIFFERENCE', { ...facts, query: query.id });
  };
  if (listOf(nodeOf(top['cte_map'])['map']).length > 0) throw at('WITH');
  if (top['having'] !== null) throw at('HAVING', nodeOf(top['having']));
  const isCut = listOf(top['modifiers']).some((each) => nodeOf(each)['type'] === 'LIMIT_MODIFIER');
  if (isCut) throw at('LIMIT');
  for (const node of nodesIn(top['where_clause'])) {
    if (isMembership(node)) throw at('IN or EXISTS', node);
  }
  if (nodeOf(top['from_table'])['type'] === 'JOIN' && boundsKeys(contract, query)) {
    throw at('a join that bounds the rows of each key');
  }
  for (const node of nodesIn(top['from_table'])) {
    if (node['type'] === 'SUBQUERY') throw at('a subquery', node);
    const kind = node['join_type'];
    if (kind === 'SEMI' || kind === 'ANTI') throw at(`${kind} join`, node);
  }
  for (const node of nodesIn(top['select_list'])) {
    if (node['class'] !== 'FUNCTION' || !foldsRows(node)) continue;
    const name = textOf(node['function_name']);
    if (name === 'min' || name === 'max') throw at(name, node);
    if (node['distinct'] === true) throw at('DISTINCT', node);
    if (foldsRows(node['children'])) continue;
    if ((node['filter'] ?? null) !== null) throw at('FILTER', nodeOf(node['filter']));
    const cut = nodesIn(node['children']).find((each) => each['class'] === 'CASE');
    if (cut) throw at('CASE inside of a sum', cut);
  }
  const from = nodeOf(top['from_table']);
  if (from['type'] !== 'BASE_TABLE')
    return withoutAliases(top, columnNames(contract, query), false);
  // The only table needs no name of its own.
  const alone = { ...top, from_table: { ...from, alias: '' } };
  return withoutAliases(alone, columnNames(contract, query), true);
}

/** In another part of time, or another query, other rows would be left out. */
function boundsKeys(contract: Contract, query: Query): boolean {
  return [...rulesOf(contract, query).relations.values()].some(({ columns }) =>
    [...columns.values()].some(({ joinKey }) => joinKey?.rowsPerKey !== undefined),
  );
}

/** What a query groups by, with what an alias or a number stands for in its place. */
export function groupsIn(top: TreeNode, contract: Contract, query: Query): readonly TreeNode[] {
  const { group_expressions: groups } = withoutAliases(top, columnNames(contract, query), false);
  return listOf(groups).map(nodeOf);
}

function columnNames(contract: Contract, { relations }: Query): ReadonlySet<string> {
  const datasets = relations.flatMap((relation) => datasetsOf(contract, relation));
  return new Set(datasets.flatMap(({ columns }) => columns.map(({ name }) => name)));
}

function nodesIn(tree: unknown): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap(nodesIn);
  if (typeof tree !== 'object' || tree === null) return [];
  const node = nodeOf(tree);
  return [node, ...Object.values(node).flatMap(nodesIn)];
}

/** WHERE and groups, with what an alias stands for in its place. */
function withoutAliases(
  top: TreeNode,
  columns: ReadonlySet<string>,
  isUnqualified: boolean,
): TreeNode {
  const items = listOf(top['select_list']).map(nodeOf);
  const replace = (tree: unknown, open: ReadonlySet<TreeNode>): unknown => {
    if (Array.isArray(tree)) return tree.map((each) => replace(each, open));
    if (typeof tree !== 'object' || tree === null) return tree;
    const node = nodeOf(tree);
    if (node['class'] !== 'COLUMN_REF') {
      return Object.fromEntries(
        Object.entries(node).map(([member, value]) => [member, replace(value, open)]),
      );
    }
    const path = listOf(node['column_names']).map((each) => textOf(each).toLowerCase());
    const name = path.at(-1) ?? '';
    // The engine takes a column before an alias.
    const item = items.find((each) => textOf(each['alias']).toLowerCase() === name);
    if (path.length === 1 && item && !columns.has(name)) {
      if (open.has(item)) throw refuse(`alias ${name}`, node);
      return replace({ ...item, alias: '' }, new Set([...open, item]));
    }
    return { ...node, column_names: isUnqualified ? [name] : path };
  };
  const groups = listOf(top['group_expressions']).map((value) => {
    const group = nodeOf(value);
    const place = group['class'] === 'CONSTANT' ? nodeOf(group['value'])['value'] : undefined;
    const item = typeof place === 'number' ? items[place - 1] : undefined;
    return replace(item ? { ...item, alias: '' } : group, new Set(item ? [item] : []));
  });
  return {
    ...top,
    where_clause: replace(top['where_clause'], new Set()),
    group_expressions: groups,
  };
}

async function planOf(
  parser: SqlParser,
  contract: Contract,
  set: QuerySet,
  tops: readonly TreeNode[],
): Promise<SharedRows> {
  const [first, top] = [set[0], tops[0]];
  if (!first || !top) throw refuse('no query');
  for (const [at, each] of tops.entries()) {
    if (shapeOf(each['from_table']) === shapeOf(top['from_table'])) continue;
    throw new StrongroomError('ERR_QUERY_DIFFERENCE', {
      ...refuse('another FROM', nodeOf(each['from_table'])).facts,
      ...{ query: set[at]?.id ?? '', other: first.id },
    });
  }
  const [always] = listOf((await parseOne(parser, 'SELECT true'))['select_list']);
  const items = tops.flatMap((each, at) => [
    { ...nodeOf(each['where_clause'] ?? always), alias: `in ${at}` },
    ...listOf(each['group_expressions']).map((group, index) => ({
      ...nodeOf(group),
      alias: `group ${at}.${index}`,
    })),
  ]);
  const none = { where_clause: null, group_expressions: [], group_sets: [], modifiers: [] };
  const rows = { ...top, ...none, select_list: items };
  await writeTotal(parser, contract, first, rows);
  const { texts, counters, times } = countedIn(contract, set, top);
  const added = texts.length > 0 ? await parseOne(parser, `SELECT ${texts.join(', ')}`) : undefined;
  const all = [...items, ...listOf(added?.['select_list'] ?? [])];
  const sql = await writeOut(parser, makeTotal({ ...rows, select_list: all }));
  const groups = tops.map((each) => listOf(each['group_expressions']).length);
  const minimumRows = Math.max(...set.map(({ disclosure }) => disclosure.minimumGroupRows));
  return { queries: set, sql, groups, counters, times, minimumRows };
}

/** What is known of a row besides: whom it is about, whose it is, and when it was. */
function countedIn(contract: Contract, set: QuerySet, top: TreeNode) {
  const rules = set.map((query) => rulesOf(contract, query));
  const minimum = rules.flatMap(({ limits }) => limits.minimumContributors ?? []);
  const group = Math.max(0, ...minimum.map((each) => each.group));
  const ofOwner = Math.max(1, ...minimum.map((each) => each.ofOwner ?? 1));
  const texts: string[] = [];
  const kinds = nodesIn(top['from_table']).map((node) => node['join_type']);
  const counters: RowCounter[] = [];
  const times: { relation: string }[] = [];
  let contributor = -1;
  for (const node of nodesIn(top['from_table'])) {
    if (node['type'] !== 'BASE_TABLE') continue;
    const relation = textOf(node['table_name']).toLowerCase();
    const table = rules[0]?.relations.get(relation);
    const of = quoted(textOf(node['alias']) || relation);
    if (table?.eventTime !== undefined) {
      texts.push(`${of}.${quoted(table.eventTime)} AS ${quoted(`time ${times.length}`)}`);
      times.push({ relation });
    }
    if (table?.contributor === undefined || group === 0) continue;
    contributor += 1;
    // Who is counted for what a row of theirs has no partner of, only a query by itself can tell.
    if (contributor > 0 && kinds.includes('LEFT')) throw refuse('LEFT join', node);
    texts.push(`${of}.${quoted(table.contributor)} AS ${quoted(`contributor ${contributor}`)}`);
    texts.push(`${of}.${quoted(OWNER_BIT_COLUMN)} AS ${quoted(`owners ${contributor}`)}`);
    counters.push({ contributor, owner: null, minimum: group });
    if (ofOwner === 1) continue;
    for (const owner of table.ownerIndexes) counters.push({ contributor, owner, minimum: ofOwner });
  }
  return { texts, counters, times };
}

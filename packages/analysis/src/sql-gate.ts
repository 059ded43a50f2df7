import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import { type Controls, withControls } from './control-columns.ts';
import { Problems } from './problems.ts';
import { isProtected, querySetOf } from './query-sets.ts';
import { type Judgement, judgeQuery } from './rule-judge.ts';
import { type QueryRules, rulesOf } from './rules.ts';
import { groupsIn } from './shared-rows.ts';
import { parseOne, type SqlParser, tryTotal, writeOut } from './sql-bound.ts';
import { checkModifiers, withTotalOrder } from './sql-order.ts';
import { checkSelect } from './sql-select.ts';
import { listOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/**
 * SQL that passed the gate, written again: with an order that leaves no two results of one group
 * set, and without a place at which the values of a row could make it fail.
 */
export interface CheckedQuery {
  readonly query: Query;
  readonly sql: string;
  /** Where `count(*) AS <groupRowsColumn>` stands among the result columns. */
  readonly groupRowsIndex: number;
  /** Names of the columns that the text can mean; null when it says `*` somewhere. */
  readonly columnNames: ReadonlySet<string> | null;
  readonly controls: Controls;
  /** Every column that it reads, and what for. */
  readonly reads: Judgement['reads'];
  /** Every column that is compared with one of another table. */
  readonly matches: Judgement['matches'];
  readonly weighings: Judgement['weighings'];
  /** Relations of which so many rows of each key are joined at most. */
  readonly boundedKeys: readonly BoundedKey[];
}

export interface BoundedKey {
  readonly relation: string;
  readonly column: string;
  readonly rows: number;
}

/**
 * Decides whether a contract's SQL may run. It judges the tree of the parser that will run it, so
 * that the two cannot disagree about what the text says.
 * @param all is given every problem that can be seen; absent: judging ends where one is found
 * @throws ERR_QUERY_REFUSED naming the query, the place and, where it is known, its position;
 *   ERR_QUERY_AGAINST_RULES, ERR_VAULT_MEMORY; of several problems, the first
 */
export async function checkQuery(
  parser: SqlParser,
  contract: Contract,
  query: Query,
  all?: Problems,
): Promise<CheckedQuery> {
  const problems = all ?? new Problems();
  try {
    const top = await parseOne(parser, query.sql);
    const groupRowsIndex = checkTree(top, contract, query, problems);
    const rules = rulesOf(contract, query);
    if (all?.any) tellRules(top, rules, all);
    problems.demandNone();
    const judgement = judgeQuery(top, rules, problems);
    if (!all) problems.demandNone();
    const ordered = withTotalOrder(top);
    // Of a query with noise the vault runs another text, of the same FROM and WHERE.
    const sql =
      query.privacy === undefined
        ? await tryTotal(parser, contract, query, ordered, problems)
        : await writeOut(parser, ordered);
    problems.demandNone();
    const groups = querySetOf(contract, query) ? groupsIn(top, contract, query) : [];
    const minimumRows = isProtected(contract, query) ? query.disclosure.minimumGroupRows : null;
    const more = { groups, minimumRows };
    const controlled = await withControls(parser, { sql, top }, rules, judgement, more);
    const { controls, reads, matches, weighings } = { ...controlled, ...judgement };
    const columnNames = columnNamesIn(controlled.top);
    const boundedKeys = boundedKeysOf(rules, matches);
    return {
      query,
      sql: controlled.sql,
      groupRowsIndex,
      columnNames,
      controls,
      reads,
      matches,
      weighings,
      boundedKeys,
    };
  } catch (error) {
    // Memory that ran out says nothing about the query, and may be there at the next attempt.
    if (!(error instanceof StrongroomError) || error.code === 'ERR_VAULT_MEMORY') throw error;
    const isRefusal =
      error.code === 'ERR_QUERY_AGAINST_RULES' || error.code === 'ERR_QUERY_REFUSED';
    problems.add(isRefusal ? error : new StrongroomError('ERR_QUERY_REFUSED', error.facts));
    const { code, facts } = problems.all[0] ?? error;
    throw new StrongroomError(code, { ...facts, query: query.id });
  }
}

/** What the rules say of a tree that the gate does not know in all of its parts. */
function tellRules(top: TreeNode, rules: QueryRules, problems: Problems): void {
  const found = new Problems();
  found.collect(() => void judgeQuery(top, rules, found));
  for (const each of found.all) if (each.code === 'ERR_QUERY_AGAINST_RULES') problems.add(each);
}

/** Where `count(*)` stands among the result columns; what is on no list is put to the problems. */
function checkTree(top: TreeNode, contract: Contract, query: Query, problems: Problems): number {
  const columns = columnsOf(contract, query);
  const isPrivate = query.privacy !== undefined;
  const names = { columns, aliases: aliasesIn(top), isPrivate, problems, work: { texts: 0 } };
  const used = new Set<string>();
  const tables = new Map(query.relations.map((relation) => [relation as string, 1]));
  problems.collect(() => {
    checkSelect(top, { names, tables, used, reads: { count: 0 }, depth: 0 });
    checkModifiers(top, names);
  });
  // Of a FROM that is refused, nobody knows what it would have named.
  const isKnown = !problems.any;
  for (const relation of isKnown ? query.relations : []) {
    if (!used.has(relation)) problems.add(refuse(`relation ${relation} is not used`));
  }
  let index = -1;
  problems.collect(() => {
    index = findGroupRows(top, checkResultNames(top), query.disclosure.groupRowsColumn);
  });
  return index;
}
/** With noise the contributor is bounded: a row of one would make room for another's. */
function boundedKeysOf(rules: QueryRules, matches: Judgement['matches']): BoundedKey[] {
  const found = new Map<string, BoundedKey>();
  for (const { relation, column } of rules.hasNoise ? [] : matches.map(({ origin }) => origin)) {
    const rows = rules.relations.get(relation)?.columns.get(column)?.joinKey?.rowsPerKey;
    if (rows !== undefined) found.set(`${relation}.${column}`, { relation, column, rows });
  }
  return [...found.values()];
}

function columnsOf(contract: Contract, query: Query): Map<string, 'number' | 'other'> {
  const columns = new Map<string, 'number' | 'other'>();
  const all = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  for (const { name, type } of all.flatMap((dataset) => dataset.columns)) {
    const isNumber = /^(u?int|float|decimal)/.test(type) && columns.get(name) !== 'other';
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

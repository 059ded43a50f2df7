import type { DuckDBType } from '@duckdb/node-api';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { sessionsAreApart, sharedOutBy, strayIn } from '@strongroom/protocol/slices';
import { coPartitionedRows } from './co-partitioned.ts';
import { demandSameFolds } from './inner-folds.ts';
import { columnRef, Folds, keyName, type Named, tellsSessions } from './partial-folds.ts';
import {
  GroupNames,
  mapMembers,
  type NeedsRows,
  NotMergeable,
  onlyTable,
  spelled,
} from './partial-names.ts';
import { querySetOf } from './query-sets.ts';
import { isFold, quoted } from './rule-scope.ts';
import { OWNER_BIT_COLUMN } from './rules.ts';
import { declarationOf, parseOne, type SqlParser, writeOut } from './sql-bound.ts';
import type { CheckedQuery } from './sql-gate.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';
import { resultTypeOf } from './sql-types.ts';

/**
 * The algebra of partial aggregates. Rows are cut into parts in any way; `partialSql` over each
 * part gives sums, counts, least and greatest values by group, and `mergeSql` over all that these
 * gave is the query's result over all rows: its columns, types, order and every value. Only what
 * does not depend on how the rows were cut is a partial: exact sums, never those of floating-point
 * numbers.
 */
export interface PartialPlan {
  readonly kind: 'partials';
  /** Over the relation's view, one row a group. */
  readonly partialSql: string;
  readonly columns: readonly PartialColumn[];
  /** Over `table`, which holds partials: the same columns, each group once. */
  readonly combineSql: string;
  /** Over `table`: what the query itself gives over the rows. */
  readonly mergeSql: string;
}

export interface PartialColumn {
  /** With a space: no contract can spell it. */
  readonly name: string;
  /** As the engine declares it. */
  readonly type: string;
  readonly role: 'key' | 'sum' | 'count' | 'min' | 'max';
}

export interface PartialOptions {
  /** Of the table of partials, for `combineSql` and `mergeSql`. */
  readonly table: string;
  /**
   * Parts are the slices of the contract, each with all of its rows: those of a join can be all
   * there, and numbers of distinct values add up of the column that rows are shared out by, which
   * contributors are where they are in one slice each. Absent: such a query needs rows.
   */
  readonly isOfSlices?: boolean;
  /** Columns that the view has besides, which partials are told apart by and `mergeSql` is not. */
  readonly moreKeys?: readonly { readonly name: string; readonly type: string }[];
}

/**
 * @param checked by the gate, with its control columns
 * @throws ERR_VAULT_MEMORY
 */
export async function planPartials(
  parser: SqlParser,
  contract: Contract,
  checked: CheckedQuery,
  options: PartialOptions,
): Promise<PartialPlan | NeedsRows> {
  try {
    demandPlain(contract, checked, options);
    const top = await parseOne(parser, checked.sql);
    const { tables, folded } = options.isOfSlices
      ? coPartitionedRows(top, contract, checked.query)
      : { tables: onlyTable(top, contract), folded: [] };
    const names = new GroupNames(top, tables);
    const declared = checked.query.relations.map((relation) =>
      declarationWith(declarationOf(contract, checked.query, relation), options.moreKeys),
    );
    for (const each of folded) await demandSameFolds(parser, declared, each);
    return await planOf(parser, checked, options, { top, names, declared });
  } catch (error) {
    if (error instanceof NotMergeable) return error.need;
    // What cannot be written out or bound in its new form is computed in its old one.
    const isForm = error instanceof StrongroomError && error.code === 'ERR_QUERY_REFUSED';
    if (isForm) return { kind: 'rows', reason: 'form', facts: {} };
    throw error;
  }
}

function demandPlain(
  contract: Contract,
  { query, boundedKeys }: CheckedQuery,
  { isOfSlices = false }: PartialOptions,
): void {
  if (query.privacy) throw new NotMergeable('noise');
  const isApart = isOfSlices && sessionsAreApart(contract, query);
  if (query.window.kind === 'session' && !isApart) throw new NotMergeable('sessions');
  if (querySetOf(contract, query)) throw new NotMergeable('compared');
  for (const { relation, column } of boundedKeys) {
    // All rows of a key are in one slice, where it is what they are shared out by.
    const isShared = sharedOutBy(contract, relation) === column;
    const isWhole = isOfSlices && isShared && !strayIn(contract, [relation]);
    if (!isWhole) throw new NotMergeable('bounded-keys', { relation, column });
  }
}

interface Parsed {
  readonly top: TreeNode;
  readonly names: GroupNames;
  /** Its relations, as tables. */
  readonly declared: readonly string[];
}

async function planOf(
  parser: SqlParser,
  { sql }: CheckedQuery,
  options: PartialOptions,
  { top, names, declared }: Parsed,
): Promise<PartialPlan> {
  const folds = new Folds(names);
  const rewritten = rewrite(top, names, folds);
  const { moreKeys = [], table } = options;
  const keys: Named[] = [
    ...moreKeys.map(({ name }) => ({ name, node: columnRef(name) })),
    ...names.keys.map((node, at) => ({ name: keyName(at), node })),
  ];
  const partialTop = await withGroups(
    parser,
    partialOf(top, names, [...keys, ...folds.found]),
    keys,
  );
  // Sessions have numbers of their own in each part.
  if (tellsSessions(partialTop)) throw new NotMergeable('sessions');
  const partialSql = await writeOut(parser, partialTop);
  const merged = await mergeOf(parser, rewritten, { table, names, folds });
  const mergeSql = await writeOut(parser, merged);
  const types = (await parser.plan(partialSql, declared)).types;
  const roles = [...keys.map(() => 'key' as const), ...folds.found.map(({ role }) => role)];
  const columns = roles.map((role, at): PartialColumn => {
    const name = [...keys, ...folds.found][at]?.name ?? '';
    return { name, role, type: demandExact(types[at]) };
  });
  const direct = (await parser.plan(sql, declared)).types;
  const ofTable = columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ');
  const found = (await parser.plan(mergeSql, [`${quoted(table)} (${ofTable})`])).types;
  if (direct.length === 0 || direct.map(String).join() !== found.map(String).join()) {
    throw new NotMergeable('form');
  }
  return { kind: 'partials', partialSql, columns, combineSql: combineOf(columns, table), mergeSql };
}

/** Everything above the groups: keys and folds are columns of partials there. */
function rewrite(top: TreeNode, names: GroupNames, folds: Folds): TreeNode {
  const within = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(within);
    if (typeof value !== 'object' || value === null) return value;
    const node = nodeOf(value);
    const isFolded = node['class'] === 'FUNCTION' && isFold(textOf(node['function_name']));
    if (isFolded) return folds.placeOf(node);
    const key = names.keyOf(node);
    if (key !== undefined) return { ...columnRef(keyName(key)), alias: node['alias'] };
    if (node['class'] === 'COLUMN_REF') return demandAlias(node, names);
    return mapMembers(node, within);
  };
  const items = listOf(top['select_list']).map(nodeOf);
  const modifiers = listOf(top['modifiers']).map((modifier) =>
    // An order by a bare name means the result column of that name, if there is one.
    mapMembers(nodeOf(modifier), (each, member) =>
      member === 'orders' ? listOf(each).map((order) => rewriteOrder(order, names, within)) : each,
    ),
  );
  return {
    ...top,
    select_list: items.map((item) => withName(nodeOf(within(item)), item, names)),
    having: within(top['having']),
    modifiers,
  };
}

function rewriteOrder(
  order: unknown,
  names: GroupNames,
  within: (value: unknown) => unknown,
): TreeNode {
  return mapMembers(nodeOf(order), (each, member) => {
    if (member !== 'expression') return each;
    const node = nodeOf(each);
    // A number counts to a result column.
    return node['class'] === 'CONSTANT' || names.isAlias(node) ? node : within(node);
  });
}

/** A result column that is a column has its name without being given one. */
function withName(node: TreeNode, item: TreeNode, { tables }: GroupNames): TreeNode {
  if (item['alias'] !== '') return node;
  const alias = spelled(item, tables);
  if (alias === undefined) throw new NotMergeable('names');
  return { ...node, alias };
}

function demandAlias(node: TreeNode, names: GroupNames): TreeNode {
  if (names.isColumn(node) || !names.isAlias(node)) throw new NotMergeable('names');
  return node;
}

function partialOf(top: TreeNode, names: GroupNames, items: readonly Named[]): TreeNode {
  const where = top['where_clause'] === null ? null : names.expand(nodeOf(top['where_clause']));
  return {
    ...top,
    select_list: items.map(({ name, node }) => ({ ...node, alias: name })),
    where_clause: where,
    having: null,
    modifiers: [],
  };
}

/** Groups by the first columns. */
async function withGroups(
  parser: SqlParser,
  top: TreeNode,
  { length }: { readonly length: number },
): Promise<TreeNode> {
  const places = Array.from({ length }, (_none, at) => at + 1).join(', ');
  const form = await parseOne(parser, `SELECT 1${length > 0 ? ` GROUP BY ${places}` : ''}`);
  const { group_expressions, group_sets } = form;
  return { ...top, group_expressions, group_sets };
}

/** The query above its groups, over partials. */
async function mergeOf(
  parser: SqlParser,
  rewritten: TreeNode,
  { table, names, folds }: { table: string; names: GroupNames; folds: Folds },
): Promise<TreeNode> {
  const merges = folds.found.map(({ merge }) => merge).join(', ');
  const keys = names.keys.map((_node, at) => quoted(keyName(at))).join(', ');
  const groups = keys === '' ? '' : ` GROUP BY ${keys}`;
  const form = await parseOne(parser, `SELECT ${merges} FROM ${quoted(table)}${groups}`);
  const made = new Map(
    listOf(form['select_list']).map((node, at) => [folds.found[at]?.name, nodeOf(node)]),
  );
  const replace = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(replace);
    if (typeof value !== 'object' || value === null) return value;
    const node = nodeOf(value);
    const [name] = node['class'] === 'COLUMN_REF' ? listOf(node['column_names']) : [];
    const merge = typeof name === 'string' ? made.get(name) : undefined;
    return merge ? { ...merge, alias: node['alias'] } : mapMembers(node, replace);
  };
  const { select_list, having, modifiers, type } = rewritten;
  return { ...form, ...nodeOf(replace({ select_list, having, modifiers })), type };
}

/** Partials of `table` by these keys alone, whatever else they are told apart by there. */
export function combineOf(columns: readonly PartialColumn[], table: string): string {
  const items = columns.map(({ name, role, type }) => {
    if (role === 'key') return quoted(name);
    // Where there is no group, and no partial, the number of rows is known all the same.
    const added =
      role === 'count' ? `coalesce(sum(${quoted(name)}), 0)` : `${role}(${quoted(name)})`;
    return `${added}::${type} AS ${quoted(name)}`;
  });
  const keys = columns.flatMap(({ name, role }) => (role === 'key' ? [quoted(name)] : []));
  const groups = keys.length === 0 ? '' : ` GROUP BY ${keys.join(', ')}`;
  return `SELECT ${items.join(', ')} FROM ${quoted(table)}${groups}`;
}

/** A type whose values add up, and compare, in whatever order they come. */
function demandExact(type: DuckDBType | undefined): string {
  const name = type && resultTypeOf(type);
  if (!type || name === undefined) throw new NotMergeable('form');
  if (name === 'FLOAT' || name === 'DOUBLE') throw new NotMergeable('floating-point');
  return name === 'SQLNULL' ? 'INTEGER' : String(type);
}

function declarationWith(declaration: string, more: PartialOptions['moreKeys'] = []): string {
  const own = [{ name: OWNER_BIT_COLUMN, type: 'UBIGINT' }, ...more];
  const added = own.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ');
  return `${declaration.slice(0, -1)}, ${added})`;
}

import { type AnalysisRules, stricterOf } from '@strongroom/protocol/analysis-rules';
import { type ColumnContract, type Contract, datasetsOf } from '@strongroom/protocol/contract';
import type { PartyId } from '@strongroom/protocol/fields';
import { isMembership } from './sql-membership.ts';
import { absent, conditionsIn, listOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/**
 * The tables of a query with noise, and that they are joined by the contributor. What one of them
 * can change is known where every row of a FROM is about one contributor, and where it depends on
 * no other one's rows that it is there. So wherever two sides that have contributors meet (joins of
 * all kinds, IN, EXISTS), a contributor of one is compared with one of the other, in that very
 * place: an equality inside of a LEFT or an ANTI join says nothing of the rows that it keeps.
 */

/** A table of the FROM: rows of a relation, under the strictest rules of its owners. */
export interface Table {
  readonly alias: string;
  readonly relation: string;
  readonly owners: readonly PartyId[];
  readonly columns: readonly ColumnContract[];
  readonly rules: AnalysisRules;
  readonly contributor: string | undefined;
  /** Its rows only decide over those of others: behind SEMI, ANTI, IN and EXISTS. */
  readonly isHidden: boolean;
}

/**
 * In the order of the text.
 * @throws ERR_QUERY_REFUSED
 */
export function tablesIn(top: TreeNode, contract: Contract): Table[] {
  const from = tablesOf(top['from_table'], contract);
  if (!from.some(isAboutSomebody)) throw refuse('noise over rows without a contributor', top);
  const isWhole = !hasLeftJoin(top['from_table']);
  const behind = tablesBehind(top['where_clause'], { tables: from, isWhole }, contract);
  return [...from, ...behind];
}

/** Relations of which a join multiplies one contributor's rows with its rows of another one. */
export function multipliedIn(tables: readonly Table[]) {
  const found = new Map<string, string>();
  const joined = tables.filter(isAboutSomebody);
  for (const { relation, contributor } of joined.length > 1 ? joined : []) {
    if (contributor !== undefined) found.set(relation, contributor);
  }
  return [...found].map(([relation, contributor]) => ({ relation, contributor }));
}

function tablesOf(value: unknown, contract: Contract): Table[] {
  const node = nodeOf(value);
  if (node['type'] !== 'JOIN') return [tableOf(node, contract)];
  const left = tablesOf(node['left'], contract);
  const right = tablesOf(node['right'], contract);
  const twice = right.find(({ alias }) => left.some((table) => table.alias === alias));
  if (twice) throw refuse(twice.alias, node);
  const kind = textOf(node['join_type']);
  const isSemi = kind === 'SEMI' || kind === 'ANTI';
  // Rows of reference data that stay or go by other people's rows are about all of these.
  const isDecided = isSemi && right.some(isAboutSomebody);
  if (isDecided && !left.some(isAboutSomebody)) {
    throw refuse(`${kind} of rows without a contributor`, node);
  }
  if (left.some(isAboutSomebody) && right.some(isAboutSomebody)) demandTie(node, left, right);
  return [...left, ...(isSemi ? right.map(hidden) : right)];
}

function tableOf(node: TreeNode, contract: Contract): Table {
  if (node['type'] !== 'BASE_TABLE') throw refuse('noise over a subquery', node);
  const relation = textOf(node['table_name']).toLowerCase();
  const alias = textOf(node['alias']).toLowerCase() || relation;
  const datasets = datasetsOf(contract, relation);
  const rules = datasets.map((dataset) => dataset.rules).reduce(stricterOf);
  const [first] = datasets;
  if (!rules || !first) throw refuse(`rules of ${relation}`, node);
  const contributor = Object.keys(rules.columns).find((name) => rules.columns[name]?.contributor);
  const owners = datasets.map(({ owner }) => owner);
  return { alias, relation, owners, columns: first.columns, rules, contributor, isHidden: false };
}

/** USING or one of the equalities in ON compares a contributor of both sides. */
function demandTie(node: TreeNode, left: readonly Table[], right: readonly Table[]): void {
  const isUsed = listOf(node['using_columns'])
    .map((name) => textOf(name).toLowerCase())
    .some((name) => isContributor(name, left) && isContributor(name, right));
  if (isUsed || isTied(node['condition'], left, right)) return;
  throw refuse('a join that does not compare the contributors of both sides', node);
}

/** A column by a name without a qualifier, of however many tables. */
function isContributor(name: string, tables: readonly Table[]): boolean {
  const having = tables.filter((table) => !table.isHidden && hasColumn(table, name));
  return having.length > 0 && having.every(({ contributor }) => contributor === name);
}

function isTied(condition: unknown, one: readonly Table[], other: readonly Table[]): boolean {
  return equalitiesIn(condition).some(
    ([a, b]) =>
      (namesContributor(a, one, other) && namesContributor(b, other, one)) ||
      (namesContributor(a, other, one) && namesContributor(b, one, other)),
  );
}

/** @param others in which the same name would mean another column */
function namesContributor(
  ref: TreeNode,
  tables: readonly Table[],
  others: readonly Table[],
): boolean {
  const [found, ...more] = meaningsOf(ref, [...tables, ...others]);
  if (!found || more.length > 0) return false;
  const [table, name] = found;
  return tables.includes(table) && table.contributor === name;
}

interface Outer {
  readonly tables: readonly Table[];
  /** Every contributor of a row is known: no LEFT join leaves any out. */
  readonly isWhole: boolean;
}

/** The tables behind IN and EXISTS, each tied to the rows that it decides over. */
function tablesBehind(value: unknown, outer: Outer, contract: Contract): Table[] {
  return conditionsIn(value)
    .filter(isMembership)
    .flatMap((each) => tablesBehindOne(each, outer, contract));
}

function tablesBehindOne(node: TreeNode, outer: Outer, contract: Contract): Table[] {
  const isNegated = node['type'] === 'OPERATOR_NOT';
  const subquery = isNegated ? nodeOf(listOf(node['children'])[0]) : node;
  const inner = nodeOf(nodeOf(subquery['subquery'])['node']);
  if (listOf(nodeOf(inner['cte_map'])['map']).length > 0) throw refuse('noise over WITH', inner);
  absent(inner, ['group_expressions', 'having']);
  const tables = tablesOf(inner['from_table'], contract);
  const isExists = subquery['subquery_type'] === 'EXISTS';
  const isWhole = outer.isWhole && !hasLeftJoin(inner['from_table']);
  if (tables.some(isAboutSomebody)) {
    const where = inner['where_clause'];
    const tied = isExists ? isTied(where, outer.tables, tables) : isInTied(subquery, outer, tables);
    if (!tied) throw refuse('a subquery that does not compare the contributors', subquery);
    // NULL among what is compared would decide over every row, whoever it is about.
    if (isNegated && !isExists && !isWhole) {
      throw refuse('NOT IN beside a LEFT join: NOT EXISTS says the same', subquery);
    }
  }
  const within = isExists ? [...tables, ...outer.tables] : tables;
  const deeper = tablesBehind(inner['where_clause'], { tables: within, isWhole }, contract);
  return [...tables, ...deeper].map(hidden);
}

function isInTied(subquery: TreeNode, outer: Outer, tables: readonly Table[]): boolean {
  const [item] = listOf(nodeOf(nodeOf(subquery['subquery'])['node'])['select_list']);
  return (
    namesContributor(nodeOf(subquery['child']), outer.tables, []) &&
    namesContributor(nodeOf(item), tables, [])
  );
}

function hasLeftJoin(value: unknown): boolean {
  const node = nodeOf(value);
  if (node['type'] !== 'JOIN') return false;
  return node['join_type'] === 'LEFT' || hasLeftJoin(node['left']) || hasLeftJoin(node['right']);
}

function equalitiesIn(value: unknown): [TreeNode, TreeNode][] {
  return conditionsIn(value).flatMap((node): [TreeNode, TreeNode][] => {
    if (node['type'] !== 'COMPARE_EQUAL') return [];
    const sides = [nodeOf(node['left']), nodeOf(node['right'])] as const;
    return sides.every((side) => side['class'] === 'COLUMN_REF') ? [[...sides]] : [];
  });
}

function isAboutSomebody({ contributor, isHidden }: Table): boolean {
  return contributor !== undefined && !isHidden;
}

function hidden(table: Table): Table {
  return { ...table, isHidden: true };
}

function hasColumn({ columns }: Table, name: string): boolean {
  return columns.some((column) => column.name === name);
}

/** The table and column that a reference means; without a qualifier the first that has it. */
export function resolve(ref: TreeNode, tables: readonly Table[]): [Table, string] | undefined {
  return meaningsOf(ref, tables)[0];
}

function meaningsOf(ref: TreeNode, tables: readonly Table[]): [Table, string][] {
  const path = listOf(ref['column_names']).map((part) => textOf(part).toLowerCase());
  const name = path.at(-1) ?? '';
  return tables
    .filter((table) => !table.isHidden && (path.length === 1 || table.alias === path[0]))
    .filter((table) => hasColumn(table, name))
    .map((table) => [table, name]);
}

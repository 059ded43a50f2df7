import { SUM_CONDITIONS_MAX } from '@strongroom/protocol/limits';
import type { Judgement } from './rule-judge.ts';
import { type Contributor, isFold, quoted } from './rule-scope.ts';
import { domainText, type QueryRules } from './rules.ts';
import { parseOne, type SqlParser, writeOut } from './sql-bound.ts';
import { LOSES_VALUES, PATTERN_FUNCTIONS } from './sql-lists.ts';
import { withTotalOrder } from './sql-order.ts';
import { makeTotal } from './sql-total.ts';
import { listOf, textOf as nameOf, nodeOf, refuse, shapeOf, type TreeNode } from './sql-tree.ts';
import { isTotalCast, typeFrom } from './sql-types.ts';

/**
 * What decides over each group of a result, by the rules of all owners. The counts stand in columns
 * that are added behind the query's own and never leave.
 */
export interface Controls {
  /** The result column that is the first of ours; null while none is added. */
  readonly firstIndex: number | null;
  /** Distinct contributors: of one table, together or of one owner. */
  readonly counts: readonly GroupCount[];
  /**
   * Rows and contributors of parts of the group: those that a FILTER or CASE inside of a sum tells
   * from the rest, whose number or sum is then known by itself.
   */
  readonly parts: readonly GroupCount[];
  /** Result columns that may hold these values alone, as `domainText` writes them. */
  readonly domains: readonly { readonly index: number; readonly values: ReadonlySet<string> }[];
  readonly maximumGroups: number;
  /** Columns that say which group it is, where results of several queries are compared. */
  readonly groups: readonly number[];
}

interface GroupCount {
  readonly index: number;
  readonly minimum: number;
}

/** What is added where more is asked of a group than that it is large. */
export interface MoreControls {
  /** What the query groups by, where its results are compared with others. */
  readonly groups: readonly TreeNode[];
  /** Of parts of a group; null where they may be small. */
  readonly minimumRows: number | null;
}

interface Sql {
  readonly sql: string;
  readonly top: TreeNode;
}

/**
 * Adds the columns that count contributors: hidden ones, which carry them through inner selects,
 * and the counts of each group. The text of the changed tree runs only if it is read as that tree.
 * @param sql of the query alone, which was judged as the engine binds it
 * @throws ERR_QUERY_REFUSED
 */
export async function withControls(
  parser: SqlParser,
  { sql, top }: Sql,
  rules: QueryRules,
  judgement: Judgement,
  more: MoreControls,
): Promise<Sql & { controls: Controls }> {
  const domains = judgement.domains.map(({ index, origin }) => {
    const rule = rules.relations.get(origin.relation)?.columns.get(origin.column);
    return { index, values: new Set((rule?.dimension?.values ?? []).map(domainText)) };
  });
  const maximumGroups = rules.limits.maximumGroups ?? Number.POSITIVE_INFINITY;
  const columns = countColumns(rules, judgement, []);
  const parts =
    more.minimumRows === null
      ? []
      : (await partsIn(parser, top, rules)).flatMap((part) => [
          { text: `count(*) FILTER (WHERE ${part})`, minimum: more.minimumRows ?? 1 },
          ...countColumns(rules, judgement, [part]),
        ]);
  const all = [...columns, ...parts];
  const own = { domains, maximumGroups };
  if (all.length + more.groups.length === 0) {
    const none = { firstIndex: null, counts: [], parts: [], groups: [] };
    return { sql, top, controls: { ...none, ...own } };
  }
  refuseUnsafe(top);
  const ours = [
    ...all.map(({ text }, index) => `${text} AS ${quoted(`count ${index}`)}`),
    ...more.groups.map((node, at) => ({ ...node, alias: `group ${at}` })),
  ];
  const added = new Map<TreeNode, Items>([...judgement.hidden, [top, ours]]);
  const changed = nodeOf(await withItems(parser, top, added));
  const text = await writeOut(parser, makeTotal(withTotalOrder(changed)));
  const firstIndex = listOf(top['select_list']).length;
  const found = all.map(({ minimum }, index) => ({ index: firstIndex + index, minimum }));
  const groups = more.groups.map((_node, at) => firstIndex + all.length + at);
  const counts = found.slice(0, columns.length);
  const controls = { firstIndex, counts, parts: found.slice(columns.length), groups, ...own };
  return { sql: text, top: changed, controls };
}

/**
 * Parts of a group that its sums tell apart: by every condition inside of them, met or not, so that
 * no difference of two such sums is over fewer either.
 */
async function partsIn(parser: SqlParser, top: TreeNode, rules: QueryRules): Promise<string[]> {
  const conditions = new Map<string, TreeNode>();
  const folding = [top['select_list'], top['having'], top['modifiers']];
  for (const condition of [...conditionsIn(folding), ...gapsIn(folding, rules)]) {
    conditions.set(shapeOf({ ...condition, alias: '' }), condition);
  }
  if (conditions.size > SUM_CONDITIONS_MAX) throw refuse('more conditions inside of sums', top);
  let parts: string[] = [];
  for (const condition of conditions.values()) {
    const text = await textOf(parser, condition);
    // What is neither true nor false is not met.
    const both = [`(${text})`, `(CASE WHEN ${text} THEN 1 ELSE 0 END) = 0`];
    parts = both.flatMap((one) =>
      parts.length === 0 ? [one] : parts.map((part) => `${part} AND ${one}`),
    );
  }
  return parts;
}

/** What FILTER, CASE and comparisons ask, inside of functions over rows. */
function conditionsIn(tree: unknown, isInside = false): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap((each) => conditionsIn(each, isInside));
  if (typeof tree !== 'object' || tree === null) return [];
  const node = nodeOf(tree);
  if (node['class'] === 'FUNCTION' && isFold(nameOf(node['function_name']))) {
    const filter = (node['filter'] ?? null) === null ? [] : [nodeOf(node['filter'])];
    return [...filter, ...conditionsIn(node['children'], true)];
  }
  if (isInside && node['class'] === 'CASE') {
    const checks = listOf(node['case_checks']).map(nodeOf);
    const results = [...checks.map((check) => check['then_expr']), node['else_expr']];
    return [...checks.map((check) => nodeOf(check['when_expr'])), ...conditionsIn(results, true)];
  }
  if (isInside && isCondition(node)) return [node];
  return Object.values(node).flatMap((each) => conditionsIn(each, isInside));
}

/** Functions of a pattern compare with it. */
function isCondition({ type, function_name }: TreeNode): boolean {
  return COMPARES.test(`${type}`) || PATTERN_FUNCTIONS.has(`${function_name}`);
}

/** Whether there is anything to fold, where an expression has no result for some values. */
function gapsIn(tree: unknown, rules: QueryRules): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap((each) => gapsIn(each, rules));
  if (typeof tree !== 'object' || tree === null) return [];
  const node = nodeOf(tree);
  if (node['class'] !== 'FUNCTION' || !isFold(nameOf(node['function_name']))) {
    return Object.values(node).flatMap((each) => gapsIn(each, rules));
  }
  return listOf(node['children'])
    .filter((each) => hasGaps(each, rules))
    .map((each) => ({ ...IS_NULL, children: [each] }));
}

const IS_NULL = { alias: '', query_location: -1, class: 'OPERATOR', type: 'OPERATOR_IS_NULL' };

function hasGaps(tree: unknown, rules: QueryRules): boolean {
  if (Array.isArray(tree)) return tree.some((each) => hasGaps(each, rules));
  if (typeof tree !== 'object' || tree === null) return false;
  const node = nodeOf(tree);
  const name = node['class'] === 'FUNCTION' ? nameOf(node['function_name']) : '';
  const isOne = LOSES_VALUES.has(name) || node['type'] === 'OPERATOR_TRY';
  if (isOne || (node['class'] === 'CAST' && isGappy(node, rules))) return true;
  return Object.values(node).some((each) => hasGaps(each, rules));
}

/** A cast that some values of a column have no place in. */
function isGappy({ child, cast_type }: TreeNode, { relations }: QueryRules): boolean {
  const of = nodeOf(child);
  const to = typeFrom(cast_type);
  if (of['class'] === 'CONSTANT' || isCondition(of) || to.id === 'DOUBLE') {
    return false;
  }
  const name =
    of['class'] === 'COLUMN_REF' ? nameOf(listOf(of['column_names']).at(-1)).toLowerCase() : '';
  const types = [...relations.values()].flatMap((each) => each.types.get(name) ?? []);
  return types.length === 0 || !types.every((from) => isTotalCast(from, to));
}

const COMPARES = /^COMPARE_|^CONJUNCTION_|^OPERATOR_(NOT|IS_NULL|IS_NOT_NULL)$/;

/** The condition as SQL, as the engine writes it. */
async function textOf(parser: SqlParser, condition: TreeNode): Promise<string> {
  const select = await parseOne(parser, 'SELECT true');
  const one = { ...select, select_list: [{ ...condition, alias: '' }] };
  const written = await writeOut(parser, makeTotal(one));
  return written.replace(/^SELECT /, '').replace(/;$/, '');
}

/** For each use of a table with contributors: how many there are, and how many of each owner. */
function countColumns(
  { limits, relations, hasNoise }: QueryRules,
  { contributors, absences }: Pick<Judgement, 'contributors' | 'absences'>,
  /** SQL that a row has to meet to be counted. */
  always: readonly string[],
): { text: string; minimum: number }[] {
  const minimum = limits.minimumContributors;
  if (!minimum || hasNoise) return [];
  const ofOwner = minimum.ofOwner ?? 1;
  const counts = ({ relation, value, bits }: Contributor, conditions: readonly string[]) => {
    const counted = (...more: string[]) => {
      const all = [...always, ...conditions, ...more].join(' AND ');
      return `count(DISTINCT ${value})${all === '' ? '' : ` FILTER (WHERE ${all})`}`;
    };
    const owners = relations.get(relation)?.ownerIndexes ?? [];
    const least = owners.length === 1 ? Math.max(minimum.group, ofOwner) : minimum.group;
    const perOwner = owners.map((index) => ({
      text: counted(`((${bits} >> ${index}::UBIGINT) & 1::UBIGINT) <> 0`),
      minimum: ofOwner,
    }));
    const isPerOwner = owners.length !== 1 && ofOwner > 1;
    return [{ text: counted(), minimum: least }, ...(isPerOwner ? perOwner : [])];
  };
  return [
    ...contributors.flatMap((contributor) => counts(contributor, [])),
    ...absences.flatMap(({ of, without }) => counts(of, [`${without.value} IS NULL`])),
  ];
}

/** A copy of the tree in which these selects have more items. */
async function withItems(
  parser: SqlParser,
  tree: unknown,
  added: ReadonlyMap<TreeNode, Items>,
): Promise<unknown> {
  if (Array.isArray(tree)) {
    const copies: unknown[] = [];
    for (const item of tree) copies.push(await withItems(parser, item, added));
    return copies;
  }
  if (typeof tree !== 'object' || tree === null) return tree;
  const node = nodeOf(tree);
  const copy: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(node)) {
    copy[name] = await withItems(parser, member, added);
  }
  const items = added.get(node);
  if (!items) return copy;
  const more: unknown[] = [];
  for (const item of items) {
    if (typeof item !== 'string') more.push(item);
    else more.push(...listOf((await parseOne(parser, `SELECT ${item}`))['select_list']));
  }
  return { ...copy, select_list: [...listOf(copy['select_list']), ...more] };
}

/** As text, or as a part of the tree that stands there a second time. */
type Items = readonly (string | TreeNode)[];

/** A name with a space could be taken for one of ours. */
function refuseUnsafe(tree: unknown): void {
  if (Array.isArray(tree)) {
    for (const item of tree) refuseUnsafe(item);
  } else if (typeof tree === 'object' && tree !== null) {
    const node = nodeOf(tree);
    const { alias } = node;
    if (typeof alias === 'string' && /\s/.test(alias)) throw refuse('a name with a space', node);
    for (const member of Object.values(node)) refuseUnsafe(member);
  }
}

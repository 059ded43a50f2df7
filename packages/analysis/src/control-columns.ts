import type { Judgement } from './rule-judge.ts';
import { type Contributor, quoted } from './rule-scope.ts';
import { domainText, type QueryRules } from './rules.ts';
import { parseOne, type SqlParser, writeOut } from './sql-bound.ts';
import { withTotalOrder } from './sql-order.ts';
import { makeTotal } from './sql-total.ts';
import { listOf, nodeOf, refuse, type TreeNode } from './sql-tree.ts';

/**
 * What decides over each group of a result, by the rules of all owners. The counts stand in columns
 * that are added behind the query's own and never leave.
 */
export interface Controls {
  /** The result column that is the first of ours; null while none is added. */
  readonly firstIndex: number | null;
  /** Distinct contributors: of one table, together or of one owner. */
  readonly counts: readonly { readonly index: number; readonly minimum: number }[];
  /** Result columns that may hold these values alone, as `domainText` writes them. */
  readonly domains: readonly { readonly index: number; readonly values: ReadonlySet<string> }[];
  readonly maximumGroups: number;
  /** Columns that say which group it is, where results of several queries are compared. */
  readonly groups: readonly number[];
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
  groupNodes: readonly TreeNode[],
): Promise<Sql & { controls: Controls }> {
  const domains = judgement.domains.map(({ index, origin }) => {
    const rule = rules.relations.get(origin.relation)?.columns.get(origin.column);
    return { index, values: new Set((rule?.dimension?.values ?? []).map(domainText)) };
  });
  const maximumGroups = rules.limits.maximumGroups ?? Number.POSITIVE_INFINITY;
  const columns = countColumns(rules, judgement);
  const own = { domains, maximumGroups };
  if (columns.length + groupNodes.length === 0) {
    return { sql, top, controls: { firstIndex: null, counts: [], groups: [], ...own } };
  }
  refuseUnsafe(top);
  const items = groupNodes.map((node, at) => ({ ...node, alias: `group ${at}` }));
  const ours = [...columns.map(({ text }) => text), ...items];
  const added = new Map<TreeNode, Items>([...judgement.hidden, [top, ours]]);
  const changed = nodeOf(await withItems(parser, top, added));
  const text = await writeOut(parser, makeTotal(withTotalOrder(changed)));
  const firstIndex = listOf(top['select_list']).length;
  const counts = columns.map(({ minimum }, index) => ({ index: firstIndex + index, minimum }));
  const groups = groupNodes.map((_node, at) => firstIndex + columns.length + at);
  return { sql: text, top: changed, controls: { firstIndex, counts, groups, ...own } };
}

/** For each use of a table with contributors: how many there are, and how many of each owner. */
function countColumns(
  { limits, relations, hasNoise }: QueryRules,
  { contributors, absences }: Pick<Judgement, 'contributors' | 'absences'>,
): { text: string; minimum: number }[] {
  const minimum = limits.minimumContributors;
  if (!minimum || hasNoise) return [];
  const ofOwner = minimum.ofOwner ?? 1;
  const counts = ({ relation, value, bits }: Contributor, conditions: readonly string[]) => {
    const counted = (...more: string[]) => {
      const all = [...conditions, ...more].join(' AND ');
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
  const columns = [
    ...contributors.flatMap((contributor) => counts(contributor, [])),
    ...absences.flatMap(({ of, without }) => counts(of, [`${without.value} IS NULL`])),
  ];
  return columns.map(({ text, ...rest }, index) => ({
    ...rest,
    text: `${text} AS ${quoted(`contributors ${index}`)}`,
  }));
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

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
): Promise<Sql & { controls: Controls }> {
  const domains = judgement.domains.map(({ index, origin }) => {
    const rule = rules.relations.get(origin.relation)?.columns.get(origin.column);
    return { index, values: new Set((rule?.dimension?.values ?? []).map(domainText)) };
  });
  const maximumGroups = rules.limits.maximumGroups ?? Number.POSITIVE_INFINITY;
  const columns = countColumns(rules, judgement.contributors);
  if (columns.length === 0) {
    return { sql, top, controls: { firstIndex: null, counts: [], domains, maximumGroups } };
  }
  refuseUnsafe(top);
  const added = new Map([...judgement.hidden, [top, columns.map(({ text }) => text)] as const]);
  const changed = nodeOf(await withItems(parser, top, added));
  const text = await writeOut(parser, makeTotal(withTotalOrder(changed)));
  const firstIndex = listOf(top['select_list']).length;
  const counts = columns.map(({ minimum }, index) => ({ index: firstIndex + index, minimum }));
  return { sql: text, top: changed, controls: { firstIndex, counts, domains, maximumGroups } };
}

/** For each use of a table with contributors: how many there are, and how many of each owner. */
function countColumns(
  { limits, relations, hasNoise }: QueryRules,
  contributors: readonly Contributor[],
): { text: string; minimum: number }[] {
  const minimum = limits.minimumContributors;
  if (!minimum || hasNoise) return [];
  const ofOwner = minimum.ofOwner ?? 1;
  const columns = contributors.flatMap(({ relation, value, bits }) => {
    const text = `count(DISTINCT ${value})`;
    const owners = relations.get(relation)?.ownerIndexes ?? [];
    if (owners.length === 1) return [{ text, minimum: Math.max(minimum.group, ofOwner) }];
    const perOwner = owners.map((index) => ({
      text: `${text} FILTER (WHERE ((${bits} >> ${index}::UBIGINT) & 1::UBIGINT) <> 0)`,
      minimum: ofOwner,
    }));
    return [{ text, minimum: minimum.group }, ...(ofOwner > 1 ? perOwner : [])];
  });
  return columns.map(({ text, ...rest }, index) => ({
    ...rest,
    text: `${text} AS ${quoted(`contributors ${index}`)}`,
  }));
}

/** A copy of the tree in which these selects have more items. */
async function withItems(
  parser: SqlParser,
  tree: unknown,
  added: ReadonlyMap<TreeNode, readonly string[]>,
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
  const written = await parseOne(parser, `SELECT ${items.join(', ')}`);
  return {
    ...copy,
    select_list: [...listOf(copy['select_list']), ...listOf(written['select_list'])],
  };
}

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

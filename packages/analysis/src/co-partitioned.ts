import { type Contract, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { sharedOutBy, strayIn } from '@strongroom/protocol/slices';
import { type NamedTable, NotMergeable, tableOf } from './partial-names.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';

/**
 * Joins of which each slice can do its part. Where rows of all tables are shared out to streams by
 * one column each, alike, and every join compares two of these columns, rows that match are in one
 * slice: both have the value, and neither column has nulls but where a LEFT join found no partner.
 * So the rows of a join are those of its slices, each once, join by join from the inside: matched
 * ones are where their value is, and whether a row has a partner at all (LEFT, SEMI, ANTI) is known
 * where it lies. Whatever else an ON says chooses among these.
 */

/**
 * The tables that names above a FROM can mean.
 * @throws NotMergeable where rows that match may be in two slices, or not be told at all
 */
export function coPartitionedTables(
  from: TreeNode,
  contract: Contract,
  { window }: Pick<Query, 'window'>,
): readonly NamedTable[] {
  if (from['type'] !== 'JOIN') return [tableOf(from, contract)];
  const all = tablesOf(from, contract);
  const qualifiers = new Set(all.map(({ qualifier }) => qualifier));
  if (qualifiers.size < all.length) throw new NotMergeable('names');
  demandShared(
    all.map(({ relation }) => relation),
    contract,
  );
  const tables = compared(from, contract);
  const untimed = window.kind === 'whole' ? undefined : untimedIn(from, contract);
  if (untimed) throw new NotMergeable('join-without-event-time', { relation: untimed.relation });
  return tables;
}

function tablesOf(from: TreeNode, contract: Contract): NamedTable[] {
  if (from['type'] !== 'JOIN') return [tableOf(from, contract)];
  return ['left', 'right'].flatMap((side) => tablesOf(nodeOf(from[side]), contract));
}

/** Equal values are in one slice, whichever table they are in. */
function demandShared(relations: readonly string[], contract: Contract): void {
  for (const relation of relations) {
    if (sharedOutBy(contract, relation) !== undefined) continue;
    throw new NotMergeable('join-not-shared-out', { relation });
  }
  const stray = strayIn(contract, relations);
  if (!stray) return;
  const { dataset, by } = stray;
  throw new NotMergeable(by === 'type' ? 'join-other-type' : 'join-other-slices', { dataset });
}

/** Every join of the tree compares columns that rows are shared out by; the tables it leaves. */
function compared(from: TreeNode, contract: Contract): readonly NamedTable[] {
  if (from['type'] !== 'JOIN') return [tableOf(from, contract)];
  const left = compared(nodeOf(from['left']), contract);
  const right = compared(nodeOf(from['right']), contract);
  const kind = textOf(from['join_type']);
  if (from['ref_type'] !== 'REGULAR' || !KINDS.has(kind)) throw new NotMergeable('join');
  const sides = [left, right] as const;
  if (!usesShares(from, sides, contract) && !equatesShares(from['condition'], sides, contract)) {
    const [first] = right;
    throw new NotMergeable('join-other-columns', first && { relation: first.relation });
  }
  return kind === 'SEMI' || kind === 'ANTI' ? left : [...left, ...right];
}

/**
 * A slice tells a window if it has a row of it, so that every row of a join has one of a table with
 * an event time. Else: whose rows may be there alone.
 */
function untimedIn(from: TreeNode, contract: Contract): NamedTable | undefined {
  if (from['type'] !== 'JOIN') {
    const table = tableOf(from, contract);
    const [dataset] = datasetsOf(contract, table.relation);
    return dataset?.eventTime === undefined ? table : undefined;
  }
  const left = untimedIn(nodeOf(from['left']), contract);
  const hasPartner = MATCHED.has(textOf(from['join_type']));
  const isTimed = hasPartner && untimedIn(nodeOf(from['right']), contract) === undefined;
  return isTimed ? undefined : left;
}

/** Joins of which a row is of both sides. */
const MATCHED: ReadonlySet<string> = new Set(['INNER', 'SEMI']);

/** Those for which the claim above was proven; one that is new to the gate is not. */
const KINDS: ReadonlySet<string> = new Set(['INNER', 'LEFT', 'SEMI', 'ANTI']);

type Sides = readonly [readonly NamedTable[], readonly NamedTable[]];

/** USING of a name that, in whichever table of a side it is looked up, is its shared column. */
function usesShares(from: TreeNode, sides: Sides, contract: Contract): boolean {
  return listOf(from['using_columns'])
    .map((name) => textOf(name).toLowerCase())
    .some((name) =>
      sides.every((side) => {
        const having = side.filter(({ columns }) => columns.has(name));
        const areShared = having.every((table) => isShared(table, name, contract));
        return having.length > 0 && areShared;
      }),
    );
}

/** One of the equalities that must all hold is of two such columns, one of each side. */
function equatesShares(condition: unknown, sides: Sides, contract: Contract): boolean {
  if (condition === null) return false;
  const node = nodeOf(condition);
  if (node['type'] === 'CONJUNCTION_AND') {
    return listOf(node['children']).some((each) => equatesShares(each, sides, contract));
  }
  if (node['type'] !== 'COMPARE_EQUAL') return false;
  const [one, other] = [node['left'], node['right']].map((ref) =>
    sharedTableOf(nodeOf(ref), sides.flat(), contract),
  );
  if (!one || !other) return false;
  const [left, right] = sides;
  return (
    (left.includes(one) && right.includes(other)) || (left.includes(other) && right.includes(one))
  );
}

/** The table whose shared column a reference is; undefined where it could be any other. */
function sharedTableOf(
  ref: TreeNode,
  tables: readonly NamedTable[],
  contract: Contract,
): NamedTable | undefined {
  if (ref['class'] !== 'COLUMN_REF') return undefined;
  const path = listOf(ref['column_names']).map((part) => textOf(part).toLowerCase());
  const [name = '', qualifier, ...more] = path.reverse();
  const [found, ...others] = tables.filter(
    (table) =>
      table.columns.has(name) && (qualifier === undefined || table.qualifier === qualifier),
  );
  if (!found || others.length > 0 || more.length > 0) return undefined;
  return isShared(found, name, contract) ? found : undefined;
}

function isShared({ relation }: NamedTable, name: string, contract: Contract): boolean {
  return sharedOutBy(contract, relation) === name;
}

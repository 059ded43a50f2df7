import type { PartyId } from '@strongroom/protocol/fields';
import { SESSION_COLUMNS } from '@strongroom/protocol/windows';
import type { Values } from './rule-values.ts';
import { OWNER_BIT_COLUMN, type RelationRules } from './rules.ts';
import { AGGREGATE_FUNCTIONS, PRIVATE_AGGREGATES } from './sql-lists.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';
import type { TypeName } from './sql-types.ts';

/**
 * Which columns of which relations an expression reads, through aliases, inner selects and joins.
 * Where a name can mean several things it means all of them: the engine takes one, and which one
 * does not matter to what may be read.
 */

/** A column of a relation. */
export interface Origin {
  readonly relation: string;
  readonly column: string;
}

/** Whom rows are about, of one use of a relation, and where it stands in the select around it. */
export interface Contributor {
  readonly relation: string;
  /** By which the select around it calls the table, or what it was made into. */
  readonly alias: string;
  /** SQL of the value, and of the bits of the owners whose rows these are. */
  readonly value: string;
  readonly bits: string;
}

/** Contributors whose rows a LEFT join keeps although it found no partner. */
export interface Absence {
  readonly of: Contributor;
  /** Of the table in which there is none; null in these rows. */
  readonly without: Contributor;
}

/** A use of a relation: what stands in one row of it was written by one of these owners. */
export interface Source {
  readonly owners: readonly PartyId[];
}

/** What a column of a table holds. */
export interface Column {
  readonly origins: readonly Origin[];
  /** Of a column of a relation: where it stands, and its type in the engine. */
  readonly source?: Source;
  readonly type?: TypeName;
  /** Of a column of an inner select: what it makes of the values of a row. */
  readonly values?: Values;
  /** It is this column itself, maybe under another name. */
  readonly plain?: Origin;
  /** And it names these contributors. */
  readonly contributor?: Contributor;
}

/** Columns by which a table has one row at most, of each of its owners. */
export interface RowKey {
  readonly columns: ReadonlySet<string>;
  /** By `rowsPerKey`: the vault leaves other rows out where the column is compared. */
  readonly isBounded: boolean;
}

/** What a FROM or an inner select hands on. */
export interface Rows {
  readonly columns: ReadonlyMap<string, Column>;
  readonly contributors: readonly Contributor[];
  readonly absences: readonly Absence[];
  /** Of the select, among all of the tree: names its hidden columns. */
  readonly number: number;
  readonly relations: ReadonlySet<string>;
  /** Relations that must be joined with another owner's, and were not yet. */
  readonly unjoined: ReadonlySet<string>;
  /** By which columns it has one row at most. */
  readonly keys: readonly RowKey[];
}

export interface Table extends Rows {
  readonly qualifier: string;
}

export interface Scope {
  readonly tables: readonly Table[];
  readonly aliases: ReadonlyMap<string, readonly TreeNode[]>;
  /** Aliases whose meaning is being looked at. */
  readonly open: ReadonlySet<TreeNode>;
  readonly isInner: boolean;
}

export function relationTable(relation: string, alias: string, rules: RelationRules): Table {
  const contributor: Contributor | undefined =
    rules.contributor === undefined
      ? undefined
      : {
          relation,
          alias,
          value: `${quoted(alias)}.${quoted(rules.contributor)}`,
          bits: `${quoted(alias)}.${quoted(OWNER_BIT_COLUMN)}`,
        };
  const columns = new Map<string, Column>();
  const source: Source = { owners: rules.owners };
  for (const [column, type] of rules.types) {
    const origin = { relation, column };
    const names = contributor && column === rules.contributor ? { contributor } : {};
    columns.set(column, { origins: [origin], plain: origin, source, type, ...names });
  }
  if (rules.eventTime !== undefined) {
    // The times of a session are those of two of its rows.
    const origins = [{ relation, column: rules.eventTime }];
    columns.set(SESSION_COLUMNS.start, { origins });
    columns.set(SESSION_COLUMNS.end, { origins });
  }
  columns.set(SESSION_COLUMNS.number, { origins: [] });
  return {
    qualifier: alias.toLowerCase(),
    columns,
    contributors: contributor ? [contributor] : [],
    absences: [],
    number: 0,
    relations: new Set([relation]),
    unjoined: new Set(rules.joinRequired ? [relation] : []),
    keys: [...rules.columns].flatMap(([column, { joinKey }]) =>
      joinKey?.rowsPerKey === 1 ? [{ columns: new Set([column]), isBounded: true }] : [],
    ),
  };
}

/** A use of a CTE or subquery: its contributors stand in hidden columns under these names. */
export function innerTable(rows: Rows, alias: string): Table {
  const moved = new Map(
    rows.contributors.map((contributor, index) => [
      contributor,
      {
        relation: contributor.relation,
        alias,
        value: `${quoted(alias)}.${quoted(hiddenName('contributor', rows.number, index))}`,
        bits: `${quoted(alias)}.${quoted(hiddenName('owners', rows.number, index))}`,
      },
    ]),
  );
  const columns = new Map<string, Column>();
  // Two uses of one CTE are two rows.
  const copies = new Map<Source, Source>();
  const copyOf = (source: Source) => {
    const copy = copies.get(source) ?? { ...source };
    copies.set(source, copy);
    return copy;
  };
  for (const [name, { contributor, ...column }] of rows.columns) {
    const here = contributor && moved.get(contributor);
    const own = movedTo(column, copyOf);
    columns.set(name, here ? { ...own, contributor: here } : own);
  }
  const here = (each: Contributor) => moved.get(each) ?? each;
  return {
    ...rows,
    qualifier: alias.toLowerCase(),
    columns,
    contributors: [...moved.values()],
    absences: rows.absences.map(({ of, without }) => ({ of: here(of), without: here(without) })),
  };
}

function movedTo(column: Column, copyOf: (source: Source) => Source): Column {
  const { source, values } = column;
  return {
    ...column,
    ...(source && { source: copyOf(source) }),
    ...(values && { values: { ...values, sources: new Set([...values.sources].map(copyOf)) } }),
  };
}

/** A name that no other column has: where hidden columns are added, no alias may have a space. */
export function hiddenName(kind: 'contributor' | 'owners', select: number, index: number): string {
  return `${kind} ${select}.${index}`;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export interface Meanings {
  readonly columns: readonly Column[];
  readonly aliased: readonly TreeNode[];
}

/** All that a column reference can mean. */
export function meaningsOf(node: TreeNode, scope: Scope): Meanings {
  const path = listOf(node['column_names']).map((part) => textOf(part).toLowerCase());
  const name = path.at(-1) ?? '';
  const isQualified = path.length > 1;
  const columns = scope.tables
    .filter(({ qualifier }) => !isQualified || qualifier === path[0])
    .flatMap((table) => table.columns.get(name) ?? []);
  const aliased = isQualified ? [] : (scope.aliases.get(name) ?? []);
  return { columns, aliased: aliased.filter((each) => !scope.open.has(each)) };
}

/** The scope in which an alias means what its expression says. */
export function opened(scope: Scope, alias: TreeNode): Scope {
  return { ...scope, open: new Set([...scope.open, alias]) };
}

/** What an expression of an inner select hands on. */
export function columnOf(node: TreeNode, scope: Scope): Column {
  const origins = new Map<string, Origin>();
  collect(node, scope, origins);
  const all = [...origins.values()];
  const plain = plainOf(node, scope);
  return plain ? { ...plain, origins: all } : { origins: all };
}

/** The column that an expression is without any change; undefined unless there is just one. */
export function plainOf(node: TreeNode, scope: Scope): Column | undefined {
  if (node['class'] !== 'COLUMN_REF') return undefined;
  const { columns, aliased } = meaningsOf(node, scope);
  const all = [...columns, ...aliased.map((each) => plainOf(each, opened(scope, each)))];
  const [first] = all;
  const isOne = all.every(
    (each) =>
      each?.plain?.relation === first?.plain?.relation &&
      each?.plain?.column === first?.plain?.column &&
      each?.contributor === first?.contributor,
  );
  return isOne && first?.plain ? first : undefined;
}

function collect(tree: unknown, scope: Scope, found: Map<string, Origin>): void {
  if (Array.isArray(tree)) {
    for (const item of tree) collect(item, scope, found);
  } else if (typeof tree === 'object' && tree !== null) {
    const node = nodeOf(tree);
    // How many there are is no value of any of them.
    if (node['class'] === 'FUNCTION' && /^count(_star)?$/.test(textOf(node['function_name']))) {
      return;
    }
    if (node['class'] !== 'COLUMN_REF') {
      for (const member of Object.values(node)) collect(member, scope, found);
      return;
    }
    const { columns, aliased } = meaningsOf(node, scope);
    for (const origin of columns.flatMap(({ origins }) => origins)) {
      found.set(`${origin.relation}.${origin.column}`, origin);
    }
    for (const alias of aliased) collect(alias, opened(scope, alias), found);
  }
}

/** Whether a tree folds rows anywhere in it. */
export function foldsRows(tree: unknown): boolean {
  if (Array.isArray(tree)) return tree.some(foldsRows);
  if (typeof tree !== 'object' || tree === null) return false;
  const node = nodeOf(tree);
  const name = node['class'] === 'FUNCTION' ? textOf(node['function_name']) : '';
  return isFold(name) || Object.values(node).some(foldsRows);
}

export function isFold(name: string): boolean {
  return AGGREGATE_FUNCTIONS.has(name) || PRIVATE_AGGREGATES.has(name);
}

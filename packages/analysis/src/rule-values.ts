import { MEASURE_DECADES_MAX } from '@strongroom/protocol/limits';
import { type Column, isFold, meaningsOf, opened, type Scope, type Source } from './rule-scope.ts';
import { KEEPS_VALUES, LOSES_VALUES, PATTERN_FUNCTIONS } from './sql-lists.ts';
import { listOf, nodeOf, type TreeNode, textOf } from './sql-tree.ts';
import { isTotalCast, type TypeName, typeFrom } from './sql-types.ts';

/**
 * What an expression makes of the values of a row before they are folded. A measure is compared
 * with nothing, and arithmetic could do that: `1 / (x - 7)` is endless where x is 7,
 * `x + 2000000000` is NULL where it does not fit, `(x + 1e300) - 1e300` is 0, and a long product of
 * x with itself is as good as the largest. What is let through keeps all values apart alike.
 */
export interface Values {
  /** How often each column stands in it, by its relation and name. */
  readonly columns: ReadonlyMap<string, number>;
  readonly sources: ReadonlySet<Source>;
  /** Powers of ten that the query's own numbers move them by, all added up. */
  readonly decades: number;
  /** A DOUBLE, whatever the columns are: it has no end at which a row could fail. */
  readonly isDouble: boolean;
  /** It is another thing for some rows than for others. */
  readonly isCut: boolean;
  /** Of two tables, it takes one or the other. */
  readonly isChosen: boolean;
  /** Why no measure may go through it. */
  readonly problem?: string;
}

const NOTHING: Values = {
  ...{ columns: new Map(), sources: new Set(), decades: 0 },
  ...{ isDouble: false, isCut: false, isChosen: false },
};

const PROBLEMS = {
  double: 'arithmetic with a measure is done in DOUBLE, or with what was folded',
  divisor: 'nothing is divided by a measure',
  cast: 'a measure is cast to DOUBLE, or to a type that holds all of its values',
  once: 'a measure stands once in what is folded',
  decades: 'numbers beside a measure move it by six powers of ten, all together',
} as const;

/** @throws ERR_QUERY_REFUSED for a tree that is not known */
export function valuesOf(value: unknown, scope: Scope): Values {
  const node = nodeOf(value);
  switch (node['class']) {
    case 'COLUMN_REF':
      return valuesOfColumn(node, scope);
    case 'CONSTANT':
      return valuesOfLiteral(node);
    case 'CAST':
      return valuesOfCast(node, scope);
    case 'FUNCTION':
      return valuesOfFunction(node, scope);
    case 'CASE': {
      const results = listOf(node['case_checks']).map((each) => nodeOf(each)['then_expr']);
      const all = [...results, node['else_expr']].map((each) => valuesOf(each, scope));
      return { ...either(all), isCut: true };
    }
    default: {
      const parts = listOf(node['children'] ?? []).map((each) => valuesOf(each, scope));
      if (node['type'] === 'OPERATOR_COALESCE') return firstOf(parts);
      return node['type'] === 'OPERATOR_TRY'
        ? { ...together(parts), isCut: true }
        : { ...NOTHING, isCut: true };
    }
  }
}

/** Whether all that stands in a row of it was written by one owner. */
export function isOfOneOwner({ sources, isChosen }: Values): boolean {
  const [first, ...more] = sources;
  const [owner, ...others] = first?.owners ?? [];
  const isAlone = others.length === 0 && !isChosen;
  return more.every(({ owners }) => isAlone && owners.length === 1 && owners[0] === owner);
}

/** Whichever of its meanings the engine takes. */
function valuesOfColumn(node: TreeNode, scope: Scope): Values {
  const { columns, aliased } = meaningsOf(node, scope);
  const ofAliases = aliased.map((each) => valuesOf(each, opened(scope, each)));
  return either([...columns.map(valuesIn), ...ofAliases]);
}

/** Of a column that stands alone. */
export function valuesIn({ origins, source, type, values }: Column): Values {
  if (values) return values;
  return {
    ...NOTHING,
    columns: new Map(origins.map(({ relation, column }) => [`${relation}.${column}`, 1])),
    sources: new Set(source ? [source] : []),
    isDouble: type?.id === 'DOUBLE',
  };
}

function valuesOfCast(node: TreeNode, scope: Scope): Values {
  const child = nodeOf(node['child']);
  const to = typeFrom(node['cast_type']);
  const isDouble = to.id === 'DOUBLE';
  if (child['class'] === 'CONSTANT') return { ...valuesOfLiteral(child), isDouble };
  const values = valuesOf(child, scope);
  const isWhole =
    isDouble || typesOf(child, scope).every((from) => from !== undefined && isTotalCast(from, to));
  return isWhole ? { ...values, isDouble } : { ...because(values, 'cast'), isDouble, isCut: true };
}

/** Of a column as the contract has it; undefined for all else. */
function typesOf(node: TreeNode, scope: Scope): (TypeName | undefined)[] {
  if (node['class'] !== 'COLUMN_REF') return [undefined];
  const { columns, aliased } = meaningsOf(node, scope);
  const ofAliases = aliased.flatMap((each) => typesOf(each, opened(scope, each)));
  return [...columns.map(({ type }) => type), ...ofAliases];
}

function valuesOfFunction(node: TreeNode, scope: Scope): Values {
  const name = textOf(node['function_name']);
  const parts = listOf(node['children']).map((each) => valuesOf(each, scope));
  const all = together(parts);
  if (isFold(name)) {
    const isCut = all.isCut || (node['filter'] ?? null) !== null;
    // How many there are is no value of any of them, and whoever writes rows decides it.
    if (/^count(_star)?$/.test(name)) return { ...NOTHING, isCut, sources: sourcesIn(scope) };
    return { ...all, isCut, isDouble: all.isDouble || !SAME_TYPE.has(name) };
  }
  const isCut = all.isCut || LOSES_VALUES.has(name) || PATTERN_FUNCTIONS.has(name);
  if (!KEEPS_VALUES.has(name)) return { ...all, isCut };
  if (name === '/') return (parts[1]?.columns.size ?? 0) > 0 ? because(all, 'divisor') : all;
  return all.isDouble ? all : because(all, 'double');
}

function sourcesIn({ tables }: Scope): ReadonlySet<Source> {
  const columns = tables.flatMap((table) => [...table.columns.values()]);
  return new Set(columns.flatMap((column) => [...valuesIn(column).sources]));
}

/** Folds whose result is of the type that they fold, or a larger one. */
const SAME_TYPE: ReadonlySet<string> = new Set(['sum', 'min', 'max']);

/** The first of them that is there. */
function firstOf(parts: readonly Values[]): Values {
  const all = together(parts);
  return { ...all, isChosen: all.isChosen || all.sources.size > 1 };
}

/** Of one expression. */
function together(parts: readonly Values[]): Values {
  const columns = columnsOf(parts, (before, times) => before + times);
  const decades = parts.reduce((sum, each) => sum + each.decades, 0);
  const isDouble = parts.some((each) => each.isDouble);
  const all = { ...joined(parts), columns, decades, isDouble };
  if ([...columns.values()].some((times) => times > 1)) return because(all, 'once');
  // Up to there, a DOUBLE keeps apart what differs by 10^-10: no sum cuts that off.
  return decades > MEASURE_DECADES_MAX ? because(all, 'decades') : all;
}

/** One of several. */
export function either(parts: readonly Values[]): Values {
  const columns = columnsOf(parts, Math.max);
  const decades = Math.max(0, ...parts.map((each) => each.decades));
  return { ...joined(parts), columns, decades, isDouble: parts.every((each) => each.isDouble) };
}

function columnsOf(
  parts: readonly Values[],
  both: (before: number, times: number) => number,
): Map<string, number> {
  const columns = new Map<string, number>();
  for (const [name, times] of parts.flatMap((each) => [...each.columns])) {
    columns.set(name, both(columns.get(name) ?? 0, times));
  }
  return columns;
}

function joined(parts: readonly Values[]) {
  const problem = parts.find((each) => each.problem !== undefined)?.problem;
  return {
    sources: new Set(parts.flatMap((each) => [...each.sources])),
    isCut: parts.some((each) => each.isCut),
    isChosen: parts.some((each) => each.isChosen),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** The first problem is told; where no column stands, there is none. */
function because(values: Values, which: keyof typeof PROBLEMS): Values {
  if (values.problem !== undefined || values.columns.size === 0) return values;
  return { ...values, problem: PROBLEMS[which] };
}

/** With how far a number is from one; of what is no number, nobody knows. */
function valuesOfLiteral(node: TreeNode): Values {
  const { type, is_null: isNull, value } = nodeOf(node['value']);
  const { id, scale = 0 } = typeFrom(type);
  const isDouble = id === 'DOUBLE';
  if (isNull === true || typeof value === 'boolean') return { ...NOTHING, isDouble };
  const number = Math.abs(Number(value)) / (id === 'DECIMAL' ? 10 ** scale : 1);
  if (number === 0) return { ...NOTHING, isDouble };
  const isKnown = Number.isFinite(number);
  const decades = isKnown ? Math.abs(Math.log10(number)) : Number.POSITIVE_INFINITY;
  return { ...NOTHING, isDouble, decades };
}

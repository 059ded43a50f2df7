import { QUERY_TEXT_FUNCTIONS_MAX } from '@strongroom/protocol/limits';
import type { Problems } from './problems.ts';
import {
  AGGREGATE_FUNCTIONS,
  CAST_TYPES,
  COMPARISONS,
  LITERAL_TYPES,
  NUMBER_FUNCTIONS,
  NUMBER_TYPES,
  OPERATORS,
  PATTERN_FUNCTIONS,
  PRIVATE_AGGREGATES,
  ROW_FUNCTIONS,
  TEXT_FUNCTIONS,
  TIME_PART_FUNCTIONS,
  TIME_PARTS,
} from './sql-lists.ts';
import { absent, listOf, membersOf, nodeOf, refuse, type TreeNode, textOf } from './sql-tree.ts';

/** What the names in a query mean, as far as the gate needs to know. */
export interface Names {
  /** Columns of the query's relations: all of a name's types are numbers, or not. */
  readonly columns: ReadonlyMap<string, 'number' | 'other'>;
  /** Names that the query gives to expressions, with these expressions. */
  readonly aliases: ReadonlyMap<string, readonly TreeNode[]>;
  /** What the query tells has noise: it may name some functions more. */
  readonly isPrivate: boolean;
  /** Where everything that is refused is put. */
  readonly problems: Problems;
  /** Functions of text that the query has so far. */
  readonly work: { texts: number };
}

/** Refuses each node of an expression that is not on a list, and looks no deeper there. */
export function checkExpression(value: unknown, names: Names): void {
  names.problems.collect(() => {
    const node = nodeOf(value);
    const check = CHECKS.get(textOf(node['class']));
    if (!check) throw refuse(textOf(node['class']), node);
    check(node, names);
  });
}

type Check = (node: TreeNode, names: Names) => void;

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['COLUMN_REF', checkColumn],
  ['CONSTANT', checkConstant],
  ['FUNCTION', checkFunction],
  ['CAST', checkCast],
  ['CASE', checkCase],
  ['COMPARISON', checkComparison],
  ['CONJUNCTION', checkConjunction],
  ['BETWEEN', checkBetween],
  ['OPERATOR', checkOperator],
]);

/** `current_user`, `rowid` and their like are written as columns: only known names pass. */
function checkColumn(node: TreeNode, names: Names): void {
  membersOf(node, ['column_names']);
  const path = listOf(node['column_names']).map(textOf);
  const name = path.at(-1)?.toLowerCase() ?? '';
  const isKnown = names.columns.has(name) || names.aliases.has(name);
  if (path.length > 2 || !isKnown) throw refuse(`column ${path.join('.')}`, node);
}

function checkConstant(node: TreeNode): void {
  membersOf(node, ['value']);
  const type = nodeOf(nodeOf(node['value'])['type']);
  const id = textOf(type['id']);
  if (!LITERAL_TYPES.has(id)) throw refuse(`literal of type ${id}`, node);
  const { value } = nodeOf(node['value']);
  const isExact = id === 'DOUBLE' || id === 'FLOAT' || Number.isSafeInteger(value);
  if (typeof value === 'object' && value !== null) throw refuse('a literal too long', node);
  if (typeof value === 'number' && !isExact) throw refuse('a literal too long', node);
}

function checkFunction(node: TreeNode, names: Names): void {
  membersOf(node, FUNCTION_MEMBERS);
  const name = textOf(node['function_name']);
  const isPrivate = names.isPrivate && PRIVATE_AGGREGATES.has(name);
  const isAggregate = AGGREGATE_FUNCTIONS.has(name) || isPrivate;
  if (!isAggregate && !ROW_FUNCTIONS.has(name)) throw refuse(`function ${name}`, node);
  absent(node, ['catalog', 'export_state']);
  // The parser writes `main` where it rewrites syntax to a function; nothing of ours is in there.
  if (node['schema'] !== 'main') absent(node, ['schema']);
  absent(nodeOf(node['order_bys']), ['orders']);
  if (!isAggregate) absent(node, ['distinct', 'filter']);
  const children = listOf(node['children']);
  for (const child of children) checkExpression(child, names);
  if (node['filter'] !== null) checkExpression(node['filter'], names);
  if (TEXT_FUNCTIONS.has(name)) names.work.texts += 1;
  // What CASE does for one row alone must be too little to be seen from outside.
  if (names.work.texts > QUERY_TEXT_FUNCTIONS_MAX) throw refuse('too many functions of text', node);
  if (TIME_PART_FUNCTIONS.has(name)) checkTimePart(children[0], node);
  if (PATTERN_FUNCTIONS.has(name)) checkPattern(children[1], node);
  if (name !== 'min' && name !== 'max') return;
  // The smallest text is one row's text; the smallest number is what the parties agreed to.
  const [argument, ...more] = children.map(nodeOf);
  if (!argument || more.length > 0 || !isNumber(argument, names)) {
    throw refuse(`${name} of what is not surely a number`, node);
  }
}

const FUNCTION_MEMBERS = [
  'function_name',
  'schema',
  'catalog',
  'children',
  'filter',
  'order_bys',
  'distinct',
  'is_operator',
  'export_state',
];

/** A part that a row names could be none, and fail for that row alone. */
function checkTimePart(value: unknown, call: TreeNode): void {
  if (!TIME_PARTS.has(literalText(value)?.toLowerCase() ?? '')) {
    throw refuse('a part of a time that is not on the list', call);
  }
}

/**
 * A pattern of a row would make time depend on rows. In one with `_`, the engine goes back for each
 * `%`, so that text of one row could keep it busy for days; without `_` it never goes back.
 */
function checkPattern(value: unknown, call: TreeNode): void {
  const pattern = literalText(value);
  if (pattern === undefined) throw refuse('a pattern that is not written in the query', call);
  const isSlow = pattern.includes('_') && pattern.split('%').length > 2;
  if (isSlow) throw refuse('a pattern with _ and more than one %', call);
}

function literalText(value: unknown): string | undefined {
  const node = nodeOf(value);
  if (node['class'] !== 'CONSTANT') return undefined;
  const text = nodeOf(node['value'])['value'];
  return typeof text === 'string' ? text : undefined;
}

function checkCast(node: TreeNode, names: Names): void {
  membersOf(node, ['child', 'cast_type', 'try_cast']);
  const type = textOf(nodeOf(node['cast_type'])['id']);
  if (!CAST_TYPES.has(type)) throw refuse(`cast to ${type}`, node);
  checkExpression(node['child'], names);
}

function checkCase(node: TreeNode, names: Names): void {
  membersOf(node, ['case_checks', 'else_expr']);
  for (const branch of listOf(node['case_checks']).map(nodeOf)) {
    membersOf(branch, ['when_expr', 'then_expr']);
    checkExpression(branch['when_expr'], names);
    checkExpression(branch['then_expr'], names);
  }
  checkExpression(node['else_expr'], names);
}

function checkComparison(node: TreeNode, names: Names): void {
  membersOf(node, ['left', 'right']);
  if (!COMPARISONS.has(textOf(node['type']))) throw refuse(textOf(node['type']), node);
  checkExpression(node['left'], names);
  checkExpression(node['right'], names);
}

function checkConjunction(node: TreeNode, names: Names): void {
  membersOf(node, ['children']);
  for (const child of listOf(node['children'])) checkExpression(child, names);
}

function checkBetween(node: TreeNode, names: Names): void {
  membersOf(node, ['input', 'lower', 'upper']);
  for (const part of ['input', 'lower', 'upper']) checkExpression(node[part], names);
}

function checkOperator(node: TreeNode, names: Names): void {
  membersOf(node, ['children']);
  if (!OPERATORS.has(textOf(node['type']))) throw refuse(textOf(node['type']), node);
  for (const child of listOf(node['children'])) checkExpression(child, names);
}

/**
 * True only for what is a number whatever the rows hold. A name that is being looked at already
 * counts as one: select lists refer inwards, so a circle of names is not a circle of expressions.
 */
function isNumber(node: TreeNode, names: Names, seen: ReadonlySet<string> = new Set()): boolean {
  const every = (nodes: readonly unknown[]) =>
    nodes.every((each) => isNumber(nodeOf(each), names, seen));
  switch (node['class']) {
    case 'COLUMN_REF':
      return isNumberName(node, names, seen);
    case 'CONSTANT':
      return isNumberType(nodeOf(node['value'])['type']);
    case 'CAST':
      return isNumberType(node['cast_type']);
    case 'CASE':
      return every([
        node['else_expr'],
        ...listOf(node['case_checks']).map((branch) => nodeOf(branch)['then_expr']),
      ]);
    case 'OPERATOR':
      return CARRIERS.has(textOf(node['type'])) && every(listOf(node['children']));
    case 'FUNCTION':
      return isNumberFunction(textOf(node['function_name']), listOf(node['children']), every);
    default:
      return false;
  }
}

/** Operators whose result is one of their arguments. */
const CARRIERS: ReadonlySet<string> = new Set(['OPERATOR_COALESCE', 'OPERATOR_TRY']);

function isNumberName(node: TreeNode, names: Names, seen: ReadonlySet<string>): boolean {
  const name = listOf(node['column_names']).map(textOf).at(-1)?.toLowerCase() ?? '';
  if (seen.has(name)) return true;
  const aliased = names.aliases.get(name) ?? [];
  const column = names.columns.get(name);
  if (column === 'other' || (column === undefined && aliased.length === 0)) return false;
  const deeper = new Set([...seen, name]);
  return aliased.every((each) => isNumber(each, names, deeper));
}

function isNumberType(type: unknown): boolean {
  const id = textOf(nodeOf(type)['id']);
  return NUMBER_TYPES.has(id) || id === 'NULL';
}

/** Adding and subtracting also work on times: there the operands decide. */
function isNumberFunction(
  name: string,
  children: readonly unknown[],
  every: (nodes: readonly unknown[]) => boolean,
): boolean {
  if (name === 'min' || name === 'max' || name === 'nullif') return every(children);
  if (name === 'greatest' || name === 'least' || name === '+' || name === '-') {
    return every(children);
  }
  return NUMBER_FUNCTIONS.has(name) || AGGREGATE_FUNCTIONS.has(name);
}

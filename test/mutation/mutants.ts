import { parseSync } from 'oxc-parser';

/** One change of one source file, small enough that a good test must notice it. */
export interface Mutant {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  readonly operator: string;
  readonly line: number;
}

/** What the parser makes: a tree of objects with a `type` and, in most of them, a place. */
type Node = Readonly<Record<string, unknown>> & {
  readonly type: string;
  readonly start: number;
  readonly end: number;
};

const SWAPS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '+': '-',
  '-': '+',
  '*': '+',
  '/': '*',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
};

/** Every mutant of a file, in the order of the text. */
export function mutantsOf(path: string, text: string): Mutant[] {
  const found: Mutant[] = [];
  const add = (node: { start: number; end: number }, replacement: string, operator: string) => {
    const line = text.slice(0, node.start).split('\n').length;
    found.push({ path, start: node.start, end: node.end, replacement, operator, line });
  };
  const { program } = parseSync(path, text, { sourceType: 'module' });
  walk({ ...program }, (node) => mutateNode(node, text, add));
  return found.sort((left, right) => left.start - right.start || left.end - right.end);
}

type Add = (node: { start: number; end: number }, replacement: string, operator: string) => void;

function mutateNode(node: Node, text: string, add: Add): void {
  const source = (each: Node) => text.slice(each.start, each.end);
  if (node.type === 'IfStatement' || node.type === 'ConditionalExpression') {
    const condition = nodeIn(node, 'test');
    if (condition) add(condition, `!(${source(condition)})`, 'negate the condition');
  }
  if (node.type === 'IfStatement' && !node['alternate']) add(node, ';', 'remove the if');
  if (node.type === 'ThrowStatement') add(node, ';', 'remove the throw');
  if (node.type === 'ExpressionStatement') add(node, ';', 'remove the statement');
  if (node.type === 'BinaryExpression' || node.type === 'LogicalExpression') {
    swapOperator(node, text, add);
  }
  if (node.type === 'UnaryExpression' && node['operator'] === '!') {
    const argument = nodeIn(node, 'argument');
    if (argument) add(node, `(${source(argument)})`, 'drop the not');
  }
  if (node.type === 'Literal') changeConstant(node, add);
  if (node.type === 'ArrayExpression') removeElements(node, text, add);
  if (node.type === 'MemberExpression') swapMethod(node, text, add);
}

function swapOperator(node: Node, text: string, add: Add): void {
  const [left, right] = [nodeIn(node, 'left'), nodeIn(node, 'right')];
  const operator = String(node['operator']);
  if (!left || !right) return;
  if (operator === '??') {
    add(node, `(${text.slice(right.start, right.end)})`, 'always the default');
    return;
  }
  const other = SWAPS[operator];
  if (other === undefined) return;
  const [before, after] = [text.slice(left.start, left.end), text.slice(right.start, right.end)];
  add(node, `(${before} ${other} ${after})`, `${operator} becomes ${other}`);
}

/** Numbers and truth values; texts are what people read, and codes are asserted by name. */
function changeConstant(node: Node, add: Add): void {
  const { value } = node;
  if (typeof value === 'number') add(node, `${value + 1}`, 'add one');
  if (typeof value === 'bigint') add(node, `${value + 1n}n`, 'add one');
  if (typeof value === 'boolean') add(node, `${!value}`, 'turn over');
}

/** A list of checks that has lost one. */
function removeElements(node: Node, text: string, add: Add): void {
  const elements = Array.isArray(node['elements']) ? node['elements'].filter(isNode) : [];
  for (const element of elements) {
    if (element.type !== 'SpreadElement') continue;
    const comma = text.slice(element.end).match(/^\s*,/)?.[0].length ?? 0;
    add({ start: element.start, end: element.end + comma }, '', 'remove from the list');
  }
}

function swapMethod(node: Node, text: string, add: Add): void {
  const property = nodeIn(node, 'property');
  const name = property && text.slice(property.start, property.end);
  if (property && name === 'some') add(property, 'every', 'some becomes every');
  if (property && name === 'every') add(property, 'some', 'every becomes some');
}

/** Types, imports and exports of names have no behaviour, and neither has a key of an object. */
function walk(node: Node, visit: (node: Node) => void): void {
  if (/^(TS(?!As|Satisfies|NonNull)|Import|ExportAll)/.test(node.type)) return;
  visit(node);
  for (const [member, value] of Object.entries(node)) {
    if (member === 'key' && node.type === 'Property') continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit);
    }
  }
}

function nodeIn(node: Node, member: string): Node | undefined {
  const child = node[member];
  return isNode(child) ? child : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

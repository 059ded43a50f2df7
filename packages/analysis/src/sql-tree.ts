import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';

/**
 * Access to the parser's tree that refuses what it does not know: a node with a member that is not
 * named by its visitor (a newer engine, a rarer clause) is refused, not skipped.
 */

export type TreeNode = Readonly<Record<string, unknown>>;

/** @throws ERR_QUERY_REFUSED */
export function nodeOf(value: unknown): TreeNode {
  if (!isTree(value)) throw refuse('a tree of another form');
  return value;
}

function isTree(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws ERR_QUERY_REFUSED */
export function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw refuse('a tree of another form');
  return value;
}

export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw refuse('a tree of another form');
  return value;
}

/** Demands that the node has no other members than those that its visitor looks at. */
export function membersOf(node: TreeNode, known: readonly string[]): void {
  for (const member of Object.keys(node)) {
    if (!known.includes(member) && !EVERYWHERE.has(member)) throw refuse(member, node);
  }
}

const EVERYWHERE = new Set(['class', 'type', 'alias', 'query_location']);

/** What must all hold, of an ON or a WHERE. */
export function conditionsIn(condition: unknown): TreeNode[] {
  if (condition === null || condition === undefined) return [];
  const node = nodeOf(condition);
  if (node['type'] !== 'CONJUNCTION_AND') return [node];
  return listOf(node['children']).flatMap(conditionsIn);
}

/** The parts of a column's name in lower case, its own last; none of what is no column. */
export function pathOf(node: TreeNode): string[] {
  if (node['class'] !== 'COLUMN_REF') return [];
  return listOf(node['column_names']).map((part) => textOf(part).toLowerCase());
}

/** All names of columns in a tree, wherever they stand. */
export function columnRefsIn(tree: unknown): TreeNode[] {
  if (Array.isArray(tree)) return tree.flatMap(columnRefsIn);
  if (typeof tree !== 'object' || tree === null) return [];
  const node = nodeOf(tree);
  return node['class'] === 'COLUMN_REF' ? [node] : Object.values(node).flatMap(columnRefsIn);
}

/** For clauses that must be absent: null, false, '' or []. */
export function absent(node: TreeNode, members: readonly string[]): void {
  for (const member of members) {
    const value = node[member];
    const isEmpty = Array.isArray(value) && value.length === 0;
    if (value !== null && value !== false && value !== '' && !isEmpty) throw refuse(member, node);
  }
}

/** A tree's text without the places that it was read from; members in the order of their names. */
export function shapeOf(tree: unknown): string {
  return JSON.stringify(tree, (_member, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const members = Object.entries(value).filter(([member]) => member !== 'query_location');
    return Object.fromEntries(members.sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}

/** `place` is taken from the contract's own SQL; `position` counts bytes from its beginning. */
export function refuse(place: string, node?: TreeNode): StrongroomError {
  const position = node?.['query_location'];
  const facts: ErrorFacts = { place: place.slice(0, 100) };
  // The parser says 2^64 - 1 where it knows no position.
  return Number.isSafeInteger(position) && typeof position === 'number'
    ? new StrongroomError('ERR_QUERY_REFUSED', { ...facts, position })
    : new StrongroomError('ERR_QUERY_REFUSED', facts);
}

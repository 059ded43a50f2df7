import { isDeepStrictEqual } from 'node:util';
import { isObject } from './json.ts';
import { isPublicKey } from './key-text.ts';

/**
 * Every place in which two JSON documents differ. Members of lists that have a name are found by
 * it, so that one that is added in front does not make all behind it differ.
 */
export interface Difference {
  /** Names of members, from the outermost on; an element of a list by its name or its value. */
  readonly path: readonly string[];
  /** Undefined where it is not there. */
  readonly before: unknown;
  readonly after: unknown;
}

/** By which member the elements of a list are known, by the name of the list. */
const NAMES: Readonly<Record<string, string>> = {
  parties: 'id',
  datasets: 'id',
  columns: 'name',
  streams: 'id',
  holders: 'party',
  queries: 'id',
  measurements: 'sha384',
  authorities: 'issuer',
  approvedQueries: 'id',
};

export function differencesIn(
  before: unknown,
  after: unknown,
  path: readonly string[] = [],
): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  // Another key, and not the same one with another modulus.
  if (isPublicKey(before) && isPublicKey(after)) return [{ path, before, after }];
  if (isObject(before) && isObject(after)) return objectDifferences(before, after, path);
  const lists = Array.isArray(before) && Array.isArray(after);
  const named = lists && namedDifferences(before, after, path);
  if (named) return named;
  const valued = lists && valueDifferences(before, after, path);
  return valued || [{ path, before, after }];
}

function objectDifferences(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
  path: readonly string[],
): Difference[] {
  const members = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return members.flatMap((name) => differencesIn(before[name], after[name], [...path, name]));
}

/** Undefined where not every element has a name of its own. */
function namedDifferences(
  before: readonly unknown[],
  after: readonly unknown[],
  path: readonly string[],
): Difference[] | undefined {
  const member = NAMES[path.at(-1) ?? ''];
  const [left, right] = [named(before, member), named(after, member)];
  if (!left || !right) return undefined;
  const names = [...new Set([...left.keys(), ...right.keys()])];
  const inside = names.flatMap((name) =>
    differencesIn(left.get(name), right.get(name), [...path, name]),
  );
  return [...inside, ...orderDifference([...left.keys()], [...right.keys()], path)];
}

function named(list: readonly unknown[], member: string | undefined) {
  const found = new Map<string, unknown>();
  for (const each of list) {
    const name = member !== undefined && isObject(each) ? each[member] : undefined;
    if (typeof name !== 'string' || found.has(name)) return undefined;
    found.set(name, each);
  }
  return found;
}

/** Lists of texts are sets in which each stands once; undefined for any other. */
function valueDifferences(
  before: readonly unknown[],
  after: readonly unknown[],
  path: readonly string[],
): Difference[] | undefined {
  if (!isTextSet(before) || !isTextSet(after)) return undefined;
  const gone = before.filter((text) => !after.includes(text));
  const added = after.filter((text) => !before.includes(text));
  return [
    ...added.map((text) => ({ path: [...path, text], before: undefined, after: text })),
    ...gone.map((text) => ({ path: [...path, text], before: text, after: undefined })),
    ...orderDifference(before, after, path),
  ];
}

function isTextSet(list: readonly unknown[]): list is string[] {
  return list.every((each) => typeof each === 'string') && new Set(list).size === list.length;
}

/** The order of what both have; it changes the id of the contract, so it is a difference. */
function orderDifference(
  left: readonly string[],
  right: readonly string[],
  path: readonly string[],
): Difference[] {
  const before = left.filter((each) => right.includes(each));
  const after = right.filter((each) => left.includes(each));
  if (isDeepStrictEqual(before, after)) return [];
  return [{ path: [...path, ORDER], before, after }];
}

/** Stands for the order of a list; no member has such a name. */
export const ORDER = '(order)';

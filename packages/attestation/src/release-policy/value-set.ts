import type { Condition } from './compile.ts';

/**
 * A set of the values that a claim can have, so that two policies can be compared without trying
 * tokens: closed under intersection and complement, and exact.
 */
export interface ValueSet {
  readonly missing: boolean;
  /** Objects: only they have claims below them. */
  readonly objects: boolean;
  /** null, lists, and numbers that are no safe integers: they meet `exists` and nothing else. */
  readonly others: boolean;
  readonly booleans: readonly boolean[];
  /** In order, apart from each other, both ends included. */
  readonly integers: readonly Interval[];
  readonly texts: TextSet;
}

type Interval = readonly [least: number, most: number];

/** The texts that are listed, or all others. */
interface TextSet {
  readonly allBut: boolean;
  readonly listed: readonly string[];
}

export const LEAST = Number.MIN_SAFE_INTEGER;
export const MOST = Number.MAX_SAFE_INTEGER;

const NO_TEXTS: TextSet = { allBut: false, listed: [] };
const EVERY_TEXT: TextSet = { allBut: true, listed: [] };

const NOTHING: ValueSet = {
  ...{ missing: false, objects: false, others: false },
  ...{ booleans: [], integers: [], texts: NO_TEXTS },
};

export const MISSING: ValueSet = { ...NOTHING, missing: true };

export function textSet(...listed: string[]): ValueSet {
  return { ...NOTHING, texts: { allBut: false, listed } };
}

export function integerSet(least: number, most: number): ValueSet {
  return { ...NOTHING, integers: nonEmpty([[least, most]]) };
}

/** The values that meet a condition. */
export function valuesOf(condition: Condition): ValueSet {
  const { operator, expected } = condition;
  if (operator === 'exists') return expected ? complement(MISSING) : MISSING;
  if (operator === 'equals' || operator === 'notEquals') {
    const same = sameAs(expected);
    return operator === 'equals' ? same : intersect(typeOf(expected), complement(same));
  }
  return integerSet(...ordered(operator, expected));
}

function sameAs(value: string | number | boolean): ValueSet {
  if (typeof value === 'string') return textSet(value);
  if (typeof value === 'number') return integerSet(value, value);
  return { ...NOTHING, booleans: [value] };
}

function typeOf(value: string | number | boolean): ValueSet {
  if (typeof value === 'string') return { ...NOTHING, texts: EVERY_TEXT };
  if (typeof value === 'number') return integerSet(LEAST, MOST);
  return { ...NOTHING, booleans: [true, false] };
}

function ordered(operator: string, expected: number): Interval {
  if (operator === 'less') return [LEAST, expected - 1];
  if (operator === 'lessOrEquals') return [LEAST, expected];
  return operator === 'greater' ? [expected + 1, MOST] : [expected, MOST];
}

const nonEmpty = (intervals: readonly Interval[]) =>
  intervals.filter(([least, most]) => least <= most && least <= MOST && most >= LEAST);

export function intersect(left: ValueSet, right: ValueSet): ValueSet {
  return {
    missing: left.missing && right.missing,
    objects: left.objects && right.objects,
    others: left.others && right.others,
    booleans: left.booleans.filter((each) => right.booleans.includes(each)),
    integers: left.integers.flatMap(([least, most]) =>
      nonEmpty(right.integers.map(([from, to]) => [Math.max(least, from), Math.min(most, to)])),
    ),
    texts: commonTexts(left.texts, right.texts),
  };
}

function commonTexts(left: TextSet, right: TextSet): TextSet {
  if (left.allBut && right.allBut) {
    return { allBut: true, listed: [...new Set([...left.listed, ...right.listed])] };
  }
  const [some, other] = left.allBut ? [right, left] : [left, right];
  return {
    allBut: false,
    listed: some.listed.filter((each) => other.listed.includes(each) !== other.allBut),
  };
}

export function complement(set: ValueSet): ValueSet {
  const starts = [LEAST, ...set.integers.map(([, most]) => most + 1)];
  const ends = [...set.integers.map(([least]) => least - 1), MOST];
  return {
    missing: !set.missing,
    objects: !set.objects,
    others: !set.others,
    booleans: [true, false].filter((each) => !set.booleans.includes(each)),
    integers: nonEmpty(starts.map((start, index) => [start, ends[index] ?? MOST])),
    texts: { allBut: !set.texts.allBut, listed: set.texts.listed },
  };
}

export function isEmpty(set: ValueSet): boolean {
  const { missing, objects, others, booleans, integers, texts } = set;
  const hasTexts = texts.allBut || texts.listed.length > 0;
  return !(missing || objects || others || hasTexts || booleans[0] !== undefined || integers[0]);
}

export function isWithin(inner: ValueSet, outer: ValueSet): boolean {
  return isEmpty(intersect(inner, complement(outer)));
}

/** A value of the set, undefined for a missing claim; the set is not empty. */
export function exampleOf({ missing, others, booleans, integers, texts }: ValueSet): unknown {
  if (missing) return undefined;
  const [[least, most] = []] = integers;
  if (least !== undefined) return least === LEAST ? most : least;
  if (booleans.length > 0) return booleans[0];
  // Longer than every text that is excluded.
  if (texts.allBut) return 'x'.repeat(Math.max(0, ...texts.listed.map(({ length }) => length)) + 1);
  return texts.listed[0] ?? (others ? null : Object.create(null));
}

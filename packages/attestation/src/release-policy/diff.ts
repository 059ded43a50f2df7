import { POLICY_COMPARISON_STEPS_MAX } from '@strongroom/protocol/limits';
import type { CompiledPolicy } from './compile.ts';
import { coverage, keyOf, type Way, waysOf } from './entailment.ts';
import type { Claims } from './evaluate.ts';
import { integerSet, isWithin, LEAST, MOST, type ValueSet } from './value-set.ts';
import { claimText, valueText } from './wording.ts';

/** What a new policy is, measured by the tokens to which it releases. */
export type Relation = 'same' | 'weaker' | 'stronger' | 'incomparable' | 'undecided';

export interface PolicyDiff {
  readonly relation: Relation;
  /** In words, each with what it does to the policy. */
  readonly changes: readonly string[];
  /** Claims to which only the new policy releases. */
  readonly gained?: Claims;
  /** Claims to which only the old policy releases. */
  readonly lost?: Claims;
}

/**
 * What changes for those who ask for a key when one policy replaces another. The relation is exact
 * and counts tokens, not texts: another order, another spelling and a redundant demand are `same`.
 */
export function diffPolicies(before: CompiledPolicy, after: CompiledPolicy): PolicyDiff {
  const [old, now] = [waysOf(before), waysOf(after)];
  if (!old || !now) return { relation: 'undecided', changes: [TOO_MANY] };
  const [more, less] = [coverage(without(now, old), old), coverage(without(old, now), now)];
  const relation = relationOf(more.kind, less.kind);
  return {
    relation,
    changes: relation === 'same' ? [] : changesOf(old, now),
    ...(more.kind === 'beyond' ? { gained: more.example } : {}),
    ...(less.kind === 'beyond' ? { lost: less.example } : {}),
  };
}

const TOO_MANY = 'the policies combine in too many ways to be compared';

type Kind = ReturnType<typeof coverage>['kind'];

function relationOf(more: Kind, less: Kind): Relation {
  if (more === 'undecided' || less === 'undecided') return 'undecided';
  if (more === 'beyond') return less === 'beyond' ? 'incomparable' : 'weaker';
  return less === 'beyond' ? 'stronger' : 'same';
}

const RELATION_WORDS: Readonly<Record<Relation, string>> = {
  same: 'SAME: both release to the same tokens',
  weaker: 'WEAKER: the new one releases to every token of the old one, and to more',
  stronger: 'STRONGER: the new one releases to fewer tokens, and to none that the old one refuses',
  incomparable: 'INCOMPARABLE: each releases to tokens that the other one refuses',
  undecided: 'UNDECIDED: what follows may not be all',
};

/** The comparison for people, the relation first. */
export function diffLines({
  relation,
  changes,
}: Pick<PolicyDiff, 'relation' | 'changes'>): string[] {
  return [RELATION_WORDS[relation], ...changes.map((each) => `  - ${each}`)];
}

/** Ways are compared in pairs that differ least; what finds no partner came or went. */
function changesOf(old: readonly Way[], now: readonly Way[]): string[] {
  const [gone, come] = [without(old, now), without(now, old)];
  if (gone.length * come.length > POLICY_COMPARISON_STEPS_MAX) return [TOO_MANY];
  const pairs = nearestPairs(gone, come);
  const paired = new Set(pairs.flat());
  const changes = [
    ...pairs.flatMap(([left, right]) => pairChanges(left, right)),
    ...loneChanges(gone, old, now, paired, { what: 'no longer accepted', effect: 'stronger' }),
    ...loneChanges(come, now, old, paired, { what: 'accepted too', effect: 'weaker' }),
  ];
  return [...new Set(changes)];
}

function without(ways: readonly Way[], others: readonly Way[]): Way[] {
  const keys = new Set(others.map(keyOf));
  return ways.filter((way) => !keys.has(keyOf(way)));
}

/**
 * Greedy, the pairs with the fewest differences first. Two ways of which more than one claim was
 * exchanged for something else have nothing to do with each other.
 */
function nearestPairs(left: readonly Way[], right: readonly Way[]): [Way, Way][] {
  const candidates = left.flatMap((from) =>
    right.flatMap((to) => {
      const claims = differing(from, to);
      const exchanged = claims.filter(
        (claim) => effectOf(from.get(claim), to.get(claim)) === 'incomparable',
      );
      return exchanged.length > 1 ? [] : [{ from, to, count: claims.length }];
    }),
  );
  const free = new Set([...left, ...right]);
  const pairs: [Way, Way][] = [];
  for (const { from, to } of candidates.sort((one, other) => one.count - other.count)) {
    if (!free.has(from) || !free.has(to)) continue;
    free.delete(from);
    free.delete(to);
    pairs.push([from, to]);
  }
  return pairs;
}

/** The claims of which two ways accept different values. */
function differing(left: Way, right: Way): string[] {
  const claims = [...new Set([...left.keys(), ...right.keys()])];
  return claims.filter((claim) => effectOf(left.get(claim), right.get(claim)) !== 'same');
}

function effectOf(old: ValueSet | undefined, now: ValueSet | undefined): Relation {
  const more = old !== undefined && (now === undefined || !isWithin(now, old));
  const less = now !== undefined && (old === undefined || !isWithin(old, now));
  return relationOf(more ? 'beyond' : 'covered', less ? 'beyond' : 'covered');
}

function pairChanges(left: Way, right: Way): string[] {
  return differing(left, right).map((claim) => {
    const [old, now] = [left.get(claim), right.get(claim)];
    return `${onProduct(left, right)}${changeText(claim, old, now)}: ${effectText(old, now)}`;
  });
}

function effectText(old: ValueSet | undefined, now: ValueSet | undefined): string {
  const effect = effectOf(old, now);
  return effect === 'incomparable' ? 'neither weaker nor stronger' : effect;
}

/** Floors of one product line mean nothing on another one. */
function onProduct(left: Way, right: Way): string {
  const name = left.get(PRODUCT)?.texts.listed[0];
  const isShared = effectOf(left.get(PRODUCT), right.get(PRODUCT)) === 'same';
  return name !== undefined && isShared ? `on ${valueText(PRODUCT, name)} ` : '';
}

const PRODUCT = 'x-strongroom-product';

function changeText(claim: string, old: ValueSet | undefined, now: ValueSet | undefined): string {
  const subject = claimText(claim);
  if (!old) return `${subject} must now be ${valuesText(claim, now)}`;
  if (!now) return `${subject} need no longer be ${valuesText(claim, old)}`;
  const [from, to] = [floorOf(old), floorOf(now)];
  if (from !== undefined && to !== undefined) {
    const moves = `${to < from ? 'falls' : 'rises'} from ${valueText(claim, from)}`;
    return `the floor of the ${subject} ${moves} to ${valueText(claim, to)}`;
  }
  return `${subject} must be ${valuesText(claim, now)} in place of ${valuesText(claim, old)}`;
}

/** Of a set that holds every integer from some number on, and nothing else. */
function floorOf(set: ValueSet): number | undefined {
  const [[least] = [LEAST]] = set.integers;
  const isFloor = least !== LEAST && isWithin(set, integerSet(least, MOST));
  return isFloor && isWithin(integerSet(least, MOST), set) ? least : undefined;
}

/** A way that came or went is told by what sets it apart from the nearest one that stays. */
function loneChanges(
  changed: readonly Way[],
  side: readonly Way[],
  others: readonly Way[],
  paired: ReadonlySet<Way>,
  { what, effect }: { what: string; effect: Relation },
): string[] {
  const lone = changed.filter((way) => !paired.has(way));
  const staying = side.filter((way) => !lone.includes(way));
  return lone.map((way) => {
    const nearest = nearestWay(way, staying.length > 0 ? staying : others);
    const parts = differing(way, nearest).map((claim) =>
      way.has(claim)
        ? `${claimText(claim)} ${valuesText(claim, way.get(claim))}`
        : `no demand on the ${claimText(claim)}`,
    );
    const isRedundant = coverage([way], others).kind === 'covered';
    const does = isRedundant ? 'no difference, another way accepts it' : effect;
    return `${onProduct(way, nearest)}${what}: ${parts.join(', ')}: ${does}`;
  });
}

function nearestWay(way: Way, others: readonly Way[]): Way {
  const counted = others.map((other) => ({ other, count: differing(way, other).length }));
  const [best] = counted.sort((one, another) => one.count - another.count);
  return best?.other ?? new Map();
}

function valuesText(claim: string, set: ValueSet | undefined): string {
  if (!set) return 'anything';
  const { missing, others, booleans, integers, texts } = set;
  if (missing) return 'missing';
  // Conditions tell these apart from nothing else but a missing claim.
  if (others) return 'there';
  return [
    ...booleans.map(String),
    ...integers.map(([least, most]) => intervalText(claim, least, most)),
    ...(texts.allBut ? [otherTexts(claim, texts.listed)] : []),
    ...(texts.allBut ? [] : texts.listed.map((each) => valueText(claim, each))),
  ].join(' or ');
}

function otherTexts(claim: string, listed: readonly string[]): string {
  const names = listed.map((each) => valueText(claim, each));
  return names.length === 0 ? 'any text' : `any text but ${names.join(' and ')}`;
}

function intervalText(claim: string, least: number, most: number): string {
  if (least === most) return valueText(claim, least);
  if (most === MOST) return least === LEAST ? 'any integer' : `at least ${valueText(claim, least)}`;
  if (least === LEAST) return `at most ${valueText(claim, most)}`;
  return `${valueText(claim, least)} to ${valueText(claim, most)}`;
}

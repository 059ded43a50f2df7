import { POLICY_COMPARISON_STEPS_MAX } from '@strongroom/protocol/limits';
import type { CompiledPolicy, Rule } from './compile.ts';
import type { Claims } from './evaluate.ts';
import {
  complement,
  exampleOf,
  intersect,
  isEmpty,
  textSet,
  type ValueSet,
  valuesOf,
} from './value-set.ts';

/**
 * One way to a key, without any "or": for each claim the values that it may have. A claim that is
 * not named may have every value.
 */
export type Way = ReadonlyMap<string, ValueSet>;

/** Whether one policy releases to every token that another releases to. */
export type Coverage =
  | { readonly kind: 'covered' }
  /** Claims to which the first policy releases and the second does not. */
  | { readonly kind: 'beyond'; readonly example: Claims }
  | { readonly kind: 'undecided' };

interface Budget {
  steps: number;
}

/**
 * Decides exactly, over all tokens, unless the combinations are more than
 * POLICY_COMPARISON_STEPS_MAX steps.
 */
export function coverage(inner: readonly Way[], outer: readonly Way[]): Coverage {
  const budget = { steps: POLICY_COMPARISON_STEPS_MAX };
  for (const way of inner) {
    const beyond = outside(way, outer, budget);
    if (beyond === 'undecided') return { kind: 'undecided' };
    if (beyond) return { kind: 'beyond', example: exampleClaims(beyond) };
  }
  return { kind: 'covered' };
}

/**
 * Every way to a key that some token can take; a way that contradicts itself is none.
 * @returns undefined when there are more than POLICY_COMPARISON_STEPS_MAX combinations
 */
export function waysOf(policy: CompiledPolicy): Way[] | undefined {
  const budget = { steps: POLICY_COMPARISON_STEPS_MAX };
  const ways = policy.entries.map(({ authority, rule }) =>
    combine([new Map([['iss', textSet(authority)]])], rule, budget),
  );
  return ways.every((each) => each !== undefined) ? ways.flat() : undefined;
}

/** The ways so far, each followed by every way through the rule. */
function combine(ways: readonly Way[], rule: Rule, budget: Budget): readonly Way[] | undefined {
  if (rule.kind === 'condition') {
    budget.steps -= ways.length;
    const here: Way = new Map([[rule.claim, valuesOf(rule)]]);
    return budget.steps < 0 ? undefined : ways.flatMap((way) => both(way, here) ?? []);
  }
  if (rule.kind === 'allOf') {
    return rule.rules.reduce<readonly Way[] | undefined>(
      (found, part) => found && combine(found, part, budget),
      ways,
    );
  }
  const parts = rule.rules.map((part) => combine(ways, part, budget));
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
}

/** Equal for two ways that accept the same values of every claim that they name. */
export function keyOf(way: Way): string {
  const sets = [...way].map(([claim, set]) => {
    const texts = { ...set.texts, listed: set.texts.listed.toSorted() };
    return JSON.stringify([claim, { ...set, texts }]);
  });
  return sets.sort().join();
}

/** Undefined when no token takes both ways at once. */
function both(left: Way, right: Way): Way | undefined {
  const sets = new Map(left);
  for (const [claim, values] of right) {
    const others = sets.get(claim);
    const shared = others ? intersect(others, values) : values;
    if (isEmpty(shared)) return undefined;
    sets.set(claim, shared);
  }
  return consistent(sets);
}

/** A claim below another one needs an object above it, and says all that there is to say of it. */
function consistent(sets: Map<string, ValueSet>): Way | undefined {
  const present = [...sets].flatMap(([claim, { missing }]) => (missing ? [] : [claim]));
  for (const [above, { objects }] of sets) {
    if (!present.some((claim) => claim.startsWith(`${above}.`))) continue;
    if (!objects) return undefined;
    sets.delete(above);
  }
  return sets;
}

/** A part of the way on which none of the others lies. */
function outside(way: Way, others: readonly Way[], budget: Budget): Way | 'undecided' | undefined {
  for (const [index, other] of others.entries()) {
    budget.steps -= 1;
    if (budget.steps < 0) return 'undecided';
    if (!both(way, other)) continue;
    for (const [claim, values] of other) {
      const apart = both(way, new Map([[claim, complement(values)]]));
      const found = apart && outside(apart, others.slice(index + 1), budget);
      if (found) return found;
    }
    return undefined;
  }
  return way;
}

function exampleClaims(way: Way): Claims {
  const claims: Record<string, unknown> = Object.create(null);
  for (const [claim, values] of way) {
    const value = exampleOf(values);
    if (value !== undefined) put(claims, claim.split('.'), value);
  }
  return claims;
}

/** Objects that are on the way to a claim are made, and kept when they are there already. */
function put(claims: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  const isLast = rest.length === 0;
  const above = claims[name];
  if (isLast) {
    if (!isMembers(above)) claims[name] = value;
    return;
  }
  const members = isMembers(above) ? above : Object.create(null);
  claims[name] = members;
  put(members, rest, value);
}

function isMembers(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

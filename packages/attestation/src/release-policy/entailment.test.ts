import { seededRandom } from '@strongroom/testkit/seeded-random';
import { describe, expect, test } from 'vitest';
import { type CompiledPolicy, compileReleasePolicy } from './compile.ts';
import { diffPolicies } from './diff.ts';
import { evaluatePolicy } from './evaluate.ts';

/** The comparison of policies, tried against every token of a small world. */

const A = 'https://a.example';
const B = 'https://b.example';
const random = seededRandom(4);
const list = <Value>(make: () => Value) => Array.from({ length: 1 + random.below(3) }, make);

const OPERATORS = ['equals', 'notEquals', 'less', 'lessOrEquals', 'greater', 'greaterOrEquals'];

function condition(): object {
  const claim = random.pick(['a', 'a.b', 'a.b.c', 'n', 'n', 'flag', 'iss']);
  if (random.chance(0.2)) return { claim, exists: random.pick(['true', 'false']) };
  const equality = random.pick(['equals', 'notEquals']);
  if (claim === 'iss') return { claim, [equality]: random.pick([A, B]) };
  if (claim === 'flag') return { claim, [equality]: random.chance(0.5) };
  if (claim === 'a' || random.chance(0.1)) return { claim, [equality]: random.pick(['x', 'y']) };
  return { claim, [random.pick(OPERATORS)]: random.below(4) };
}

function rule(depth: number): object {
  if (depth === 0 || random.chance(0.6)) return condition();
  return { [random.pick(['anyOf', 'allOf'])]: list(() => rule(depth - 1)) };
}

interface Entry {
  authority: string;
  anyOf?: object[];
  allOf?: object[];
}

function entry(): Entry {
  const rules = list(() => rule(2));
  return {
    authority: random.pick([A, B]),
    ...(random.chance(0.3) ? { anyOf: rules } : { allOf: rules }),
  };
}

/** The same policy with one thing more, less or other. */
function changed(entries: readonly Entry[]): Entry[] {
  const at = random.below(entries.length);
  return entries.flatMap((each, index) => {
    if (index !== at) return [each];
    const { allOf = [] } = each;
    if (each.anyOf || random.chance(0.3)) return random.chance(0.5) ? [each, entry()] : [entry()];
    if (random.chance(0.5)) return [{ ...each, allOf: [...allOf, condition()] }];
    return [{ ...each, allOf: allOf.length > 1 ? allOf.slice(1) : [condition()] }];
  });
}

const compiled = (anyOf: readonly object[]) =>
  compileReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf }));

const WORLD: Record<string, unknown>[] = [{}];
function multiply(name: string, values: unknown[]): void {
  const before = WORLD.splice(0);
  for (const claims of before) {
    for (const value of values)
      WORLD.push(value === undefined ? claims : { ...claims, [name]: value });
  }
}
multiply('iss', [A, B, undefined]);
multiply('a', [
  ...[undefined, 'x', 'y', 'z', null, 1, [], {}, { b: 0 }, { b: 1 }, { b: 3 }, { b: 'x' }],
  ...[{ b: null }, { b: {} }, { b: { c: 0 } }, { b: { c: 2 } }, { b: { c: true } }],
]);
multiply('n', [undefined, -1, 0, 1, 2, 3, 'x', 0.5]);
multiply('flag', [undefined, true, false]);

const grants = (policy: CompiledPolicy) =>
  WORLD.map((claims) => evaluatePolicy(policy, claims).granted);
const released = (policy: CompiledPolicy, claims: object | undefined) =>
  claims && evaluatePolicy(policy, JSON.parse(JSON.stringify(claims))).granted;

describe('the relation of two policies', () => {
  test('is the one that all tokens of a small world show, and its examples are true', () => {
    const seen = new Map<string, number>();
    for (let pair = 0; pair < 250; pair += 1) {
      const entries = list(entry);
      const other = random.chance(0.8) ? changed(entries) : list(entry);
      const texts = JSON.stringify([entries, other]);
      const [old, now] = [compiled(entries), compiled(other)];
      const { relation, gained, lost } = diffPolicies(old, now);
      seen.set(relation, (seen.get(relation) ?? 0) + 1);
      const [before, after] = [grants(old), grants(now)];
      const gains = after.some((granted, index) => granted && !before[index]);
      const losses = before.some((granted, index) => granted && !after[index]);
      if (gains) expect(gained, texts).toBeDefined();
      if (losses) expect(lost, texts).toBeDefined();
      expect([released(old, gained), released(now, gained)], texts).toEqual(
        gained ? [false, true] : [undefined, undefined],
      );
      expect([released(old, lost), released(now, lost)], texts).toEqual(
        lost ? [true, false] : [undefined, undefined],
      );
      const named = { same: [0, 0], weaker: [1, 0], stronger: [0, 1], incomparable: [1, 1] };
      expect([Number(!!gained), Number(!!lost)]).toEqual(
        Object.entries(named).find(([name]) => name === relation)?.[1],
      );
    }
    for (const relation of ['same', 'weaker', 'stronger', 'incomparable']) {
      expect(seen.get(relation), relation).toBeGreaterThan(15);
    }
  });
});

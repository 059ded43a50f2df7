import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';
import { evaluatePolicy } from './evaluate.ts';

const ISSUER = 'https://attest.example';
const DEBUG = 'x-ms-sevsnpvm-is-debuggable';
const VMPL = 'x-ms-sevsnpvm-vmpl';
const TYPE = 'x-ms-attestation-type';

const policyOf = (...conditions: object[]) => ({
  version: '1.0.0',
  anyOf: [{ authority: ISSUER, allOf: conditions }],
});
const judge = (policy: object, claims: Record<string, unknown>) =>
  evaluatePolicy(compileReleasePolicy(JSON.stringify(policy)), claims);
const grants = (condition: object, claims: object) =>
  judge(policyOf(condition), { iss: ISSUER, ...claims }).granted;

describe('evaluatePolicy', () => {
  test.each([
    ['a boolean is not its spelling', { claim: DEBUG, equals: 'false' }, { [DEBUG]: 'false' }],
    ['an integer is not its spelling', { claim: VMPL, equals: '0' }, { [VMPL]: '0' }],
    ['false is not 0', { claim: VMPL, equals: '0' }, { [VMPL]: false }],
    ['null is not 0', { claim: VMPL, equals: '0' }, { [VMPL]: null }],
    ['a list is not its element', { claim: TYPE, equals: 'sevsnpvm' }, { [TYPE]: ['sevsnpvm'] }],
    ['missing is not unequal', { claim: DEBUG, notEquals: 'true' }, {}],
    ['another type is not unequal', { claim: DEBUG, notEquals: 'true' }, { [DEBUG]: 'false' }],
    ['missing is not small', { claim: VMPL, less: 1 }, {}],
    ['text is not ordered', { claim: VMPL, greaterOrEquals: 0 }, { [VMPL]: '5' }],
    ['a rounded integer has no value', { claim: VMPL, greater: 0 }, { [VMPL]: 2 ** 53 }],
    ['a fraction has no value', { claim: VMPL, greater: 0 }, { [VMPL]: 0.5 }],
    ['upper case differs', { claim: TYPE, equals: 'sevsnpvm' }, { [TYPE]: 'SEVSNPVM' }],
    ['a Unicode twin differs', { claim: TYPE, equals: 'sevsnpvm' }, { [TYPE]: 'sеvsnpvm' }],
    ['a dotted name is a path', { claim: 'a.b', equals: 'x' }, { 'a.b': 'x' }],
    ['a list has no members', { claim: 'a.0', equals: 'x' }, { a: ['x'] }],
    ['a list has no length', { claim: 'a.length', equals: 1 }, { a: ['x'] }],
    ['text has no members', { claim: 'a.length', equals: 1 }, { a: 'x' }],
    ['a prototype is no claim', { claim: 'constructor', exists: 'true' }, {}],
    ['nor is a deep one', { claim: 'a.__proto__', exists: 'true' }, { a: {} }],
    ['a present claim is not missing', { claim: 'a', exists: 'false' }, { a: null }],
  ])('denies: %s', (_name, condition, claims) => {
    expect(grants(condition, claims)).toBe(false);
  });

  test.each([
    [{ claim: DEBUG, equals: 'false' }, { [DEBUG]: false }],
    [{ claim: DEBUG, notEquals: 'true' }, { [DEBUG]: false }],
    [{ claim: VMPL, equals: '0' }, { [VMPL]: 0 }],
    [{ claim: VMPL, lessOrEquals: 3 }, { [VMPL]: 3 }],
    [{ claim: VMPL, greater: '-1' }, { [VMPL]: 0 }],
    [{ claim: 'a.b.c', equals: 'x' }, { a: { b: { c: 'x' } } }],
    [{ claim: 'a.b', exists: 'false' }, { a: 'x' }],
    [{ claim: 'a.__proto__.b', equals: 'x' }, { a: JSON.parse('{"__proto__":{"b":"x"}}') }],
  ])('grants %j of %j', (condition, claims) => {
    expect(grants(condition, claims)).toBe(true);
  });

  test('believes an authority only under its exact name', () => {
    const policy = policyOf({ claim: TYPE, equals: 'a' });
    for (const iss of [`${ISSUER}/`, 'https://ATTEST.example', [ISSUER], undefined, null]) {
      const verdict = judge(policy, { iss, [TYPE]: 'a' });
      expect(verdict.granted).toBe(false);
      expect(verdict.reasons).toMatchObject([{ claim: 'iss', expected: ISSUER, met: false }]);
    }
  });

  test('a condition of one authority does not help a token of another', () => {
    const policy = {
      version: '1.0.0',
      anyOf: [
        { authority: ISSUER, allOf: [{ claim: TYPE, equals: 'a' }] },
        { authority: 'https://other.example', allOf: [{ claim: TYPE, equals: 'b' }] },
      ],
    };
    expect(judge(policy, { iss: ISSUER, [TYPE]: 'b' }).granted).toBe(false);
    expect(judge(policy, { iss: 'https://other.example', [TYPE]: 'b' }).granted).toBe(true);
  });

  test('tells what the nearest entry lacked', () => {
    const entry = (type: string, vmpl: number) => ({
      authority: ISSUER,
      allOf: [
        { claim: TYPE, equals: type },
        { claim: VMPL, equals: vmpl },
        { claim: DEBUG, equals: 'false' },
      ],
    });
    const policy = { version: '1.0.0', anyOf: [entry('a', 1), entry('b', 0), entry('c', 2)] };
    const verdict = judge(policy, { iss: ISSUER, [TYPE]: 'b', [VMPL]: 0 });
    expect(verdict).toEqual({
      granted: false,
      reasons: [
        reason(1, 0, { claim: TYPE, expected: 'b', found: 'b', met: true }),
        reason(1, 1, { claim: VMPL, expected: '0', found: '0', met: true }),
        reason(1, 2, { claim: DEBUG, expected: 'false', found: null, met: false }),
      ],
    });
  });

  test('cuts a long claim short where people read it', () => {
    const found = judge(policyOf({ claim: TYPE, equals: 'a' }), {
      iss: ISSUER,
      [TYPE]: 'b'.repeat(300),
    });
    expect(found.reasons[0]?.found).toBe('b'.repeat(200));
  });

  test.each(['anyOf', 'allOf'] as const)('an empty %s that no compiler made denies', (kind) => {
    const entry = { place: 'anyOf[0]', authority: ISSUER, rule: { kind, rules: [] } };
    expect(evaluatePolicy({ entries: [entry] }, { iss: ISSUER }).granted).toBe(false);
  });

  test('a refused token stays refused when claims are taken away', () => {
    fc.assert(
      fc.property(policies, claimSets, fc.nat(), (policy, claims, index) => {
        fc.pre(!JSON.stringify(policy).includes('"exists":"false"'));
        if (judge(policy, claims).granted) return;
        const fewer = Object.entries(claims).filter((_, at) => at !== index % 8);
        expect(judge(policy, Object.fromEntries(fewer)).granted).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

function reason(entry: number, index: number, rest: object) {
  return { place: `anyOf[${entry}].allOf[${index}]`, operator: 'equals', ...rest };
}

const TEXT_CLAIMS = [TYPE, 'x-ms-runtime.contract', 'x-strongroom-platform'];
const INTEGER_CLAIMS = [VMPL, 'x-ms-sevsnpvm-tee-svn', `x-ms-isolation-tee.${VMPL}`];
const BOOLEAN_CLAIMS = [DEBUG, `x-ms-isolation-tee.${DEBUG}`];
const FOREIGN_CLAIMS = ['foreign', 'x-ms-runtime.other', 'constructor', '__proto__.a'];
const ORDERS = ['less', 'lessOrEquals', 'greater', 'greaterOrEquals'];

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const condition = (claims: string[], operators: string[], values: unknown[]) =>
  fc
    .tuple(pick(...claims), pick(...operators), pick(...values))
    .map(([claim, operator, value]) => ({ claim, [operator]: value }));
const conditions = fc.oneof(
  condition(TEXT_CLAIMS, ['equals', 'notEquals'], ['a', 'b', 'true', '0', '']),
  condition(INTEGER_CLAIMS, ['equals', 'notEquals', ...ORDERS], ['0', 0, '1', 1, -1, '-1']),
  condition(BOOLEAN_CLAIMS, ['equals', 'notEquals'], ['true', 'false', true, false]),
  condition(FOREIGN_CLAIMS, ['equals', 'notEquals'], ['a', 'true', true, false, 0, 1, '0']),
  condition(FOREIGN_CLAIMS, ORDERS, [0, 1]),
  condition([...TEXT_CLAIMS, ...INTEGER_CLAIMS, ...FOREIGN_CLAIMS], ['exists'], ['true', 'false']),
);
const lists = (item: fc.Arbitrary<object>) => fc.array(item, { minLength: 1, maxLength: 3 });
const combination = (item: fc.Arbitrary<object>) =>
  fc
    .tuple(pick('anyOf', 'allOf', 'anyof', 'ALLOF'), lists(item))
    .map(([kind, items]) => ({ [kind]: items }));
const rules = fc.oneof(
  { weight: 4, arbitrary: conditions },
  { weight: 1, arbitrary: combination(fc.oneof(conditions, combination(conditions))) },
);
const policies = lists(
  fc
    .tuple(pick(ISSUER, ISSUER, 'https://other.example'), combination(rules))
    .map(([authority, members]) => ({ authority, ...members })),
).map((anyOf) => ({ version: '1.0.0', anyOf }));

const values = pick<unknown>(
  ...['a', 'b', 'a', 'true', 'false', '0', '1', '', true, false, 0, 1, -1, 2, 0, 1],
  ...[0.5, 2 ** 53, null, [], ['a'], [0], {}, { a: 'a' }, { other: 0 }],
);
const nested = fc.dictionary(pick('contract', 'other', 'a', VMPL, DEBUG), values, { maxKeys: 4 });
const claimSets = fc
  .tuple(
    pick(ISSUER, ISSUER, ISSUER, ISSUER, 'https://other.example', 'https://third.example'),
    fc.dictionary(
      pick(TYPE, VMPL, DEBUG, 'x-strongroom-platform', 'x-ms-sevsnpvm-tee-svn', 'foreign'),
      values,
      { minKeys: 1, maxKeys: 6 },
    ),
    fc.dictionary(pick('x-ms-runtime', 'x-ms-isolation-tee', '__proto__', 'constructor'), nested),
  )
  // Through JSON, as claims come: `__proto__` is then an own member like any other.
  .map(([iss, flat, deep]): Record<string, unknown> => {
    const members = [['iss', iss], ...Object.entries(flat), ...Object.entries(deep)];
    const texts = members.map((pair) => pair.map((each) => JSON.stringify(each)).join(':'));
    return JSON.parse(`{${texts.join(',')}}`);
  });

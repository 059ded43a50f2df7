import { StrongroomError } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { evaluatePolicy } from './evaluate.ts';
import { parsePolicy } from './parse.ts';
import type { Claim, ClaimValue } from './tree.ts';

const service = (type: string, value: ClaimValue): Claim => ({
  type,
  value,
  issuer: 'AttestationService',
});
const CLAIMS: readonly Claim[] = [
  service('debug', false),
  service('svn', 3),
  service('name', 'abc'),
  service('many', 1),
  service('many', 2),
  { type: 'name', value: 'custom', issuer: 'CustomClaim' },
];

const permits = (rules: string, claims = CLAIMS) =>
  evaluatePolicy(parsePolicy(`version=1.2;authorizationrules{${rules}};`), claims).permitted;

/** What one issuance rule issues as type `r`, or the check that failed. */
function issued(rules: string, claims = CLAIMS): readonly ClaimValue[] | string {
  const text = `version=1.2;authorizationrules{=>permit();};issuancerules{${rules}};`;
  try {
    const outcome = evaluatePolicy(parsePolicy(text), claims);
    return outcome.issued.filter(({ type }) => type === 'r').map(({ value }) => value);
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check']}`;
  }
}

describe('authorization', () => {
  test.each([
    ['', false],
    ['=> permit();', true],
    ['=> deny();', false],
    ['=> permit(); => deny();', false],
    ['=> deny(); => permit();', false],
    ['[type=="debug", value==false] => permit();', true],
    ['[type=="debug", value==true] => permit();', false],
    ['[type=="debug", value=="false"] => permit();', false],
    ['[type=="svn", value>=3] => permit();', true],
    ['[type=="svn", value>3] => permit();', false],
    ['[type=="svn", value<=3] => permit();', true],
    ['[type=="svn", value<3] => permit();', false],
    ['[type=="svn", value!=3] => permit();', false],
    ['[type=="svn", value==3, valueType=="Integer"] => permit();', true],
    ['[type=="svn", valueType=="String"] => permit();', false],
    ['[type=="debug", valueType=="Boolean"] => permit();', true],
    ['[type=="name", value>=3] => permit();', false],
    ['[type=="absent"] => permit();', false],
    ['![type=="absent"] => permit();', true],
    ['![type=="svn"] => permit();', false],
    // Both conditions have to hold, and each of one claim alone.
    ['[type=="debug"] && [type=="svn"] => permit();', true],
    ['[type=="debug"] && [type=="absent"] => permit();', false],
    ['[type=="debug", value==3] => permit();', false],
    // The attester may say what it likes: its word is told from the service's.
    ['[type=="name", value=="custom"] => permit();', true],
    ['[type=="name", value=="custom", issuer=="AttestationService"] => permit();', false],
    ['[type=="name", issuer!="CustomClaim"] => permit();', true],
    // References to what another condition found.
    ['c:[type=="svn"] && [type=="svn", value==c.value] => permit();', true],
    ['c:[type=="svn"] && [type=="many", value==c.value] => permit();', false],
    ['c:[type=="many"] && [type=="many", value<c.value] => permit();', true],
    // What a rule adds is there for the next one, as the word of the policy.
    ['=> add(type="x", value=1); [type=="x", issuer=="AttestationPolicy"] => permit();', true],
    ['[type=="x"] => permit(); => add(type="x", value=1);', false],
    ['=> add(type="x", value=1); [type=="x", issuer=="AttestationService"] => permit();', false],
  ])('%s is %s', (rules, expected) => {
    expect(permits(rules)).toBe(expected);
  });

  test('without it nothing is issued, and issuance is not even tried', () => {
    const text =
      'version=1.2;authorizationrules{=>deny();};' +
      'issuancerules{=>issue(type="a",value=1);=>add(type="b",value=NegateBool(1));};';
    expect(evaluatePolicy(parsePolicy(text), CLAIMS)).toEqual({
      permitted: false,
      issued: [],
      properties: [],
    });
  });
});

describe('issuance', () => {
  test.each([
    ['=> issue(type="r", value=1);', [1]],
    ['c:[type=="svn"] => issue(type="r", value=c.value);', [3]],
    ['c:[type=="svn"] => issue(type="r", value=c.type);', ['svn']],
    ['c:[type=="svn"] => issue(type="r", value=c.issuer);', ['AttestationService']],
    ['c:[type=="svn"] => issue(type="r", value=c.valueType);', ['Integer']],
    ['c:[type=="many"] => issue(type="r", value=c.value);', [1, 2]],
    ['=> add(type="r", value=1);', []],
    ['=> add(type="r", value=1); c:[type=="r"] => issue(claim=c);', [1]],
    ['=> issue(type="q", value="r"); c:[type=="q"] => issue(type=c.value, value=7);', [7]],
    // Only one type can be meant.
    ['c:[type=="many"] => issue(type=c.value, value=1);', 'ERR_ATTESTATION_DENIED one string'],
  ])('%s', (rules, expected) => {
    expect(issued(rules)).toEqual(expected);
  });

  test('rules that multiply claims end at a limit', () => {
    const rules = `=>add(type="x",value=1);${'c:[type=="x"]=>add(claim=c);'.repeat(40)}`;
    expect(issued(rules)).toBe('ERR_ATTESTATION_DENIED claims');
    const growing = Array.from(
      { length: 12 },
      (_, index) =>
        `c:[type=="t${index}"]=>add(type="t${index + 1}",value=AppendString(c.value,c.value));`,
    ).join('');
    expect(issued(`=>add(type="t0",value="${'x'.repeat(100)}");${growing}`)).toBe(
      'ERR_ATTESTATION_DENIED length',
    );
  });

  test('a property is told apart from claims, and judged when its value is known', () => {
    const evaluate = (minutes: number) =>
      evaluatePolicy(
        parsePolicy(
          'version=1.1;configurationrules{c:[type=="m"]=>' +
            'issueproperty(type="report_validity_in_minutes",value=c.value);};' +
            'authorizationrules{=>permit();};',
        ),
        [service('m', minutes)],
      );
    expect(evaluate(60)).toMatchObject({ issued: [], properties: [{ value: 60 }] });
    expect(() => evaluate(481)).toThrow(/check: property/);
  });
});

const value = (expression: string) => issued(`=> issue(type="r", value=${expression});`);
const WRONG = 'ERR_ATTESTATION_DENIED';

describe('functions', () => {
  test.each([
    ['JmesPath("{\\"foo\\": \\"bar\\"}", "foo")', ['"bar"']],
    ['JmesPath("{\\"values\\": [0,1,2,3,4]}", "values[2]")', ['2']],
    ['JmesPath("{}", "foo")', ['null']],
    ['JmesPath("{\\"a\\": {}}", "a.constructor")', ['null']],
    ['JmesPath("{\\"a\\": {}}", "a.__proto__")', ['null']],
    ['JmesPath("{\\"a\\": {\\"b\\": 1}}", "a | {c: b} | keys(@)")', ['["c"]']],
    ['JmesPath("[]", AppendString("length(", "@)"))', ['0']],
    ['JmesPath("[\\"Ab\\"]", "equals_ignore_case([0], \'aB\')")', ['true']],
    ['JmesPath("[1]", "equals_ignore_case([0], \'aB\')")', `${WRONG} query`],
    ['JmesPath("[]", AppendString("length(", ""))', `${WRONG} query`],
    ['JmesPath("[]", "nosuch(@)")', `${WRONG} query`],
    ['JmesPath("no json", "a")', `${WRONG} json`],
    ['JmesPath("", "a")', `${WRONG} json`],
    ['JmesPath(1, "a")', `${WRONG} one string`],
    ['JsonToClaimValue("100")', [100]],
    ['JsonToClaimValue("true")', [true]],
    ['JsonToClaimValue("\\"abc\\"")', ['abc']],
    ['JsonToClaimValue("[0, \\"abc\\", true, null]")', [0, 'abc', true]],
    ['JsonToClaimValue("null")', []],
    ['JsonToClaimValue("[]")', []],
    ['JsonToClaimValue("1.5")', `${WRONG} claim-value`],
    ['JsonToClaimValue("{}")', `${WRONG} claim-value`],
    ['JsonToClaimValue("[[1]]")', `${WRONG} claim-value`],
    ['JsonToClaimValue("abc")', `${WRONG} json`],
    ['JsonToClaimValue(JsonToClaimValue("null"))', []],
    ['IsSubsetOf("abc", JsonToClaimValue("[true, \\"abc\\", 100]"))', [true]],
    ['IsSubsetOf(JsonToClaimValue("[\\"abc\\", 100]"), 100)', [false]],
    ['IsSubsetOf(JsonToClaimValue("[]"), 1)', [true]],
    ['AppendString("abc", "xyz")', ['abcxyz']],
    ['AppendString("", "")', ['']],
    ['AppendString("a", 1)', `${WRONG} one string`],
    ['AppendString("a", JsonToClaimValue("[\\"b\\",\\"b\\"]"))', ['ab']],
    ['AppendString("a", JsonToClaimValue("[\\"b\\",\\"c\\"]"))', `${WRONG} one string`],
    ['NegateBool(true)', [false]],
    ['NegateBool("true")', `${WRONG} one boolean`],
    ['ContainsOnlyValue(JsonToClaimValue("[100,101]"), 100)', [false]],
    ['ContainsOnlyValue(JsonToClaimValue("[100,100]"), 100)', [true]],
    ['ContainsOnlyValue(JsonToClaimValue("[]"), 100)', [false]],
    ['ContainsOnlyValue(1, JsonToClaimValue("[1,2]"))', `${WRONG} one value`],
  ])('%s', (expression, expected) => {
    expect(value(expression)).toEqual(expected);
  });
});

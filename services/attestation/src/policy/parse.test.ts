import { StrongroomError } from '@strongroom/protocol/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePolicy } from './parse.ts';

/** A policy of one rule. */
const authorize = (rule: string, version = '1.2') =>
  `version=${version};\nauthorizationrules {\n${rule}\n};`;
const issue = (rule: string, version = '1.2') =>
  `version=${version};authorizationrules{=>permit();};issuancerules{\n${rule}\n};`;

/** `code line:column expected`, or `accepted`. */
function answer(text: string): string {
  try {
    parsePolicy(text);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    const { line, column, expected, limit } = error.facts;
    return limit === undefined ? `${line}:${column} ${expected}` : `${error.code} ${limit}`;
  }
}

describe('the text of a policy', () => {
  test('becomes a tree', () => {
    const text = issue('c:[type=="a", value>=-1] && ![issuer!="CustomClaim"] => add(claim=c);');
    expect(parsePolicy(text)).toMatchObject({
      version: '1.2',
      rules: {
        configurationrules: [],
        authorizationrules: [{ conditions: [], action: { verb: 'permit' } }],
        issuancerules: [
          {
            conditions: [
              {
                negated: false,
                name: 'c',
                tests: [
                  { property: 'type', operator: '==', expression: { value: 'a' } },
                  { property: 'value', operator: '>=', expression: { value: -1 } },
                ],
              },
              { negated: true, tests: [{ property: 'issuer', operator: '!=' }] },
            ],
            action: { verb: 'add', claim: { from: 'name', name: 'c' } },
            at: { line: 2, column: 1 },
          },
        ],
      },
    });
  });

  test('may have comments, and quotes inside of texts', () => {
    const text = issue('// one; two\n=> issue(type="a//b", value="say \\"x\\\\y\\""); // end');
    const [rule] = parsePolicy(text).rules.issuancerules;
    expect(rule?.action).toMatchObject({
      claim: { type: { value: 'a//b' }, value: { value: 'say "x\\y"' } },
    });
  });

  test.each([
    ['nothing', '', '1:1 version'],
    ['no version', 'authorizationrules{=>permit();};', '1:1 version'],
    ['an unknown version', 'version=1.3;', '1:9 1.0 or 1.1 or 1.2'],
    ['a version of another form', 'version=1;', '1:10 .'],
    ['no authorization', 'version=1.0;\nissuancerules{};', '2:17 authorizationrules'],
    ['two authorizations', `${authorize('=>permit();')}authorizationrules{};`, /^4:3 one of/],
    ['an unknown section', 'version=1.0;rules{};', /^1:13 one of/],
    ['configuration in 1.0', 'version=1.0;configurationrules{};', /^1:13 one of/],
    ['a section without end', 'version=1.0;authorizationrules{=>permit();', /^1:43 /],
    ['no semicolon behind a section', 'version=1.0;authorizationrules{}', '1:33 ;'],
    ['no semicolon behind a rule', authorize('=> permit()'), '4:1 ;'],
    ['something behind the end', `${authorize('=> permit();')} x`, /^4:4 one of/],
    ['curly quotes', authorize('[type==”a”] => permit();'), '3:8 a token'],
    ['a text without end', authorize('[type=="a] => permit();'), /^3:8 a text that ends/],
    ['an unknown escape', authorize('[type=="\\n"] => permit();'), /^3:8 a text that ends/],
    ['an unknown action', authorize('=> allow();'), '3:4 permit, deny, add'],
    ['an argument of permit', authorize('=> permit(true);'), '3:11 )'],
    ['issue before permit', authorize('=> issue(type="a",value=1);'), '3:4 permit, deny, add'],
    ['permit in issuance', issue('=> permit();'), '2:4 add, issue, issueproperty'],
    ['a claim of the service', issue('=> issue(type="x-ms-ver",value=1);'), /^2:15 a name that/],
    ['an issuer of tokens', issue('=> issue(type="iss",value="x");'), /^2:15 a name that/],
    ['issue without a value', issue('=> issue(type="a");'), '2:18 ,'],
    ['a type that is no text', issue('=> issue(type=1,value=1);'), '2:15 a text'],
    ['an empty type', issue('=> issue(type="",value=1);'), '2:15 a text'],
    [
      'an issuer of its own',
      issue('=> issue(type="a",value=1,issuer="AttestationService");'),
      '2:26 )',
    ],
    ['a claim that no condition named', issue('=> issue(claim=c);'), /^2:16 the name/],
    [
      'a name used before it is there',
      authorize('[value==c.value] && c:[type=="a"] => permit();'),
      /^3:9 the name/,
    ],
    [
      'a name twice',
      authorize('c:[type=="a"] && c:[type=="b"] => permit();'),
      '3:18 another name than before',
    ],
    ['a name of what is absent', authorize('!c:[type=="a"] => permit();'), '3:2 no name behind !'],
    ['absence in 1.1', authorize('![type=="a"] => permit();', '1.1'), '3:1 version 1.2 for !'],
    [
      'a function in 1.1',
      authorize('c:[type=="a"] => add(type="b",value=NegateBool(c.value));', '1.1'),
      /^3:37 version 1.2/,
    ],
    ['an unknown function', authorize('=> add(type="b",value=Sha256("a"));'), /^3:23 JmesPath,/],
    [
      'a function of another case',
      authorize('=> add(type="b",value=jmespath("1","a"));'),
      /^3:23 JmesPath,/,
    ],
    [
      'an argument too few',
      authorize('=> add(type="b",value=AppendString("a"));'),
      '3:23 2 arguments',
    ],
    ['no argument', authorize('=> add(type="b",value=NegateBool());'), '3:23 1 arguments'],
    [
      'a broken query',
      authorize('=> add(type="b",value=JmesPath("1","a["));'),
      '3:36 a JMESPath query',
    ],
    [
      'a query that is no text',
      authorize('=> add(type="b",value=JmesPath("1",1));'),
      '3:36 a JMESPath query',
    ],
    [
      'an unknown property',
      authorize('[name=="a"] => permit();'),
      '3:2 type, value, valueType, issuer',
    ],
    ['no condition', authorize('[] => permit();'), '3:2 type, value, valueType, issuer'],
    ['an order of texts', authorize('[type=="a", value>"1"] => permit();'), '3:19 an integer'],
    ['an order of types', authorize('[type>"a"] => permit();'), '3:7 == or !='],
    ['an unknown issuer', authorize('[issuer=="Me"] => permit();'), /^3:10 AttestationService/],
    ['an unknown kind of value', authorize('[valueType=="Real"] => permit();'), /^3:13 String/],
    ['a type that is a number', authorize('[type==1] => permit();'), '3:8 a text'],
    ['a fraction', authorize('[value==1.5] => permit();'), '3:10 ]'],
    ['a number of another form', authorize('[value==0x10] => permit();'), '3:9 a token'],
    [
      'a number that no double holds',
      authorize('[value==9007199254740993] => permit();'),
      /^3:9 an integer/,
    ],
    ['or', authorize('[type=="a"] || [type=="b"] => permit();'), '3:13 a token'],
    [
      'an unknown configuration',
      'version=1.1;configurationrules{=>issueproperty(type="x",value=1);};',
      /^1:34 a property of/,
    ],
    [
      'a configuration that we would not keep',
      'version=1.1;configurationrules{=>issueproperty(type="require_valid_aik_cert",value=true);};',
      /^1:84 a value of/,
    ],
    [
      'too long a validity',
      issue('=> issueproperty(type="report_validity_in_minutes",value=481);'),
      /^2:58 a value of/,
    ],
  ])('is refused with %s', (_name, text, expected) => {
    if (typeof expected === 'string') expect(answer(text)).toBe(expected);
    else expect(answer(text)).toMatch(expected);
  });

  test('is refused over its limits', () => {
    const calls = (depth: number) => `${'NegateBool('.repeat(depth)}true${')'.repeat(depth)}`;
    const nested = (depth: number) => authorize(`=> add(type="a",value=${calls(depth)});`);
    expect(answer(nested(8))).toBe('accepted');
    expect(answer(nested(9))).toMatch(/^3:\d+ 8 calls in each other/);
    expect(answer(nested(9_000))).toMatch(/^ERR_LIMIT_EXCEEDED|^3:/);
    expect(answer(authorize('=>permit();'.repeat(512)))).toBe('accepted');
    expect(answer(authorize('=>permit();'.repeat(513)))).toBe(
      'ERR_LIMIT_EXCEEDED ATTESTATION_POLICY_RULES_MAX',
    );
    expect(answer(authorize(`//${'x'.repeat(70_000)}`))).toBe(
      'ERR_LIMIT_EXCEEDED ATTESTATION_POLICY_BYTES_MAX',
    );
  });
});

const WHOLE = `version=1.2;
configurationrules{ => issueproperty(type="report_validity_in_minutes", value=5); };
authorizationrules{ c:[type=="a", value==true] && ![type=="b"] => permit(); };
issuancerules{ d:[type=="e"] => issue(type="f", value=AppendString(d.value, "\\"")); };`;

describe('broken texts', () => {
  test('every beginning of a policy but the whole is refused with a place', () => {
    expect(answer(WHOLE)).toBe('accepted');
    for (let length = 0; length < WHOLE.length; length += 1) {
      const text = WHOLE.slice(0, length);
      // Sections may be missing at the end; nothing else may.
      if (text.trimEnd().endsWith('};') && text.includes('authorizationrules{')) continue;
      expect(answer(text)).toMatch(/^\d+:\d+ /);
    }
  });

  test('any text is a policy or is refused with a code', () => {
    const pieces = WHOLE.split(/(\s+|\b)/).filter((piece) => piece.trim() !== '');
    const words = fc.array(fc.constantFrom(...pieces, '"', '//', 'JmesPath', 'deny'));
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      words.map((list) => list.join(' ')),
      words.map((list) => `version=1.2;authorizationrules{${list.join('')}`),
      fc
        .tuple(fc.nat(WHOLE.length), fc.nat(8), fc.string({ maxLength: 4 }))
        .map(([at, cut, put]) => WHOLE.slice(0, at) + put + WHOLE.slice(at + cut)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(answer(text)).toMatch(/^accepted$|^\d+:\d+ /);
      }),
      { numRuns: 3_000 },
    );
  });
});

/** What may never stand at a place of a release policy, by the grammar of Azure Key Vault. */
import { POLICY_TEXT_CHARACTERS_MAX } from '@strongroom/protocol/limits';

/** Members of no object of the grammar. */
export const FOREIGN_NAMES: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'extra', 'not', 'noneOf'],
  ...['$schema', '//', '', 'any\u041ef', 'anyOf\u200b', 'operator', 'condition'],
];

const condition = '"claim":"x-ms-attestation-type"';

/** In place of a condition: spellings of drafts, and two things in one object. */
export const DRAFT_RULES: readonly string[] = [
  `{${condition},"condition":"equals","value":"a"}`,
  `{${condition},"operator":"equals","value":"a"}`,
  `{${condition},"equals":"a","value":"a"}`,
  `{${condition},"equals":"a","notEquals":"b"}`,
  `{${condition},"equals":"a","exists":"true"}`,
  `{${condition},"anyOf":[{${condition},"equals":"a"}]}`,
  `{${condition},"equals":"a","allOf":[{${condition},"equals":"a"}]}`,
  `{"anyOf":[{${condition},"equals":"a"}],"allOf":[{${condition},"equals":"a"}]}`,
  `{"authority":"https://attest.example","anyOf":[{${condition},"equals":"a"}]}`,
  ...['Equals', 'EQUALS', 'equal', '==', 'eq', 'notequals', 'in', 'contains', 'like'].map(
    (operator) => `{${condition},"${operator}":"a"}`,
  ),
  ...['lessThan', 'lessOrEqual', 'greaterOrEqual', 'Exists', 'startsWith', ''].map(
    (operator) => `{${condition},"${operator}":"1"}`,
  ),
];

/** JSON texts of everything but the kinds that are named. */
function otherKinds(...fine: ('object' | 'list' | 'text' | 'number' | 'word')[]): string[] {
  const all = {
    word: ['null', 'true', 'false'],
    number: ['0', '1', '-1', '1.5', '1e400'],
    text: ['""', '"x"', '"[]"', '"{}"'],
    list: ['[]', '[[]]', '[null]', '["x"]', '[{}]'],
    object: ['{}', '{"0":{}}', '{"length":1}', '{"__proto__":[]}'],
  };
  return Object.entries(all).flatMap(([kind, texts]) =>
    fine.some((each) => each === kind) ? [] : texts,
  );
}

const json = (texts: readonly string[]) => texts.map((text) => JSON.stringify(text));

const VERSIONS = [
  ...json(['', '0.2', '1', '1.0', '1.0.1', '2.0.0', 'v1.0.0', ' 1.0.0', '1.0.0 ', '1.0.0\n']),
  ...json(['\uff11.0.0', '1.0.0-preview', '01.0.0', '1.0.0\u200b']),
  ...otherKinds('text'),
];

const AUTHORITIES = [
  ...json(['', 'attest.example', '//attest.example', 'ftp://attest.example', 'https://']),
  ...json(['https://user@attest.example', 'https://a.example?x=1', 'https://a.example#f']),
  ...json([' https://a.example', 'https://a.example ', 'HTTPS://a.example', 'https:a.example']),
  ...json(['https://\u0430ttest.example', 'https://a.example/\n', 'javascript:alert(1)', '*']),
  ...otherKinds('text'),
];

const CLAIMS = [
  ...json(['', '.', '..', 'a.', '.a', 'a..b', ' a', 'a b', 'a\u0000', 'a\u001b[2J', 'a\u200bb']),
  ...json(['x-ms-\u0430ttestation-type', 'a.\u202eb', '\ud800', 'a\udc00']),
  ...otherKinds('text'),
];

const INTEGERS = [
  ...json(['', '00', '01', '+1', '-0', '-', ' 1', '1 ', '1.0', '1e0', '0x1', '1_0', '1,0', '1n']),
  ...json(['true', 'NaN', 'Infinity', '\u0661', '\uff11', '0\u0000', 'a']),
  ...json(['9007199254740992', '9007199254740993', '-9007199254740992', '10000000000000000']),
  ...['1.0', '-0', '1e0', '1E2', '0.5', '9007199254740992', '9007199254740993', '1e21', '1e-7'],
  ...['-9007199254740993', '1.0000000000000000000001', '123456789012345678901234567890'],
  ...otherKinds('text', 'number'),
];

const BOOLEANS = [
  ...json(['', 'True', 'TRUE', 'False', 'yes', 'no', '0', '1', ' true', 'true ', 'fal\u017fe']),
  ...['0', '1', '-1', 'null', '"null"', '"undefined"'],
  ...otherKinds('text', 'number', 'word'),
];

const TEXTS = ['"\\ud800"', '"a\\udc00b"', `"${'x'.repeat(POLICY_TEXT_CHARACTERS_MAX + 1)}"`];

/** A claim that is not declared may be compared with a text, an integer or a boolean. */
const FOREIGN_OPERANDS = [
  ...TEXTS,
  ...['null', '1.5', '1.0', '1e0', '-0', '9007199254740993'],
  ...otherKinds('text', 'number', 'word'),
];

const OPERANDS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/-svn$|vmpl$/, INTEGERS],
  [/is-debuggable$/, BOOLEANS],
  [/^foreign$/, FOREIGN_OPERANDS],
  [/./, [...TEXTS, ...otherKinds('text')]],
];

/** @param member under which the value stands, or its place in a list */
export function wrongValuesOf(
  member: string | number | undefined,
  value: unknown,
  claim: string | undefined,
): readonly string[] {
  if (Array.isArray(value)) return ['{"0":{}}', ...otherKinds('list'), '[]'];
  if (typeof value === 'object') return otherKinds('object');
  if (member === 'version') return VERSIONS;
  if (member === 'authority') return AUTHORITIES;
  if (member === 'claim') return CLAIMS;
  if (member === 'exists') return BOOLEANS;
  return OPERANDS.find(([name]) => name.test(claim ?? ''))?.[1] ?? [];
}

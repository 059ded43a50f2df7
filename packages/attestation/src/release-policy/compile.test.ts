import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import {
  POLICY_BYTES_MAX,
  POLICY_CONDITIONS_MAX,
  POLICY_DEPTH_MAX,
  POLICY_TEXT_CHARACTERS_MAX,
} from '@strongroom/protocol/limits';
import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';

/** Longer than 300 lines because the broken policies are spelled out, one list a kind. */

const TYPE = 'x-ms-attestation-type';
const DEBUG = 'x-ms-sevsnpvm-is-debuggable';
const VMPL = 'x-ms-sevsnpvm-vmpl';

/** One condition of each kind, and both kinds of nesting. */
function example() {
  return {
    version: '1.0.0',
    anyOf: [
      {
        authority: 'https://attest.example',
        allOf: [
          { claim: TYPE, equals: 'sevsnpvm' },
          { claim: DEBUG, equals: 'false' },
          { claim: VMPL, lessOrEquals: '0' },
          { claim: 'x-ms-runtime.contract', exists: 'true' },
          { anyOf: [{ claim: VMPL, notEquals: 3 }, { allOf: [{ claim: 'iss', exists: 'true' }] }] },
        ],
      },
      { authority: 'https://other.example/tenant', anyOf: [{ claim: TYPE, equals: 'other' }] },
    ],
  };
}

const inEntry = (...conditions: unknown[]) => ({
  version: '1.0.0',
  anyOf: [{ authority: 'https://attest.example', allOf: conditions }],
});

describe('compileReleasePolicy', () => {
  test('compiles every construct of the grammar', () => {
    const { entries } = compileReleasePolicy(JSON.stringify(example()));
    expect(entries.map((entry) => [entry.authority, entry.rule.kind])).toEqual([
      ['https://attest.example', 'allOf'],
      ['https://other.example/tenant', 'anyOf'],
    ]);
  });

  test('reads anyOf and allOf in any case, as Azure does', () => {
    const text = JSON.stringify(example());
    const small = text.replaceAll('anyOf', 'anyof').replaceAll('allOf', 'ALLOF');
    expect(compileReleasePolicy(small).entries.map((entry) => entry.rule.kind)).toEqual([
      'allOf',
      'anyOf',
    ]);
  });

  test('gives operands the type that their claim was declared with', () => {
    const policy = inEntry(
      { claim: DEBUG, equals: 'false' },
      { claim: VMPL, equals: '0' },
      { claim: `x-ms-isolation-tee.${VMPL}`, greater: 2 },
      { claim: TYPE, equals: 'false' },
      { claim: 'some-other-claim', equals: '0' },
      { claim: 'some-other-claim', equals: 0 },
    );
    const [entry] = compileReleasePolicy(JSON.stringify(policy)).entries;
    expect(entry?.rule.rules.map((rule) => ('expected' in rule ? rule.expected : rule))).toEqual([
      false,
      0,
      2,
      'false',
      '0',
      0,
    ]);
  });

  test('refuses more than 300 broken policies, each with the place', () => {
    const accepted: string[] = [];
    const broken = [...brokenPolicies()];
    for (const [name, text] of broken) {
      const thrown = thrownBy(() => compileReleasePolicy(text));
      if (codeOf(thrown) !== 'ERR_POLICY_MALFORMED') accepted.push(name);
      else expect(thrown instanceof StrongroomError && thrown.facts['place'], name).toBeTruthy();
    }
    expect(accepted).toEqual([]);
    expect(new Set(broken.map(([, text]) => text)).size).toBeGreaterThan(300);
  });

  test('names the place of a mistake deep inside', () => {
    const policy = inEntry({
      anyOf: [
        { claim: TYPE, equals: 'a' },
        { claim: VMPL, equals: '00' },
      ],
    });
    const thrown = thrownBy(() => compileReleasePolicy(JSON.stringify(policy)));
    expect(thrown instanceof StrongroomError && thrown.facts['place']).toBe(
      'anyOf[0].allOf[0].anyOf[1].equals',
    );
  });

  test('accepts what lies exactly on a limit', () => {
    const condition = { claim: TYPE, equals: 'x'.repeat(POLICY_TEXT_CHARACTERS_MAX) };
    expect(() => compileReleasePolicy(JSON.stringify(inEntry(condition)))).not.toThrow();
    expect(() => compileReleasePolicy(nested(POLICY_DEPTH_MAX))).not.toThrow();
    const many = inEntry(...Array(POLICY_CONDITIONS_MAX).fill({ claim: TYPE, equals: 'a' }));
    expect(() => compileReleasePolicy(JSON.stringify(many))).not.toThrow();
  });
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** `depth` lists inside each other below the authority. */
function nested(depth: number): string {
  let rule: object = { claim: TYPE, equals: 'a' };
  for (let level = 1; level < depth; level += 1) rule = { anyOf: [rule] };
  return JSON.stringify(inEntry(rule));
}

function* brokenPolicies(): Generator<[string, string]> {
  yield* notEvenJson();
  yield* unknownMembers();
  yield* missingMembers();
  yield* wrongKinds();
  yield* wrongOperators();
  yield* wrongOperands();
  yield* beyondLimits();
}

function* notEvenJson(): Generator<[string, string]> {
  const good = JSON.stringify(example());
  const texts = ['', ' ', '{', 'null', '[]', '"1.0.0"', '1', 'true', '{}', `\uFEFF${good}`];
  for (const text of [...texts, `${good},`, `${good}${good}`, good.replaceAll('"', "'")]) {
    yield [`text ${text.slice(0, 10)}`, text];
  }
  for (const member of [
    '"version":"1.0.0"',
    '"vers\\u0069on":"1.0.0"',
    '"anyof":[]',
    '"anyOf":[]',
  ]) {
    yield [`twice ${member}`, good.replace('{', `{${member},`)];
  }
  yield ['claim twice', good.replace('"claim"', '"claim":"iss","claim"')];
  yield [
    'authority twice',
    good.replace('"authority"', '"authority":"https://a.example","authority"'),
  ];
  yield ['operator twice', good.replace('"equals"', '"equals":"x","\\u0065quals"')];
}

const FOREIGN_NAMES = [
  'extra',
  '__proto__',
  'constructor',
  'toString',
  'not',
  'noneOf',
  'oneOf',
  'anyOf ',
  'any\u041ef',
  'any_of',
  'Version',
  'version2',
  'claims',
  'Claim',
];

/** Every object of the example in turn gets every foreign member. */
function* unknownMembers(): Generator<[string, string]> {
  const places = JSON.stringify(example()).split('{').length - 1;
  for (let place = 0; place < places; place += 1) {
    for (const name of FOREIGN_NAMES) {
      const parts = JSON.stringify(example()).split('{');
      parts[place + 1] = `${JSON.stringify(name)}:"1",${parts[place + 1]}`;
      yield [`${name} in object ${place}`, parts.join('{')];
    }
  }
}

function* missingMembers(): Generator<[string, string]> {
  const condition = { claim: TYPE, equals: 'a' };
  const authority = 'https://attest.example';
  const policies = [
    { anyOf: [{ authority, allOf: [condition] }] },
    { version: '1.0.0' },
    { version: '1.0.0', allOf: [{ authority, allOf: [condition] }] },
    { version: '1.0.0', anyOf: [{ allOf: [condition] }] },
    { version: '1.0.0', anyOf: [{ authority }] },
    { version: '1.0.0', anyOf: [condition] },
    { version: '1.0.0', anyOf: [{ authority, anyOf: [condition], allOf: [condition] }] },
    { version: '1.0.0', anyOf: [{ authority, anyOf: [condition], anyof: [condition] }] },
    inEntry({ claim: TYPE }),
    inEntry({ equals: 'a' }),
    inEntry({}),
    inEntry({ claim: TYPE, equals: 'a', anyOf: [condition] }),
    inEntry({ claim: TYPE, equals: 'a', notEquals: 'b' }),
    inEntry({ anyOf: [condition], allOf: [condition] }),
    inEntry({ authority, anyOf: [condition] }),
    inEntry({ claim: TYPE, condition: 'equals', value: 'a' }),
    inEntry({ claim: TYPE, operator: 'equals', value: 'a' }),
    { version: '0.2', anyOf: [{ authority, allOf: [{ claim: TYPE, equals: 'a' }] }] },
  ];
  for (const [index, policy] of policies.entries()) {
    yield [`missing or too much ${index}`, JSON.stringify(policy)];
  }
}

function* wrongKinds(): Generator<[string, string]> {
  const condition = { claim: TYPE, equals: 'a' };
  const authority = 'https://attest.example';
  for (const version of [
    '1.0',
    '1.0.1',
    '2.0.0',
    'v1.0.0',
    ' 1.0.0',
    '',
    1,
    1.0,
    null,
    ['1.0.0'],
  ]) {
    yield [`version ${version}`, JSON.stringify({ ...inEntry(condition), version })];
  }
  for (const list of [
    [],
    {},
    null,
    'x',
    0,
    true,
    [null],
    [[]],
    ['x'],
    [1],
    [[condition]],
    condition,
  ]) {
    const shown = JSON.stringify(list);
    yield [`anyOf ${shown}`, JSON.stringify({ version: '1.0.0', anyOf: list })];
    yield [
      `allOf ${shown}`,
      JSON.stringify({ version: '1.0.0', anyOf: [{ authority, allOf: list }] }),
    ];
    yield [`inner ${shown}`, JSON.stringify(inEntry({ anyOf: list }))];
    yield [`beside ${shown}`, JSON.stringify(inEntry(condition, { allOf: list }))];
  }
  const urls = ['', 'attest.example', '//attest.example', 'ftp://attest.example', 'https://'];
  const odd = ['https://user@attest.example', 'https://attest.example?x=1', 'https://a.example#f'];
  const odder = [' https://attest.example', 'https://attest.example ', 'HTTPS://attest.example'];
  for (const url of [
    ...urls,
    ...odd,
    ...odder,
    'https://\u0430ttest.example',
    1,
    null,
    [authority],
  ]) {
    const entry = { authority: url, allOf: [condition] };
    yield [`authority ${url}`, JSON.stringify({ version: '1.0.0', anyOf: [entry] })];
  }
  for (const claim of ['', '.', 'a.', '.a', 'a..b', '\ud800', 0, null, true, ['a'], { a: 1 }]) {
    yield [`claim ${JSON.stringify(claim)}`, JSON.stringify(inEntry({ claim, equals: 'a' }))];
  }
}

function* wrongOperators(): Generator<[string, string]> {
  const names = ['Equals', 'EQUALS', 'equal', 'eq', '==', 'notequals', 'in', 'contains', 'matches'];
  const more = ['lessThan', 'lessOrEqual', 'greaterOrEqual', 'Exists', 'startsWith', 'not', ''];
  for (const name of [...names, ...more, 'valueOf', '__proto__', 'equals\u0000', '\u0435quals']) {
    yield [`operator ${name}`, JSON.stringify(inEntry({ claim: TYPE, [name]: 'a' }))];
  }
  for (const name of ['less', 'lessOrEquals', 'greater', 'greaterOrEquals']) {
    yield [`${name} of text`, JSON.stringify(inEntry({ claim: TYPE, [name]: 'a' }))];
    yield [`${name} of digits`, JSON.stringify(inEntry({ claim: TYPE, [name]: '1' }))];
    yield [`${name} of boolean`, JSON.stringify(inEntry({ claim: DEBUG, [name]: 'false' }))];
    yield [`${name} of unknown`, JSON.stringify(inEntry({ claim: 'foreign', [name]: '1' }))];
  }
}

function* wrongOperands(): Generator<[string, string]> {
  const integers = ['00', '01', '+1', '-0', ' 1', '1 ', '1.0', '1e0', '0x1', '', '\u0661', 'true'];
  for (const value of [...integers, '9007199254740993', 1.5, 2 ** 53, true, null, [0], { a: 0 }]) {
    for (const operator of ['equals', 'notEquals', 'greaterOrEquals']) {
      const shown = JSON.stringify(value);
      yield [`${operator} ${shown}`, JSON.stringify(inEntry({ claim: VMPL, [operator]: value }))];
    }
  }
  const booleans = [
    'True',
    'FALSE',
    'False',
    '0',
    '1',
    '',
    'no',
    ' true',
    'fal\u017fe',
    0,
    1,
    null,
  ];
  for (const value of [...booleans, [true], [], {}]) {
    const shown = JSON.stringify(value);
    yield [`boolean ${shown}`, JSON.stringify(inEntry({ claim: DEBUG, equals: value }))];
    yield [`not boolean ${shown}`, JSON.stringify(inEntry({ claim: DEBUG, notEquals: value }))];
    yield [`exists ${shown}`, JSON.stringify(inEntry({ claim: TYPE, exists: value }))];
  }
  for (const value of [0, 1, true, false, null, ['sevsnpvm'], {}, '\udc00']) {
    const shown = JSON.stringify(value);
    yield [`text ${shown}`, JSON.stringify(inEntry({ claim: TYPE, equals: value }))];
  }
  for (const value of [1.5, 1e300, null, [], {}]) {
    yield [`foreign ${value}`, JSON.stringify(inEntry({ claim: 'foreign', equals: value }))];
  }
}

function* beyondLimits(): Generator<[string, string]> {
  const condition = { claim: TYPE, equals: 'a' };
  yield ['too deep', nested(POLICY_DEPTH_MAX + 1)];
  yield ['very deep', `{"version":"1.0.0","anyOf":${'['.repeat(5_000)}${']'.repeat(5_000)}}`];
  const many = Array(POLICY_CONDITIONS_MAX + 1).fill(condition);
  yield ['too many', JSON.stringify(inEntry(...many))];
  const long = 'x'.repeat(POLICY_TEXT_CHARACTERS_MAX + 1);
  yield ['long value', JSON.stringify(inEntry({ claim: TYPE, equals: long }))];
  yield ['long claim', JSON.stringify(inEntry({ claim: long, equals: 'a' }))];
  yield ['too large', `${JSON.stringify(inEntry(condition))}${' '.repeat(POLICY_BYTES_MAX)}`];
}

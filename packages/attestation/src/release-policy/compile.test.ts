import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import {
  POLICY_BYTES_MAX,
  POLICY_CONDITIONS_MAX,
  POLICY_DEPTH_MAX,
  POLICY_TEXT_CHARACTERS_MAX,
} from '@strongroom/protocol/limits';
import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';

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

const inAuthority = (authority: string) => ({
  version: '1.0.0',
  anyOf: [{ authority, allOf: [{ claim: TYPE, equals: 'a' }] }],
});
const AT = 'anyOf[0].allOf[0]';

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

  test.each([
    ['boolean', 'x-ms-azurevm-elam-enabled'],
    ['boolean', 'x-ms-azurevm-hypervisordebug-enabled'],
    ['boolean', 'x-ms-azurevm-testsigning-enabled'],
    ['integer', 'x-ms-azurevm-osversion-minor'],
    ['string', 'x-ms-azurevm-vmid'],
    ['boolean', 'x-ms-isolation-tee.x-ms-runtime.vm-configuration.tpm-enabled'],
    ['integer', 'x-ms-isolation-tee.x-ms-runtime.vm-configuration.current-time'],
    ['string', 'x-ms-isolation-tee.x-ms-runtime.vm-configuration.vmUniqueId'],
    ['integer', 'x-strongroom-tcb-committed.fmc'],
  ])("knows as %s a virtual machine's %s", (type, claim) => {
    const fits = { boolean: 'true', integer: '7', string: 'seven' } as Record<string, string>;
    for (const [each, value] of Object.entries(fits)) {
      const compile = () => compileReleasePolicy(JSON.stringify(inEntry({ claim, equals: value })));
      if (each === type || type === 'string') expect(compile).not.toThrow();
      else expect(compile).toThrow(StrongroomError);
    }
    const number = () => compileReleasePolicy(JSON.stringify(inEntry({ claim, equals: 7 })));
    if (type === 'integer') expect(number).not.toThrow();
    else expect(number).toThrow(StrongroomError);
  });

  // Thousands of other mistakes: test/conformance/release-policy-broken.ts.
  test.each([
    [{ ...example(), version: '0.2' }, 'version', /"0\.2" is a draft of the grammar/],
    [inEntry({ claim: TYPE, condition: 'equals', value: 'a' }), AT, /write {"claim", "equals"/],
    [inEntry({ claim: TYPE, condition: 'equals' }), AT, /is a spelling of a draft/],
    [inEntry({ claim: TYPE, equals: 'a', value: 'a' }), AT, /is a spelling of a draft/],
    [inEntry({ claim: TYPE, Equals: 'a' }), AT, /unknown operator "Equals": write equals$/],
    [inEntry({ claim: TYPE, matches: 'a' }), AT, /write equals, notEquals, exists, less, /],
    [inAuthority('attest.example'), 'anyOf[0].authority', /with its https/],
    [inAuthority('attest.example '), 'anyOf[0].authority', /URL of an issuer$/],
    [inEntry({ claim: VMPL, equals: '00' }), `${AT}.equals`, /shortest decimal spelling/],
    [inEntry({ claim: VMPL, equals: 0.5 }), `${AT}.equals`, /shortest decimal spelling/],
    [inEntry({ claim: `${TYPE}\u200b`, exists: 'false' }), `${AT}.claim`, /visible ASCII/],
    [inEntry({ claim: '', equals: 'a' }), `${AT}.claim`, /visible ASCII/],
    [inEntry({ claim: 'other', equals: null }), `${AT}.equals`, /a string, an integer or a bool/],
    ...[null, 'rule', [{ claim: TYPE, equals: 'a' }], 7].map((rule): [object, string, RegExp] => [
      inEntry(rule),
      AT,
      /^must be an object$/,
    ]),
    [inEntry({ claim: TYPE, less: 1 }), `${AT}.less`, /orders integers.*is a string/],
    [inEntry({ claim: TYPE, ['\u001b[2J'.repeat(90)]: 1 }), AT, /operator "\\u001b.* \(360 char/],
  ] satisfies [object, string, RegExp][])(
    'says what is wrong and where: %j',
    (policy, place, problem) => {
      const facts = factsOf(() => compileReleasePolicy(JSON.stringify(policy)));
      expect(facts).toEqual({ place, problem: expect.stringMatching(problem) });
      expect(JSON.stringify(facts)).toMatch(/^[ -~]{1,400}$/);
    },
  );

  test('names the place of a mistake deep inside', () => {
    const policy = inEntry({
      anyOf: [
        { claim: TYPE, equals: 'a' },
        { claim: VMPL, equals: '00' },
      ],
    });
    const facts = factsOf(() => compileReleasePolicy(JSON.stringify(policy)));
    expect(facts['place']).toBe('anyOf[0].allOf[0].anyOf[1].equals');
  });

  test('accepts what lies exactly on a limit', () => {
    const condition = { claim: TYPE, equals: 'x'.repeat(POLICY_TEXT_CHARACTERS_MAX) };
    expect(() => compileReleasePolicy(JSON.stringify(inEntry(condition)))).not.toThrow();
    expect(() => compileReleasePolicy(nested(POLICY_DEPTH_MAX))).not.toThrow();
    const many = inEntry(...Array(POLICY_CONDITIONS_MAX).fill({ claim: TYPE, equals: 'a' }));
    expect(() => compileReleasePolicy(JSON.stringify(many))).not.toThrow();
    const text = JSON.stringify(example());
    const full = text + ' '.repeat(POLICY_BYTES_MAX - text.length);
    expect(() => compileReleasePolicy(full)).not.toThrow();
    expect(factsOf(() => compileReleasePolicy(`${full} `))['place']).toBe('(policy)');
  });
});

function factsOf(act: () => unknown): StrongroomError['facts'] {
  try {
    act();
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_POLICY_MALFORMED');
    if (error instanceof StrongroomError) return error.facts;
  }
  throw new Error('nothing was refused');
}

/** `depth` lists inside each other below the authority. */
function nested(depth: number): string {
  let rule: object = { claim: TYPE, equals: 'a' };
  for (let level = 1; level < depth; level += 1) rule = { anyOf: [rule] };
  return JSON.stringify(inEntry(rule));
}

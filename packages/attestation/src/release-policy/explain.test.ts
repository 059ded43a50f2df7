import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';
import {
  demandLines,
  explainToken,
  SUPPOSED_GUARDS,
  tokenLines,
  withoutAddedClaims,
} from './explain.ts';
import { DENY_ALL_POLICY } from './from-contract.ts';

const SNP = 'x-ms-sevsnpvm-';
const A = 'https://a.example';
const B = 'https://b.example';
const compiled = (...anyOf: object[]) =>
  compileReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf }));
const allOf = (authority: string, ...rules: object[]) => ({ authority, allOf: rules });

describe('demandLines', () => {
  test('says what one authority must attest', () => {
    const conditions = [
      { claim: `${SNP}is-debuggable`, equals: 'false' },
      { claim: `${SNP}microcode-svn`, greaterOrEquals: '84' },
      { claim: `x-ms-isolation-tee.${SNP}vmpl`, lessOrEquals: 1 },
      { claim: 'foreign', notEquals: 'no' },
      { claim: 'x-ms-runtime.contract', exists: 'true' },
      { claim: 'nonce', exists: 'false' },
      { claim: 'x-strongroom-own-verification', equals: 'accepted' },
      { claim: 'x-strongroom-agreeing-authorities', greater: 1 },
    ];
    expect(demandLines(compiled(allOf(A, ...conditions)))).toEqual([
      `A token of ${A} in which all of this holds:`,
      `  - whether the guest may be debugged (${SNP}is-debuggable) must be false`,
      `  - version of the microcode (${SNP}microcode-svn) must be at least 84 (0x54)`,
      `  - privilege level of the code (x-ms-isolation-tee.${SNP}vmpl) must be at most 1`,
      '  - foreign must be there and not be "no"',
      '  - contract that the code works for (x-ms-runtime.contract) must be there',
      '  - nonce must be missing',
      "  - verdict of the owner's own verification, which no token carries " +
        '(x-strongroom-own-verification) must be "accepted"',
      '  - number of authorities that agree, which no token carries ' +
        '(x-strongroom-agreeing-authorities) must be more than 1',
    ]);
  });

  test('says once what all entries share, and names authorities together', () => {
    const type = { claim: 'x-ms-attestation-type', equals: 'sevsnpvm' };
    const entry = (authority: string, product: string) =>
      allOf(authority, type, { claim: 'x-strongroom-product', equals: product });
    const policy = compiled(entry(A, 'Genoa'), entry(B, 'Genoa'), entry(B, 'Turin'));
    expect(demandLines(policy)).toEqual([
      'In every case all of this must hold:',
      '  - kind of attestation (x-ms-attestation-type) must be "sevsnpvm"',
      'and one of these 2 must hold:',
      `  1. A token of ${A} or ${B}:`,
      '      - product line of the processor (x-strongroom-product) must be "Genoa"',
      `  2. A token of ${B}:`,
      '      - product line of the processor (x-strongroom-product) must be "Turin"',
    ]);
    expect(demandLines(compiled(allOf(A, type), allOf(B, { claim: 'b', less: 1 })))).toEqual([
      'One of these 2 must hold:',
      `  1. A token of ${A}:`,
      '      - kind of attestation (x-ms-attestation-type) must be "sevsnpvm"',
      `  2. A token of ${B}:`,
      '      - b must be less than 1',
    ]);
    const three = ['a', 'a', 'b'].map((claim, index) =>
      allOf(A, { claim, equals: 1 }, { claim: 'c', equals: index }),
    );
    expect(demandLines(compiled(...three))[0]).toBe('One of these 3 must hold:');
    const twice = compiled(allOf(A, type), allOf(A, type), allOf(B, type, { claim: 'b', less: 1 }));
    expect(demandLines(twice).slice(2)).toEqual([
      'and one of these 2 must hold:',
      `  1. A token of ${A}`,
      `  2. A token of ${B}:`,
      '      - b must be less than 1',
    ]);
  });

  test('indents what is nested, and leaves out lists of one', () => {
    const either = {
      anyOf: [
        { claim: 'a', equals: 1 },
        { allOf: [{ claim: 'b', exists: true }, { anyOf: [{ claim: 'c', equals: true }] }] },
      ],
    };
    const lines = [
      `A token of ${A} in which all of this holds:`,
      '  - at least one of these:',
      '      - a must be 1',
      '      - all of these:',
      '          - b must be there',
      '          - c must be true',
    ];
    expect(demandLines(compiled(allOf(A, either)))).toEqual(lines);
    expect(demandLines(compiled({ authority: A, ...either }))).toEqual(lines);
  });

  test('tells a policy that nobody can meet', () => {
    const nobody = ['Nobody gets the key: the demands contradict themselves.'];
    expect(demandLines(compiled(...DENY_ALL_POLICY.anyOf))).toEqual(nobody);
    const both = [
      { claim: 'a', equals: 1 },
      { claim: 'a.b', exists: 'true' },
    ];
    expect(demandLines(compiled(allOf(A, ...both)))).toEqual(nobody);
  });
});

const SENTENCES: [object, unknown, string][] = [
  [{ greaterOrEquals: 84 }, 80, 'must be at least 84: it is 80, 4 too low'],
  [{ greater: 84 }, 84, 'must be more than 84: it is 84, 1 too low'],
  [{ less: 2 }, 5, 'must be less than 2: it is 5, 4 too high'],
  [{ lessOrEquals: 2 }, 5, 'must be at most 2: it is 5, 3 too high'],
  [{ equals: 2 }, 5, 'must be 2: it is 5, 3 too high'],
  [{ equals: 2 }, 0, 'must be 2: it is 0, 2 too low'],
  [{ notEquals: 2 }, 2, 'must be there and not be 2: it is 2'],
  [{ equals: 2 }, undefined, 'must be 2: it is missing'],
  [{ equals: 2 }, '2', 'must be 2: it is "2", which is a text and not an integer'],
  [{ equals: 2 }, true, 'must be 2: it is true, which is true or false and not an integer'],
  [{ equals: '2' }, 2, 'must be "2": it is 2, which is an integer and not a text'],
  [{ equals: '2' }, ['2'], 'must be "2": it is a list, and not a text'],
  [{ equals: true }, { a: 1 }, 'must be true: it is an object, and not true or false'],
  [{ equals: true }, null, 'must be true: it is null, and not true or false'],
  [{ less: 2 }, 0.5, 'must be less than 2: it is 0.5, no integer that JSON carries exactly'],
  [{ equals: 'ab' }, 'AB', 'must be "ab": it is "AB", which differs in case'],
  [{ equals: 'ab' }, 'a\u0432', 'must be "ab": it is "a\\u{432}"'],
  [{ exists: 'true' }, undefined, 'must be there: it is missing'],
  [{ exists: 'false' }, 7, 'must be missing: it is 7'],
];

describe('explainToken', () => {
  test.each(SENTENCES)('a claim that %j misses with %j', (rule, value, sentence) => {
    const policy = compiled(allOf(A, { claim: 'c', ...rule }));
    const explained = explainToken(policy, {
      iss: A,
      ...(value === undefined ? {} : { c: value }),
    });
    expect(explained.granted).toBe(false);
    expect(explained.claims[1]).toMatchObject({
      claim: 'c',
      met: false,
      sentence: `c ${sentence}`,
    });
    const off = /, (\d+) too (low|high)$/.exec(sentence);
    const expected = off ? Number(off[1]) * (off[2] === 'low' ? -1 : 1) : undefined;
    expect(explained.claims[1]?.off).toBe(expected);
  });

  test('says what is met', () => {
    const policy = compiled(
      allOf(A, { claim: `${SNP}tee-svn`, less: 9 }, { claim: 'n', exists: 'false' }),
    );
    const explained = explainToken(policy, { iss: A, [`${SNP}tee-svn`]: 3 });
    expect(explained).toMatchObject({ granted: true, nearest: 'anyOf[0]', ways: 1 });
    expect(tokenLines(explained)).toEqual([
      'The token meets all 3 demands of anyOf[0]:',
      `  yes issuer of the token (iss) must be "${A}": it is`,
      `  yes version of the TEE firmware (${SNP}tee-svn) must be less than 9: it is 3`,
      '  yes n must be missing: it is',
    ]);
  });

  test('takes the entry that misses least, its issuer counted like every other demand', () => {
    const policy = compiled(
      allOf(B, { claim: 'a', equals: 1 }, { claim: 'b', equals: 1 }),
      allOf(A, { claim: 'a', equals: 2 }, { claim: 'b', equals: 2 }),
      allOf(A, { claim: 'a', equals: 3 }, { claim: 'b', equals: 3 }),
    );
    expect(explainToken(policy, { iss: A, a: 1, b: 1 })).toMatchObject({
      granted: false,
      nearest: 'anyOf[0]',
      ways: 3,
      claims: [
        { place: 'anyOf[0].authority', claim: 'iss', met: false },
        { place: 'anyOf[0].allOf[0]', claim: 'a', met: true },
        { place: 'anyOf[0].allOf[1]', claim: 'b', met: true },
      ],
    });
    expect(explainToken(policy, { iss: A, b: 3 }).nearest).toBe('anyOf[2]');
    expect(explainToken(policy, { a: 3 }).nearest).toBe('anyOf[2]');
    expect(explainToken(policy, {}).nearest).toBe('anyOf[0]');
    const one = compiled(allOf(A, { claim: 'a', equals: 1 }), allOf(B, { claim: 'b', equals: 1 }));
    expect(explainToken(one, { iss: A, b: 1 }).nearest).toBe('anyOf[0]');
    const two = compiled(allOf(B, { claim: 'b', equals: 1 }), allOf(A, { claim: 'a', equals: 1 }));
    expect(explainToken(two, { iss: A, b: 1 }).nearest).toBe('anyOf[0]');
    const lines = tokenLines(explainToken(policy, { iss: A, b: 3 }));
    expect(lines[0]).toBe(
      'The nearest of 3 ways is anyOf[2]; the token misses 1 of its 3 demands:',
    );
    expect(lines[2]).toBe('  NO  a must be 3: it is missing');
  });

  test('gives versions in hex where it differs, and digests as long as the longest claim', () => {
    const long = { claim: 'x-ms-sevsnpvm-reportdata', equals: 'ab'.repeat(64) };
    const versions = [9, 10].map((least) => ({ claim: `${SNP}tee-svn`, greaterOrEquals: least }));
    expect(demandLines(compiled(allOf(A, ...versions), allOf(A, long))).slice(2)).toEqual([
      `      - version of the TEE firmware (${SNP}tee-svn) must be at least 9`,
      expect.stringMatching(/must be at least 10 \(0xa\)$/),
      expect.anything(),
      expect.stringMatching(/must be "(ab){64}"$/),
    ]);
    const longer = explainToken(compiled(allOf(A, long)), {
      iss: A,
      [long.claim]: 'c'.repeat(129),
    });
    expect(longer.claims[1]?.sentence).toMatch(/: it is "c{128}"\.\.\. \(129 characters\)$/);
  });

  test('says of a single way that there is no other', () => {
    const explained = explainToken(compiled(allOf(A, { claim: 'a', equals: 1 })), { iss: A });
    expect(tokenLines(explained)[0]).toBe(
      'The policy has one way; the token misses 1 of its 2 demands:',
    );
  });

  test('hears nothing that a token says of the guards, which may be supposed to agree', () => {
    const guards = { 'x-strongroom-own-verification': 'accepted' };
    const others = { 'x-strongroom-agreeing-authorities': 3 };
    expect(withoutAddedClaims({ iss: A, ...guards, ...others, a: 1 })).toEqual({ iss: A, a: 1 });
    expect(SUPPOSED_GUARDS).toEqual({ ...guards, 'x-strongroom-agreeing-authorities': 8 });
  });

  test('prints claims of an attacker harmlessly and briefly', () => {
    const policy = compiled(allOf(A, { claim: 'a', equals: 'x' }, { claim: 'b.c', greater: 3 }));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.anything(), (text, value) => {
        const claims = { iss: text, a: text.repeat(9), b: { c: value } };
        for (const line of tokenLines(explainToken(policy, claims))) {
          expect(line).toMatch(/^[ -~]{1,1500}$/);
        }
      }),
      { numRuns: 50 },
    );
    const huge = explainToken(policy, { iss: A, a: '\u001b'.repeat(1_000_000) });
    expect(JSON.stringify(huge).length).toBeLessThan(5_000);
    expect(huge.claims[1]?.sentence).toMatch(/\\u001b"\.\.\. \(1000000 characters\)$/);
  });
});

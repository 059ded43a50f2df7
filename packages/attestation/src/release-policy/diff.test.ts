import { describe, expect, test } from 'vitest';
import { compileReleasePolicy } from './compile.ts';
import { diffLines, diffPolicies } from './diff.ts';
import { DENY_ALL_POLICY } from './from-contract.ts';

const SNP = 'x-ms-sevsnpvm-';
const A = 'https://a.example';
const B = 'https://b.example';
const MICROCODE = `version of the microcode (${SNP}microcode-svn)`;
const MEASURED = `measurement of the launched code (${SNP}launchmeasurement)`;
const FOREIGN_LESS = { claim: 'n', less: 5 };

const TOO_MANY = 'the policies combine in too many ways to be compared';

const genoa = (floor: number) => [
  { claim: 'x-strongroom-product', equals: 'Genoa' },
  { claim: `${SNP}microcode-svn`, greaterOrEquals: floor },
];
const measured = (value: string) => ({ claim: `${SNP}launchmeasurement`, equals: value });
const allOf = (authority: string, ...rules: object[]) => ({ authority, allOf: rules });
const compiled = (...anyOf: object[]) =>
  compileReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf }));
const x = (members: object) => ({ claim: 'x', ...members });

const TABLE: [string, object[], object[], string, string[]][] = [
  ['an equal policy', [allOf(A, measured('aa'))], [allOf(A, measured('aa'))], 'same', []],
  [
    'another order and spelling',
    [allOf(A, measured('aa'), x({ equals: 1 })), allOf(B, x({ exists: 'true' }))],
    [
      { authority: B, anyOf: [x({ exists: true })] },
      { authority: A, ALLOF: [{ anyof: [x({ equals: 1 })] }, measured('aa'), measured('aa')] },
    ],
    'same',
    [],
  ],
  ['a range in two parts', [allOf(A, x({ lessOrEquals: 9 }))], twoParts(), 'same', []],
  [
    'a floor that falls',
    [allOf(A, ...genoa(84)), allOf(B, ...genoa(84))],
    [allOf(A, ...genoa(80)), allOf(B, ...genoa(80))],
    'weaker',
    [`on "Genoa" the floor of the ${MICROCODE} falls from 84 (0x54) to 80 (0x50): weaker`],
  ],
  [
    'a floor that rises',
    [allOf(A, { claim: `${SNP}vmpl`, greater: 0 })],
    [allOf(A, { claim: `${SNP}vmpl`, greaterOrEquals: 2 })],
    'stronger',
    [`the floor of the privilege level of the code (${SNP}vmpl) rises from 1 to 2: stronger`],
  ],
  [
    'a demand that goes and one that comes',
    [allOf(A, measured('aa'), x({ exists: 'true' }))],
    [allOf(A, measured('aa'), { claim: 'secureboot', equals: 'true' })],
    'incomparable',
    [
      'x need no longer be there: weaker',
      'whether secure boot is on (secureboot) must now be true: stronger',
    ],
  ],
  [
    'another measurement',
    [allOf(A, measured('aa'), x({ equals: 1 }))],
    [allOf(A, measured('bb'), x({ equals: 1 }))],
    'incomparable',
    [`${MEASURED} must be "bb" in place of "aa": neither weaker nor stronger`],
  ],
  [
    'one measurement more',
    [allOf(A, measured('aa')), allOf(B, measured('aa'))],
    ['aa', 'bb'].flatMap((each) => [allOf(A, measured(each)), allOf(B, measured(each))]),
    'weaker',
    [`accepted too: ${MEASURED} "bb": weaker`],
  ],
  [
    'one authority less',
    [allOf(A, measured('aa')), allOf(B, measured('aa'))],
    [allOf(A, measured('aa'))],
    'stronger',
    [`no longer accepted: issuer of the token (iss) "${B}": stronger`],
  ],
  [
    'one authority less and a floor that falls',
    [allOf(A, ...genoa(84)), allOf(B, ...genoa(84))],
    [allOf(A, ...genoa(80))],
    'incomparable',
    [
      `on "Genoa" the floor of the ${MICROCODE} falls from 84 (0x54) to 80 (0x50): weaker`,
      `on "Genoa" no longer accepted: issuer of the token (iss) "${B}": stronger`,
    ],
  ],
  [
    'an entry that says nothing new',
    [allOf(A, FOREIGN_LESS), allOf(B, x({ equals: 1 }))],
    [allOf(A, FOREIGN_LESS), allOf(A, { claim: 'n', less: 3 }), allOf(B, x({ equals: 2 }))],
    'incomparable',
    [
      'x must be 2 in place of 1: neither weaker nor stronger',
      'accepted too: n at most 2: no difference, another way accepts it',
    ],
  ],
  [
    'an entry that demands less',
    [allOf(A, measured('aa'), x({ equals: 1 }))],
    [allOf(A, measured('aa'), x({ equals: 1 })), allOf(A, measured('aa'))],
    'weaker',
    ['accepted too: no demand on the x: weaker'],
  ],
  [
    'a type of another kind',
    [allOf(A, x({ equals: '1' }))],
    [allOf(A, x({ notEquals: 1 }))],
    'incomparable',
    ['x must be at most 0 or at least 2 in place of "1": neither weaker nor stronger'],
  ],
  [
    'texts that are excluded, and an upper end',
    [allOf(A, x({ notEquals: 'a' }), { claim: 'n', less: 5 }, { claim: 'm', greater: 0 })],
    [
      allOf(
        A,
        ...[x({ notEquals: 'a' }), x({ notEquals: 'b' }), { claim: 'n', less: 7 }],
        ...[
          { claim: 'm', greater: 0 },
          { claim: 'm', less: 9 },
        ],
      ),
    ],
    'incomparable',
    [
      'x must be any text but "a" and "b" in place of any text but "a": stronger',
      'n must be at most 6 in place of at most 4: weaker',
      'm must be 1 to 8 in place of at least 1: stronger',
    ],
  ],
  [
    'two things exchanged at once',
    [allOf(A, x({ equals: 1 }), { claim: 'y', equals: 1 })],
    [allOf(B, x({ equals: 2 }), { claim: 'y', equals: 1 })],
    'incomparable',
    [
      `no longer accepted: issuer of the token (iss) "${A}", x 1: stronger`,
      `accepted too: issuer of the token (iss) "${B}", x 2: weaker`,
    ],
  ],
  [
    'any integer',
    [allOf(A, x({ greaterOrEquals: 5 }))],
    [allOf(A, x({ greaterOrEquals: Number.MIN_SAFE_INTEGER }))],
    'weaker',
    ['x must be any integer in place of at least 5: weaker'],
  ],
  [
    'the ends of the integers',
    [allOf(A, x({ greaterOrEquals: Number.MAX_SAFE_INTEGER }))],
    [allOf(A, x({ lessOrEquals: Number.MIN_SAFE_INTEGER }))],
    'incomparable',
    ['x must be -9007199254740991 in place of 9007199254740991: neither weaker nor stronger'],
  ],
  [
    'a number above every number',
    [allOf(A, x({ greater: Number.MAX_SAFE_INTEGER }))],
    [allOf(A, x({ less: Number.MIN_SAFE_INTEGER }))],
    'same',
    [],
  ],
  [
    'what is below a claim makes a demand on the claim itself redundant',
    [allOf(A, x({ exists: 'true' }), { claim: 'x.y', equals: true })],
    [allOf(A, { claim: 'x.y', equals: false })],
    'incomparable',
    ['x.y must be false in place of true: neither weaker nor stronger'],
  ],
  [
    'silence that is demanded',
    [allOf(A, x({ exists: 'true' }))],
    [allOf(A, x({ exists: 'false' }))],
    'incomparable',
    ['x must be missing in place of there: neither weaker nor stronger'],
  ],
  [
    'the first policy after the one that denies all',
    [...DENY_ALL_POLICY.anyOf],
    [allOf(A, x({ equals: true }))],
    'weaker',
    [`accepted too: issuer of the token (iss) "${A}", x true: weaker`],
  ],
];

function twoParts() {
  return [allOf(A, x({ less: 5 })), allOf(A, x({ greaterOrEquals: 5 }), x({ lessOrEquals: 9 }))];
}

describe('diffPolicies', () => {
  test.each(TABLE)('%s', (_name, old, now, relation, changes) => {
    const diff = diffPolicies(compiled(...old), compiled(...now));
    expect(diff).toMatchObject({ relation, changes });
    expect(diffLines(diff).slice(1)).toEqual(changes.map((each) => `  - ${each}`));
  });

  test.each([
    [{ greaterOrEquals: 5 }, 5],
    [{ lessOrEquals: 5 }, 5],
    [{ notEquals: 'x' }, 'xx'],
    [{ notEquals: false }, true],
    [{ equals: '' }, ''],
  ])('gives an example that lies at the edge: %j', (rule, value) => {
    const { gained } = diffPolicies(
      compiled(...DENY_ALL_POLICY.anyOf),
      compiled(allOf(A, x(rule))),
    );
    expect({ ...gained }).toEqual({ iss: A, x: value });
  });

  test('is the mirror of itself', () => {
    const mirrored = { weaker: 'stronger', stronger: 'weaker' } as Record<string, string>;
    for (const [name, old, now, relation] of TABLE) {
      const back = diffPolicies(compiled(...now), compiled(...old));
      expect(back.relation, name).toBe(mirrored[relation] ?? relation);
    }
  });

  test('says that it cannot decide instead of guessing', () => {
    const exists = (claim: string) => ({ claim, exists: 'true' });
    const either = (name: string) => ({ anyOf: [`${name}1`, `${name}2`].map(exists) });
    const names = Array.from({ length: 20 }, (_, index) => `c${index}-`);
    const large = compiled(allOf(A, ...names.map(either)));
    const small = compiled(allOf(A, exists('c0-1')));
    const mixed = compiled(allOf(A, exists('d')), allOf(B, ...names.map(either)));
    const part = { allOf: names.map(either) };
    const nested = compiled(allOf(A, { anyOf: [exists('d'), part] }));
    const pairs = [large, mixed, nested].flatMap((each) => [
      [each, small] as const,
      [small, each] as const,
    ]);
    for (const [old, now] of pairs) {
      expect(diffPolicies(old, now)).toMatchObject({ relation: 'undecided', changes: [TOO_MANY] });
    }
    expect(diffLines(diffPolicies(large, small))[0]).toMatch(/^UNDECIDED/);
    const ranges = (width: number) =>
      Array.from({ length: 300 }, (_, index) =>
        allOf(A, x({ greaterOrEquals: 10 * index }), x({ less: 10 * index + width })),
      );
    const [wide, narrow] = [compiled(...ranges(6)), compiled(...ranges(5).reverse())];
    expect(diffPolicies(wide, narrow)).toMatchObject({
      relation: 'undecided',
      changes: [TOO_MANY],
    });
    expect(diffPolicies(narrow, wide).relation).toBe('undecided');
    const reversed = compiled(...ranges(6).reverse());
    expect(diffPolicies(wide, reversed)).toEqual({ relation: 'same', changes: [] });
  });

  test('compares the largest policies of a contract in little time', () => {
    const entries = (floor: number) =>
      Array.from({ length: 128 }, (_, index) =>
        allOf(
          index % 2 ? A : B,
          ...[measured(`m${index}`), ...genoa(floor), { claim: `${SNP}tee-svn`, less: 9 }],
          ...Array.from({ length: 9 }, (_, at) => ({ claim: `c${at}`, equals: 'v' })),
        ),
      );
    const started = performance.now();
    const diff = diffPolicies(compiled(...entries(84)), compiled(...entries(80)));
    expect(diff.changes).toHaveLength(1);
    expect(diff.relation).toBe('weaker');
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test('writes visible ASCII, whatever a policy compares with', () => {
    const rude = '\u001b[2J\u009b0m\u202e'.repeat(50);
    const diff = diffPolicies(
      compiled(allOf(A, x({ equals: rude }))),
      compiled(allOf(A, x({ notEquals: rude })), allOf(B, x({ equals: rude }))),
    );
    expect(diff.changes.length).toBeGreaterThan(0);
    for (const line of diffLines(diff)) expect(line).toMatch(/^[ -~]{1,4000}$/);
  });
});

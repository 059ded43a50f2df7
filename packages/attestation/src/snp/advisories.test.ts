import { FLOOR_PRESETS } from '@strongroom/protocol/enclave-demands';
import { describe, expect, test } from 'vitest';
import { ADVISORIES, presetFloor } from './advisories.ts';
import { type Die, dieOf } from './die.ts';

/**
 * The numbers of the bulletins once more, as hexadecimal as the bulletins have them: somebody who
 * changes one has to change it twice.
 */
const BULLETINS: Record<string, string> = {
  'AMD-SB-3005': 'Milan 18/db, Milan-X 18/-',
  'AMD-SB-3015':
    'Milan 17/- alias-check, Milan-X 17/- alias-check, ' +
    'Genoa 16/- alias-check, Genoa-X 16/- alias-check, Bergamo 16/- alias-check',
  'AMD-SB-3019': 'Milan 18/db, Milan-X 18/-, Genoa 17/54, Genoa-X 17/4f, Bergamo 17/19',
  'AMD-SB-3020': 'Milan 1b/-, Milan-X 1b/-, Genoa 1b/56, Genoa-X 1b/51, Bergamo 1b/1b, Turin 4/50',
  'AMD-SB-3016':
    'Milan 1b/- iommu-write-safe, Milan-X 1b/- iommu-write-safe, ' +
    'Genoa 1b/- iommu-write-safe, Genoa-X 1b/- iommu-write-safe, Bergamo 1b/- iommu-write-safe',
  'AMD-SB-3027':
    'Genoa -/56 or no SMT, Genoa-X -/51 or no SMT, Bergamo -/1b or no SMT, Turin -/51 or no SMT',
  'AMD-SB-3030': 'Milan 1d/de, Milan-X 1d/47',
  'AMD-SB-3034': 'Genoa 1c/-, Genoa-X 1c/-, Bergamo 1c/-',
  'AMD-SB-3021':
    'Milan never, Milan-X never, Genoa -/- ciphertext-hiding, Genoa-X -/- ciphertext-hiding, ' +
    'Bergamo -/- ciphertext-hiding, Turin -/- ciphertext-hiding',
  'AMD-SB-3045': 'Milan never, Milan-X never',
};

function textOf(condition: (typeof ADVISORIES)[number]['closedBy'][Die]): string {
  if (!condition || Object.keys(condition).length === 0) return 'never';
  const { snp, microcode, platformInfo, orSmtOff } = condition;
  const versions = [snp, microcode].map((each) => each?.toString(16) ?? '-').join('/');
  return [versions, platformInfo, orSmtOff ? 'or no SMT' : undefined].filter(Boolean).join(' ');
}

describe('an advisory', () => {
  test('is closed by what its bulletin says, die by die', () => {
    const found = ADVISORIES.map(({ bulletin, closedBy }) => [
      bulletin,
      Object.entries(closedBy)
        .map(([die, condition]) => `${die} ${textOf(condition)}`)
        .join(', '),
    ]);
    expect(Object.fromEntries(found)).toEqual(BULLETINS);
  });
});

describe('a preset', () => {
  const DIES: Die[] = ['Milan', 'Milan-X', 'Genoa', 'Genoa-X', 'Bergamo', 'Turin'];

  test.each([
    ['badram', '17/0+ 17/0+ 16/0+ 16/0+ 16/0+ 0/0'],
    ['entrysign', '18/db+ 18/0+ 17/54+ 17/4f+ 17/19+ 0/0'],
    ['rmpocalypse', '1b/db+ 1b/0+ 1b/56+ 1b/51+ 1b/1b+ 4/50'],
    ['2026-05', '1d/de+ 1d/47+ 1c/56+ 1c/51+ 1c/1b+ 4/51'],
  ] as const)('%s demands %s', (preset, expected) => {
    const floors = DIES.map((die) => {
      const { snp, microcode, aliasCheck } = presetFloor(preset, die);
      return `${snp.toString(16)}/${microcode.toString(16)}${aliasCheck ? '+' : ''}`;
    });
    expect(floors.join(' ')).toBe(expected);
  });

  test('contains the one before it', () => {
    for (const die of DIES) {
      for (const part of ['snp', 'microcode'] as const) {
        const floors = FLOOR_PRESETS.map((preset) => presetFloor(preset, die)[part]);
        expect(floors).toEqual(floors.toSorted((left, right) => left - right));
      }
    }
  });
});

test.each([
  ['Milan', 0x01, 1, 'Milan'],
  ['Milan', 0x01, 2, 'Milan-X'],
  ['Genoa', 0x11, 1, 'Genoa'],
  ['Genoa', 0x11, 2, 'Genoa-X'],
  ['Genoa', 0x9f, 1, 'Genoa'],
  ['Genoa', 0xa0, 2, 'Bergamo'],
  ['Turin', 0x02, 2, 'Turin'],
] as const)('%s, model %i, stepping %i is the die %s', (product, model, stepping, die) => {
  expect(dieOf(product, { family: 0x19, model, stepping })).toBe(die);
  expect(dieOf(product, null)).toBe(product);
});

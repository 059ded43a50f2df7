import type { FloorPreset } from '@strongroom/protocol/enclave-demands';
import type { VerifiedFacts } from '../verify.ts';
import { type Die, dieOf } from './die.ts';
import type { Tcb } from './tcb.ts';

/**
 * Weaknesses of the machine below the guest, and what a report must show for each to be closed.
 * The numbers are those of AMD's bulletins as others quote them; an owner who stakes its data on
 * one compares it with the bulletin first. What only an attacker with hands on the memory bus can
 * do (Battering RAM, TEE.fail, WireTap) is no entry: no report shows it.
 */
export interface Advisory {
  readonly name: string;
  /** CVE, or the paper where there is none. */
  readonly id: string;
  readonly bulletin: string;
  /** The dies that it concerns; what must hold there. An empty condition never holds. */
  readonly closedBy: Readonly<Partial<Record<Die, Condition>>>;
}

interface Condition {
  readonly snp?: number;
  readonly microcode?: number;
  readonly platformInfo?: 'alias-check' | 'iommu-write-safe' | 'ciphertext-hiding';
  /** Closed as well when the guest's policy forbids SMT. */
  readonly orSmtOff?: true;
}

const CIPHERTEXT_HIDDEN: Condition = { platformInfo: 'ciphertext-hiding' };
const NEVER: Condition = {};

export const ADVISORIES: readonly Advisory[] = [
  {
    name: 'CacheWarp',
    id: 'CVE-2023-20592',
    bulletin: 'AMD-SB-3005',
    // No number was found; by its date EntrySign's floor is later.
    closedBy: { Milan: { snp: 0x18, microcode: 0xdb }, 'Milan-X': { snp: 0x18 } },
  },
  {
    name: 'BadRAM',
    id: 'CVE-2024-21944',
    bulletin: 'AMD-SB-3015',
    closedBy: {
      Milan: { snp: 0x17, platformInfo: 'alias-check' },
      'Milan-X': { snp: 0x17, platformInfo: 'alias-check' },
      Genoa: { snp: 0x16, platformInfo: 'alias-check' },
      'Genoa-X': { snp: 0x16, platformInfo: 'alias-check' },
      Bergamo: { snp: 0x16, platformInfo: 'alias-check' },
    },
  },
  {
    name: 'EntrySign',
    id: 'CVE-2024-56161',
    bulletin: 'AMD-SB-3019',
    closedBy: {
      Milan: { snp: 0x18, microcode: 0xdb },
      'Milan-X': { snp: 0x18 },
      Genoa: { snp: 0x17, microcode: 0x54 },
      'Genoa-X': { snp: 0x17, microcode: 0x4f },
      Bergamo: { snp: 0x17, microcode: 0x19 },
    },
  },
  {
    name: 'RMPocalypse',
    id: 'CVE-2025-0033',
    bulletin: 'AMD-SB-3020',
    closedBy: {
      Milan: { snp: 0x1b },
      'Milan-X': { snp: 0x1b },
      Genoa: { snp: 0x1b, microcode: 0x56 },
      'Genoa-X': { snp: 0x1b, microcode: 0x51 },
      Bergamo: { snp: 0x1b, microcode: 0x1b },
      Turin: { snp: 0x04, microcode: 0x50 },
    },
  },
  {
    name: 'IOMMU writes',
    id: 'CVE-2023-20585',
    bulletin: 'AMD-SB-3016',
    closedBy: {
      Milan: { snp: 0x1b, platformInfo: 'iommu-write-safe' },
      'Milan-X': { snp: 0x1b, platformInfo: 'iommu-write-safe' },
      Genoa: { snp: 0x1b, platformInfo: 'iommu-write-safe' },
      'Genoa-X': { snp: 0x1b, platformInfo: 'iommu-write-safe' },
      Bergamo: { snp: 0x1b, platformInfo: 'iommu-write-safe' },
    },
  },
  {
    name: 'StackWarp',
    id: 'CVE-2025-29943',
    bulletin: 'AMD-SB-3027',
    closedBy: {
      Genoa: { microcode: 0x56, orSmtOff: true },
      'Genoa-X': { microcode: 0x51, orSmtOff: true },
      Bergamo: { microcode: 0x1b, orSmtOff: true },
      Turin: { microcode: 0x51, orSmtOff: true },
    },
  },
  {
    name: 'BreakFAST',
    id: 'CVE-2025-61971',
    bulletin: 'AMD-SB-3030',
    closedBy: {
      Milan: { snp: 0x1d, microcode: 0xde },
      'Milan-X': { snp: 0x1d, microcode: 0x47 },
    },
  },
  {
    name: 'Fabricked',
    id: 'CVE-2025-54510',
    bulletin: 'AMD-SB-3034',
    closedBy: { Genoa: { snp: 0x1c }, 'Genoa-X': { snp: 0x1c }, Bergamo: { snp: 0x1c } },
  },
  {
    name: 'Heracles',
    id: 'AMD-SB-3021',
    bulletin: 'AMD-SB-3021',
    closedBy: {
      Milan: NEVER,
      'Milan-X': NEVER,
      Genoa: CIPHERTEXT_HIDDEN,
      'Genoa-X': CIPHERTEXT_HIDDEN,
      Bergamo: CIPHERTEXT_HIDDEN,
      Turin: CIPHERTEXT_HIDDEN,
    },
  },
  {
    name: 'BadFuse',
    id: 'arXiv 2605.12990',
    bulletin: 'AMD-SB-3045',
    closedBy: { Milan: NEVER, 'Milan-X': NEVER },
  },
];

/** An advisory that the evidence does not show to be closed. */
export type OpenAdvisory = Pick<Advisory, 'name' | 'id' | 'bulletin'>;

/** Judged by the lowest of the four TCBs: the guest may have run under each of them. */
export function openAdvisories(facts: VerifiedFacts): readonly OpenAdvisory[] {
  const die = dieOf(facts.product, facts.report.cpu);
  const open = ADVISORIES.filter(({ closedBy }) => {
    const condition = closedBy[die];
    return condition !== undefined && !isClosed(condition, facts);
  });
  return open.map(({ name, id, bulletin }) => ({ name, id, bulletin }));
}

function isClosed(condition: Condition, facts: VerifiedFacts): boolean {
  if (condition.orSmtOff && !facts.guestPolicy.smtAllowed) return true;
  const { snp, microcode, platformInfo } = condition;
  if (snp === undefined && microcode === undefined && platformInfo === undefined) return false;
  const lowest = (part: 'snp' | 'microcode') =>
    Math.min(...Object.values(facts.tcb).map((tcb: Tcb) => tcb[part]));
  return (
    lowest('snp') >= (snp ?? 0) &&
    lowest('microcode') >= (microcode ?? 0) &&
    (platformInfo === undefined || facts.platformInfo.bits.has(platformInfo))
  );
}

/** Which advisories each preset closes: those of the presets before it and its own. */
const PRESET_ADVISORIES: Readonly<Record<FloorPreset, readonly string[]>> = {
  badram: ['BadRAM'],
  entrysign: ['BadRAM', 'CacheWarp', 'EntrySign'],
  rmpocalypse: ['BadRAM', 'CacheWarp', 'EntrySign', 'RMPocalypse'],
  /** What firmware and microcode of May 2026 close on every host. */
  '2026-05': [
    ...['BadRAM', 'CacheWarp', 'EntrySign', 'RMPocalypse'],
    ...['StackWarp', 'BreakFAST', 'Fabricked'],
  ],
};

/** What a preset demands of one die: the largest of its advisories' floors, part by part. */
export function presetFloor(
  preset: FloorPreset,
  die: Die,
): { readonly snp: number; readonly microcode: number; readonly aliasCheck: boolean } {
  const conditions = ADVISORIES.filter(({ name }) => PRESET_ADVISORIES[preset].includes(name))
    .map(({ closedBy }) => closedBy[die])
    .filter((condition) => condition !== undefined);
  return {
    snp: Math.max(0, ...conditions.map(({ snp }) => snp ?? 0)),
    microcode: Math.max(0, ...conditions.map(({ microcode }) => microcode ?? 0)),
    aliasCheck: conditions.some(({ platformInfo }) => platformInfo === 'alias-check'),
  };
}

import type { Firmware } from '../report.ts';
import { presetFloor } from '../snp/advisories.ts';
import { dieOf } from '../snp/die.ts';
import { sameTcb, type Tcb } from '../snp/tcb.ts';
import type { VerifiedFacts } from '../verify.ts';
import { atLeast, demand, type Mismatch, mismatch, REFUSED } from './mismatch.ts';
import type { AppraisalPolicy } from './policy.ts';

/**
 * REPORTED proves what the key was derived from, COMMITTED that no older can come back, LAUNCH that
 * the guest never ran under less, CURRENT what runs now. Part by part, each against the floor.
 */
export function appraiseTcb(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const floor = floorOf(facts, policy);
  return (['reported', 'committed', 'launch', 'current'] as const).flatMap((which) =>
    ALL_PARTS.flatMap((part) =>
      atLeast(`tcb.${which}.${part}`, floor[part], facts.tcb[which][part] ?? 0),
    ),
  );
}

export const ALL_PARTS = [
  'fmc',
  'bootLoader',
  'tee',
  'snp',
  'microcode',
] as const satisfies (keyof Tcb)[];

/** The larger of the policy's own floor and its preset's, for the die of this report. */
function floorOf(facts: VerifiedFacts, policy: AppraisalPolicy): Record<keyof Tcb, number> {
  const die = dieOf(facts.product, facts.report.cpu);
  const own = policy.minimumTcb[facts.product];
  const ofDie = Object.entries(own?.microcodeOf ?? {}).find(([name]) => name === die)?.[1];
  const preset = policy.floorPreset && presetFloor(policy.floorPreset, die);
  return {
    fmc: own?.fmc ?? 0,
    bootLoader: own?.bootLoader ?? 0,
    tee: own?.tee ?? 0,
    snp: Math.max(own?.snp ?? 0, preset?.snp ?? 0),
    microcode: Math.max(ofDie ?? own?.microcode ?? 0, preset?.microcode ?? 0),
  };
}

export function appraiseFirmware(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const { currentFirmware, committedFirmware } = facts.report;
  const floor = policy.minimumFirmware?.[facts.product];
  const preset = policy.floorPreset;
  const aliasDemanded =
    preset !== undefined && presetFloor(preset, dieOf(facts.product, facts.report.cpu)).aliasCheck;
  const same =
    sameTcb(facts.tcb.current, facts.tcb.committed) &&
    compareFirmware(currentFirmware, committedFirmware) === 0;
  return [
    ...(aliasDemanded && !facts.platformInfo.bits.has('alias-check')
      ? [mismatch('floorPreset.aliasCheck', 'complete', 'not complete')]
      : []),
    ...(floor ? firmwareAtLeast('firmware.current', floor, currentFirmware) : []),
    ...(floor ? firmwareAtLeast('firmware.committed', floor, committedFirmware) : []),
    ...(policy.provisionalFirmware === 'accepted'
      ? []
      : demand(REFUSED, 'provisionalFirmware', false, !same)),
  ];
}

function firmwareAtLeast(claim: string, floor: Firmware, found: Firmware): Mismatch[] {
  if (compareFirmware(found, floor) >= 0) return [];
  return [mismatch(claim, `at least ${firmwareText(floor)}`, firmwareText(found))];
}

/** Major first, build last: a build judged alone would refuse 2.0.0 or accept 1.54.99. */
function compareFirmware(left: Firmware, right: Firmware): number {
  return left.major - right.major || left.minor - right.minor || left.build - right.build;
}

function firmwareText({ major, minor, build }: Firmware): string {
  return `${major}.${minor}.${build}`;
}

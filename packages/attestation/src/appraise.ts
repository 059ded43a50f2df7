import type { Contract, PRODUCTS, TcbFloorSchema } from '@strongroom/protocol/contract';
import type { ErrorCode } from '@strongroom/protocol/errors';
import type { z } from 'zod';
import { bindsRuntimeClaims } from './binding.ts';
import type { PlatformKind } from './roots.ts';
import { sameTcb, type Tcb } from './snp/tcb.ts';
import type { VerifiedEvidence } from './verify.ts';

type TcbFloor = z.infer<typeof TcbFloorSchema>;

/** What the evidence must show. There is no default for what is security's core. */
export interface AppraisalPolicy {
  readonly platform: PlatformKind;
  /** The products that are accepted at all, each with its smallest security versions. */
  readonly minimumTcb: Readonly<Partial<Record<(typeof PRODUCTS)[number], TcbFloor>>>;
  /** SHA-384 in hex; one of them. */
  readonly measurements: readonly string[];
  /** 32 bytes in hex. */
  readonly hostData: string;
  /** Exactly this privilege level; 0 is the highest and the default. */
  readonly vmpl?: number;
  /** A VLEK proves a provider's fleet, not a chip. Refused unless said otherwise. */
  readonly providerKeys?: 'refused' | 'accepted';
  /** Firmware newer than what is committed can be rolled back. Refused unless said otherwise. */
  readonly provisionalFirmware?: 'refused' | 'accepted';
}

export interface Mismatch {
  readonly code: ErrorCode;
  readonly claim: string;
  readonly expected: string;
  readonly found: string;
}

export type Verdict =
  | { readonly accepted: true; readonly evidence: VerifiedEvidence }
  | { readonly accepted: false; readonly mismatches: readonly [Mismatch, ...Mismatch[]] };

/** Is genuine evidence what was agreed on? Every mismatch is reported, not only the first. */
export function appraiseEvidence(evidence: VerifiedEvidence, policy: AppraisalPolicy): Verdict {
  const [first, ...more] = [
    ...appraisePlatform(evidence, policy),
    ...appraiseImage(evidence, policy),
    ...appraiseGuest(evidence, policy),
    ...appraiseTcb(evidence, policy),
    ...appraiseFirmware(evidence, policy),
    ...appraiseBinding(evidence),
  ];
  if (first) return { accepted: false, mismatches: [first, ...more] };
  return { accepted: true, evidence };
}

/** The demands of a contract: on bare SNP and simulated guests HOST_DATA is the contract's id. */
export function appraisalPolicyFor(
  contract: Pick<Contract, 'enclave'>,
  contractId: string,
): AppraisalPolicy {
  return {
    platform: contract.enclave.platform,
    minimumTcb: contract.enclave.minimumTcb,
    measurements: contract.enclave.measurements.map((each) => each.sha384),
    hostData: contractId,
  };
}

function appraisePlatform({ facts }: VerifiedEvidence, policy: AppraisalPolicy): Mismatch[] {
  const products = Object.keys(policy.minimumTcb);
  return [
    ...demand('ERR_ROOT_KIND', 'platform', policy.platform, facts.platform),
    ...member('ERR_APPRAISAL_REFUSED', 'product', products, facts.product),
    ...(policy.providerKeys === 'accepted'
      ? []
      : demand('ERR_APPRAISAL_REFUSED', 'signer', 'vcek', facts.signer)),
  ];
}

function appraiseImage({ facts }: VerifiedEvidence, policy: AppraisalPolicy): Mismatch[] {
  const measurement = hex(facts.report.measurement);
  return [
    ...member('ERR_MEASUREMENT_MISMATCH', 'measurement', policy.measurements, measurement),
    ...demand('ERR_APPRAISAL_REFUSED', 'hostData', policy.hostData, hex(facts.report.hostData)),
  ];
}

function appraiseGuest({ facts }: VerifiedEvidence, policy: AppraisalPolicy): Mismatch[] {
  const agent = hex(facts.report.reportIdMa);
  return [
    ...demand('ERR_APPRAISAL_REFUSED', 'vmpl', policy.vmpl ?? 0, facts.report.vmpl),
    ...demand('ERR_APPRAISAL_REFUSED', 'debug', false, facts.guestPolicy.debugAllowed),
    ...demand('ERR_APPRAISAL_REFUSED', 'migration', false, facts.guestPolicy.migrationAllowed),
    ...demand('ERR_APPRAISAL_REFUSED', 'migrationAgent', 'ff'.repeat(32), agent),
  ];
}

/**
 * REPORTED proves what the key was derived from, COMMITTED that no older can come back, LAUNCH that
 * the guest never ran under less, CURRENT what runs now. Part by part, each against the floor.
 */
function appraiseTcb({ facts }: VerifiedEvidence, policy: AppraisalPolicy): Mismatch[] {
  const floor = policy.minimumTcb[facts.product];
  if (!floor) return [];
  return (['reported', 'committed', 'launch', 'current'] as const).flatMap((which) =>
    TCB_PARTS.flatMap((part) =>
      atLeast(`tcb.${which}.${part}`, floor[part], facts.tcb[which][part]),
    ),
  );
}

const TCB_PARTS = ['bootLoader', 'tee', 'snp', 'microcode'] as const satisfies (keyof Tcb)[];

function appraiseFirmware({ facts }: VerifiedEvidence, policy: AppraisalPolicy): Mismatch[] {
  if (policy.provisionalFirmware === 'accepted') return [];
  const { currentFirmware, committedFirmware } = facts.report;
  const same =
    sameTcb(facts.tcb.current, facts.tcb.committed) &&
    JSON.stringify(currentFirmware) === JSON.stringify(committedFirmware);
  return demand('ERR_APPRAISAL_REFUSED', 'provisionalFirmware', false, !same);
}

function appraiseBinding({ facts }: VerifiedEvidence): Mismatch[] {
  const bound = bindsRuntimeClaims(facts.report, facts.runtimeClaims);
  return demand('ERR_REPORT_DATA_MISMATCH', 'reportData', true, bound);
}

type Value = string | number | boolean;

function demand(code: ErrorCode, claim: string, expected: Value, found: Value): Mismatch[] {
  if (expected === found) return [];
  return [{ code, claim, expected: `${expected}`, found: `${found}` }];
}

function member(
  code: ErrorCode,
  claim: string,
  expected: readonly string[],
  found: string,
): Mismatch[] {
  if (expected.includes(found)) return [];
  return [{ code, claim, expected: expected.join(' or ') || 'none', found }];
}

function atLeast(claim: string, floor: number, found: number): Mismatch[] {
  if (found >= floor) return [];
  return [
    { code: 'ERR_APPRAISAL_REFUSED', claim, expected: `at least ${floor}`, found: `${found}` },
  ];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

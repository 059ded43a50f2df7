import type { KillList } from '@strongroom/protocol/enclave-demands';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { EvidenceClaimsSchema } from '@strongroom/protocol/evidence-answer';
import { appraiseCode, appraiseUvm } from './appraisal/code.ts';
import {
  atLeast,
  demand,
  hex,
  type Mismatch,
  masks,
  member,
  mismatch,
  REFUSED,
} from './appraisal/mismatch.ts';
import type { AppraisalPolicy, Challenge } from './appraisal/policy.ts';
import { ALL_PARTS, appraiseFirmware, appraiseTcb } from './appraisal/versions.ts';
import { bindsRuntimeClaims } from './binding.ts';
import { type OpenAdvisory, openAdvisories } from './snp/advisories.ts';
import type { VerifiedEvidence, VerifiedFacts } from './verify.ts';

export type { Mismatch } from './appraisal/mismatch.ts';
export {
  type AppraisalPolicy,
  AppraisalPolicySchema,
  acceptedProducts,
  appraisalPolicyFor,
  type Challenge,
  withKillList,
} from './appraisal/policy.ts';

interface Judged {
  readonly evidence: VerifiedEvidence;
  /** Known weaknesses that the evidence does not show to be closed, whatever the policy demands. */
  readonly openAdvisories: readonly OpenAdvisory[];
}
export type Verdict = Judged &
  (
    | { readonly accepted: true }
    | { readonly accepted: false; readonly mismatches: readonly [Mismatch, ...Mismatch[]] }
  );

/**
 * Is genuine evidence what was agreed on? Every mismatch is reported, not only the first.
 * @param challenge what this evidence was made for; without it its age is unknown
 */
export function appraiseEvidence(
  evidence: VerifiedEvidence,
  policy: AppraisalPolicy,
  challenge?: Challenge,
): Verdict {
  const { facts } = evidence;
  const judged = { evidence, openAdvisories: openAdvisories(facts) };
  const [first, ...more] = [
    ...appraisePlatform(facts, policy),
    ...appraiseKillList(facts, policy.killList),
    ...appraiseEndorsement(facts, policy),
    ...appraiseCode(facts, policy),
    ...appraiseUvm(facts, policy.uvm),
    ...appraiseHostData(facts, policy),
    ...appraiseIdBlock(facts, policy.idBlock),
    ...appraiseGuest(facts, policy.guestPolicy),
    ...appraiseHost(facts, policy),
    ...appraiseTcb(facts, policy),
    ...appraiseFirmware(facts, policy),
    ...appraiseBinding(facts, policy, challenge),
  ];
  if (first) return { ...judged, accepted: false, mismatches: [first, ...more] };
  return { ...judged, accepted: true };
}

function appraisePlatform(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const products = policy.products ?? Object.keys(policy.minimumTcb);
  return [
    ...demand('ERR_ROOT_KIND', 'platform', policy.platform, facts.platform),
    ...member(REFUSED, 'product', products, facts.product),
  ];
}

/** Each entry refuses, whatever the rest of the policy says. */
function appraiseKillList(facts: VerifiedFacts, killList: KillList = {}): Mismatch[] {
  const chipId = hex(facts.report.chipId);
  // The host may mask it, and a VLEK names no chip: any of them could then be the one.
  const isMasked = killList.chipIds !== undefined && /^0+$/.test(chipId);
  const chips = (killList.chipIds ?? []).filter((each) => chipId === each.padEnd(128, '0'));
  const tcbs = (killList.tcbs ?? []).filter(
    ({ product, ...parts }) =>
      product === facts.product &&
      Object.values(facts.tcb).some((tcb) =>
        ALL_PARTS.every((part) => (parts[part] ?? tcb[part]) === tcb[part]),
      ),
  );
  return [
    ...(isMasked ? [mismatch('killList.chipId', 'a chip id, to be held to the list', 'none')] : []),
    ...chips.map(() => mismatch('killList.chipId', 'a chip that is not killed', chipId)),
    ...(killList.products?.includes(facts.product)
      ? [mismatch('killList.product', 'a product that is not killed', facts.product)]
      : []),
    ...tcbs.map((each) =>
      mismatch('killList.tcb', 'a version that is not killed', JSON.stringify(each)),
    ),
  ];
}

function appraiseEndorsement(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const kinds = policy.endorsementKinds ?? ['vcek'];
  const { providers } = policy;
  return [
    ...member(REFUSED, 'signer', kinds, facts.signer),
    ...(providers && facts.cspId !== null
      ? member(REFUSED, 'provider', providers, facts.cspId)
      : []),
    ...(policy.revocationList === 'required'
      ? demand(REFUSED, 'revocation', 'checked', facts.revocation)
      : []),
  ];
}

function appraiseHostData({ report }: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const hostData = typeof policy.hostData === 'string' ? [policy.hostData] : policy.hostData;
  return member(REFUSED, 'hostData', hostData, hex(report.hostData));
}

/** What an ID block sets is worth as much as the ID key: without its pin nothing is looked at. */
function appraiseIdBlock(facts: VerifiedFacts, idBlock: AppraisalPolicy['idBlock']): Mismatch[] {
  const { report, authorKeyEnabled } = facts;
  const author = authorKeyEnabled ? hex(report.authorKeyDigest) : 'none';
  // Firmware writes no digest of an author key that it did not check.
  const stray = !authorKeyEnabled && report.authorKeyDigest.some((byte) => byte !== 0);
  const claims = demand(REFUSED, 'authorKeyWithoutFlag', false, stray);
  if (!idBlock) return claims;
  const { idKeyDigests, authorKeyDigests, minimumGuestSvn = 0, familyId, imageId } = idBlock;
  return [
    ...claims,
    ...member(REFUSED, 'idKeyDigest', idKeyDigests, hex(report.idKeyDigest)),
    ...(authorKeyDigests ? member(REFUSED, 'authorKeyDigest', authorKeyDigests, author) : []),
    ...atLeast('guestSvn', minimumGuestSvn, report.guestSvn),
    ...(familyId === undefined ? [] : demand(REFUSED, 'familyId', familyId, hex(report.familyId))),
    ...(imageId === undefined ? [] : demand(REFUSED, 'imageId', imageId, hex(report.imageId))),
  ];
}

function appraiseGuest(
  { report, guestPolicy }: VerifiedFacts,
  demands: AppraisalPolicy['guestPolicy'] = {},
): Mismatch[] {
  const { bits, abiMajor, abiMinor } = guestPolicy;
  const { major, minor } = demands.minimumAbi ?? { major: 0, minor: 0 };
  const abi = `${abiMajor}.${abiMinor}`;
  const older = abiMajor < major || (abiMajor === major && abiMinor < minor);
  return [
    ...demand(REFUSED, 'vmpl', demands.vmpl ?? 0, report.vmpl),
    ...demand(REFUSED, 'debug', false, guestPolicy.debugAllowed),
    ...demand(REFUSED, 'migration', false, guestPolicy.migrationAllowed),
    ...demand(REFUSED, 'migrationAgent', 'ff'.repeat(32), hex(report.reportIdMa)),
    ...masks('guestPolicy', bits, demands),
    ...(older ? [mismatch('guestPolicy.abi', `at least ${major}.${minor}`, abi)] : []),
  ];
}

function appraiseHost(facts: VerifiedFacts, policy: AppraisalPolicy): Mismatch[] {
  const { bits, unknown } = facts.platformInfo;
  const demands = policy.platformInfo ?? {};
  const { mitigations } = facts.report;
  const strict = demands.unknownBits === 'refused';
  return [
    ...masks('platformInfo', bits, demands),
    ...(strict ? demand(REFUSED, 'platformInfo.unknown', '0', unknown.toString(16)) : []),
    ...(['launch', 'current'] as const).flatMap((when) => {
      const wanted = policy.mitigations?.[when];
      if (wanted === undefined) return [];
      const found = mitigations?.[when];
      // Before version 5 the vectors are unknown, which is not the same as good.
      const held = found !== undefined && (found & BigInt(`0x${wanted}`)) === BigInt(`0x${wanted}`);
      const shown = found === undefined ? 'unknown' : found.toString(16);
      return held ? [] : [mismatch(`mitigations.${when}`, `all of ${wanted}`, shown)];
    }),
  ];
}

/** REPORT_DATA binds the claims; the claims name contract and nonce; the nonce has an age. */
function appraiseBinding(
  facts: VerifiedFacts,
  policy: AppraisalPolicy,
  challenge: Challenge | undefined,
): Mismatch[] {
  const bound = bindsRuntimeClaims(facts, facts.runtimeClaims);
  const wrong = demand('ERR_REPORT_DATA_MISMATCH', 'reportData', true, bound);
  if (policy.contract === undefined && !challenge) return wrong;
  const claims = readClaims(facts.runtimeClaims, challenge);
  const age = challenge && challenge.now - challenge.issuedAt;
  const inTime = !challenge || (age !== undefined && age >= 0 && age <= challenge.ageMsMax);
  return [
    ...wrong,
    ...(policy.contract === undefined
      ? []
      : demand('ERR_REPORT_DATA_MISMATCH', 'contract', policy.contract, claims.contract)),
    ...(challenge
      ? demand('ERR_REPORT_DATA_MISMATCH', 'nonce', challenge.nonce, claims.nonce)
      : []),
    ...(inTime ? [] : [mismatch('age', `0 to ${challenge.ageMsMax} ms`, `${age} ms`)]),
  ];
}

function readClaims(
  bytes: Uint8Array,
  challenge: Challenge | undefined,
): { contract: string; nonce: string } {
  const none = { contract: 'none', nonce: 'none' };
  const claimsSchema = challenge?.onDemand ? EvidenceClaimsSchema : RuntimeClaimsSchema;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const parsed = claimsSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : none;
  } catch {
    return none;
  }
}

import { decodeBase64url } from '@strongroom/protocol/base64url';
import { type ErrorFacts, StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { RUNTIME_CLAIMS_BYTES_MAX } from '@strongroom/protocol/limits';
import {
  MICROSOFT_UVM_ISSUER,
  type UvmEndorsement,
  verifyUvmEndorsement,
} from './azure/uvm-endorsement.ts';
import { type VtpmFacts, verifyVtpm } from './azure/vtpm.ts';
import { parseReport, SIGNED_BYTES, type SnpReport } from './report.ts';
import type { PlatformKind, RootSet } from './roots.ts';
import {
  checkChainFields,
  checkChainSignatures,
  type EndorsementChain,
  selectChain,
} from './snp/chain.ts';
import { type Endorsement, readEndorsement } from './snp/endorsement.ts';
import {
  type GuestPolicy,
  type PlatformInfo,
  parseKeyInfo,
  parsePlatformInfo,
  parsePolicy,
} from './snp/policy.ts';
import { checkReportSignature, checkSignatureRange } from './snp/report-signature.ts';
import { type CheckedList, checkRevocation } from './snp/revocation.ts';
import { type Product, parseTcb, productOfCpu, sameTcb, type Tcb } from './snp/tcb.ts';
import { sameBytes } from './x509/certificate.ts';
import { parsePemCertificates } from './x509/pem.ts';

/** The time that certificates are judged at, in milliseconds since 1970. */
export interface VerificationClock {
  now(): number;
}

export interface VerificationOptions extends RevocationLists {
  /** Exactly one set: its kind is what the verdict says about the platform. */
  readonly roots: RootSet;
  readonly clock: VerificationClock;
}

export interface RevocationLists {
  /**
   * Revocation lists in DER, from the caller and not from the evidence. One that names the root of
   * the evidence must be good and in time; when lists are given, one of them must name it.
   */
  readonly revocationLists?: readonly Uint8Array[];
  /** Refuse where no list could be looked at. Off unless said otherwise: the verdict tells. */
  readonly requireRevocationList?: boolean;
  /**
   * The time that lists are judged at, where it is not that of certificates: whoever reads what was
   * made long ago wants to know what was revoked since. Default: `clock`.
   */
  readonly revocationClock?: VerificationClock;
  /**
   * A list that came along with what is read, maybe years later, and that nobody can ask for anew:
   * it counts where it was in force at some time since the moment that certificates are judged at.
   * What was revoked after it ended is not known. Default: such a list refuses. `since` another
   * moment: where certificates are judged by now, and the evidence is said to be older.
   */
  readonly endedLists?: 'accepted' | { readonly since: number };
}

/** Where whoever verifies gets lists from, and what it means when there are none. */
export interface Revocation {
  /** Never throws for a list that cannot be had: verification says what its absence means. */
  listsFor(evidence: Evidence): Promise<RevocationLists>;
}

export interface VerifiedFacts {
  readonly platform: PlatformKind;
  readonly product: Product;
  readonly report: SnpReport;
  readonly guestPolicy: GuestPolicy;
  readonly platformInfo: PlatformInfo;
  readonly authorKeyEnabled: boolean;
  readonly signer: 'vcek' | 'vlek';
  /** The cloud provider that a VLEK names. */
  readonly cspId: string | null;
  readonly tcb: { readonly [part in 'current' | 'committed' | 'reported' | 'launch']: Tcb };
  /** Of an Azure confidential VM, whose measurement is that of the paravisor. */
  readonly vtpm: VtpmFacts | null;
  /** Microsoft's word on the utility VM that was measured; null where none came along. */
  readonly uvm: UvmEndorsement | null;
  /** The bytes that came with the report; appraisal checks that it binds them. */
  readonly runtimeClaims: Uint8Array;
  /** AMD revokes authorities, not chips: a chip is answered for by its versions. */
  readonly revocation: 'checked' | 'not-checked';
  /** What it was checked against. */
  readonly revocationList: CheckedList | null;
}

/** Genuine evidence. Only `verifyEvidence` makes one, so appraisal cannot be given less. */
class Verified {
  readonly #facts: VerifiedFacts;

  constructor(facts: VerifiedFacts) {
    this.#facts = facts;
  }

  get facts(): VerifiedFacts {
    return this.#facts;
  }
}
export type VerifiedEvidence = Verified;

/**
 * Is the evidence genuine? Whether it is what was agreed on is the appraisal's question. Bounded
 * work without network: endorsements come with the evidence, roots with the caller.
 * @throws ERR_EVIDENCE_MALFORMED, ERR_LIMIT_EXCEEDED, ERR_REPORT_MALFORMED, ERR_ROOT_KIND,
 * ERR_CERTIFICATE_CHAIN, ERR_REPORT_SIGNATURE, ERR_REPORT_DATA_MISMATCH, ERR_VTPM_EVIDENCE,
 * ERR_UVM_ENDORSEMENT; the fact `check` names the step
 */
export function verifyEvidence(evidence: Evidence, options: VerificationOptions): VerifiedEvidence {
  const received = decodeEvidence(evidence);
  const report = parseReport(received.report);
  const signer = checkSigner(report);
  const chain = selectChain(received.certificates, signer, options.roots);
  checkChainFields(chain, options.roots, options.clock.now());
  const product = checkProduct(report, chain);
  const tcb = checkTcbForm(report, product);
  const endorsement = checkEndorsement(report, chain, signer, tcb.reported);
  checkSignatureRange(report.signature);
  const endorsementKey = checkChainSignatures(chain);
  const revocationList = checkRevocation(chain, options);
  // Over the bytes as received, never over a second writing of what was read from them.
  const signed = received.report.subarray(0, SIGNED_BYTES);
  checkReportSignature(signed, report.signature, endorsementKey);
  return new Verified({
    platform: options.roots.kind,
    product,
    report,
    guestPolicy: guestPolicyOf(report),
    platformInfo: parsePlatformInfo(report.platformInfo),
    authorKeyEnabled: parseKeyInfo(report.keyInfo)?.authorKeyEnabled === true,
    signer,
    cspId: endorsement.cspId,
    tcb,
    vtpm: evidence.vtpm ? verifyVtpm(evidence.vtpm, report.reportData) : null,
    uvm: received.uvmEndorsement ? checkUvm(received.uvmEndorsement, report) : null,
    runtimeClaims: received.runtimeClaims,
    revocation: revocationList ? 'checked' : 'not-checked',
    revocationList,
  });
}

interface ReceivedEvidence {
  readonly report: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly runtimeClaims: Uint8Array;
  readonly uvmEndorsement: Uint8Array | undefined;
}

function decodeEvidence(evidence: Evidence): ReceivedEvidence {
  const report = decodeBase64url(evidence.report);
  if (!report) throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'report' });
  const runtimeClaims = decodeBase64url(evidence.runtimeClaims);
  if (!runtimeClaims) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'runtime-claims' });
  }
  if (runtimeClaims.length > RUNTIME_CLAIMS_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'RUNTIME_CLAIMS_BYTES_MAX' });
  }
  const uvmEndorsement = decodeBase64url(evidence.uvmEndorsement ?? '');
  if (!uvmEndorsement) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'uvm-endorsement' });
  }
  const certificates = parsePemCertificates(evidence.certificateChain);
  return {
    report,
    certificates,
    runtimeClaims,
    uvmEndorsement: evidence.uvmEndorsement === undefined ? undefined : uvmEndorsement,
  };
}

/** A report that the host asked for has VMPL 0xffffffff and says nothing about the guest's will. */
function checkSigner(report: SnpReport): 'vcek' | 'vlek' {
  if (report.vmpl > 3) throw new StrongroomError('ERR_REPORT_MALFORMED', { check: 'vmpl' });
  const keyInfo = parseKeyInfo(report.keyInfo);
  if (!keyInfo || keyInfo.chipKeyMasked || keyInfo.signingKey === 'none') {
    throw new StrongroomError('ERR_REPORT_SIGNATURE', { check: 'not-signed' });
  }
  return keyInfo.signingKey;
}

/** The report's processor, the leaf, its issuer and the pinned root name one product. */
function checkProduct(report: SnpReport, chain: EndorsementChain): Product {
  const { product } = chain;
  if (report.cpu && productOfCpu(report.cpu) !== product) throw refusal('product-of-report');
  // Turin's chip ids have 8 bytes: the shape gives away a version 2 report, which names no CPU.
  const long = report.chipId.subarray(8).some((byte) => byte !== 0);
  const present = report.chipId.some((byte) => byte !== 0);
  if (present && long === (product === 'Turin')) throw refusal('product-of-chip-id');
  return product;
}

function checkTcbForm(report: SnpReport, product: Product): VerifiedFacts['tcb'] {
  const read = (bytes: Uint8Array): Tcb => {
    const tcb = parseTcb(bytes, product);
    if (!tcb) throw new StrongroomError('ERR_REPORT_MALFORMED', { check: 'tcb-form' });
    return tcb;
  };
  return {
    current: read(report.currentTcb),
    committed: read(report.committedTcb),
    reported: read(report.reportedTcb),
    launch: read(report.launchTcb),
  };
}

/** The certificate is of this chip at exactly these versions: "at least" would let an older in. */
function checkEndorsement(
  report: SnpReport,
  chain: EndorsementChain,
  signer: 'vcek' | 'vlek',
  reported: Tcb,
): Endorsement {
  const endorsement = readEndorsement(chain.leaf, signer);
  if (endorsement.product !== chain.product) throw refusal('product-of-leaf');
  if (!sameTcb(endorsement.tcb, reported)) throw refusal('tcb-of-leaf');
  if (endorsement.hardwareId) {
    const chipId = new Uint8Array(64);
    chipId.set(endorsement.hardwareId);
    if (!sameBytes(chipId, report.chipId)) throw refusal('chip-id');
  }
  return endorsement;
}

/** Of any feed and version: which ones are good is the appraisal's question. */
function checkUvm(bytes: Uint8Array, { measurement }: SnpReport): UvmEndorsement {
  return verifyUvmEndorsement(bytes, { issuer: MICROSOFT_UVM_ISSUER, measurement });
}

function guestPolicyOf(report: SnpReport): GuestPolicy {
  const policy = parsePolicy(report.policy);
  if (!policy) throw new StrongroomError('ERR_REPORT_MALFORMED', { check: 'policy-form' });
  return policy;
}

function refusal(check: string, more: ErrorFacts = {}): StrongroomError {
  return new StrongroomError('ERR_CERTIFICATE_CHAIN', { check, ...more });
}

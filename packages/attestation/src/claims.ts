import { StrongroomError } from '@strongroom/protocol/errors';
import { bindsRuntimeClaims } from './binding.ts';
import { repeatedMember } from './release-policy/repeated-member.ts';
import type { Tcb } from './snp/tcb.ts';
import type { VerifiedEvidence } from './verify.ts';

/** A claims object in the names and spellings of Microsoft Azure Attestation. */
export type AttestationClaims = Readonly<Record<string, unknown>>;

/**
 * What a token says about genuine evidence: Azure's claims for `sevsnpvm`, and behind them what
 * Azure leaves out. Versions are those of REPORTED_TCB, as in Azure's tokens. A simulated platform
 * has its own attestation type, says that it can be debugged and claims no compliance, so that a
 * policy written for hardware refuses it without knowing of it.
 * Not for evidence with a virtual TPM, whose measurement is not that of what runs.
 * @param runtimeClaims the bytes that REPORT_DATA must bind
 * @param dataType `JSON` must be an object and becomes `x-ms-runtime`; `Binary` is only bound
 * @throws ERR_REPORT_DATA_MISMATCH, ERR_EVIDENCE_MALFORMED
 */
export function claimsOf(
  evidence: VerifiedEvidence,
  runtimeClaims: Uint8Array,
  dataType: 'JSON' | 'Binary' = 'JSON',
): AttestationClaims {
  if (evidence.facts.vtpm) throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'vtpm' });
  if (!bindsRuntimeClaims(evidence.facts, runtimeClaims)) {
    throw new StrongroomError('ERR_REPORT_DATA_MISMATCH');
  }
  const runtime = dataType === 'JSON' ? { 'x-ms-runtime': runtimeObject(runtimeClaims) } : {};
  const type = attestationTypeOf('sevsnpvm', evidence);
  return { ...type, ...platformClaims(evidence), ...reportClaims(evidence), ...runtime };
}

/** The claims that need no runtime data. */
export function reportClaims({ facts }: VerifiedEvidence): AttestationClaims {
  const { report, guestPolicy, tcb } = facts;
  const simulated = facts.platform === 'simulated';
  return {
    'x-ms-sevsnpvm-authorkeydigest': hex(report.authorKeyDigest),
    'x-ms-sevsnpvm-bootloader-svn': tcb.reported.bootLoader,
    'x-ms-sevsnpvm-familyId': hex(report.familyId),
    'x-ms-sevsnpvm-guestsvn': report.guestSvn,
    'x-ms-sevsnpvm-hostdata': hex(report.hostData),
    'x-ms-sevsnpvm-idkeydigest': hex(report.idKeyDigest),
    'x-ms-sevsnpvm-imageId': hex(report.imageId),
    'x-ms-sevsnpvm-is-debuggable': simulated || guestPolicy.debugAllowed,
    'x-ms-sevsnpvm-launchmeasurement': hex(report.measurement),
    'x-ms-sevsnpvm-microcode-svn': tcb.reported.microcode,
    'x-ms-sevsnpvm-migration-allowed': guestPolicy.migrationAllowed,
    'x-ms-sevsnpvm-reportdata': hex(report.reportData),
    'x-ms-sevsnpvm-reportid': hex(report.reportId),
    'x-ms-sevsnpvm-smt-allowed': guestPolicy.smtAllowed,
    'x-ms-sevsnpvm-snpfw-svn': tcb.reported.snp,
    'x-ms-sevsnpvm-tee-svn': tcb.reported.tee,
    'x-ms-sevsnpvm-vmpl': report.vmpl,
  };
}

export function attestationTypeOf(
  type: 'sevsnpvm' | 'azurevm',
  { facts }: VerifiedEvidence,
): AttestationClaims {
  return { 'x-ms-attestation-type': facts.platform === 'simulated' ? `${type}-simulated` : type };
}

/** No `x-ms-compliance-status` on any platform: it vouches for Microsoft's own utility VM. */
export function platformClaims({ facts }: VerifiedEvidence): AttestationClaims {
  return {
    'x-ms-ver': '1.0',
    'x-strongroom-platform': facts.platform,
    'x-strongroom-product': facts.product,
    'x-strongroom-signing-key': facts.signer,
    'x-strongroom-debug-allowed': facts.guestPolicy.debugAllowed,
    'x-strongroom-tcb-committed': tcbClaim(facts.tcb.committed),
    'x-strongroom-tcb-launch': tcbClaim(facts.tcb.launch),
    'x-strongroom-tcb-current': tcbClaim(facts.tcb.current),
    'x-strongroom-platform-info': facts.report.platformInfo.toString(16),
  };
}

function tcbClaim(tcb: Tcb): Readonly<Record<string, number>> {
  const { fmc, bootLoader, tee, snp, microcode } = tcb;
  return { ...(fmc === null ? {} : { fmc }), bootLoader, tee, snp, microcode };
}

/**
 * The bytes of runtime data as the claim that a token shows. A member that occurs twice is refused:
 * who hashes the bytes and who reads the claim would see two things.
 * @throws ERR_EVIDENCE_MALFORMED
 */
export function runtimeObject(bytes: Uint8Array): object {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
    if (repeatedMember(text) !== undefined) throw new SyntaxError('repeated member');
  } catch {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'runtime-claims' });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StrongroomError('ERR_EVIDENCE_MALFORMED', { check: 'runtime-claims' });
  }
  return value;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

import type { AppraisalPolicy } from '@strongroom/attestation/appraise';
import { appraiseEvidence } from '@strongroom/attestation/appraise';
import {
  type LaunchOptions,
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import type { RootSet } from '@strongroom/attestation/roots';
import { type VerificationOptions, verifyEvidence } from '@strongroom/attestation/verify';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';

/** What no public fixture covers: evidence of the simulated platform, changed and signed again. */

export const CLAIMS = new TextEncoder().encode('{"purpose":"test"}');
export const IMAGE = [new TextEncoder().encode('worker')];
export const HOST_DATA = new Uint8Array(32).fill(0xab);
export const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
export type Product = (typeof PRODUCTS)[number];

/** Accepts what the simulator launches when it is asked for nothing special. */
export const POLICY: AppraisalPolicy = {
  platform: 'simulated',
  products: [...PRODUCTS],
  minimumTcb: {
    Milan: { bootLoader: 4, tee: 0, snp: 29, microcode: 222 },
    Genoa: { bootLoader: 10, tee: 0, snp: 28, microcode: 86 },
    Turin: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 },
  },
  measurements: [measureImage(IMAGE)],
  hostData: Buffer.from(HOST_DATA).toString('hex'),
};

export interface Simulated {
  readonly platform: SimulatedPlatform;
  readonly roots: RootSet;
  readonly folder: string;
  evidenceFor(options?: Partial<LaunchOptions>): Promise<Evidence>;
}

export async function simulated(): Promise<Simulated> {
  const { folder, platform } = await sharedTestPlatform();
  const launched = { image: IMAGE, hostData: HOST_DATA };
  return {
    platform,
    folder,
    roots: simulatedRoots(folder),
    evidenceFor: (options = {}) => evidenceOf(platform.launch({ ...launched, ...options }), CLAIMS),
  };
}

/** "CODE check" of a refusal by verification, "no: claims" of one by appraisal, or "ok". */
export function verdictOf(
  evidence: Evidence,
  options: Partial<VerificationOptions> & { readonly roots: RootSet },
  policy: AppraisalPolicy = POLICY,
): string {
  try {
    const verified = verifyEvidence(evidence, { clock: systemClock, ...options });
    const verdict = appraiseEvidence(verified, policy);
    if (verdict.accepted) return 'ok';
    return `no: ${verdict.mismatches.map(({ claim }) => claim).join(' ')}`;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return `${error.code} ${error.facts['check'] ?? ''}`.trim();
  }
}

export function reportBytesOf(evidence: Evidence): Uint8Array {
  return new Uint8Array(Buffer.from(evidence.report, 'base64url'));
}

/** The same evidence around changed bytes of the report, which nobody signed again. */
export function withReport(evidence: Evidence, change: (report: Uint8Array) => void): Evidence {
  const report = reportBytesOf(evidence);
  change(report);
  return { ...evidence, report: Buffer.from(report).toString('base64url') };
}

export function splitChain(pem: string): string[] {
  return pem.split(/(?<=END CERTIFICATE-----\n)/).filter((block) => block !== '');
}

export function derOf(pem: string): Uint8Array {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\n/g, ''), 'base64'));
}

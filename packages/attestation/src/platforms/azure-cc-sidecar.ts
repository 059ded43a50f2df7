import { setTimeout as sleep } from 'node:timers/promises';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { SecurityContext } from '../azure/security-context.ts';
import type { CombinedAnswer } from '../azure/sidecar-answers.ts';
import {
  CONFIDENTIAL_ACI_FEED,
  MICROSOFT_UVM_ISSUER,
  verifyUvmEndorsement,
} from '../azure/uvm-endorsement.ts';
import { reportDataOf } from '../binding.ts';
import { parseReport } from '../report.ts';
import { sameBytes } from '../x509/certificate.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import type { Platform, Quote } from './platform.ts';
import type { SidecarClient } from './sidecar-client.ts';

/**
 * A confidential container of Azure (ACI, AKS): the key release sidecar beside us takes the report.
 * What it hands out is proved at once, against our own request, the pinned roots, and the policy
 * that was put beside the container; a sidecar that only pretends is found out here.
 */
export interface SidecarPlatformOptions {
  readonly client: SidecarClient;
  readonly endorsements: EndorsementSource;
  /** Null outside of such a container: then policy and utility VM are left to who verifies. */
  readonly securityContext: SecurityContext | null;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

const WAITS_MS = [250, 500, 1_000, 2_000, 4_000];

export function createSidecarPlatform(options: SidecarPlatformOptions): Platform {
  return {
    name: 'azure-cc-sidecar',
    quote: (reportData, runtimeData) => quote(reportData, runtimeData, options),
  };
}

async function quote(
  reportData: Uint8Array,
  runtimeData: Uint8Array | undefined,
  options: SidecarPlatformOptions,
): Promise<Quote> {
  // The sidecar hashes on its side, so it must be given what the 64 bytes bind.
  if (!runtimeData || !sameBytes(reportDataOf(runtimeData), reportData)) {
    throw unavailable('runtime-data');
  }
  await untilReady(options);
  const answer = await reportOf(options.client, runtimeData);
  const { measurement, hostData } = parseReport(answer.report);
  const context = options.securityContext;
  if (context && !sameBytes(context.hostData, hostData)) throw unavailable('security-policy');
  const uvmEndorsement = answer.uvmEndorsement ?? context?.uvmEndorsement;
  if (uvmEndorsement) {
    const [issuer, feed] = [MICROSOFT_UVM_ISSUER, CONFIDENTIAL_ACI_FEED];
    verifyUvmEndorsement(uvmEndorsement, { issuer, feed, measurement });
  }
  const hints = answer.certificates.length > 0 ? answer.certificates : hintsOf(context);
  return {
    report: answer.report,
    certificateChain: await options.endorsements.chainFor(answer.report, hints),
    ...(uvmEndorsement ? { uvmEndorsement } : {}),
  };
}

async function untilReady({ client, wait = sleep }: SidecarPlatformOptions): Promise<void> {
  for (const milliseconds of WAITS_MS) {
    if (await client.isReady()) return;
    await wait(milliseconds);
  }
  throw unavailable('sidecar-not-ready');
}

async function reportOf(client: SidecarClient, runtimeData: Uint8Array): Promise<CombinedAnswer> {
  const combined = await client.combined(runtimeData);
  if (combined) return combined;
  return { report: await client.raw(runtimeData), certificates: [], uvmEndorsement: null };
}

function hintsOf(context: SecurityContext | null): readonly Uint8Array[] {
  const certificates = context?.certificates;
  return certificates ? [certificates.leaf, ...certificates.authorities] : [];
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check });
}

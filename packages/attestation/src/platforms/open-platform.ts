import type { RootSet } from '../roots.ts';
import type { VerificationClock } from '../verify.ts';
import { createSidecarPlatform } from './azure-cc-sidecar.ts';
import { createAzureCvm } from './azure-cvm.ts';
import { createConfigfsTsm } from './configfs-tsm.ts';
import { createEndorsementCache, readEndorsementBundle } from './endorsement-cache.ts';
import { AZURE_THIM_URL, createEndorsementSource } from './endorsement-source.ts';
import type { Platform } from './platform.ts';
import { readSecurityContext } from './read-security-context.ts';
import { createSidecarClient } from './sidecar-client.ts';

/** The platforms that make evidence of hardware; the simulated one has a door of its own. */
export const HARDWARE_PLATFORMS = ['configfs-tsm', 'azure-cvm', 'azure-cc-sidecar'] as const;
export type HardwarePlatform = (typeof HARDWARE_PLATFORMS)[number];

export interface HardwareOptions {
  readonly platform: HardwarePlatform;
  readonly roots: RootSet;
  readonly clock: VerificationClock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder in which proved certificate chains are kept. */
  readonly endorsementsCache?: string;
  /** Bundle, or a folder of one; nobody is asked when it is given. */
  readonly endorsementsOffline?: string;
  readonly sidecarUrl?: string;
}

/** @throws ERR_CONFIG_INVALID, ERR_FILE_UNREADABLE, ERR_LIMIT_EXCEEDED, ERR_EVIDENCE_MALFORMED */
export async function openHardwarePlatform(options: HardwareOptions): Promise<Platform> {
  const { platform, roots, clock, endorsementsCache, endorsementsOffline } = options;
  const stores = [
    ...(endorsementsOffline === undefined
      ? []
      : [await readEndorsementBundle(endorsementsOffline)]),
    ...(endorsementsCache === undefined ? [] : [createEndorsementCache(endorsementsCache)]),
  ];
  const endorsements = createEndorsementSource({
    roots,
    clock,
    stores,
    offline: endorsementsOffline !== undefined,
    ...(platform === 'configfs-tsm' ? {} : { thimUrl: AZURE_THIM_URL }),
  });
  if (platform === 'configfs-tsm') return createConfigfsTsm({ endorsements });
  if (platform === 'azure-cvm') return createAzureCvm({ endorsements });
  return createSidecarPlatform({
    client: createSidecarClient(options.sidecarUrl),
    endorsements,
    securityContext: await readSecurityContext(options.environment),
  });
}

import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  createSimulatedPlatform,
  loadSimulatedPlatform,
  type SimulatedPlatform,
} from '@strongroom/attestation/insecure';
import { createAzureCvm } from '@strongroom/attestation/platforms/azure-cvm';
import { collectEvidence } from '@strongroom/attestation/platforms/collect-evidence';
import type { Platform } from '@strongroom/attestation/platforms/platform';
import type { Evidence } from '@strongroom/protocol/evidence';
import { systemClock } from '@strongroom/runtime/clock';
import { createVirtualTpm } from './virtual-tpm.ts';

/** Its certificates are valid for 30 days. */
const AGE_MS_MAX = 14 * 24 * 3_600_000;

/**
 * One deployment with every product for all test runs of this user: nine RSA-4096 keys take many
 * seconds. For tests only; everybody on this machine who is this user can sign with it.
 */
export async function sharedTestPlatform(): Promise<{
  folder: string;
  platform: SimulatedPlatform;
}> {
  const folder = join(tmpdir(), `strongroom-test-platform-v2-${userInfo().uid}`);
  if (!(await isFresh(folder))) await makeShared(folder);
  return { folder, platform: await loadSimulatedPlatform(folder) };
}

async function isFresh(folder: string): Promise<boolean> {
  const made = await stat(folder).catch(() => undefined);
  return made?.isDirectory() === true && systemClock.now() - made.mtimeMs < AGE_MS_MAX;
}

/** Made aside and renamed: of two test processes that begin together, one wins and both go on. */
async function makeShared(folder: string): Promise<void> {
  const aside = `${folder}-${randomUUID()}`;
  await mkdir(aside, { mode: 0o700 });
  const products = ['Milan', 'Genoa', 'Turin'] as const;
  await createSimulatedPlatform(aside, { clock: systemClock, products, providerKeys: true });
  if (!(await isFresh(folder))) await rm(folder, { recursive: true, force: true });
  await rename(aside, folder).catch(() => rm(aside, { recursive: true, force: true }));
}

/** Evidence of one launch, bound to these claims, in the form in which it travels. */
export async function evidenceOf(guest: Platform, runtimeClaims: Uint8Array): Promise<Evidence> {
  return collectEvidence(guest, runtimeClaims);
}

/** The same guest behind a paravisor and a virtual TPM, as in an Azure confidential VM. */
export function azureVmOf(guest: Platform, tpm = createVirtualTpm({ guest })): Platform {
  return createAzureCvm({
    endorsements: {
      chainFor: async () => (await guest.quote(new Uint8Array(64))).certificateChain,
    },
    run: tpm.run,
    wait: async () => undefined,
  });
}

import process from 'node:process';
import { openHardwarePlatform } from '@strongroom/attestation/platforms/open-platform';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { systemClock } from '@strongroom/runtime/clock';
import { runService } from '@strongroom/runtime/shutdown';
import { startHost } from './host.ts';
import { hardwareOptionsOf, readSettings } from './settings.ts';
import { portsOf, startWorker } from './start.ts';
import type { VaultAhead } from './vault-launch.ts';

/** The enclave worker in an AMD SEV-SNP guest. */
export async function runOnHardware(vault: VaultAhead | undefined): Promise<void> {
  await runService('enclave-worker', async (context) => {
    context.onShutdown(() => vault?.discard());
    const settings = readSettings(process.argv.slice(2), process.env, false);
    if (!settings) return context.finish();
    if (settings.group) {
      await vault?.discard();
      return await startHost(settings, context);
    }
    const options = {
      ...hardwareOptionsOf(settings),
      roots: AMD_ROOTS,
      clock: systemClock,
      environment: process.env,
    };
    const choice = { platformFor: () => openHardwarePlatform(options) };
    await startWorker(settings, choice, context, portsOf(vault));
  });
}

import process from 'node:process';
import { loadSimulatedPlatform, SIMULATED_WARNING } from '@strongroom/attestation/insecure';
import { readBinaryFile } from '@strongroom/runtime/files';
import { runService } from '@strongroom/runtime/shutdown';
import { startHost } from './host.ts';
import { readImage } from './image.ts';
import { readSettings } from './settings.ts';
import { portsOf, startWorker } from './start.ts';
import type { VaultAhead } from './vault-launch.ts';

/**
 * The enclave worker on the simulated platform, which launches the worker's own files as its image
 * and measures them. Proves nothing about any machine; tokens made from it say so.
 */
export async function runSimulated(vault: VaultAhead | undefined): Promise<void> {
  await runService('enclave-worker (simulated)', async (context) => {
    context.onShutdown(() => vault?.discard());
    const settings = readSettings(process.argv.slice(2), process.env, true);
    const { platformDir, extraPage } = settings ?? {};
    if (!settings || platformDir === undefined) return context.finish();
    if (settings.group) {
      await vault?.discard();
      return await startHost(settings, context);
    }
    process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);
    const platform = await loadSimulatedPlatform(platformDir);
    const image = [...(await readImage())];
    if (extraPage !== undefined) image.push(await readBinaryFile(extraPage));
    const choice = {
      // HOST_DATA is the contract's id: what was launched was launched for this contract.
      platformFor: async (contractId: string) =>
        platform.launch({ image, hostData: Buffer.from(contractId, 'hex') }),
      warning: SIMULATED_WARNING,
    };
    await startWorker(settings, choice, context, portsOf(vault));
  });
}

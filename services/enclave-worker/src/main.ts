import process from 'node:process';
import { openHardwarePlatform } from '@strongroom/attestation/platforms/open-platform';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { systemClock } from '@strongroom/runtime/clock';
import { runService } from '@strongroom/runtime/shutdown';
import { hardwareOptionsOf, readSettings } from './settings.ts';
import { startWorker } from './start.ts';

/** The enclave worker in an AMD SEV-SNP guest. */
await runService('enclave-worker', async (context) => {
  const settings = readSettings(process.argv.slice(2), process.env, false);
  if (!settings) return context.finish();
  const options = {
    ...hardwareOptionsOf(settings),
    roots: AMD_ROOTS,
    clock: systemClock,
    environment: process.env,
  };
  await startWorker(settings, { platformFor: () => openHardwarePlatform(options) }, context);
});

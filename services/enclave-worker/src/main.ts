import process from 'node:process';
import { createConfigfsTsm } from '@strongroom/attestation/platforms/configfs-tsm';
import { runService } from '@strongroom/runtime/shutdown';
import { readSettings } from './settings.ts';
import { startWorker } from './start.ts';

/** The enclave worker in an AMD SEV-SNP guest. */
await runService('enclave-worker', async (context) => {
  const settings = readSettings(process.argv.slice(2), process.env, false);
  if (!settings) return context.finish();
  await startWorker(settings, { platformFor: async () => createConfigfsTsm() }, context);
});

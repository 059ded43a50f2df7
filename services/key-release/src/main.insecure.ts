import process from 'node:process';
import { SIMULATED_WARNING, simulatedRoots } from '@strongroom/attestation/insecure';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';

/** Key release whose own verification believes a simulated platform, which proves nothing. */
await runService('key-release (simulated)', async (context) => {
  const settings = readSettings(process.argv.slice(2), true);
  if (!settings?.roots) return context.finish();
  process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);
  await serve(settings, simulatedRoots(settings.roots), context);
});

import process from 'node:process';
import { SIMULATED_WARNING, simulatedRoots } from '@strongroom/attestation/insecure';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';

/** The attestation service for a simulated platform. Its tokens say so, and prove nothing. */
await runService('attestation (simulated)', async (context) => {
  const settings = readSettings(process.argv.slice(2), true);
  if (!settings?.roots) return context.finish();
  process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);
  const trust = { roots: simulatedRoots(settings.roots), warning: SIMULATED_WARNING };
  await serve(settings, trust, context);
});

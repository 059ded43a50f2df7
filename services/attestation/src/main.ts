import process from 'node:process';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';

/** The attestation service for AMD hardware. */
await runService('attestation', async (context) => {
  const settings = readSettings(process.argv.slice(2), false);
  if (!settings) return context.finish();
  await serve(settings, { roots: AMD_ROOTS }, context);
});

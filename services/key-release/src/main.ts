import process from 'node:process';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';

/** The key release service of one owner. Raw evidence that it verifies itself is AMD's. */
await runService('key-release', async (context) => {
  const settings = readSettings(process.argv.slice(2), false);
  if (!settings) return context.finish();
  await serve(settings, AMD_ROOTS, context);
});

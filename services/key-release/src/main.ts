import process from 'node:process';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';

/** The key release service of one owner. */
await runService('key-release', async (context) => {
  const settings = readSettings(process.argv.slice(2));
  if (!settings) return context.finish();
  await serve(settings, context);
});

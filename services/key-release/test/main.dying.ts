import process from 'node:process';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { systemClock } from '@strongroom/runtime/clock';
import { runService } from '@strongroom/runtime/shutdown';
import { serve } from '../src/serve.ts';
import { readSettings } from '../src/settings.ts';
import { type Death, setKillPoints } from './kill-points.ts';

/**
 * The service as it is, but that it dies where it is told to, once it listens. No time passes on
 * its monotonic clock, so that no lease ends because a machine is slow.
 */
const [death = '{}', ...args] = process.argv.slice(2);
await runService('key-release', async (context) => {
  const settings = readSettings(args, false);
  if (!settings) return context.finish();
  const clock = { now: systemClock.now, monotonic: () => 0 };
  const { url } = await serve(settings, AMD_ROOTS, context, clock);
  setKillPoints(JSON.parse(death) as Death, (point) => process.send?.({ point }));
  process.send?.({ url });
});

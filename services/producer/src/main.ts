import process from 'node:process';
import { failCommand } from '@strongroom/runtime/command';
import { runService } from '@strongroom/runtime/shutdown';
import { runPublish } from './publish-command.ts';
import { readSettings } from './settings.ts';

/** `strongroom producer publish`: ends by itself, or with SIGTERM after the group that it is at. */
await runService('producer', async (context) => {
  const args = process.argv.slice(2);
  try {
    const settings = readSettings(args);
    if (settings) await runPublish(settings, context);
  } catch (error) {
    failCommand(error, args.includes('--json'));
  }
  context.finish();
});

import process from 'node:process';
import { failCommand } from '@strongroom/runtime/command';
import { runService } from '@strongroom/runtime/shutdown';
import { watchStdout } from '@strongroom/runtime/watch-stdout';
import { DESCRIBE_COMMAND, runDescribe } from './describe-command.ts';
import { runPublish } from './publish-command.ts';
import { readSettings } from './settings.ts';
import { runWord, WORD_COMMANDS } from './word-command.ts';

/**
 * `strongroom producer publish`: ends by itself, or with SIGTERM after the group that it is at.
 * `retract` and `heartbeat` say something on the stream without a row, `describe` looks at a file.
 */
watchStdout(process.argv.includes('--json'));
await runService('producer', async (context) => {
  const args = process.argv.slice(2);
  try {
    if (args[0] === DESCRIBE_COMMAND) await runDescribe(args);
    else if (WORD_COMMANDS.includes(args[0] ?? '')) await runWord(args, context);
    else {
      const settings = readSettings(args);
      if (settings) await runPublish(settings, context);
    }
  } catch (error) {
    failCommand(error, args.includes('--json'));
  }
  context.finish();
});

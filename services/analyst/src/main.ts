import process from 'node:process';
import { watchStdout } from '@strongroom/runtime/watch-stdout';
import { runAnalyst } from './analyst-command.ts';

watchStdout(process.argv.includes('--json'));
await runAnalyst(process.argv.slice(2));

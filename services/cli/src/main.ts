import process from 'node:process';
import { watchStdout } from '@strongroom/runtime/watch-stdout';
import { runCommand } from './program.ts';

watchStdout(process.argv.includes('--json'));
await runCommand(process.argv.slice(2));

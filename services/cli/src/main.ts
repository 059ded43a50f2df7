import process from 'node:process';
import { runCommand } from './program.ts';

// Whoever reads the output may go away (`| head`): then nobody listens, and nothing is wrong.
process.stdout.on('error', () => undefined);
await runCommand(process.argv.slice(2));

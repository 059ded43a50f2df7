import process from 'node:process';
import { runAnalyst } from './analyst-command.ts';

// Whoever reads the output may go away (`| head`): then nobody listens, and nothing is wrong.
process.stdout.on('error', () => undefined);
await runAnalyst(process.argv.slice(2));

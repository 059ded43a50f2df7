import process from 'node:process';
import { runAnalyst } from './analyst-command.ts';

await runAnalyst(process.argv.slice(2));

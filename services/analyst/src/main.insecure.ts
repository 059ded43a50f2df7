import process from 'node:process';
import { SIMULATED_WARNING, simulatedRoots } from '@strongroom/attestation/insecure';
import { watchStdout } from '@strongroom/runtime/watch-stdout';
import { runAnalyst } from './analyst-command.ts';

/** Reads results whose raw evidence is of a simulated platform, which proves nothing. */
process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);
watchStdout(process.argv.includes('--json'));
await runAnalyst(process.argv.slice(2), simulatedRoots);

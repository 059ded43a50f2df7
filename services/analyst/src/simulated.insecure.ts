import process from 'node:process';
import { SIMULATED_WARNING } from '@strongroom/attestation/insecure';

/**
 * `@strongroom/analyst/simulated`, for trying things out: roots of a SIMULATED platform, whose
 * evidence proves nothing. Whoever writes this import line accepts it.
 */
process.stderr.write(`WARNING: ${SIMULATED_WARNING}\n`);

export { simulatedRoots } from '@strongroom/attestation/insecure';

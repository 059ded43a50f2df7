import process from 'node:process';
import { VaultAhead } from './vault-launch.ts';

/** The enclave worker on the simulated platform, started as on real hardware. */
const vault = process.argv[2] === 'start' ? new VaultAhead() : undefined;
const { runSimulated } = await import('./simulated.insecure.ts');
await runSimulated(vault);

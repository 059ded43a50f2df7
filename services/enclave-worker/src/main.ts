import process from 'node:process';
import { VaultAhead } from './vault-launch.ts';

/** The enclave worker in an AMD SEV-SNP guest: its vault loads its code while it loads its own. */
const vault = process.argv[2] === 'start' ? new VaultAhead() : undefined;
const { runOnHardware } = await import('./hardware.ts');
await runOnHardware(vault);

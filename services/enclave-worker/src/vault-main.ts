import { createTransportKey } from './vault/transport-key.ts';

/**
 * The vault's process. Its key is made on a thread of its own while this one loads all else, which
 * takes as long.
 */
const transportKey = createTransportKey();
const { serveDoor } = await import('./vault-pipe.ts');
serveDoor(transportKey);

import { createTransportKey, type TransportKey } from '../src/vault/transport-key.ts';

const made = new Map<string, Promise<TransportKey>>();

/**
 * One pair a name and a process, the same in all contracts and lives: to make one takes a fifth
 * of a second of the processor, and schedules of lives need hundreds.
 */
export function rsaPairOf(name: string): Promise<TransportKey> {
  const pair = made.get(name) ?? createTransportKey();
  made.set(name, pair);
  return pair;
}

/** Of the vaults in this process. In life each makes its own: `vault-process.test.ts` looks. */
export const sharedTransportKey = () => rsaPairOf('transport');

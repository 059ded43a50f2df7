import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** The pair to which owners' services wrap what they release: one vault's, and never told. */
export interface TransportKey {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const TRANSPORT_KEY_BITS = 3072;

/** On another thread, in a tenth to half a second: it depends on nothing, and is begun early. */
export function createTransportKey(): Promise<TransportKey> {
  return promisify(generateKeyPair)('rsa', { modulusLength: TRANSPORT_KEY_BITS });
}

import type { ConnectionOptions } from 'node:tls';
import type { KafkaTls } from './kafka-connection.ts';

/** In Node's words. */
export function tlsOptionsOf(tls: KafkaTls): ConnectionOptions {
  const { authorities, certificateChain, privateKey, passphrase, minVersion } = tls;
  return {
    ...(authorities !== undefined && { ca: authorities }),
    ...(certificateChain !== undefined && { cert: certificateChain }),
    ...(privateKey && { key: privateKey.reveal() }),
    ...(passphrase && { passphrase: passphrase.reveal() }),
    minVersion,
  };
}

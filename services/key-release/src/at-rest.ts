import { unwrapAtRest, wrapAtRest } from '@strongroom/sealing/wrap';

/** The master key as a pair of verbs: nothing else in the service holds its bytes. */
export interface AtRest {
  wrap(secret: Uint8Array, context: string): Uint8Array;
  /** @throws ERR_STORE_SEALED when the master key, the context or a byte differs */
  unwrap(wrapped: Uint8Array, context: string): Uint8Array;
}

export function createAtRest(masterKey: Uint8Array): AtRest {
  return {
    wrap: (secret, context) => wrapAtRest(masterKey, secret, context),
    unwrap: (wrapped, context) => unwrapAtRest(masterKey, wrapped, context),
  };
}

import { unwrapAtRest, wrapAtRest } from '@strongroom/sealing/wrap';

/** The store key as a pair of verbs: nothing else in the service holds its bytes. */
export interface AtRest {
  wrap(secret: Uint8Array, context: string): Uint8Array;
  /** @throws ERR_STORE_SEALED when the store key, the context or a byte differs */
  unwrap(wrapped: Uint8Array, context: string): Uint8Array;
}

export function createAtRest(storeKey: Uint8Array): AtRest {
  return {
    wrap: (secret, context) => wrapAtRest(storeKey, secret, context),
    unwrap: (wrapped, context) => unwrapAtRest(storeKey, wrapped, context),
  };
}

import { createHash, hkdfSync } from 'node:crypto';
import { unwrapPadded, wrapPadded } from '@strongroom/sealing/wrap';

/** Wraps secret bytes under the master key, bound to a context. */
export interface AtRest {
  wrap(secret: Uint8Array, context: Uint8Array): Uint8Array;
  /** Throws when the master key, the context or a byte differs. */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Uint8Array;
}

const WRAPPING_KEY_BYTES = 32;

/**
 *   wrapping key = HKDF-SHA-256(master key, info = "strongroom/at-rest/v1 " ‖ SHA-256(context))
 *   wrapped      = AES-KWP(wrapping key, secret)                                      RFC 5649
 *
 * Each context has a key of its own, so a secret opens only beside what it was wrapped with.
 */
export function createAtRest(masterKey: Uint8Array): AtRest {
  const wrappingKey = (context: Uint8Array) => {
    const info = `strongroom/at-rest/v1 ${createHash('sha256').update(context).digest('hex')}`;
    const derived = hkdfSync('sha256', masterKey, new Uint8Array(0), info, WRAPPING_KEY_BYTES);
    return new Uint8Array(derived);
  };
  return {
    wrap: (secret, context) => wrapPadded(wrappingKey(context), secret),
    unwrap: (wrapped, context) => unwrapPadded(wrappingKey(context), wrapped),
  };
}

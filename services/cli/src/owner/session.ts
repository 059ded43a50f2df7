import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';

/**
 * Who may ask the owner's page for anything: whoever was given the address that one start of its
 * server has printed. The secret in it travels in a fragment, which no browser sends, and comes
 * back in a header, which no other site can set: no cookie, so nothing is sent without being meant.
 */
export interface OwnerSession {
  readonly secret: string;
  /** @param authorization header of a request @throws ERR_UNAUTHENTICATED */
  demand(authorization: string | undefined): void;
  /** A nonce for one thing that cannot be taken back. */
  issueIntent(): string;
  /** @throws ERR_NONCE_SPENT for one that was not issued, is spent or too old */
  spendIntent(nonce: string): void;
}

const SECRET_BYTES = 32;
/** Long enough to read what it means and to type a name. */
const INTENT_MS = 120_000;
const INTENTS_MAX = 16;

export function createOwnerSession(clock: Clock): OwnerSession {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const intents = new Map<string, number>();
  return {
    secret,
    demand: (authorization = '') => {
      if (!timingSafeEqual(digestOf(authorization), digestOf(`Bearer ${secret}`))) {
        throw new StrongroomError('ERR_UNAUTHENTICATED');
      }
    },
    issueIntent: () => {
      const nonce = randomBytes(SECRET_BYTES).toString('base64url');
      intents.set(nonce, clock.monotonic());
      const [oldest] = intents.keys();
      if (intents.size > INTENTS_MAX && oldest !== undefined) intents.delete(oldest);
      return nonce;
    },
    spendIntent: (nonce) => {
      const since = intents.get(nonce);
      intents.delete(nonce);
      if (since === undefined || clock.monotonic() - since > INTENT_MS) {
        throw new StrongroomError('ERR_NONCE_SPENT');
      }
    },
  };
}

/** Equally long, whatever was sent. */
function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

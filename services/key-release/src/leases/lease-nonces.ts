import { randomBytes } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { StrongroomError } from '@strongroom/protocol/errors';
import { LEASE_NONCE_MS, LEASE_NONCES_MAX } from '@strongroom/protocol/lease';
import type { Clock } from '@strongroom/runtime/clock';

/**
 * Nonces for evidence: each can be spent once, for a minute. They are in memory only: a restart
 * spends them all, and a flood makes the oldest be forgotten.
 */
export interface Nonces {
  issue(): string;
  /** @throws ERR_NONCE_SPENT for one that is unknown, spent or too old */
  spend(nonce: string | undefined): void;
}

export function createNonces(clock: Pick<Clock, 'monotonic'>): Nonces {
  /** Nonce to the time when it was issued; a Map keeps the order. */
  const issued = new Map<string, number>();
  return {
    issue: () => {
      const [oldest] = issued.keys();
      if (issued.size >= LEASE_NONCES_MAX && oldest !== undefined) issued.delete(oldest);
      const nonce = encodeBase64url(randomBytes(32));
      issued.set(nonce, clock.monotonic());
      return nonce;
    },
    spend: (nonce) => {
      const since = nonce === undefined ? undefined : issued.get(nonce);
      if (nonce !== undefined) issued.delete(nonce);
      if (since === undefined || clock.monotonic() - since > LEASE_NONCE_MS) {
        throw new StrongroomError('ERR_NONCE_SPENT');
      }
    },
  };
}

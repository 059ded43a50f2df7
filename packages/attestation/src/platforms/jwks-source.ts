import { StrongroomError } from '@strongroom/protocol/errors';
import type { AuthorityKey } from '../token.ts';
import type { VerificationClock } from '../verify.ts';
import { type FetchOptions, fetchJwks } from './fetch-jwks.ts';

export interface JwksSourceOptions extends FetchOptions {
  /** The one URL of each issuer's keys. An issuer that is not here has none. */
  readonly urls: Readonly<Record<string, string>>;
  readonly clock: VerificationClock;
}

/** Keys of issuers by pinned URL, remembered for a while. */
export interface JwksSource {
  /**
   * @param kid of a token: when it is not among the remembered keys, they are fetched anew, at most
   * every 30 s, for a signer that has just changed its key
   * @throws ERR_TOKEN_INVALID for an unknown issuer, and what fetchJwks throws
   */
  keysOf(issuer: string, kid?: string): Promise<readonly AuthorityKey[]>;
}

/** A key that its signer withdrew is believed no longer than this. */
const REMEMBERED_MS = 10 * 60_000;
/** Forged key ids and a server that is down cause no more requests than one each so often. */
const REPEATED_MS = 30_000;

interface Remembered {
  readonly at: number;
  readonly keys: Promise<readonly AuthorityKey[]>;
}

/** The cache has one entry an issuer of the configuration, so a token cannot make it grow. */
export function createJwksSource(options: JwksSourceOptions): JwksSource {
  const remembered = new Map<string, Remembered>();
  const refresh = (issuer: string, url: string): Remembered => {
    const keys = fetchJwks(url, options).then((set) => set.keys);
    // The failure is handed to whoever asks; this only keeps it from being unhandled meanwhile.
    keys.catch(() => undefined);
    const entry = { at: options.clock.now(), keys };
    remembered.set(issuer, entry);
    return entry;
  };
  return {
    async keysOf(issuer, kid) {
      const url = Object.hasOwn(options.urls, issuer) ? options.urls[issuer] : undefined;
      if (url === undefined) throw new StrongroomError('ERR_TOKEN_INVALID', { check: 'issuer' });
      const entry = remembered.get(issuer);
      if (!entry) return refresh(issuer, url).keys;
      const age = options.clock.now() - entry.at;
      if (age >= REMEMBERED_MS || age < 0) return refresh(issuer, url).keys;
      if (age < REPEATED_MS) return entry.keys;
      const keys = await entry.keys.catch(() => []);
      const known = kid === undefined ? keys.length > 0 : keys.some((each) => each.kid === kid);
      return known ? keys : refresh(issuer, url).keys;
    },
  };
}

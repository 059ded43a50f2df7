import { createHash } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { AtRest } from '../master-key/at-rest.ts';
import type { keyRows } from './key-rows.ts';
import type { KeyVersion, StoredPolicy } from './key-store.ts';

/**
 * Secret bytes are in the database in wrapped form only, bound to everything that decides over
 * their release: whoever edits a policy, a version, a flag or a deletion in the file makes the key
 * unusable and nothing else.
 */
export interface SealedRows {
  wrap(key: KeyVersion, secret: Uint8Array): Uint8Array;
  /** The secret bytes, for the caller to wipe. @throws ERR_STORE_SEALED */
  unwrap(key: KeyVersion, wrapped: Uint8Array): Uint8Array;
  /** Stores what changed of a version. @throws ERR_STORE_SEALED */
  change(before: KeyVersion, after: KeyVersion): void;
}

export function createSealedRows(
  atRest: AtRest,
  owner: string,
  rows: ReturnType<typeof keyRows>,
): SealedRows {
  const sealed: SealedRows = {
    wrap: (key, secret) => atRest.wrap(secret, contextOf(owner, key)),
    unwrap: (key, wrapped) => atRest.unwrap(wrapped, contextOf(owner, key)),
    change: (before, after) => {
      const secret = sealed.unwrap(before, rows.wrapped(before.version));
      rows.change(after, sealed.wrap(after, secret));
      secret.fill(0);
    },
  };
  return sealed;
}

function contextOf(owner: string, key: KeyVersion): string {
  const { name, version, kty, publicKey, exportable, policy } = key;
  const { enabled, notBefore, expires, deleted } = key;
  const facts = { name, version, kty, publicKey, exportable, policy };
  const bound = { ...facts, enabled, notBefore, expires, deleted };
  const context = canonicalBytes({ purpose: 'strongroom/key-at-rest/v1', owner, ...bound });
  return new TextDecoder().decode(context);
}

/** Facts of audit entries. */
export function callerFact(by: string | undefined): { caller?: string } {
  return by === undefined ? {} : { caller: by };
}

export function policyFact(policy: StoredPolicy | null): { policySha256?: string } {
  if (!policy) return {};
  const bytes = Buffer.from(policy.data, 'base64url');
  return { policySha256: createHash('sha256').update(bytes).digest('hex') };
}

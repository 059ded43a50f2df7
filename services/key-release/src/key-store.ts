import { createHash, randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import type { AtRest } from './at-rest.ts';
import type { AuditLog } from './audit-log.ts';
import { transaction } from './database.ts';
import type { KeyMaterial, KeyType } from './key-material.ts';
import { keyRows } from './key-rows.ts';

/**
 * An owner's keys. A name has versions, and the newest one answers when none is named; a version
 * has the newest of its policies. Secret bytes are in the database in wrapped form only, bound to
 * everything that decides over their release: whoever edits a policy, a version or a flag in the
 * file makes the key unusable and nothing else.
 */
export interface StoredPolicy {
  readonly contentType: string;
  /** base64url of the policy's JSON, exactly as it was set. */
  readonly data: string;
  readonly immutable: boolean;
}

interface KeyAttributes {
  readonly enabled: boolean;
  /** Seconds since 1970. */
  readonly notBefore: number | null;
  readonly expires: number | null;
}

export interface KeyVersion extends KeyAttributes {
  readonly sequence: number;
  readonly name: string;
  readonly version: string;
  readonly kty: KeyType;
  readonly publicKey: Readonly<Record<string, string>>;
  readonly operations: readonly string[];
  readonly exportable: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly created: number;
  readonly updated: number;
  readonly policy: StoredPolicy | null;
}

export interface NewKey extends KeyAttributes {
  readonly name: string;
  readonly kty: KeyType;
  readonly material: KeyMaterial;
  readonly operations: readonly string[];
  readonly exportable: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly policy: StoredPolicy | null;
}

export type KeyChanges = Partial<
  KeyAttributes & Pick<KeyVersion, 'operations' | 'tags'> & { readonly policy: StoredPolicy }
>;

/** Who asks for a change, for its audit entry: a caller of the configuration of access. */
type Asking = string | undefined;

export interface KeyStore {
  add(key: NewKey, event: 'key-created' | 'key-imported', by: Asking): KeyVersion;
  /** @throws ERR_KEY_NOT_FOUND */
  find(name: string, version?: string): KeyVersion;
  /** Newest version of each name, by name. */
  list(after: string, limit: number): KeyVersion[];
  /** Versions of a name, oldest first. @throws ERR_KEY_NOT_FOUND */
  versions(name: string, after: number, limit: number): KeyVersion[];
  /** @throws ERR_KEY_NOT_FOUND, ERR_POLICY_IMMUTABLE, ERR_REQUEST_INVALID */
  update(name: string, version: string | undefined, changes: KeyChanges, by: Asking): KeyVersion;
  /** Wipes the secret bytes of all versions; for good. @throws ERR_KEY_NOT_FOUND */
  remove(name: string, by: Asking): KeyVersion;
  /** The secret bytes, for the caller to wipe. @throws ERR_STORE_SEALED */
  secretOf(key: KeyVersion): Uint8Array;
}

export interface KeyStoreOptions {
  readonly database: DatabaseSync;
  readonly owner: string;
  readonly atRest: AtRest;
  readonly auditLog: AuditLog;
  readonly clock: Clock;
}

const VERSION_BYTES = 16;

export function createKeyStore(options: KeyStoreOptions): KeyStore {
  const { database, owner, atRest, auditLog, clock } = options;
  const rows = keyRows(database);
  const seconds = () => Math.floor(clock.now() / 1_000);

  const secretOf = (key: KeyVersion) =>
    atRest.unwrap(rows.wrapped(key.version), contextOf(owner, key));
  const find = (name: string, version?: string): KeyVersion => {
    const key = version === undefined ? rows.newest(name) : rows.byVersion(name, version);
    if (!key) throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
    return key;
  };
  return {
    find,
    secretOf,
    list: (after, limit) => rows.newestOfEach(after, limit),
    versions: (name, after, limit) => {
      find(name);
      return rows.versions(name, after, limit);
    },
    add: ({ material, ...wanted }, event, by) =>
      transaction(database, () => {
        const version = randomBytes(VERSION_BYTES).toString('hex');
        const times = { created: seconds(), updated: seconds() };
        const publicKey = { ...material.publicKey };
        const key = { ...wanted, ...times, version, publicKey, sequence: 0 };
        rows.insert(key, atRest.wrap(material.secret, contextOf(owner, key)));
        if (key.policy) rows.setPolicy(version, key.policy, times.created);
        const facts = { key: key.name, version, ...callerFact(by), ...policyFacts(key.policy) };
        auditLog.append({ event, ...facts });
        return find(key.name, version);
      }),
    update: (name, version, changes, by) =>
      transaction(database, () => {
        const before = find(name, version);
        if (changes.policy) demandSettable(before, changes.policy);
        const after = { ...before, ...changes, updated: seconds() };
        const secret = secretOf(before);
        rows.change(after, atRest.wrap(secret, contextOf(owner, after)));
        secret.fill(0);
        if (changes.policy) rows.setPolicy(after.version, changes.policy, after.updated);
        const details = Object.keys(changes).sort();
        const event = { event: 'key-updated', key: name, version: after.version, details } as const;
        auditLog.append({ ...event, ...callerFact(by), ...policyFacts(changes.policy ?? null) });
        return find(name, after.version);
      }),
    remove: (name, by) =>
      transaction(database, () => {
        const key = find(name);
        rows.wipe(name, seconds());
        auditLog.append({ event: 'key-deleted', key: name, ...callerFact(by) });
        return key;
      }),
  };
}

/** Everything that a release depends on; see at the top. */
function contextOf(owner: string, key: Omit<KeyVersion, 'sequence' | 'updated'>): string {
  const { name, version, kty, publicKey, exportable, policy } = key;
  const { enabled, notBefore, expires } = key;
  const bound = { name, version, kty, publicKey, exportable, policy, enabled, notBefore, expires };
  const context = canonicalBytes({ purpose: 'strongroom/key-at-rest/v1', owner, ...bound });
  return new TextDecoder().decode(context);
}

/** Azure: immutable "can never be undone"; setting the same policy again changes nothing. */
function demandSettable(key: KeyVersion, policy: StoredPolicy): void {
  if (!key.exportable) {
    const expected = 'only an exportable key has a release policy';
    throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'release_policy', expected });
  }
  if (!key.policy?.immutable) return;
  if (policy.data === key.policy.data && policy.immutable) return;
  throw new StrongroomError('ERR_POLICY_IMMUTABLE', { key: key.name });
}

function callerFact(by: Asking): { caller?: string } {
  return by === undefined ? {} : { caller: by };
}

function policyFacts(policy: StoredPolicy | null): { policySha256?: string } {
  if (!policy) return {};
  const bytes = Buffer.from(policy.data, 'base64url');
  return { policySha256: createHash('sha256').update(bytes).digest('hex') };
}

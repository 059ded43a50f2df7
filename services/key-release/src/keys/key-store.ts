import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Clock } from '@strongroom/runtime/clock';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AtRest } from '../master-key/at-rest.ts';
import { transaction } from '../storage/database.ts';
import type { KeyMaterial, KeyType } from './key-material.ts';
import { keyRows } from './key-rows.ts';
import { callerFact, createSealedRows, policyFact } from './sealed-rows.ts';

/**
 * An owner's keys. A name has versions, and the newest one answers when none is named; a version
 * has the newest of its policies. What was deleted is in `deleted-keys.ts`.
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
  /** When it was deleted, in seconds; null while it lives. */
  readonly deleted: number | null;
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

/** Made before the transaction of a rotation: what of it depends on nothing that can change. */
interface NextVersion {
  readonly material: KeyMaterial;
  /** Seconds since 1970. */
  readonly expires: number | null;
}

export interface KeyStore {
  /** @throws ERR_KEY_DELETED while a deleted key of this name can be recovered */
  add(key: NewKey, event: 'key-created' | 'key-imported', by: Asking): KeyVersion;
  /**
   * A new version with everything of the newest one but its material.
   * @throws ERR_KEY_NOT_FOUND, ERR_REQUEST_INVALID when the newest one is of another kind by now
   */
  rotate(name: string, next: NextVersion, by: Asking): KeyVersion;
  /** @throws ERR_KEY_NOT_FOUND */
  find(name: string, version?: string): KeyVersion;
  /** Newest version of each name, by name. */
  list(after: string, limit: number): KeyVersion[];
  /** Versions of a name, oldest first. @throws ERR_KEY_NOT_FOUND */
  versions(name: string, after: number, limit: number): KeyVersion[];
  /** @throws ERR_KEY_NOT_FOUND, ERR_POLICY_IMMUTABLE, ERR_REQUEST_INVALID */
  update(name: string, version: string | undefined, changes: KeyChanges, by: Asking): KeyVersion;
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
const newVersion = () => randomBytes(VERSION_BYTES).toString('hex');

export function createKeyStore(options: KeyStoreOptions): KeyStore {
  const { database, owner, atRest, auditLog, clock } = options;
  const rows = keyRows(database);
  const sealed = createSealedRows(atRest, owner, rows);
  const seconds = () => Math.floor(clock.now() / 1_000);

  const find = (name: string, version?: string): KeyVersion =>
    existing(name, version === undefined ? rows.newest(name) : rows.byVersion(name, version));
  const insert = (
    { material, ...wanted }: NewKey,
    event: 'key-created' | 'key-imported' | 'key-rotated',
    by: Asking,
  ): KeyVersion => {
    const version = newVersion();
    const times = { created: seconds(), updated: seconds(), deleted: null };
    const key = { ...wanted, ...times, version, publicKey: { ...material.publicKey }, sequence: 0 };
    rows.insert(key, sealed.wrap(key, material.secret));
    if (key.policy) rows.setPolicy(version, key.policy, times.created);
    auditLog.append({
      event,
      key: key.name,
      version,
      ...callerFact(by),
      ...policyFact(key.policy),
    });
    return find(key.name, version);
  };
  return {
    find,
    secretOf: (key) => sealed.unwrap(key, rows.wrapped(key.version)),
    list: (after, limit) => rows.newestOfEach(after, limit),
    versions: (name, after, limit) => {
      find(name);
      return rows.versions(name, after, limit);
    },
    add: (key, event, by) =>
      transaction(database, () => {
        if (rows.deletedNewest(key.name)) {
          throw new StrongroomError('ERR_KEY_DELETED', { key: key.name });
        }
        return insert(key, event, by);
      }),
    rotate: (name, { material, expires }, by) =>
      transaction(database, () => {
        const { kty, operations, enabled, exportable, tags, policy, publicKey } = find(name);
        demandSameKind(publicKey, material.publicKey);
        const same = { kty, operations, enabled, exportable, tags, policy };
        return insert({ ...same, name, material, notBefore: null, expires }, 'key-rotated', by);
      }),
    update: (name, version, changes, by) =>
      transaction(database, () => {
        const before = find(name, version);
        if (changes.policy) demandSettable(before, changes.policy);
        const after = { ...before, ...changes, updated: seconds() };
        sealed.change(before, after);
        if (changes.policy) rows.setPolicy(after.version, changes.policy, after.updated);
        const facts = { version: after.version, details: Object.keys(changes).sort() };
        const policy = policyFact(changes.policy ?? null);
        auditLog.append({
          event: 'key-updated',
          key: name,
          ...facts,
          ...callerFact(by),
          ...policy,
        });
        return find(name, after.version);
      }),
  };
}

function existing(name: string, key: KeyVersion | undefined): KeyVersion {
  if (!key) throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
  return key;
}

/** Between making the material and storing it, somebody may have made a version of another kind. */
function demandSameKind(before: KeyMaterial['publicKey'], next: KeyMaterial['publicKey']): void {
  if (before.crv === next.crv && before.n?.length === next.n?.length) return;
  const expected = 'the kind of the newest version, which changed meanwhile';
  throw new StrongroomError('ERR_REQUEST_INVALID', { member: 'kty', expected });
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

import { createHash } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { StrongroomError } from '@strongroom/protocol/errors';
import { BACKUP_BYTES_MAX } from '@strongroom/protocol/limits';
import { z } from 'zod';
import { transaction } from '../storage/database.ts';
import { KEY_TYPES } from './key-material.ts';
import { keyRows } from './key-rows.ts';
import type { KeyStoreOptions, KeyVersion } from './key-store.ts';
import { callerFact } from './sealed-rows.ts';

type Asking = string | undefined;

export interface KeyBackups {
  /** All versions of a living key, sealed. @throws ERR_KEY_NOT_FOUND, ERR_LIMIT_EXCEEDED */
  backup(name: string, by: Asking): Uint8Array;
  /** @throws ERR_BACKUP_INVALID, ERR_BACKUP_OUTDATED, ERR_KEY_EXISTS, ERR_KEY_DELETED */
  restore(backup: Uint8Array, by: Asking): KeyVersion;
}

const VersionSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  kty: z.enum(KEY_TYPES),
  publicKey: z.record(z.string(), z.string()),
  operations: z.array(z.string()),
  enabled: z.boolean(),
  notBefore: z.int().nullable(),
  expires: z.int().nullable(),
  exportable: z.boolean(),
  tags: z.record(z.string(), z.string()),
  created: z.int(),
  updated: z.int(),
  policy: z
    .strictObject({ contentType: z.string(), data: z.string(), immutable: z.boolean() })
    .nullable(),
  /** As it stands in the database: bound to all of the above, and opened by the same key only. */
  wrapped: z.base64url(),
});
const BackupSchema = z.strictObject({
  format: z.literal('strongroom/key-backup/v1'),
  versions: z.array(VersionSchema).min(1),
});
const DigestSchema = z.strictObject({ digest: z.string() });

/**
 * A backup undoes a purge, and nothing else. It is sealed with this database's own key, and it is
 * taken back only where a key of its name was purged, in the very state that was purged: a backup
 * from before a change (of a policy, a version, a flag) would undo the change. It holds neither
 * audit entries, leases nor budgets, so it cannot bring back older ones.
 */
export function createKeyBackups(options: KeyStoreOptions): KeyBackups {
  const { database, owner, atRest, auditLog } = options;
  const rows = keyRows(database);
  const context = `strongroom/key-backup/v1 ${owner}`;
  const purged = database.prepare('SELECT digest FROM purged_keys WHERE name = ?');
  const forgetPurge = database.prepare('DELETE FROM purged_keys WHERE name = ?');
  return {
    backup: (name, by) => {
      if (!rows.newest(name)) throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
      const versions = rows.everyVersion(name).map((key) => ({
        ...factsOf(key),
        wrapped: Buffer.from(rows.wrapped(key.version)).toString('base64url'),
      }));
      const content = canonicalBytes({ format: 'strongroom/key-backup/v1', versions });
      if (content.length > BACKUP_BYTES_MAX) {
        throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: BACKUP_BYTES_MAX });
      }
      auditLog.append({ event: 'key-backed-up', key: name, ...callerFact(by) });
      return atRest.wrap(content, context);
    },
    restore: (backup, by) =>
      transaction(database, () => {
        const { versions } = parseBackup(openBackup(() => atRest.unwrap(backup, context)));
        const keys = versions.map(({ wrapped, ...facts }) => ({
          key: { ...facts, sequence: 0, deleted: null },
          wrapped: Buffer.from(wrapped, 'base64url'),
        }));
        const name = versions[0]?.name ?? '';
        if (rows.newest(name)) throw new StrongroomError('ERR_KEY_EXISTS', { key: name });
        if (rows.deletedNewest(name)) throw new StrongroomError('ERR_KEY_DELETED', { key: name });
        const noted = DigestSchema.optional().parse(purged.get(name))?.digest;
        const digest = digestOfKey(
          owner,
          keys.map(({ key }) => key),
        );
        if (noted !== digest) throw new StrongroomError('ERR_BACKUP_OUTDATED', { key: name });
        for (const { key, wrapped } of keys) {
          rows.insert(key, wrapped);
          if (key.policy) rows.setPolicy(key.version, key.policy, key.updated);
        }
        forgetPurge.run(name);
        auditLog.append({ event: 'key-restored', key: name, ...callerFact(by) });
        const restored = rows.newest(name);
        if (!restored) throw new StrongroomError('ERR_BACKUP_INVALID');
        return restored;
      }),
  };
}

/** The state of a key: whatever of it can be changed or added to changes the digest. */
export function digestOfKey(owner: string, versions: readonly KeyVersion[]): string {
  const state = { owner, versions: versions.map(factsOf) };
  return createHash('sha256').update(canonicalBytes(state)).digest('hex');
}

function factsOf(key: KeyVersion) {
  const { sequence: _sequence, deleted: _deleted, ...facts } = key;
  return facts;
}

function openBackup(open: () => Uint8Array): Uint8Array {
  try {
    return open();
  } catch {
    throw new StrongroomError('ERR_BACKUP_INVALID');
  }
}

function parseBackup(content: Uint8Array): z.infer<typeof BackupSchema> {
  return BackupSchema.parse(JSON.parse(new TextDecoder().decode(content)));
}

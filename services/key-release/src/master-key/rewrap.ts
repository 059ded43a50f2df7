import type { DatabaseSync } from 'node:sqlite';
import type { AuditLog } from '../audit/audit-log.ts';
import { keyRows } from '../keys/key-rows.ts';
import { createSealedRows } from '../keys/sealed-rows.ts';
import { rewrapReleaseIdentity } from '../release-identity.ts';
import { cutJournal, transaction } from '../storage/database.ts';
import { createAtRest } from './at-rest.ts';
import type { MasterKey } from './master-key.ts';
import { makeStoreKey, openStoreKey, saveStoreKey } from './store-key.ts';

export interface RewrapOptions {
  readonly database: DatabaseSync;
  readonly owner: string;
  readonly auditLog: AuditLog;
  readonly before: MasterKey;
  readonly after: MasterKey;
}

/**
 * Rotates the master key: makes a new store key under the new one, wraps every key with it, and
 * leaves nothing in the file that the old master key opens; backups under the old one are void.
 * All or nothing, with its audit entry.
 * @returns how many versions of keys were wrapped anew
 * @throws ERR_STORE_SEALED, ERR_MASTER_KEY_UNAVAILABLE
 */
export async function rewrapStore(options: RewrapOptions): Promise<number> {
  const { database, owner, auditLog, before, after } = options;
  const oldAtRest = createAtRest(await openStoreKey(database, before));
  const { storeKey, wrapped } = await makeStoreKey(after);
  const newAtRest = createAtRest(storeKey);
  const rows = keyRows(database);
  const oldRows = createSealedRows(oldAtRest, owner, rows);
  const newRows = createSealedRows(newAtRest, owner, rows);
  const count = transaction(database, () => {
    const versions = rows.all();
    for (const key of versions) {
      const secret = oldRows.unwrap(key, rows.wrapped(key.version));
      rows.change(key, newRows.wrap(key, secret));
      secret.fill(0);
    }
    rewrapReleaseIdentity({ database, owner, before: oldAtRest, after: newAtRest });
    saveStoreKey(database, wrapped);
    auditLog.append({ event: 'master-key-rotated', details: [before.name, after.name] });
    return versions.length;
  });
  cutJournal(database);
  return count;
}

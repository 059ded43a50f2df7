import { StrongroomError } from '@strongroom/protocol/errors';
import { DELETED_KEY_DAYS } from '@strongroom/protocol/limits';
import { cutJournal, transaction } from '../storage/database.ts';
import { digestOfKey } from './key-backup.ts';
import { keyRows } from './key-rows.ts';
import type { KeyStoreOptions, KeyVersion } from './key-store.ts';
import { callerFact, createSealedRows } from './sealed-rows.ts';

type Asking = string | undefined;

/** Keys between deletion and purge: nothing is released, everything can be recovered. */
export interface DeletedKeys {
  /** Deletes all versions of a living key. @throws ERR_KEY_NOT_FOUND */
  remove(name: string, by: Asking): KeyVersion;
  /** The newest version. @throws ERR_KEY_NOT_FOUND when no deleted key has this name */
  find(name: string): KeyVersion;
  list(after: string, limit: number): KeyVersion[];
  /** @throws ERR_KEY_NOT_FOUND */
  recover(name: string, by: Asking): KeyVersion;
  /** Wipes the secret bytes of all versions. @throws ERR_KEY_NOT_FOUND */
  purge(name: string, by: Asking): void;
  /** Purges what was deleted longer ago than it can be recovered. */
  purgeExpired(): void;
}

const RETENTION_SECONDS = DELETED_KEY_DAYS * 86_400;

export function purgeTimeOf(deleted: number): number {
  return deleted + RETENTION_SECONDS;
}

export function createDeletedKeys(options: KeyStoreOptions): DeletedKeys {
  const { database, owner, atRest, auditLog, clock } = options;
  const rows = keyRows(database);
  const sealed = createSealedRows(atRest, owner, rows);
  const notePurged = database.prepare(
    'INSERT OR REPLACE INTO purged_keys (name, digest, purged) VALUES (?, ?, ?)',
  );
  const seconds = () => Math.floor(clock.now() / 1_000);
  const find = (name: string): KeyVersion => {
    const key = rows.deletedNewest(name);
    if (!key?.deleted || purgeTimeOf(key.deleted) <= seconds()) {
      throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
    }
    return key;
  };
  const mark = (name: string, deleted: number | null) => {
    for (const key of rows.everyVersion(name)) sealed.change(key, { ...key, deleted });
  };
  const erase = (name: string, by: Asking) => {
    transaction(database, () => {
      notePurged.run(name, digestOfKey(owner, rows.everyVersion(name)), seconds());
      rows.erase(name);
      auditLog.append({ event: 'key-purged', key: name, ...callerFact(by) });
    });
    cutJournal(database);
  };
  return {
    find,
    list: (after, limit) => rows.deletedOfEach(after, limit),
    remove: (name, by) =>
      transaction(database, () => {
        if (!rows.newest(name)) throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
        mark(name, seconds());
        auditLog.append({ event: 'key-deleted', key: name, ...callerFact(by) });
        return find(name);
      }),
    recover: (name, by) =>
      transaction(database, () => {
        const { version } = find(name);
        mark(name, null);
        auditLog.append({ event: 'key-recovered', key: name, ...callerFact(by) });
        const recovered = rows.byVersion(name, version);
        if (!recovered) throw new StrongroomError('ERR_KEY_NOT_FOUND', { key: name });
        return recovered;
      }),
    purge: (name, by) => {
      find(name);
      erase(name, by);
    },
    purgeExpired: () => {
      for (const { name, deleted } of rows.deletedOfEach('', ALL)) {
        if (deleted !== null && purgeTimeOf(deleted) <= seconds()) erase(name, undefined);
      }
    },
  };
}

/** SQLite's way of saying no limit. */
const ALL = -1;

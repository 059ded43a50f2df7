import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';

/**
 * The service's one file. Every table is written by the file that is named after it; here is only
 * what they share: how the file is opened, and what a transaction is.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT NOT NULL,
    public_key TEXT NOT NULL,
    wrapped BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS store_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    wrapped BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS key_versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version TEXT NOT NULL UNIQUE,
    kty TEXT NOT NULL,
    public_key TEXT NOT NULL,
    operations TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    not_before INTEGER,
    expires INTEGER,
    exportable INTEGER NOT NULL,
    tags TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER,
    wrapped BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS key_versions_by_name ON key_versions (name, sequence);
  CREATE TABLE IF NOT EXISTS policies (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    version TEXT NOT NULL REFERENCES key_versions (version),
    content_type TEXT NOT NULL,
    data TEXT NOT NULL,
    immutable INTEGER NOT NULL,
    set_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS policies_by_version ON policies (version, sequence);
  CREATE TABLE IF NOT EXISTS contracts (
    id TEXT PRIMARY KEY,
    signed TEXT NOT NULL,
    stored INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS purged_keys (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    purged INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS rotation_policies (
    name TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS leases (
    contract TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    holder TEXT,
    epoch INTEGER NOT NULL,
    "from" TEXT NOT NULL,
    "to" TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS audit_log (
    sequence INTEGER PRIMARY KEY,
    entry TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS audit_nodes (
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS audit_heads (
    size INTEGER PRIMARY KEY,
    jws TEXT NOT NULL
  ) STRICT;
`;

export const DATABASE_FILE = 'key-release.db';
const SCHEMA_VERSION = 4;
const PRIVATE_FILE = 0o600;

/**
 * Opens or creates the database in a folder that exists and is private.
 * @throws ERR_STATE_LOCKED, ERR_STATE_CORRUPT
 */
export function openDatabase(folder: string): DatabaseSync {
  const path = join(folder, DATABASE_FILE);
  const database = new DatabaseSync(path, { open: false, enableForeignKeyConstraints: true });
  try {
    database.open();
    chmodSync(path, PRIVATE_FILE);
    // Exclusive: two services on one file would each think that they hold the end of the log.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    // A commit returns when it is on the disk: an audit entry exists before its effect does.
    database.exec('PRAGMA synchronous = FULL');
    // Deleted key material is overwritten, not only unlinked.
    database.exec('PRAGMA secure_delete = ON');
    demandWhole(database);
    migrate(database);
    return database;
  } catch (error) {
    if (database.isOpen) database.close();
    throw storageRefusal(error, folder);
  }
}

/** A damaged page is found now, and not by the first request that comes upon it. */
function demandWhole(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (found !== 'ok') throw new StrongroomError('ERR_STATE_CORRUPT', { check: 'pages' });
}

function migrate(database: DatabaseSync): void {
  transaction(database, () => {
    const version = database.prepare('PRAGMA user_version').get()?.['user_version'];
    if (version !== 0 && version !== SCHEMA_VERSION) {
      throw new StrongroomError('ERR_STATE_CORRUPT', { schema: Number(version) });
    }
    database.exec(TABLES);
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

/** All or nothing, and on the disk when it returns. Inside another one it is a part of that. */
export function transaction<T>(database: DatabaseSync, act: () => T): T {
  if (database.isTransaction) return act();
  try {
    database.exec('BEGIN IMMEDIATE');
    const result = act();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw storageRefusal(error, database.location() ?? '');
  }
}

/** A part of a transaction that can fail alone: what it wrote is taken back, the rest stays. */
export function savepoint<T>(database: DatabaseSync, act: () => T): T {
  database.exec('SAVEPOINT part');
  try {
    const result = act();
    database.exec('RELEASE part');
    return result;
  } catch (error) {
    // A full disk takes the whole transaction back (sqlite.org/lang_transaction.html, §2.3).
    if (database.isTransaction) database.exec('ROLLBACK TO part; RELEASE part');
    throw storageRefusal(error, database.location() ?? '');
  }
}

/** What was overwritten is still in the journal until it is written back and cut off. */
export function cutJournal(database: DatabaseSync): void {
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** SQLite's primary result codes (sqlite3.h): what a person can do about them differs. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [5, 'ERR_STATE_LOCKED'], // SQLITE_BUSY
  [10, 'ERR_FILE_UNWRITABLE'], // SQLITE_IOERR
  [11, 'ERR_STATE_CORRUPT'], // SQLITE_CORRUPT
  [13, 'ERR_DISK_FULL'], // SQLITE_FULL
  [26, 'ERR_STATE_CORRUPT'], // SQLITE_NOTADB
]);

/** Gives an error of SQLite's one of our codes; any other is as it was. */
export function storageRefusal(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  const known = CODES.get(code);
  return known === undefined ? error : new StrongroomError(known, { path });
}

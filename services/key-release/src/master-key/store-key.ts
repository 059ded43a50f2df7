import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StrongroomError } from '@strongroom/protocol/errors';
import { z } from 'zod';
import type { MasterKey } from './master-key.ts';

/**
 * The key that wraps everything in the database. It is made with the database, lies in it wrapped
 * by the master key, and is in no other database: rows and backups of one open in no other.
 */
const STORE_KEY_BYTES = 32;
const RowSchema = z.strictObject({ wrapped: z.instanceof(Uint8Array) });

/**
 * @returns 32 bytes, made and stored when there were none
 * @throws ERR_STORE_SEALED, ERR_MASTER_KEY_UNAVAILABLE
 */
export async function openStoreKey(
  database: DatabaseSync,
  masterKey: MasterKey,
): Promise<Uint8Array> {
  const row = RowSchema.optional().parse(
    database.prepare('SELECT wrapped FROM store_key WHERE id = 1').get(),
  );
  if (row) {
    const storeKey = await masterKey.unwrap(row.wrapped);
    if (storeKey.length === STORE_KEY_BYTES) return storeKey;
    throw new StrongroomError('ERR_STORE_SEALED');
  }
  const made = await makeStoreKey(masterKey);
  saveStoreKey(database, made.wrapped);
  return made.storeKey;
}

/** Unwraps what it wrapped before anything depends on it: one that only wraps locks us out. */
export async function makeStoreKey(masterKey: MasterKey) {
  const storeKey = new Uint8Array(randomBytes(STORE_KEY_BYTES));
  const wrapped = await masterKey.wrap(storeKey);
  const again = await masterKey.unwrap(wrapped);
  if (!Buffer.from(again).equals(storeKey)) {
    throw new StrongroomError('ERR_MASTER_KEY_UNAVAILABLE', { check: 'unwrap' });
  }
  return { storeKey, wrapped };
}

export function saveStoreKey(database: DatabaseSync, wrapped: Uint8Array): void {
  database.prepare('INSERT OR REPLACE INTO store_key (id, wrapped) VALUES (1, ?)').run(wrapped);
}

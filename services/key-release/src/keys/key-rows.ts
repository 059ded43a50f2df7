import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { KEY_TYPES } from './key-material.ts';
import type { KeyVersion, StoredPolicy } from './key-store.ts';

/** The SQL of the key store; every row that is read is checked before it is believed. */

const flag = z.union([z.literal(0), z.literal(1)]).transform((value) => value === 1);
const json = z.string().transform((text): unknown => JSON.parse(text));

/** A row with the newest policy of its version beside it. */
const RowSchema = z
  .strictObject({
    sequence: z.int(),
    name: z.string(),
    version: z.string(),
    kty: z.enum(KEY_TYPES),
    public_key: json.pipe(z.record(z.string(), z.string())),
    operations: json.pipe(z.array(z.string())),
    enabled: flag,
    not_before: z.int().nullable(),
    expires: z.int().nullable(),
    exportable: flag,
    tags: json.pipe(z.record(z.string(), z.string())),
    created: z.int(),
    updated: z.int(),
    deleted: z.int().nullable(),
    content_type: z.string().nullable(),
    data: z.string().nullable(),
    immutable: flag.nullable(),
  })
  .transform((row): KeyVersion => {
    const { public_key, not_before, content_type, data, immutable, ...same } = row;
    const policy =
      content_type === null || data === null
        ? null
        : { contentType: content_type, data, immutable: immutable === true };
    return { ...same, publicKey: public_key, notBefore: not_before, policy };
  });

const COLUMNS = `
  k.sequence, k.name, k.version, k.kty, k.public_key, k.operations, k.enabled, k.not_before,
  k.expires, k.exportable, k.tags, k.created, k.updated, k.deleted,
  p.content_type, p.data, p.immutable
  FROM key_versions k LEFT JOIN policies p ON p.sequence =
    (SELECT max(sequence) FROM policies WHERE policies.version = k.version)`;
const LIVING = `SELECT ${COLUMNS} WHERE k.deleted IS NULL`;
const DELETED = `SELECT ${COLUMNS} WHERE k.deleted IS NOT NULL`;
/** A name's versions are deleted and recovered together. */
const NEWEST_OF_EACH = `AND k.name > ? AND k.sequence =
  (SELECT max(sequence) FROM key_versions o WHERE o.name = k.name) ORDER BY k.name LIMIT ?`;

const WrappedSchema = z.strictObject({ wrapped: z.instanceof(Uint8Array) });

export function keyRows(database: DatabaseSync) {
  return { ...readingRows(database), ...writingRows(database) };
}

function readingRows(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  const newest = prepare(`${LIVING} AND k.name = ? ORDER BY k.sequence DESC LIMIT 1`);
  const deletedNewest = prepare(`${DELETED} AND k.name = ? ORDER BY k.sequence DESC LIMIT 1`);
  const byVersion = prepare(`${LIVING} AND k.name = ? AND k.version = ?`);
  const versions = prepare(
    `${LIVING} AND k.name = ? AND k.sequence > ? ORDER BY k.sequence LIMIT ?`,
  );
  const everyVersion = prepare(`SELECT ${COLUMNS} WHERE k.name = ? ORDER BY k.sequence`);
  const newestOfEach = prepare(`${LIVING} ${NEWEST_OF_EACH}`);
  const deletedOfEach = prepare(`${DELETED} ${NEWEST_OF_EACH}`);
  const all = prepare(`SELECT ${COLUMNS} ORDER BY k.sequence`);
  const wrapped = prepare('SELECT wrapped FROM key_versions WHERE version = ?');
  const one = (row: unknown) => RowSchema.optional().parse(row);
  const many = (found: unknown) => RowSchema.array().parse(found);
  return {
    newest: (name: string) => one(newest.get(name)),
    deletedNewest: (name: string) => one(deletedNewest.get(name)),
    byVersion: (name: string, version: string) => one(byVersion.get(name, version)),
    versions: (name: string, after: number, limit: number) =>
      many(versions.all(name, after, limit)),
    /** Living or deleted, oldest first. */
    everyVersion: (name: string) => many(everyVersion.all(name)),
    /** Of every name, living or deleted. */
    all: () => many(all.all()),
    newestOfEach: (after: string, limit: number) => many(newestOfEach.all(after, limit)),
    deletedOfEach: (after: string, limit: number) => many(deletedOfEach.all(after, limit)),
    wrapped: (version: string) => WrappedSchema.parse(wrapped.get(version)).wrapped,
  };
}

function writingRows(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  const insert = prepare(
    `INSERT INTO key_versions (name, version, kty, public_key, operations, enabled, not_before,
       expires, exportable, tags, created, updated, wrapped)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const change = prepare(
    `UPDATE key_versions SET operations = ?, enabled = ?, not_before = ?, expires = ?, tags = ?,
       updated = ?, deleted = ?, wrapped = ? WHERE version = ?`,
  );
  const setPolicy = prepare(
    'INSERT INTO policies (version, content_type, data, immutable, set_at) VALUES (?, ?, ?, ?, ?)',
  );
  const erasePolicies = prepare(
    'DELETE FROM policies WHERE version IN (SELECT version FROM key_versions WHERE name = ?)',
  );
  const eraseRotation = prepare('DELETE FROM rotation_policies WHERE name = ?');
  const erase = prepare('DELETE FROM key_versions WHERE name = ?');
  return {
    insert: (key: KeyVersion, bytes: Uint8Array) =>
      insert.run(
        ...[key.name, key.version, key.kty, JSON.stringify(key.publicKey)],
        ...[JSON.stringify(key.operations), Number(key.enabled), key.notBefore, key.expires],
        ...[Number(key.exportable), JSON.stringify(key.tags), key.created, key.updated, bytes],
      ),
    change: (key: KeyVersion, bytes: Uint8Array) =>
      change.run(
        ...[JSON.stringify(key.operations), Number(key.enabled), key.notBefore, key.expires],
        ...[JSON.stringify(key.tags), key.updated, key.deleted, bytes, key.version],
      ),
    setPolicy: (version: string, policy: StoredPolicy, at: number) =>
      setPolicy.run(version, policy.contentType, policy.data, Number(policy.immutable), at),
    /** SQLite overwrites what it deletes (`secure_delete`). */
    erase: (name: string) => {
      erasePolicies.run(name);
      eraseRotation.run(name);
      erase.run(name);
    },
  };
}

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
  k.expires, k.exportable, k.tags, k.created, k.updated, p.content_type, p.data, p.immutable
  FROM key_versions k LEFT JOIN policies p ON p.sequence =
    (SELECT max(sequence) FROM policies WHERE policies.version = k.version)
  WHERE k.deleted IS NULL`;

export function keyRows(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  const newest = prepare(`SELECT ${COLUMNS} AND k.name = ? ORDER BY k.sequence DESC LIMIT 1`);
  const byVersion = prepare(`SELECT ${COLUMNS} AND k.name = ? AND k.version = ?`);
  const versions = prepare(
    `SELECT ${COLUMNS} AND k.name = ? AND k.sequence > ? ORDER BY k.sequence LIMIT ?`,
  );
  const newestOfEach = prepare(
    `SELECT ${COLUMNS} AND k.name > ? AND k.sequence =
       (SELECT max(sequence) FROM key_versions o WHERE o.name = k.name AND o.deleted IS NULL)
     ORDER BY k.name LIMIT ?`,
  );
  const wrapped = prepare('SELECT wrapped FROM key_versions WHERE version = ?');
  const insert = prepare(
    `INSERT INTO key_versions (name, version, kty, public_key, operations, enabled, not_before,
       expires, exportable, tags, created, updated, wrapped)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const change = prepare(
    `UPDATE key_versions SET operations = ?, enabled = ?, not_before = ?, expires = ?, tags = ?,
       updated = ?, wrapped = ? WHERE version = ?`,
  );
  const setPolicy = prepare(
    'INSERT INTO policies (version, content_type, data, immutable, set_at) VALUES (?, ?, ?, ?, ?)',
  );
  const wipe = prepare(
    'UPDATE key_versions SET deleted = ?, wrapped = NULL WHERE name = ? AND deleted IS NULL',
  );
  const one = (row: unknown) => RowSchema.optional().parse(row);
  const many = (found: unknown) => RowSchema.array().parse(found);
  return {
    newest: (name: string) => one(newest.get(name)),
    byVersion: (name: string, version: string) => one(byVersion.get(name, version)),
    versions: (name: string, after: number, limit: number) =>
      many(versions.all(name, after, limit)),
    newestOfEach: (after: string, limit: number) => many(newestOfEach.all(after, limit)),
    wrapped: (version: string) => z.instanceof(Uint8Array).parse(wrapped.get(version)?.['wrapped']),
    insert: (key: KeyVersion, bytes: Uint8Array) =>
      insert.run(
        ...[key.name, key.version, key.kty, JSON.stringify(key.publicKey)],
        ...[JSON.stringify(key.operations), Number(key.enabled), key.notBefore, key.expires],
        ...[Number(key.exportable), JSON.stringify(key.tags), key.created, key.updated, bytes],
      ),
    change: (key: KeyVersion, bytes: Uint8Array) =>
      change.run(
        ...[JSON.stringify(key.operations), Number(key.enabled), key.notBefore, key.expires],
        ...[JSON.stringify(key.tags), key.updated, bytes, key.version],
      ),
    setPolicy: (version: string, policy: StoredPolicy, at: number) =>
      setPolicy.run(version, policy.contentType, policy.data, Number(policy.immutable), at),
    wipe: (name: string, at: number) => wipe.run(at, name),
  };
}

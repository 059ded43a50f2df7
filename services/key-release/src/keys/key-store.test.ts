import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { codeOf } from '@strongroom/protocol/errors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyOf, policy, thrown } from '../../test/key-store.ts';
import { createAuditLog } from '../audit/audit-log.ts';
import { createAtRest } from '../master-key/at-rest.ts';
import { openReleaseIdentity } from '../release-identity.ts';
import { DATABASE_FILE, openDatabase } from '../storage/database.ts';
import { createKeyStore, type KeyStore } from './key-store.ts';

const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
const masterKey = randomBytes(32);

let folder: string;
let database: DatabaseSync;
let store: KeyStore;

function open(key: Uint8Array = masterKey, owner = 'west') {
  database = openDatabase(folder);
  const auditLog = createAuditLog(database, clock);
  const shared = { database, owner, atRest: createAtRest(key), auditLog, clock };
  store = createKeyStore(shared);
  return { auditLog, identity: () => openReleaseIdentity({ ...shared, hostname: 'localhost' }) };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'key-store-'));
  open();
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

describe('key store', () => {
  test('keeps keys, versions and policies over a restart', () => {
    const first = keyOf('kek');
    const second = keyOf('kek');
    const old = store.add(first, 'key-created', 'admin');
    store.add(second, 'key-created', 'admin');
    store.update(
      'kek',
      undefined,
      { policy: { ...policy, data: 'e30x' }, tags: { use: 'test' } },
      'admin',
    );
    database.close();
    open();
    expect(Buffer.from(store.secretOf(store.find('kek'))).equals(second.material.secret)).toBe(
      true,
    );
    expect(store.find('kek')).toMatchObject({ policy: { data: 'e30x' }, tags: { use: 'test' } });
    const older = store.find('kek', old.version);
    expect(Buffer.from(store.secretOf(older)).equals(first.material.secret)).toBe(true);
    expect(older).toMatchObject({ policy: { data: 'e30' }, tags: {} });
    expect(store.versions('kek', 0, 25).map((key) => key.version)).toContain(old.version);
  });

  test('lists the newest version of each name, in pages', () => {
    for (const name of ['b', 'a', 'c', 'a']) store.add(keyOf(name), 'key-created', 'admin');
    expect(store.list('', 2).map((key) => key.name)).toEqual(['a', 'b']);
    expect(store.list('b', 2).map((key) => key.name)).toEqual(['c']);
    const newest = store.versions('a', 0, 25).at(-1)?.version;
    expect(store.list('', 1)[0]?.version).toBe(newest);
  });

  test.each([
    ["another policy in the policy's place", "UPDATE policies SET data = 'e30y'"],
    ['a policy added behind its back', policyAddedBehind()],
    ['no policy', 'DELETE FROM policies'],
    ['a disabled key switched on', 'UPDATE key_versions SET enabled = 1 - enabled'],
    ['a key that may now leave', 'UPDATE key_versions SET exportable = 1 - exportable'],
    ['an end of validity that moved', 'UPDATE key_versions SET expires = 4000000000'],
    ['another public half', `UPDATE key_versions SET public_key = '{"n":"x"}'`],
    ['another name', "UPDATE key_versions SET name = 'other'"],
  ])('a database that was edited opens nothing: %s', (_name, sql) => {
    const { version } = store.add(keyOf('kek'), 'key-created', 'admin');
    database.exec(sql.replace('VERSION', version));
    const [found] = store.list('', 1);
    expect(found && thrown(() => store.secretOf(found))).toBe('ERR_STORE_SEALED');
  });

  test('secret bytes of one key do not open in the place of another', () => {
    store.add(keyOf('one'), 'key-created', 'admin');
    store.add(keyOf('two'), 'key-created', 'admin');
    database.exec(
      "UPDATE key_versions SET wrapped = (SELECT wrapped FROM key_versions WHERE name = 'one')",
    );
    expect(thrown(() => store.secretOf(store.find('one')))).toBeUndefined();
    expect(thrown(() => store.secretOf(store.find('two')))).toBe('ERR_STORE_SEALED');
  });

  test('an immutable policy stays, and may be set to what it is', () => {
    store.add(keyOf('kek', { policy: { ...policy, immutable: true } }), 'key-created', 'admin');
    const set = (changed: typeof policy) => () =>
      store.update('kek', undefined, { policy: changed }, 'admin');
    expect(thrown(set({ ...policy, data: 'e30x', immutable: true }))).toBe('ERR_POLICY_IMMUTABLE');
    expect(thrown(set(policy))).toBe('ERR_POLICY_IMMUTABLE');
    expect(thrown(set({ ...policy, immutable: true }))).toBeUndefined();
  });

  test('a key that may not leave takes no policy', () => {
    store.add(keyOf('kek', { exportable: false, policy: null }), 'key-created', 'admin');
    expect(thrown(() => store.update('kek', undefined, { policy }, 'admin'))).toBe(
      'ERR_REQUEST_INVALID',
    );
  });

  test('every change is one audit entry; a change that failed is none', () => {
    const log = createAuditLog(database, clock);
    store.add(keyOf('kek'), 'key-created', 'admin');
    store.update('kek', undefined, { enabled: false }, 'admin');
    store.rotate('kek', { material: keyOf('kek').material, expires: null }, 'admin');
    thrown(() => store.update('none', undefined, { enabled: true }, 'admin'));
    const events = log.read(0, 10).map((entry) => /"event":"([a-z-]+)"/.exec(entry)?.[1]);
    expect(events).toEqual(['key-created', 'key-updated', 'key-rotated']);
    expect(log.verify().size).toBe(3);
  });

  test('one process at a time, and files that only its user can read', () => {
    expect(thrown(() => openDatabase(folder))).toBe('ERR_STATE_LOCKED');
    expect(statSync(join(folder, DATABASE_FILE)).mode & 0o777).toBe(0o600);
  });

  test('a file that is no database, or of another version, is refused', () => {
    database.exec('PRAGMA user_version = 9');
    database.close();
    expect(thrown(() => openDatabase(folder))).toBe('ERR_STATE_CORRUPT');
    writeFileSync(join(folder, DATABASE_FILE), randomBytes(8_192));
    expect(thrown(() => openDatabase(folder))).toBe('ERR_STATE_CORRUPT');
    rmSync(join(folder, DATABASE_FILE));
    open();
  });

  test("the release key is made once, and opens with its owner's master key only", async () => {
    const made = (await reopen().identity()).publicKey;
    expect((await reopen().identity()).publicKey).toEqual(made);
    const code = (promise: Promise<unknown>) => promise.then(() => undefined, codeOf);
    expect(await code(reopen(randomBytes(32)).identity())).toBe('ERR_STORE_SEALED');
    expect(await code(reopen(masterKey, 'east').identity())).toBe('ERR_CONFIG_INVALID');
  });

  test('no secret byte is in any file in a form that can be read', () => {
    const key = keyOf('kek');
    const secret = Buffer.from(key.material.secret);
    store.add(key, 'key-created', 'admin');
    store.update('kek', undefined, { tags: { a: 'b' } }, 'admin');
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    const texts = ['hex', 'base64', 'base64url'] as const;
    for (const bytes of files) {
      expect(bytes.includes(secret)).toBe(false);
      for (const form of texts)
        expect(bytes.includes(secret.toString(form).slice(0, 40))).toBe(false);
    }
    expect(files.some((bytes) => bytes.includes('"key-created"'))).toBe(true);
  });
});

function reopen(key: Uint8Array = masterKey, owner = 'west') {
  database.close();
  return open(key, owner);
}

function policyAddedBehind(): string {
  return `INSERT INTO policies (version, content_type, data, immutable, set_at)
    VALUES ('VERSION', 'application/json', 'e30y', 0, 1)`;
}

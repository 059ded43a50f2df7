import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { DELETED_KEY_DAYS } from '@strongroom/protocol/limits';
import { createLogger } from '@strongroom/runtime/logger';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { thrown as code, keyOf, policy } from '../../test/key-store.ts';
import { createAuditLog } from '../audit/audit-log.ts';
import { createAtRest } from '../master-key/at-rest.ts';
import { openDatabase } from '../storage/database.ts';
import { createDeletedKeys, type DeletedKeys } from './deleted-keys.ts';
import { daysAtLeast, parseDuration, shifted } from './duration.ts';
import { keepHouse } from './housekeeping.ts';
import { createKeyBackups, type KeyBackups } from './key-backup.ts';
import { createKeyStore, type KeyStore, type NewKey } from './key-store.ts';
import { createRotationPolicies, type RotationPolicies, RotationPolicySchema } from './rotation.ts';

/** Deletion, purge, backup and rotation, against whoever would bring back what was changed. */

const DAY = 86_400;
const START = Date.UTC(2026, 0, 31) / 1_000;
const masterKey = randomBytes(32);

let folder: string;
let database: DatabaseSync;
let now: number;
let store: KeyStore;
let deleted: DeletedKeys;
let backups: KeyBackups;
let rotation: RotationPolicies;
const clock = { now: () => now * 1_000, monotonic: () => 0 };

function open(masterKeyUsed: Uint8Array = masterKey, owner = 'west', data = folder) {
  database = openDatabase(data);
  const auditLog = createAuditLog(database, clock);
  const shared = { database, owner, atRest: createAtRest(masterKeyUsed), auditLog, clock };
  store = createKeyStore(shared);
  deleted = createDeletedKeys(shared);
  backups = createKeyBackups(shared);
  rotation = createRotationPolicies(shared);
}

beforeEach(() => {
  now = START;
  folder = mkdtempSync(join(tmpdir(), 'key-life-'));
  open();
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const made = (name = 'kek', changes: Partial<NewKey> = {}) =>
  store.add(keyOf(name, changes), 'key-created', 'admin');
const keepHouseNow = () =>
  keepHouse({
    ...{ keyStore: store, deletedKeys: deleted, rotationPolicies: rotation, clock },
    logger: createLogger('test', { level: 'silent' }),
  });

describe('a deleted key', () => {
  test('answers nobody, keeps its name, and comes back as it was', () => {
    const secret = randomBytes(32);
    const { version } = made('kek', { material: { publicKey: {}, secret: Buffer.from(secret) } });
    made();
    deleted.remove('kek', 'admin');
    for (const wanted of [undefined, version]) {
      expect(code(() => store.find('kek', wanted))).toBe('ERR_KEY_NOT_FOUND');
    }
    expect(store.list('', 25)).toEqual([]);
    expect(code(() => made())).toBe('ERR_KEY_DELETED');
    expect(code(() => deleted.remove('kek', 'admin'))).toBe('ERR_KEY_NOT_FOUND');
    expect(deleted.list('', 25).map(({ name }) => name)).toEqual(['kek']);
    expect(deleted.find('kek').deleted).toBe(START);
    deleted.recover('kek', 'admin');
    expect(Buffer.from(store.secretOf(store.find('kek', version)))).toEqual(secret);
    expect(store.versions('kek', 0, 25)).toHaveLength(2);
    expect(code(() => deleted.recover('kek', 'admin'))).toBe('ERR_KEY_NOT_FOUND');
  });

  test('is not recovered by an edit of the file', () => {
    made();
    deleted.remove('kek', 'admin');
    database.exec('UPDATE key_versions SET deleted = NULL');
    expect(code(() => store.secretOf(store.find('kek')))).toBe('ERR_STORE_SEALED');
  });

  test('leaves no byte of its secret in any file when it is purged', () => {
    made();
    made('other');
    const wrapped = () =>
      database
        .prepare('SELECT wrapped FROM key_versions')
        .all()
        .map((row) => row['wrapped']);
    const before = wrapped();
    deleted.remove('kek', 'admin');
    const both = [...before, ...wrapped()].map((bytes) => Buffer.from(bytes as Uint8Array));
    deleted.purge('kek', 'admin');
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    const kept = wrapped().map((bytes) => Buffer.from(bytes as Uint8Array));
    const gone = both.filter((bytes) => !kept.some((other) => other.equals(bytes)));
    expect(gone).toHaveLength(2);
    for (const bytes of gone) expect(files.some((file) => file.includes(bytes))).toBe(false);
    expect(code(() => deleted.find('kek'))).toBe('ERR_KEY_NOT_FOUND');
    expect(code(() => made())).toBeUndefined();
  });

  test('only what is deleted is purged, and what time has come for purges itself', async () => {
    made();
    expect(code(() => deleted.purge('kek', 'admin'))).toBe('ERR_KEY_NOT_FOUND');
    deleted.remove('kek', 'admin');
    now += DELETED_KEY_DAYS * DAY - 1;
    await keepHouseNow();
    expect(code(() => deleted.find('kek'))).toBeUndefined();
    now += 1;
    expect(code(() => deleted.recover('kek', 'admin'))).toBe('ERR_KEY_NOT_FOUND');
    await keepHouseNow();
    expect(database.prepare('SELECT count(*) AS n FROM key_versions').get()).toEqual({ n: 0 });
  });
});

describe('a backup', () => {
  const gone = () => {
    deleted.remove('kek', 'admin');
    deleted.purge('kek', 'admin');
  };

  test('undoes a purge, with every version', () => {
    const { version } = made();
    made('kek', { tags: { a: 'b' } });
    const secret = store.secretOf(store.find('kek', version));
    const backup = backups.backup('kek', 'admin');
    gone();
    expect(backups.restore(backup, 'admin')).toMatchObject({ tags: { a: 'b' }, deleted: null });
    expect(store.secretOf(store.find('kek', version))).toEqual(secret);
    expect(store.versions('kek', 0, 25).map((key) => key.version)[0]).toBe(version);
    expect(code(() => backups.restore(backup, 'admin'))).toBe('ERR_KEY_EXISTS');
    deleted.remove('kek', 'admin');
    expect(code(() => backups.restore(backup, 'admin'))).toBe('ERR_KEY_DELETED');
  });

  const change = (changes: Parameters<KeyStore['update']>[2]) => () => {
    now += 1;
    store.update('kek', undefined, changes, 'admin');
  };
  test.each<[string, () => void]>([
    ['a policy', change({ policy: { ...policy, data: 'e30x' } })],
    ['a key that was disabled', change({ enabled: false })],
    ['an end of validity', change({ expires: START })],
    ['a version', () => made()],
  ])('does not bring back %s from before a change', (_name, act) => {
    made();
    const backup = backups.backup('kek', 'admin');
    act();
    gone();
    expect(code(() => backups.restore(backup, 'admin'))).toBe('ERR_BACKUP_OUTDATED');
    expect(code(() => store.find('kek'))).toBe('ERR_KEY_NOT_FOUND');
  });

  test('of a key that was purged twice is the last one or none', () => {
    made();
    const first = backups.backup('kek', 'admin');
    gone();
    made();
    const second = backups.backup('kek', 'admin');
    gone();
    expect(code(() => backups.restore(first, 'admin'))).toBe('ERR_BACKUP_OUTDATED');
    expect(code(() => backups.restore(second, 'admin'))).toBeUndefined();
  });

  test('opens in the database that it is from, and in its one form', () => {
    made();
    const backup = backups.backup('kek', 'admin');
    gone();
    for (let index = 0; index < backup.length; index += 7) {
      const changed = Uint8Array.from(backup);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(code(() => backups.restore(changed, 'admin'))).toBe('ERR_BACKUP_INVALID');
    }
    for (const text of [new Uint8Array(0), backup.subarray(0, 40), randomBytes(200)]) {
      expect(code(() => backups.restore(text, 'admin'))).toBe('ERR_BACKUP_INVALID');
    }
    database.close();
    for (const [other, owner] of [
      [randomBytes(32), 'west'] as const,
      [masterKey, 'east'] as const,
    ]) {
      open(other, owner);
      expect(code(() => backups.restore(backup, 'admin'))).toBe('ERR_BACKUP_INVALID');
      database.close();
    }
    open();
  });

  test('made elsewhere under the same master key is not known here', () => {
    database.close();
    const elsewhere = mkdtempSync(join(tmpdir(), 'key-life-'));
    open(masterKey, 'west', elsewhere);
    made();
    const backup = backups.backup('kek', 'admin');
    database.close();
    rmSync(elsewhere, { recursive: true });
    open();
    expect(code(() => backups.restore(backup, 'admin'))).toBe('ERR_BACKUP_OUTDATED');
  });
});

describe('rotation', () => {
  const read = (value: unknown) => RotationPolicySchema.safeParse(value);
  const rotates = (trigger: object) => ({ trigger, action: { type: 'Rotate' } });

  test('takes the properties of the moment, not those of when the material was begun', () => {
    made();
    const { material } = keyOf('kek');
    store.update(
      'kek',
      undefined,
      { policy: { ...policy, data: 'e30x' }, enabled: false },
      'admin',
    );
    const next = store.rotate('kek', { material, expires: START + 1 }, 'admin');
    expect(next).toMatchObject({ policy: { data: 'e30x' }, enabled: false, expires: START + 1 });
  });

  test('refuses a version of another kind than the newest has by now', () => {
    const publicKey = { crv: 'P-256', x: 'x', y: 'y' };
    made('kek', { kty: 'EC', material: { publicKey, secret: randomBytes(32) } });
    const { material } = keyOf('kek');
    expect(code(() => store.rotate('kek', { material, expires: null }, 'a'))).toBe(
      'ERR_REQUEST_INVALID',
    );
  });

  test('happens when its time has come, once, and gives the new version its life', async () => {
    const { version } = made();
    const attributes = { expiryTime: 'P60D' };
    const lifetimeActions = [rotates({ timeBeforeExpiry: 'P30D' })];
    rotation.set('kek', RotationPolicySchema.parse({ lifetimeActions, attributes }), 'admin');
    await keepHouseNow();
    expect(store.find('kek').version).toBe(version);
    store.update('kek', undefined, { expires: START + 40 * DAY }, 'admin');
    now += 10 * DAY;
    await keepHouseNow();
    await keepHouseNow();
    expect(store.versions('kek', 0, 25)).toHaveLength(2);
    expect(store.find('kek').expires).toBe(now + 60 * DAY);
    deleted.remove('kek', 'admin');
    now += 50 * DAY;
    await keepHouseNow();
    deleted.purge('kek', 'admin');
    expect(rotation.find('kek').lifetimeActions).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no trigger', { lifetimeActions: [rotates({})] }],
    [
      'two triggers',
      { lifetimeActions: [rotates({ timeAfterCreate: 'P9D', timeBeforeExpiry: 'P9D' })] },
    ],
    ['a short time', { lifetimeActions: [rotates({ timeAfterCreate: 'P6D' })] }],
    ['a time of day', { lifetimeActions: [rotates({ timeAfterCreate: 'P9DT1H' })] }],
    ['no duration', { lifetimeActions: [rotates({ timeAfterCreate: 'P' })] }],
    [
      'another action',
      { lifetimeActions: [{ trigger: { timeAfterCreate: 'P9D' }, action: { type: 'x' } }] },
    ],
    ['a short life', { attributes: { expiryTime: 'P27D' } }],
    ['an unknown member', { more: 1 }],
  ])('refuses a policy with %s', (_name, value) => {
    expect(read(value).success).toBe(false);
  });

  test('reads durations and moves by them as a calendar does', () => {
    const moved = (from: string, text: string, sign: 1 | -1) => {
      const duration = parseDuration(text);
      if (!duration) return undefined;
      return new Date(shifted(Date.parse(from) / 1_000, duration, sign) * 1_000).toISOString();
    };
    expect(moved('2026-01-01T05:00:00Z', 'P1Y2M3D', 1)).toBe('2027-03-04T05:00:00.000Z');
    expect(moved('2026-03-31T00:00:00Z', 'P30D', -1)).toBe('2026-03-01T00:00:00.000Z');
    expect(daysAtLeast({ months: 1, days: 1 })).toBe(29);
    for (const text of ['', 'P', '30D', 'P-1D', 'P1W', 'P1D1M', 'p1d', 'P1.5D']) {
      expect(parseDuration(text)).toBeUndefined();
    }
  });
});

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { codeOf } from '@strongroom/protocol/errors';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createToken, findSoftHsm } from '../../test/soft-hsm.ts';
import { startWrappingVault } from '../../test/wrapping-vault.ts';
import { createAuditLog } from '../audit/audit-log.ts';
import { createKeyBackups } from '../keys/key-backup.ts';
import { createKeyStore, type NewKey } from '../keys/key-store.ts';
import { openReleaseIdentity } from '../release-identity.ts';
import { openDatabase } from '../storage/database.ts';
import { createAtRest } from './at-rest.ts';
import { type MasterKey, openMasterKey } from './master-key.ts';
import { rewrapStore } from './rewrap.ts';
import { openStoreKey } from './store-key.ts';

/** Where the master key is kept, and what becomes of everything when it changes. */

const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'master-key-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string, mode = 0o600) => {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  return path;
};
const fileKey = (name: string) =>
  openMasterKey({ masterKeyFile: file(name, randomBytes(32).toString('base64url')) });
const described = (config: object) =>
  openMasterKey({ masterKey: file('master.json', JSON.stringify(config)) });
const failure = (asked: Promise<unknown>) => asked.then(() => undefined, codeOf);

async function open(masterKey: MasterKey) {
  const database = openDatabase(folder);
  try {
    const auditLog = createAuditLog(database, clock);
    const atRest = createAtRest(await openStoreKey(database, masterKey));
    const shared = { database, owner: 'west', atRest, auditLog, clock };
    const identity = await openReleaseIdentity({ ...shared, hostname: 'localhost' });
    const store = createKeyStore(shared);
    return { database, auditLog, identity, store, backups: createKeyBackups(shared) };
  } catch (error) {
    database.close();
    throw error;
  }
}
const keyOf = (name: string, secret: Buffer): NewKey => ({
  ...{ name, kty: 'oct', operations: [], exportable: false, tags: {}, policy: null },
  ...{ enabled: true, notBefore: null, expires: null, material: { publicKey: {}, secret } },
});

describe('a rotation of the master key', () => {
  const secrets = [randomBytes(32), randomBytes(32), randomBytes(32)];
  async function filled(masterKey: MasterKey) {
    const { store, backups, identity, database } = await open(masterKey);
    for (const secret of secrets) store.add(keyOf('kek', Buffer.from(secret)), 'key-created', 'a');
    const backup = backups.backup('kek', 'a');
    database.close();
    return { backup, releaseKey: identity.publicKey };
  }
  async function rewrap(before: MasterKey, after: MasterKey) {
    const database = openDatabase(folder);
    const auditLog = createAuditLog(database, clock);
    try {
      return await rewrapStore({ database, owner: 'west', auditLog, before, after });
    } finally {
      database.close();
    }
  }
  async function opened(masterKey: MasterKey) {
    const { store, identity, database, auditLog } = await open(masterKey);
    const found = store.versions('kek', 0, 9).map((key) => Buffer.from(store.secretOf(key)));
    const last = auditLog.read(auditLog.size() - 1, 1)[0] ?? '';
    database.close();
    return { secrets: found, releaseKey: identity.publicKey, last };
  }

  test('keeps every version and the release key, and voids the old key and backups', async () => {
    const [before, after] = [await fileKey('old'), await fileKey('new')];
    const { backup, releaseKey } = await filled(before);
    const old = openDatabase(folder);
    const wrapped = ['key_versions', 'store_key', 'identity'].flatMap((table) =>
      old
        .prepare(`SELECT wrapped FROM ${table}`)
        .all()
        .map((row) => row['wrapped']),
    );
    old.close();
    expect(await rewrap(before, after)).toBe(3);
    expect(await opened(after)).toMatchObject({ secrets, releaseKey });
    expect((await opened(after)).last).toContain('"master-key-rotated"');
    expect(await failure(open(before))).toBe('ERR_STORE_SEALED');
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    expect(wrapped).toHaveLength(5);
    for (const bytes of wrapped) {
      const needle = bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(0);
      expect(needle.length).toBeGreaterThan(32);
      expect(files.some((content) => content.includes(needle))).toBe(false);
    }
    const { backups, database } = await open(after);
    const restoring = () => backups.restore(backup, 'a');
    expect(restoring).toThrow(expect.objectContaining({ code: 'ERR_BACKUP_INVALID' }));
    database.close();
  });

  test.each<[string, Partial<MasterKey>]>([
    ['cannot unwrap', { unwrap: async () => randomBytes(32) }],
    ['fails to wrap', { wrap: () => Promise.reject(new Error('no')) }],
  ])('to a key that %s changes nothing', async (_name, broken) => {
    const before = await fileKey('old');
    const { releaseKey } = await filled(before);
    await expect(rewrap(before, { ...(await fileKey('new')), ...broken })).rejects.toThrow();
    expect(await opened(before)).toMatchObject({ secrets, releaseKey });
  });

  test('that meets an edited row changes nothing', async () => {
    const [before, after] = [await fileKey('old'), await fileKey('new')];
    const { releaseKey } = await filled(before);
    const edited = openDatabase(folder);
    edited.exec('UPDATE key_versions SET enabled = 0 WHERE sequence = 3');
    edited.close();
    expect(await failure(rewrap(before, after))).toBe('ERR_STORE_SEALED');
    const { store, identity, database } = await open(before);
    const [first] = store.versions('kek', 0, 9);
    expect(first && Buffer.from(store.secretOf(first))).toEqual(secrets[0]);
    expect(identity.publicKey).toEqual(releaseKey);
    database.close();
  });

  test('from another key than the present one is refused', async () => {
    await filled(await fileKey('old'));
    const asked = rewrap(await fileKey('wrong'), await fileKey('new'));
    expect(await failure(asked)).toBe('ERR_STORE_SEALED');
  });
});

describe('a description', () => {
  const pkcs11 = { module: '/m', token: 't', keyId: '01', pinFile: '/p' };
  const keyVault = { key: `https://v.example/keys/m/${'a'.repeat(32)}`, tokenFile: '/t' };
  test.each<[string, object]>([
    ['of nothing', {}],
    ['of two', { pkcs11, keyVault }],
    ['with an unknown member', { pkcs11: { ...pkcs11, pin: '1234' } }],
    ['of a key by its label', { pkcs11: { ...pkcs11, keyId: 'master' } }],
    ['of a vault over plain HTTP', { keyVault: { ...keyVault, key: 'http://v.example/keys/m/a' } }],
    ['of a key without version', { keyVault: { ...keyVault, key: 'https://v.example/keys/m' } }],
    ['of a way that is not offered', { keyVault: { ...keyVault, algorithm: 'RSA1_5' } }],
  ])('%s is refused', async (_name, config) => {
    expect(await failure(described(config))).toBe('ERR_CONFIG_INVALID');
  });
});

describe('a key in a cloud vault', () => {
  const token = randomBytes(24).toString('base64url');
  let vault: Awaited<ReturnType<typeof startWrappingVault>>;
  beforeAll(async () => {
    vault = await startWrappingVault(token);
  });
  afterAll(() => vault.stop());
  const config = (tokenFile: string) => ({
    keyVault: { key: vault.key, tokenFile, caFile: file('ca', vault.ca, 0o644) },
  });

  test('wraps the store key through Azure’s own client, and is asked at each start', async () => {
    const masterKey = await described(config(file('token', token)));
    const first = await open(masterKey);
    first.store.add(keyOf('kek', Buffer.alloc(32, 7)), 'key-created', 'a');
    first.database.close();
    vault.state.asked.length = 0;
    const second = await open(masterKey);
    expect(Buffer.from(second.store.secretOf(second.store.find('kek')))).toEqual(
      Buffer.alloc(32, 7),
    );
    second.database.close();
    expect(vault.state.asked.filter((each) => each.endsWith('/unwrapkey'))).toHaveLength(1);
  });

  test('that refuses keeps the service from starting', async () => {
    const masterKey = await described(config(file('token', token)));
    (await open(masterKey)).database.close();
    vault.state.enabled = false;
    expect(await failure(open(masterKey))).toBe('ERR_MASTER_KEY_UNAVAILABLE');
    vault.state.enabled = true;
    const stranger = await described(config(file('token', 'another-token')));
    expect(await failure(open(stranger))).toBe('ERR_MASTER_KEY_UNAVAILABLE');
    const loose = await described(config(file('loose', token)));
    chmodSync(join(folder, 'loose'), 0o644);
    expect(await failure(open(loose))).toBe('ERR_MASTER_KEY_UNAVAILABLE');
  });
});

const softHsm = findSoftHsm();
if (softHsm === undefined) {
  process.stderr.write(
    'SKIPPED: a master key in a PKCS#11 token: no SoftHSM2 here (apt: softhsm2 opensc)\n',
  );
}

describe.skipIf(softHsm === undefined)('a key in a PKCS#11 token (SoftHSM2)', () => {
  test('wraps the store key, takes over from a file, and refuses a wrong PIN or key', async () => {
    const module = softHsm ?? '';
    const { pinFile, makeKey } = createToken(folder, module, 'strongroom');
    makeKey('01', 2048);
    makeKey('02');
    makeKey('03');
    const pkcs11 = { module, token: 'strongroom', keyId: '02', pinFile, oaepHash: 'sha1' };
    const before = await fileKey('old');
    const made = await open(before);
    made.store.add(keyOf('kek', Buffer.alloc(32, 8)), 'key-created', 'a');
    const { auditLog, database } = made;
    const after = await described({ pkcs11 });
    await rewrapStore({ database, owner: 'west', auditLog, before, after });
    database.close();
    const { store, database: again } = await open(await described({ pkcs11 }));
    expect(Buffer.from(store.secretOf(store.find('kek')))).toEqual(Buffer.alloc(32, 8));
    again.close();

    const wrongPin = file('wrong-pin', '11111111');
    const refused = described({ pkcs11: { ...pkcs11, pinFile: wrongPin } });
    expect(await failure(refused)).toBe('ERR_MASTER_KEY_UNAVAILABLE');
    const loosePin = file('loose-pin', '87654321', 0o644);
    const loose = described({ pkcs11: { ...pkcs11, pinFile: loosePin } });
    expect(await failure(loose)).toBe('ERR_CONFIG_INVALID');
    const none = described({ pkcs11: { ...pkcs11, keyId: '04' } });
    expect(await failure(none)).toBe('ERR_MASTER_KEY_UNAVAILABLE');
    const weak = described({ pkcs11: { ...pkcs11, keyId: '01' } });
    expect(await failure(weak)).toBe('ERR_CONFIG_INVALID');
    const other = await described({ pkcs11: { ...pkcs11, keyId: '03' } });
    expect(await failure(open(other))).toBe('ERR_MASTER_KEY_UNAVAILABLE');
    const elsewhere = described({ pkcs11: { ...pkcs11, module: '/none.so' } });
    expect(await failure(elsewhere)).toBe('ERR_MASTER_KEY_UNAVAILABLE');
  });
});

import { generateKeyPairSync } from 'node:crypto';
import { CryptographyClient, type KeyVaultKey } from '@azure/keyvault-keys';
import { unwrapReleased } from '@strongroom/sealing/wrap';
import { compactVerify, decodeJwt, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { get } from '../../test/get.ts';
import { encoded, policyFor, workerClaims } from '../../test/token.ts';
import { createClient, createTransportKey, startVault, type Vault } from '../../test/vault.ts';

/** Everything that Azure's own client can ask of a vault, unchanged but for URL and credential. */

const transport = createTransportKey();
const exportable = { exportable: true, releasePolicy: encoded(policyFor('simulated')) };
let vault: Vault;
let ahead = 0;
const admin = () => vault.client('administer');

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated', ahead: () => ahead });
});
afterAll(() => vault.stop());

const RestErrorSchema = z.looseObject({
  statusCode: z.number(),
  code: z.string(),
  details: z.looseObject({
    error: z.looseObject({ innerError: z.looseObject({ code: z.string() }) }),
  }),
});
/** Status, Azure's code, our code. */
const refusal = async (asked: Promise<unknown>) => {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const parsed = RestErrorSchema.safeParse(error);
  if (!parsed.success) return error;
  const { statusCode, code, details } = parsed.data;
  return [statusCode, code, details.error.innerError.code];
};
const collected = async <T>(pages: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const each of pages) all.push(each);
  return all;
};
const ReleaseSchema = z.looseObject({
  response: z.looseObject({
    key: z.looseObject({ key: z.looseObject({ kid: z.string(), key_hsm: z.string() }) }),
  }),
});
/** The secret bytes of a release, as attested code opens them. */
async function released(name: string, version?: string): Promise<Buffer> {
  const token = await vault.authority.token(workerClaims(transport.publicKey));
  const options = { algorithm: 'RSA_AES_KEY_WRAP_256', ...(version ? { version } : {}) } as const;
  const { value } = await vault.client('release').releaseKey(name, token, options);
  const { releaseKey } = JSON.parse(
    (await get(`${vault.url}/.well-known/strongroom`, vault.ca)).body,
  );
  await compactVerify(value, await importJWK(releaseKey, 'RS256'));
  const { kid, key_hsm } = ReleaseSchema.parse(decodeJwt(value)).response.key.key;
  expect(kid).toContain(version ?? `/keys/${name}/`);
  const { ciphertext } = JSON.parse(Buffer.from(key_hsm, 'base64url').toString());
  const wrapped = Buffer.from(ciphertext, 'base64url');
  return Buffer.from(unwrapReleased(wrapped, transport.privateKey, 'RSA_AES_KEY_WRAP_256'));
}

describe('keys', () => {
  test('of every kind are created, read and listed', async () => {
    const made = [
      await admin().createRsaKey('rsa', { keySize: 3072, tags: { use: 'kek' } }),
      await admin().createRsaKey('rsa-hsm', { hsm: true, keySize: 4096 }),
      await admin().createEcKey('ec', { curve: 'P-384' }),
      await admin().createEcKey('ec-hsm', { hsm: true }),
      await admin().createOctKey('oct', exportable),
      await admin().createOctKey('oct-hsm', { hsm: true, keySize: 256 }),
    ];
    expect(made.map((key) => key.keyType)).toEqual(KINDS);
    for (const key of made) {
      const found = await admin().getKey(key.name);
      expect(found).toEqual(key);
      expect(found.properties).toMatchObject({
        vaultUrl: vault.url,
        enabled: true,
        recoveryLevel: 'Recoverable+Purgeable',
        recoverableDays: 90,
      });
      const { version } = key.properties;
      expect(await admin().getKey(key.name, version ? { version } : {})).toEqual(key);
    }
    const names = (await collected(admin().listPropertiesOfKeys())).map(({ name }) => name);
    expect(names).toEqual(made.map(({ name }) => name).sort());
  });

  test('are imported, and what is released is what was imported', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const jwk = Object.entries(privateKey.export({ format: 'jwk' })).map(([name, value]) => [
      name,
      name === 'kty' ? value : Buffer.from(String(value), 'base64url'),
    ]);
    const imported = await admin().importKey('brought', Object.fromEntries(jwk), exportable);
    expect(imported.keyType).toBe('RSA');
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    expect((await released('brought')).equals(pkcs8)).toBe(true);
    const k = Buffer.alloc(32, 9);
    await admin().importKey('share', { kty: 'oct', k }, { ...exportable, hardwareProtected: true });
    expect(await released('share')).toEqual(k);
  });

  test('change by version, are disabled, and a disabled one is not released', async () => {
    const first = await admin().createOctKey('changed', exportable);
    await admin().createOctKey('changed', exportable);
    const version = first.properties.version ?? '';
    const expiresOn = new Date(Date.now() + 86_400_000);
    const changed = await admin().updateKeyProperties('changed', version, {
      ...{ enabled: false, expiresOn, tags: { retired: 'yes' }, keyOps: ['export'] },
    });
    expect(changed).toMatchObject({ keyOperations: ['export'] });
    expect(changed.properties).toMatchObject({ enabled: false, tags: { retired: 'yes' } });
    expect(await refusal(released('changed', version))).toEqual([
      403,
      'Forbidden',
      'ERR_KEY_DISABLED',
    ]);
    expect(await released('changed')).toHaveLength(32);
    const versions = await collected(admin().listPropertiesOfKeyVersions('changed'));
    expect(versions.map(({ enabled }) => enabled)).toEqual([false, true]);
  });

  test('that are not there are so in Azure’s words', async () => {
    const missing = [404, 'KeyNotFound', 'ERR_KEY_NOT_FOUND'];
    expect(await refusal(admin().getKey('none'))).toEqual(missing);
    expect(await refusal(admin().getKey('rsa', { version: '0'.repeat(32) }))).toEqual(missing);
    expect(await refusal(admin().beginDeleteKey('none'))).toEqual(missing);
    expect(await refusal(admin().getDeletedKey('rsa'))).toEqual(missing);
    expect(await refusal(admin().rotateKey('none'))).toEqual(missing);
    expect(await refusal(admin().backupKey('none'))).toEqual(missing);
    expect(await refusal(admin().getKeyRotationPolicy('none'))).toEqual(missing);
    // The client's pages keep Azure's code and status only.
    const listed = refusal(collected(admin().listPropertiesOfKeyVersions('none')));
    expect(await listed).toMatchObject({ statusCode: 404, code: 'KeyNotFound' });
    const bad = [400, 'BadParameter', 'ERR_REQUEST_INVALID'];
    expect(await refusal(admin().createRsaKey('small', { keySize: 2048 }))).toEqual(bad);
    expect(await refusal(admin().getKey('a_b'))).toEqual(bad);
  });
});

const KINDS = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM', 'oct', 'oct-HSM'];

describe('rotation', () => {
  test('makes a version beside the old ones, which open until they are retired', async () => {
    for (const make of [
      () => admin().createRsaKey('turned', { ...exportable, keySize: 3072, tags: { a: 'b' } }),
      () => admin().createEcKey('turned-ec', { ...exportable, curve: 'P-384' }),
      () => admin().createOctKey('turned-oct', exportable),
    ]) {
      const old = await make();
      const version = old.properties.version ?? '';
      const before = await released(old.name);
      const next = await admin().rotateKey(old.name);
      expect(next.keyType).toBe(old.keyType);
      expect(next.key?.n?.length).toBe(old.key?.n?.length);
      expect(next.key?.crv).toBe(old.key?.crv);
      expect(next.properties).toMatchObject({ tags: old.properties.tags, exportable: true });
      expect(next.properties.releasePolicy).toEqual(old.properties.releasePolicy);
      expect((await released(old.name)).equals(before)).toBe(false);
      expect((await released(old.name, version)).equals(before)).toBe(true);
      await admin().updateKeyProperties(old.name, version, { enabled: false });
      const retired = await refusal(released(old.name, version));
      expect(retired).toEqual([403, 'Forbidden', 'ERR_KEY_DISABLED']);
      expect((await released(old.name)).length).toBeGreaterThan(before.length - 8);
    }
  });

  test('follows a policy that is read, set and kept', async () => {
    await admin().createOctKey('planned');
    expect(await admin().getKeyRotationPolicy('planned')).toMatchObject({ lifetimeActions: [] });
    const wanted = {
      expiresIn: 'P90D',
      lifetimeActions: [
        { action: 'Rotate' as const, timeBeforeExpiry: 'P30D' },
        { action: 'Notify' as const, timeAfterCreate: 'P30D' },
      ],
    };
    await admin().updateKeyRotationPolicy('planned', wanted);
    const policy = await admin().getKeyRotationPolicy('planned');
    expect(policy).toMatchObject({
      ...wanted,
      lifetimeActions: wanted.lifetimeActions.map((each) => expect.objectContaining(each)),
      id: `${vault.url}/keys/planned/rotationpolicy`,
      createdOn: expect.any(Date),
    });
    const rotated = await admin().rotateKey('planned');
    const days = ((rotated.properties.expiresOn?.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(90);
    const short = { ...wanted, expiresIn: 'P1D' };
    expect(await refusal(admin().updateKeyRotationPolicy('planned', short))).toEqual([
      400,
      'BadParameter',
      'ERR_REQUEST_INVALID',
    ]);
  });
});

describe('deletion', () => {
  test('is soft: listed, read, recovered', async () => {
    const before = await admin().createOctKey('lost', exportable);
    const poller = await admin().beginDeleteKey('lost', { intervalInMs: 1 });
    const deleted = await poller.pollUntilDone();
    expect(deleted.properties).toMatchObject({
      recoveryId: `${vault.url}/deletedkeys/lost`,
      deletedOn: expect.any(Date),
    });
    const { deletedOn, scheduledPurgeDate } = deleted.properties;
    expect((scheduledPurgeDate?.getTime() ?? 0) - (deletedOn?.getTime() ?? 0)).toBe(
      90 * 86_400_000,
    );
    expect(await admin().getDeletedKey('lost')).toEqual(deleted);
    const listed = await collected(admin().listDeletedKeys());
    expect(listed.map(({ name }) => name)).toEqual(['lost']);
    expect(await refusal(admin().getKey('lost'))).toEqual([
      404,
      'KeyNotFound',
      'ERR_KEY_NOT_FOUND',
    ]);
    expect(await refusal(released('lost'))).toEqual([404, 'KeyNotFound', 'ERR_KEY_NOT_FOUND']);
    const conflict = [409, 'Conflict', 'ERR_KEY_DELETED'];
    expect(await refusal(admin().createOctKey('lost'))).toEqual(conflict);
    const recovering = await admin().beginRecoverDeletedKey('lost', { intervalInMs: 1 });
    expect((await recovering.pollUntilDone()).id).toBe(before.id);
    expect(await released('lost')).toHaveLength(32);
  });

  test('ends with a purge, which only a backup undoes', async () => {
    const before = await admin().createOctKey('purged', exportable);
    const secret = await released('purged');
    const backup = await admin().backupKey('purged');
    const remove = async () => {
      await (await admin().beginDeleteKey('purged', { intervalInMs: 1 })).pollUntilDone();
      await admin().purgeDeletedKey('purged');
    };
    await remove();
    expect(await refusal(admin().getDeletedKey('purged'))).toEqual([
      404,
      'KeyNotFound',
      'ERR_KEY_NOT_FOUND',
    ]);
    const restored = await admin().restoreKeyBackup(backup ?? Buffer.alloc(0));
    expect(restored).toEqual(before);
    expect(await released('purged')).toEqual(secret);
    expect(await refusal(admin().restoreKeyBackup(backup ?? Buffer.alloc(0)))).toEqual([
      409,
      'Conflict',
      'ERR_KEY_EXISTS',
    ]);
    ahead += 1_000;
    await admin().updateKeyProperties('purged', { enabled: false });
    await remove();
    const outdated = await refusal(admin().restoreKeyBackup(backup ?? Buffer.alloc(0)));
    expect(outdated).toEqual([409, 'Conflict', 'ERR_BACKUP_OUTDATED']);
    const broken = await refusal(admin().restoreKeyBackup(Buffer.alloc(64)));
    expect(broken).toEqual([400, 'BadParameter', 'ERR_BACKUP_INVALID']);
  });
});

describe('what a vault may do besides', () => {
  test('random bytes', async () => {
    const bytes = await admin().getRandomBytes(32);
    expect(bytes).toHaveLength(32);
    expect(await admin().getRandomBytes(32)).not.toEqual(bytes);
    expect(await refusal(admin().getRandomBytes(129))).toEqual([
      400,
      'BadParameter',
      'ERR_REQUEST_INVALID',
    ]);
  });

  test('using a key in its place is refused as a key without the operation', async () => {
    // Without the public half the client asks the vault instead of computing here.
    const rsa = await admin().createRsaKey('used', { keySize: 3072 });
    const client = cryptography(rsa);
    const input = Buffer.alloc(32, 1);
    const refused = [403, 'Forbidden', 'ERR_OPERATION_NOT_OFFERED'];
    expect(await refusal(client.decrypt('RSA-OAEP', input))).toEqual(refused);
    expect(await refusal(client.unwrapKey('RSA-OAEP', input))).toEqual(refused);
    expect(await refusal(client.sign('RS256', input))).toEqual(refused);
    expect(await refusal(admin().getKeyAttestation('used'))).toEqual(refused);
    // With it, Azure's client computes here: that is nobody's secret.
    expect((await client.wrapKey('RSA-OAEP', input)).result).toHaveLength(384);
  });
});

function cryptography(made: KeyVaultKey): CryptographyClient {
  const getToken = async () => ({
    token: vault.tokens.administer,
    expiresOnTimestamp: Number.MAX_SAFE_INTEGER,
  });
  return new CryptographyClient(
    made,
    { getToken },
    {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca: vault.ca },
      retryOptions: { maxRetries: 0 },
    },
  );
}

test('each of the versions of the interface that are in use is answered', async () => {
  for (const serviceVersion of ['7.4', '7.5', '7.6', '2025-07-01']) {
    const client = createClient(
      vault.url,
      vault.tokens.administer,
      vault.ca,
      undefined,
      serviceVersion,
    );
    expect((await client.getKey('rsa')).name).toBe('rsa');
  }
});

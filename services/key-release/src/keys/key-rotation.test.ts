import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { KeyVaultKey } from '@azure/keyvault-keys';
import { type Contract, contractBytes, parseContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { type ContractId, ContractIdSchema } from '@strongroom/protocol/fields';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { createUnwrapper, openBatch } from '@strongroom/sealing/open';
import { createStreamSealer, newStreamId, streamStart } from '@strongroom/sealing/seal';
import { unwrapReleased } from '@strongroom/sealing/wrap';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { encoded, policyFor, workerClaims } from '../../test/token.ts';
import { createTransportKey, startVault, type Vault } from '../../test/vault.ts';
import { sha256 } from '../access/access.ts';

/**
 * An owner rotates the key encryption key of a dataset while its stream goes on. A contract pins
 * the key that is sealed to, so the next version begins with an amended contract; batches of the
 * old one open with the old version until that is retired.
 */

const transport = createTransportKey();
const releaseKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
let vault: Vault;
let owner: Awaited<ReturnType<typeof createIdentity>>;
let analyst: Awaited<ReturnType<typeof createIdentity>>;
beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
  owner = await createIdentity('owner', { reading: false });
  analyst = await createIdentity('analyst', { reading: true });
});
afterAll(() => vault.stop());

const ReleaseSchema = z.looseObject({
  response: z.looseObject({
    key: z.looseObject({ key: z.looseObject({ key_hsm: z.string() }) }),
  }),
});

/** What a worker gets that runs under a contract with this key id. */
async function released(keyId: string) {
  const [name = '', version = ''] = keyId.split('/');
  const token = await vault.authority.token(workerClaims(transport.publicKey));
  const options = { algorithm: 'RSA_AES_KEY_WRAP_256', version } as const;
  const { value } = await vault.client('release').releaseKey(name, token, options);
  const { key_hsm } = ReleaseSchema.parse(decodeJwt(value)).response.key.key;
  const { ciphertext } = JSON.parse(Buffer.from(key_hsm, 'base64url').toString());
  const wrapped = Buffer.from(ciphertext, 'base64url');
  const key = unwrapReleased(wrapped, transport.privateKey, 'RSA_AES_KEY_WRAP_256');
  return createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });
}

/** The first contract, or an amendment of one. */
function contractOn(made: KeyVaultKey, previous?: ContractId): Contract {
  const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64url');
  const keyRelease = {
    url: vault.url,
    releaseKey: releaseKey.export({ format: 'jwk' }),
    stateShareKeyId: 'state-share',
  };
  return parseContract({
    ...{ strongroom: 'contract/v1', title: 'Rotation', purpose: 'To test.' },
    ...(previous === undefined ? { version: 1 } : { version: 2, previous }),
    parties: [
      { id: 'owner', name: 'Owner', signingKey: owner.signingKey, keyRelease },
      {
        id: 'analyst',
        name: 'Analyst',
        signingKey: analyst.signingKey,
        readingKey: analyst.readingKey,
      },
    ],
    datasets: [
      {
        ...{ id: 'flights', owner: 'owner', relation: 'flights' },
        columns: [{ name: 'delay', type: 'int64', nullable: true }],
        keyId: `${made.name}/${made.properties.version}`,
        wrappingKey: { kty: 'RSA', n: text(made.key?.n), e: text(made.key?.e) },
      },
    ],
    queries: [
      {
        ...{ id: 'all', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
        ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['analyst'] },
        disclosure: { minimumGroupRows: 2, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build', sha384: 'ab'.repeat(48) }],
      minimumTcb: {},
      authorities: [{ issuer: 'https://a.example', keys: [keyRelease.releaseKey] }],
    },
  });
}

/** A producer's stream under a contract, and a reader of it. */
function streamUnder(contract: Contract) {
  const contractId = ContractIdSchema.parse(sha256(contractBytes(contract)));
  const [dataset] = contract.datasets;
  if (!dataset) throw new Error('the contract has one dataset');
  const stream = newStreamId();
  const point = streamStart({ contract: contractId, dataset: dataset.id, stream, epoch: 0 });
  const { signer } = parseIdentity(owner.identityJson);
  const sealer = createStreamSealer({
    ...{ contractId, dataset, stream, epoch: 0, point, signer, kid: 'owner' },
    clock: { monotonic: () => 0 },
  });
  type Record = Awaited<ReturnType<typeof sealer.seal>>['record'];
  return {
    contractId,
    keyId: dataset.keyId,
    seal: async (row: string) =>
      (await sealer.seal(Buffer.from(row), { rows: 1, eventTime: null })).record,
    open: async (record: Record, privateKey: Awaited<ReturnType<typeof released>>) => {
      const unwrapper = createUnwrapper(privateKey, dataset.wrappingKey);
      const opened = await openBatch(record, { contract, contractId, dataset, unwrapper });
      return Buffer.from(opened.plaintext).toString();
    },
  };
}

test('a key is rotated mid-stream: old batches open until the old version is retired', async () => {
  const admin = vault.client('administer');
  const exportable = { exportable: true, releasePolicy: encoded(policyFor('simulated')) };
  const first = await admin.createRsaKey('kek', { ...exportable, keySize: 3072 });
  const old = streamUnder(contractOn(first));
  const before = await old.seal('before');

  const next = streamUnder(contractOn(await admin.rotateKey('kek'), old.contractId));
  expect(next.keyId).not.toBe(old.keyId);
  const meanwhile = await old.seal('meanwhile');
  const after = await next.seal('after');

  const oldKey = await released(old.keyId);
  const newKey = await released(next.keyId);
  expect(await old.open(before, oldKey)).toBe('before');
  expect(await old.open(meanwhile, oldKey)).toBe('meanwhile');
  expect(await next.open(after, newKey)).toBe('after');
  // Neither key stands in for the other: the contract pins the public half.
  await expect(old.open(before, newKey)).rejects.toThrow();
  await expect(next.open(after, oldKey)).rejects.toThrow();

  const version = first.properties.version ?? '';
  await admin.updateKeyProperties('kek', version, { enabled: false });
  const refused = await released(old.keyId).catch((error: unknown) => error);
  expect(codeOf(refused) ?? JSON.stringify(refused)).toContain('ERR_KEY_DISABLED');
  expect(await next.open(after, await released(next.keyId))).toBe('after');
});

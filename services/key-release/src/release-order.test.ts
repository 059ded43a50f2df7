import { StrongroomError } from '@strongroom/protocol/errors';
import { expect, test } from 'vitest';
import { createAuthority, ISSUER, policyFor, workerClaims } from '../test/token.ts';
import { createTransportKey } from '../test/vault.ts';
import type { KeyVersion } from './key-store.ts';
import { type ReleaseService, releaseKey } from './release-key.ts';

const transport = createTransportKey();
const authority = createAuthority();

test('an audit log that cannot be written releases nothing', async () => {
  const signed: unknown[] = [];
  const full = new StrongroomError('ERR_DISK_FULL');
  const key: KeyVersion = {
    ...{ sequence: 1, name: 'kek', version: 'a'.repeat(32), kty: 'oct', publicKey: {}, tags: {} },
    ...{ operations: [], enabled: true, exportable: true, notBefore: null, expires: null },
    ...{ created: 0, updated: 0 },
    policy: {
      contentType: 'application/json',
      data: Buffer.from(JSON.stringify(policyFor('simulated'))).toString('base64url'),
      immutable: false,
    },
  };
  const unused = () => {
    throw new Error('not asked for');
  };
  const service: ReleaseService = {
    authorities: [{ issuer: ISSUER, keys: [authority.publicKey], platform: 'simulated' }],
    keyStore: {
      ...{ add: unused, list: unused, versions: unused, update: unused, remove: unused },
      find: () => key,
      secretOf: () => Buffer.alloc(32, 1),
    },
    auditLog: {
      ...{ head: unused, verify: unused, read: unused },
      append: () => {
        throw full;
      },
    },
    identity: {
      publicKey: { kty: 'RSA', n: 'n', e: 'AQAB' },
      sign: async (payload) => String(signed.push(payload)),
    },
    clock: { now: () => Date.now(), monotonic: () => 0 },
    baseUrl: () => 'https://localhost',
  };
  const request = { name: 'kek', version: undefined, nonce: undefined, apiVersion: '7.4' };
  const algorithm = 'RSA_AES_KEY_WRAP_256';
  const asked = releaseKey(
    { ...request, algorithm, token: await authority.token(workerClaims(transport.publicKey)) },
    service,
  );
  expect(await asked.catch((error: unknown) => error)).toBe(full);
  expect(signed).toEqual([]);
});

import { DatabaseSync } from 'node:sqlite';
import { AMD_ROOTS } from '@strongroom/attestation/roots';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { expect, test } from 'vitest';
import { createAuthority, ISSUER, policyFor, workerClaims } from '../test/token.ts';
import { createTransportKey } from '../test/vault.ts';
import type { KeyVersion } from './keys/key-store.ts';
import { type ReleaseService, releaseKey } from './release-key.ts';
import { readVersions } from './requester/versions.ts';
import { createGroupCommit } from './storage/group-commit.ts';

const transport = createTransportKey();
const authority = createAuthority();

const full = new StrongroomError('ERR_DISK_FULL');

/** A service whose audit log cannot be written: whoever comes that far was believed. */
function fullService(more: Partial<ReleaseService> = {}) {
  const signed: unknown[] = [];
  const key: KeyVersion = {
    ...{ sequence: 1, name: 'kek', version: 'a'.repeat(32), kty: 'oct', publicKey: {}, tags: {} },
    ...{ operations: [], enabled: true, exportable: true, notBefore: null, expires: null },
    ...{ created: 0, updated: 0, deleted: null },
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
      ...{ add: unused, list: unused, versions: unused, update: unused, rotate: unused },
      find: () => key,
      secretOf: () => Buffer.alloc(32, 1),
    },
    auditLog: {
      ...{ size: unused, verify: unused, read: unused, all: unused, nodeAt: unused },
      append: () => {
        throw full;
      },
    },
    contracts: {
      ...{ add: unused, find: unused, contractOf: unused, versions: readVersions([]) },
      ...{ partyOf: () => undefined, demandNewest: () => undefined },
    },
    owner: PartyIdSchema.parse('west'),
    leases: {
      ...{ acquire: unused, take: unused, renew: unused, end: unused, revoke: unused },
      isHeldBy: () => false,
      find: (contract) => ({
        ...{ contract, state: 'ended', holder: null, epoch: 0, from: '', to: '' },
      }),
    },
    roots: AMD_ROOTS,
    identity: {
      publicKey: { kty: 'RSA', n: 'n', e: 'AQAB' },
      sign: async (payload) => String(signed.push(payload)),
      signAs: unused,
    },
    auditHeads: {
      ...{ newest: unused, consistency: unused, read: unused, verify: unused },
      receipt: async (index) => ({ v: 1, index, entry: '', proof: [], head: '' }),
    },
    clock: { now: () => Date.now(), monotonic: () => 0 },
    baseUrl: () => 'https://localhost',
    groups: createGroupCommit(new DatabaseSync(':memory:')),
    ...more,
  };
  return { service, signed };
}

async function ask(service: ReleaseService): Promise<unknown> {
  const request = { name: 'kek', version: undefined, nonce: undefined, caller: 'worker' };
  const algorithm = 'RSA_AES_KEY_WRAP_256';
  const asked = releaseKey(
    {
      ...request,
      apiVersion: '7.4',
      algorithm,
      target: await authority.token(workerClaims(transport.publicKey)),
    },
    service,
  );
  return await asked.catch((error: unknown) => error);
}

test('an audit log that cannot be written releases nothing', async () => {
  const { service, signed } = fullService();
  expect(await ask(service)).toBe(full);
  expect(signed).toEqual([]);
});

test('an authority is believed by the keys that it publishes, by none when silent', async () => {
  const authorities = [{ issuer: ISSUER, jwks: 'https://a.example/certs', platform: 'simulated' }];
  const published = async () => [authority.publicKey];
  const silent = () => Promise.reject(new StrongroomError('ERR_SERVICE_UNREACHABLE'));
  const others = async () => [createAuthority().publicKey];
  const outcomes = [];
  for (const keysOf of [published, silent, others]) {
    const audited: unknown[] = [];
    const auditLog = {
      ...fullService().service.auditLog,
      append: (event: unknown) => audited.push(event),
    };
    const more = { authorities, auditLog, jwks: { keysOf } } as unknown as Partial<ReleaseService>;
    const { service, signed } = fullService(more);
    await ask(service);
    outcomes.push([signed.length, audited]);
  }
  expect(outcomes).toEqual([
    [1, [expect.objectContaining({ event: 'key-released' })]],
    [0, [expect.objectContaining({ event: 'release-refused', code: 'ERR_SERVICE_UNREACHABLE' })]],
    [0, [expect.objectContaining({ event: 'release-refused', code: 'ERR_TOKEN_INVALID' })]],
  ]);
});

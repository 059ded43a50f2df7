import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agreeOn } from '../test/agree-on.ts';
import { inside, strongroomInside } from '../test/run-strongroom.ts';
import { type KeyReleaseService, startKeyRelease } from '../test/start-key-release.ts';
import { askService } from './owner-service.ts';

/** Ending a contract, against the owner's service that the real command starts. */

let service: KeyReleaseService;
let contract: string;
let statementKey: unknown;

beforeAll(async () => {
  service = await startKeyRelease();
  statementKey = JSON.parse(await service.get('/.well-known/strongroom')).releaseKey;
  contract = await agree('contract', statementKey);
}, 60_000);
afterAll(async () => expect(await service.stop()).toBe(0));

const agree = (title: string, key: unknown, url = service.url) =>
  agreeOn({ title, statementKey: key, releaseKey: statementKey, url, service });

const of = (file: string, party = 'north') => [
  ...['--contract', file, '--party', party],
  ...['--ca-file', join(service.folder, 'ca')],
];
const show = (file: string, ...more: string[]) =>
  inside('lease', 'show', ...of(file), '--token-file', join(service.folder, 'audit'), ...more);
const revoke = (file: string, { token = 'admin', more = ['--yes'] } = {}) =>
  inside('revoke', ...of(file), '--admin-token-file', join(service.folder, token), ...more);

describe('revoke', () => {
  test('ends a contract by the signed word of its owner, as often as it is asked', async () => {
    expect((await show(contract)).data).toMatchObject({ state: 'ended', holder: null, epoch: 0 });
    const ended = await revoke(contract);
    expect(ended).toMatchObject({ exitCode: 0, data: { owner: 'north', epoch: 0, holder: null } });
    expect((await show(contract)).data).toMatchObject({
      ...{ contract: ended.data.contract, owner: 'north', state: 'revoked' },
      from: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await show(contract, '--slice', '0')).toMatchObject({ code: 'ERR_SLICE_UNKNOWN' });
    expect(await revoke(contract)).toMatchObject({ exitCode: 0, data: { owner: 'north' } });
    const admin = ['--admin-token-file', join(service.folder, 'admin'), '--yes'];
    const told = await strongroomInside('revoke', ...of(contract), ...admin);
    expect(told.stdout).toMatch(/^north has ended contract [0-9a-f]{64} at .*, for good\n$/);
  });

  test('what is wrong with the call is told before anything is ended', async () => {
    const file = await agree('kept', statementKey);
    expect(await revoke(file, { more: [] })).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    const watch = ['--yes', '--watch'];
    const roots = ['--simulated-roots', service.folder];
    for (const [more, code] of [
      [[...watch, '--brokers', 'nowhere', ...roots], 'ERR_USAGE'],
      [[...watch, '--brokers', 'here:1'], 'ERR_ROOT_KIND'],
      [[...watch, '--brokers', 'here:1', '--timeout', '0'], 'ERR_USAGE'],
    ] as const) {
      expect(await revoke(file, { more: [...more] })).toMatchObject({ code });
    }
    expect(await revoke(file, { token: 'access' })).toMatchObject({ code: 'ERR_RIGHT_MISSING' });
    expect(await revoke(file, { token: 'audit' })).toMatchObject({ code: 'ERR_RIGHT_MISSING' });
    expect((await show(file)).data).toMatchObject({ state: 'ended' });
  });

  test('an owner that keeps no lease ends it too, for whatever asks its service', async () => {
    const file = await agree('unleased', undefined);
    const id = (await strongroomInside('contract', 'id', file)).stdout.trim();
    expect(await show(file)).toMatchObject({ code: 'ERR_USAGE' });
    const watch = ['--yes', '--watch', '--brokers', 'here:1', '--simulated-roots', service.folder];
    expect(await revoke(file, { more: watch })).toMatchObject({ code: 'ERR_USAGE' });
    const auditor = { vault: service.url, tokenFile: join(service.folder, 'audit') };
    const known = () =>
      askService(
        { ...auditor, caFile: join(service.folder, 'ca') },
        { method: 'GET', path: `/leases/${id}` },
      );
    expect(await known()).toMatchObject({ state: 'ended' });
    const admin = ['--admin-token-file', join(service.folder, 'admin'), '--yes'];
    const told = await strongroomInside('revoke', ...of(file), ...admin);
    expect(told.stdout).toMatch(/^north has ended contract .*, for good\nnorth keeps no lease: a /);
    expect(await known()).toMatchObject({ state: 'revoked' });
  });

  test('an owner whose keys are in another vault is told to disable them', async () => {
    const file = await agree('elsewhere', undefined, `${service.url}/another-vault`);
    const told = await revoke(file);
    expect(told).toMatchObject({ code: 'ERR_USAGE', exitCode: 2 });
    expect(JSON.stringify(told)).toContain('disable its keys');
  });

  test('a party that owns nothing ends nothing, and a name that is none neither', async () => {
    const admin = ['--admin-token-file', join(service.folder, 'admin'), '--yes'];
    const by = (party: string) => inside('revoke', ...of(contract, party), ...admin);
    expect(await by('reader')).toMatchObject({ code: 'ERR_USAGE' });
    expect(await by('south')).toMatchObject({ code: 'ERR_PARTY_UNKNOWN' });
  });

  test('believes no service but the one whose key the contract pins', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const { kty, n, e } = publicKey.export({ format: 'jwk' });
    const file = await agree('impersonated', { kty, n, e });
    expect(await revoke(file)).toMatchObject({ code: 'ERR_LEASE_INVALID', exitCode: 77 });
    const away = await agree('away', statementKey, 'https://127.0.0.1:1');
    expect(await revoke(away)).toMatchObject({ code: 'ERR_SERVICE_UNREACHABLE', exitCode: 69 });
  });
});

test('lease prepare gives the contract to the service that keeps its lease', async () => {
  const file = await agree('prepared', statementKey);
  const token = ['--token-file', join(service.folder, 'admin')];
  const prepared = await inside('lease', 'prepare', ...of(file), ...token);
  expect(prepared).toMatchObject({ exitCode: 0, data: { owner: 'north', service: service.url } });
});

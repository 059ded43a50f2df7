import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { DENY_ALL_POLICY } from '@strongroom/attestation/release-policy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside } from '../test/run-strongroom.ts';
import { agreedContract } from '../test/signed-contract.ts';
import { type KeyReleaseService, startKeyRelease } from '../test/start-key-release.ts';

/** The key commands against the key release service, which the real command starts. */

const STARTED_WITHIN_MS = 60_000;
let service: KeyReleaseService;
let vault: string[];

beforeAll(async () => {
  service = await startKeyRelease();
  const { url, folder } = service;
  vault = ['--vault', url, '--token-file', join(folder, 'admin'), '--ca-file', join(folder, 'ca')];
}, STARTED_WITHIN_MS);

// The signal reached the service itself, and it went in order.
afterAll(async () => expect(await service.stop()).toBe(0));

/** The contract as the service keeps it. */
async function stored(contractId: string): Promise<unknown> {
  const [ca, token] = await Promise.all(
    ['ca', 'admin'].map((name) => readFile(join(service.folder, name), 'utf8')),
  );
  const options = { ca, headers: { authorization: `Bearer ${token}` } };
  const asked = request(`${service.url}/contracts/${contractId}`, options).end();
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const part of response) text += part;
  return response.statusCode === 200 ? JSON.parse(text) : undefined;
}

const CLAIM = { claim: 'iss', exists: 'true' };
const named = (name: string) => [...vault, '--name', name];

describe('key', () => {
  test('create makes a key that nobody gets, list and show find it', async () => {
    const made = await inside('key', 'create', ...named('flights-north'));
    expect(made).toMatchObject({
      exitCode: 0,
      data: { name: 'flights-north', enabled: true, exportable: true, key: { kty: 'RSA' } },
    });
    const policy = await inside('key', 'policy', 'show', ...named('flights-north'));
    expect(policy.data).toEqual(DENY_ALL_POLICY);
    const share = await inside('key', 'create', ...named('share'), '--type', 'oct');
    expect(share.data).not.toHaveProperty('key');
    const list = await inside('key', 'list', ...vault);
    expect(list.data.map((each: { name: string }) => each.name).sort()).toEqual([
      'flights-north',
      'share',
    ]);
    const shown = await inside('key', 'show', ...named('flights-north'));
    expect(shown.data).toEqual(made.data);
  });

  test('rotate makes a version that a contract can name', async () => {
    const made = await inside('key', 'create', ...named('turned'));
    const next = await inside('key', 'rotate', ...named('turned'));
    expect(next.data.keyId).toMatch(/^turned\/[0-9a-f]{32}$/);
    expect(next.data.keyId).not.toBe(made.data.keyId);
    expect(next.data.key.n).not.toBe(made.data.key.n);
    expect((await inside('key', 'show', ...named('turned'))).data).toEqual(next.data);
  });

  test('policy set is what policy show prints', async () => {
    await inside('key', 'create', ...named('other'));
    const policy = {
      version: '1.0.0',
      anyOf: [{ authority: 'https://attest.example', allOf: [{ claim: 'iss', exists: 'true' }] }],
    };
    const file = await service.secretFile('policy.json', JSON.stringify(policy));
    const set = await inside('key', 'policy', 'set', ...named('other'), '--policy', file);
    expect(set.exitCode).toBe(0);
    const shown = await inside('key', 'policy', 'show', ...named('other'));
    expect(shown.data).toEqual(policy);
  });

  test('policy set gives the service a contract that wants own verification', async () => {
    await inside('key', 'create', ...named('guarded'));
    for (const ownVerification of [false, true]) {
      const { contractId, signed } = await agreedContract({ ownVerification });
      const file = await service.secretFile('contract.json', JSON.stringify(signed));
      const set = await inside('key', 'policy', 'set', ...named('guarded'), '--contract', file);
      expect(set.exitCode).toBe(0);
      const { data } = await inside('key', 'policy', 'show', ...named('guarded'));
      const claims = data.anyOf[0].allOf.map(({ claim }: { claim: string }) => claim);
      expect(claims.includes('x-strongroom-own-verification')).toBe(ownVerification);
      expect(await stored(contractId)).toEqual(ownVerification ? signed : undefined);
    }
  });

  test('policy set sets nothing when the service does not take the contract', async () => {
    await inside('key', 'create', ...named('unguarded'));
    const { contractId, signed } = await agreedContract({ ownVerification: true });
    const file = await service.secretFile('contract.json', JSON.stringify(signed));
    const set = (at: string[]) => inside('key', 'policy', 'set', ...at, '--contract', file);
    const access = join(service.folder, 'access');
    expect(await set(named('unguarded').with(3, access))).toMatchObject({
      exitCode: 77,
      code: 'ERR_RIGHT_MISSING',
    });
    const half = { ...signed, signatures: signed.signatures.slice(1) };
    await service.secretFile('contract.json', JSON.stringify(half));
    expect(await set(named('unguarded'))).toMatchObject({ code: 'ERR_CONTRACT_UNSIGNED' });
    const { data } = await inside('key', 'policy', 'show', ...named('unguarded'));
    expect(data).toEqual(DENY_ALL_POLICY);
    expect(await stored(contractId)).toBeUndefined();
  });

  describe('policy set, where a key has several versions,', () => {
    const policyOf = async (name: string) =>
      (await inside('key', 'policy', 'show', ...named(name))).data;
    const set = (name: string, ...more: string[]) =>
      inside('key', 'policy', 'set', ...named(name), ...more);
    const contractNaming = async (keyId: string) => {
      const { signed } = await agreedContract({}, ['https://attest.example'], keyId);
      return service.secretFile('contract.json', JSON.stringify(signed));
    };

    test('takes the one that the contract names, and says so', async () => {
      const first = (await inside('key', 'create', ...named('pinned'))).data.keyId;
      await inside('key', 'rotate', ...named('pinned'));
      const file = await contractNaming(first);
      const done = await set('pinned', '--contract', file);
      expect(done).toMatchObject({ exitCode: 0, data: { keyId: first } });
      // What `key policy show` prints is the newest version's.
      expect(await policyOf('pinned')).toEqual(DENY_ALL_POLICY);
    });

    test('takes the newest where the contract names none', async () => {
      await inside('key', 'create', ...named('floating'));
      const newest = (await inside('key', 'rotate', ...named('floating'))).data.keyId;
      const done = await set('floating', '--contract', await contractNaming('floating'));
      expect(done).toMatchObject({ exitCode: 0, data: { keyId: newest } });
      expect(await policyOf('floating')).not.toEqual(DENY_ALL_POLICY);
    });

    test('takes the one that is asked for, and says that the contract names another', async () => {
      const first = (await inside('key', 'create', ...named('chosen'))).data.keyId;
      const second = (await inside('key', 'rotate', ...named('chosen'))).data.keyId;
      const file = await contractNaming(first);
      const version = second.split('/')[1];
      const done = await set('chosen', '--contract', file, '--key-version', version);
      expect(done).toMatchObject({ exitCode: 0, data: { keyId: second } });
      expect(done.stderr).toContain(`The contract names ${first}`);
      expect(await set('chosen', '--contract', file, '--key-version', 'newest')).toMatchObject({
        exitCode: 2,
      });
    });

    test('does not choose where nothing says which', async () => {
      await inside('key', 'create', ...named('unclear'));
      await inside('key', 'rotate', ...named('unclear'));
      const policy = { version: '1.0.0', anyOf: [{ authority: 'https://a', allOf: [CLAIM] }] };
      const file = await service.secretFile('policy.json', JSON.stringify(policy));
      const refused = { exitCode: 2, code: 'ERR_USAGE' };
      expect(await set('unclear', '--policy', file)).toMatchObject(refused);
      expect(await set('unclear', '--contract', await contractNaming('kek'))).toMatchObject(
        refused,
      );
      expect(await policyOf('unclear')).toEqual(DENY_ALL_POLICY);
    });
  });

  test('policy set refuses what is no policy before it asks the service', async () => {
    const file = await service.secretFile('bad.json', '{"version":"1.0.0","anyOf":[]}');
    const set = await inside('key', 'policy', 'set', ...named('absent'), '--policy', file);
    expect(set).toMatchObject({ exitCode: 77, code: 'ERR_POLICY_MALFORMED' });
  });

  test("hands the service's refusals through with their codes", async () => {
    const { folder } = service;
    const token = await readFile(join(folder, 'admin'), 'utf8');
    const as = (file: string) => [...vault.slice(0, 3), join(folder, file), ...vault.slice(4)];
    expect(await inside('key', 'show', ...named('absent'))).toMatchObject({
      exitCode: 77,
      code: 'ERR_KEY_NOT_FOUND',
    });
    expect(await inside('key', 'list', ...as('access'))).toMatchObject({
      exitCode: 77,
      code: 'ERR_RIGHT_MISSING',
    });
    await service.secretFile('wrong', 'x'.repeat(token.length));
    expect(await inside('key', 'list', ...as('wrong'))).toMatchObject({
      exitCode: 77,
      code: 'ERR_UNAUTHENTICATED',
    });
    expect(await inside('key', 'create', ...named('no spaces'))).toMatchObject({
      exitCode: 77,
      code: 'ERR_REQUEST_INVALID',
    });
  });

  test('the audit log of all this is whole, and so is the database itself', async () => {
    const { folder } = service;
    const auditor = [...vault.slice(0, 3), join(folder, 'audit'), ...vault.slice(4)];
    const file = join(folder, 'north.audit');
    const saved = await inside('audit', 'export', file, ...auditor);
    expect(saved).toMatchObject({ exitCode: 0, data: { owner: 'north', file } });
    const known = await service.get('/.well-known/strongroom');
    const key = await service.secretFile(
      'release-key',
      JSON.stringify(JSON.parse(known).releaseKey),
    );
    const verdict = await inside('audit', 'verify', file, '--release-key', key);
    expect(verdict).toMatchObject({ exitCode: 0, data: { entries: saved.data.entries } });
    const listed = await inside('audit', 'list', file, '--event', 'key-created');
    expect(listed.data.map((entry: { key: string }) => entry.key)).toContain('flights-north');
    // The service holds the file itself; a copy is as good as an export.
    const running = await inside('audit', 'list', join(folder, 'data', 'key-release.db'));
    expect(running).toMatchObject({ exitCode: 69, code: 'ERR_STATE_LOCKED' });
    await cp(join(folder, 'data'), join(folder, 'copy'), { recursive: true });
    const copied = join(folder, 'copy', 'key-release.db');
    const since = ['--since', file, '--release-key', key];
    expect((await inside('audit', 'verify', copied, ...since)).exitCode).toBe(0);
    expect(await inside('audit', 'export', file, ...vault)).toMatchObject({
      code: 'ERR_RIGHT_MISSING',
    });
  });

  test('trusts no certificate that it was not told to trust', async () => {
    const answer = await inside('key', 'list', ...vault.slice(0, 4));
    expect(answer).toMatchObject({ exitCode: 69, code: 'ERR_SERVICE_UNREACHABLE' });
  });
});

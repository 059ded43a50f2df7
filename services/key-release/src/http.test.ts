import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get } from '../test/get.ts';
import { encoded, policyFor, workerClaims } from '../test/token.ts';
import { createClient, createTransportKey, startVault, type Vault } from '../test/vault.ts';
import { challengeOf } from './access/access.ts';

/** What Azure's client never sends, or hides from its caller. */

const transport = createTransportKey();
const worker = { exportable: true, releasePolicy: encoded(policyFor('simulated')) };
let vault: Vault;

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
  await vault.client('administer').createOctKey('share', { ...worker, tags: { use: 'state' } });
});
afterAll(() => vault.stop());

async function ask(
  method: string,
  path: string,
  question: { token?: string; body?: unknown } = {},
) {
  const body = typeof question.body === 'string' ? question.body : JSON.stringify(question.body);
  const token = question.token ?? vault.tokens.administer;
  const options = { method, token, ...(body === undefined ? {} : { body }) };
  const answer = await get(`${vault.url}${path}`, vault.ca, options);
  return { ...answer, json: JSON.parse(answer.body) };
}
const codeIn = ({ json }: { json: { error: { innererror: { code: string } } } }) =>
  json.error.innererror.code;

describe('access', () => {
  test.each([
    ['POST', '/keys/share/release?api%2Dversion=2025-07-01'],
    ['POST', '/keys/share/create?api-version=7.4'],
    ['PUT', '/keys/share'],
    ['GET', '/keys'],
    ['GET', '/keys/share/'],
    ['PATCH', '/keys/share/'],
    ['DELETE', '/keys/share'],
  ])('challenges %s %s with an empty body and no token', async (method, path) => {
    const answer = await get(`${vault.url}${path}`, vault.ca, { method });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer authorization="${vault.url}/west", resource="${vault.url}"`,
    );
    expect(codeIn({ json: JSON.parse(answer.body) })).toBe('ERR_UNAUTHENTICATED');
  });

  test('a wrong token is challenged too, and neither right includes the other', async () => {
    const wrong = `${vault.tokens.administer.slice(0, -1)}_`;
    for (const token of [wrong, 'x', vault.tokens.administer.toUpperCase()]) {
      expect((await ask('GET', '/keys', { token })).status).toBe(401);
    }
    const asWorker = await ask('GET', '/keys/share', { token: vault.tokens.release });
    expect([asWorker.status, codeIn(asWorker)]).toEqual([403, 'ERR_RIGHT_MISSING']);
    const asAdmin = await ask('POST', '/keys/share/release', { body: { target: 'x' } });
    expect([asAdmin.status, codeIn(asAdmin)]).toEqual([403, 'ERR_RIGHT_MISSING']);
  });

  test('no right reads a private member', async () => {
    const made = await ask('POST', '/keys/pair/create', { body: { kty: 'EC', crv: 'P-256' } });
    expect(Object.keys(made.json.key).sort()).toEqual(['crv', 'key_ops', 'kid', 'kty', 'x', 'y']);
    for (const path of ['/keys', '/keys/pair', '/keys/share', '/keys/pair/versions']) {
      expect((await ask('GET', path)).body).not.toMatch(/"(d|p|q|dp|dq|qi|k)":/);
    }
  });

  test('speaks TLS 1.3 and nothing older', async () => {
    const { port } = new URL(vault.url);
    const attempt = (maxVersion: SecureVersion) =>
      new Promise((resolve) => {
        const options = { port: Number(port), host: 'localhost', ca: vault.ca, maxVersion };
        const socket = connect(options, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on('error', () => resolve('refused'));
      });
    expect([await attempt('TLSv1.2'), await attempt('TLSv1.3')]).toEqual(['refused', 'TLSv1.3']);
  });

  test('a client may check the resource where the host has a parent', () => {
    expect(challengeOf('https://keys.west.example', 'west')).toBe(
      'Bearer authorization="https://keys.west.example/west", resource="https://west.example"',
    );
    expect(challengeOf('https://127.0.0.1:8470', 'west')).toContain('"https://127.0.0.1:8470"');
  });
});

describe('shapes', () => {
  test('tells owner, release key and warnings to anybody', async () => {
    const answer = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
    const json = JSON.parse(answer.body);
    expect(json).toMatchObject({ owner: 'west', releaseKey: { kty: 'RSA', e: 'AQAB' } });
    expect(json.warnings).toHaveLength(1);
    expect(Buffer.from(json.releaseKey.n, 'base64url')).toHaveLength(384);
    expect((await get(`${vault.url}/readyz`, vault.ca)).status).toBe(200);
    expect((await get(`${vault.url}/metrics`, vault.ca)).body).toContain(
      'strongroom_key_release_requests',
    );
  });

  test('answers with a slash at the end and without, however the version is spelled', async () => {
    for (const path of ['/keys/share', '/keys/share/', '/keys/share/?api%2Dversion=7.5']) {
      expect((await ask('GET', path)).json).toMatchObject({
        key: { kty: 'oct', key_ops: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'] },
        attributes: { enabled: true, exportable: true, recoveryLevel: 'Recoverable+Purgeable' },
        tags: { use: 'state' },
        release_policy: { immutable: false },
      });
    }
  });

  test('lists in pages that can be followed', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) {
      await ask('POST', `/keys/${name}/create`, { body: { kty: 'oct' } });
    }
    const listed: string[] = [];
    const pages = vault.client('administer').listPropertiesOfKeys().byPage({ maxPageSize: 2 });
    for await (const page of pages) {
      expect(page.length).toBeLessThanOrEqual(2);
      listed.push(...page.map((key) => key.name));
    }
    expect(listed).toEqual([...listed].sort());
    expect(listed).toContain('page-c');
    for (let turn = 0; turn < 3; turn += 1) {
      await ask('POST', '/keys/page-a/create', { body: { kty: 'oct' } });
    }
    const versions: unknown[] = [];
    for await (const one of vault.client('administer').listPropertiesOfKeyVersions('page-a')) {
      versions.push(one.version);
    }
    expect(new Set(versions).size).toBe(4);
  });

  test.each<[string, string, string, unknown]>([
    ['no JSON', 'POST', '/keys/new/create', '{'],
    ['an empty body', 'POST', '/keys/new/create', ''],
    ['a list', 'POST', '/keys/new/create', []],
    ['no type', 'POST', '/keys/new/create', {}],
    ['another type', 'POST', '/keys/new/create', { kty: 'DSA' }],
    ['an unknown member', 'POST', '/keys/new/create', { kty: 'oct', extra: 1 }],
    ['a small modulus', 'POST', '/keys/new/create', { kty: 'RSA', key_size: 2048 }],
    ['a foreign curve', 'POST', '/keys/new/create', { kty: 'EC', crv: 'P-256K' }],
    ['a short key', 'POST', '/keys/new/create', { kty: 'oct', key_size: 128 }],
    ['an exponent of 3', 'POST', '/keys/new/create', { kty: 'RSA', public_exponent: 3 }],
    ['no policy', 'POST', '/keys/new/create', { kty: 'oct', attributes: { exportable: true } }],
    [
      'a policy for nothing',
      'POST',
      '/keys/new/create',
      { kty: 'oct', release_policy: { data: '' } },
    ],
    ['a name with a dot', 'POST', '/keys/a.b/create', { kty: 'oct' }],
    ['a long name', 'POST', `/keys/${'a'.repeat(128)}/create`, { kty: 'oct' }],
    ['a symmetric key of one byte', 'PUT', '/keys/new', { key: { kty: 'oct', k: 'AA' } }],
    ['a public key', 'PUT', '/keys/new', { key: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } }],
    ['a changed exportable', 'PATCH', '/keys/share', { attributes: { exportable: false } }],
    ['a version that is none', 'GET', '/keys/share/latest', undefined],
  ])('refuses %s with a code', async (_name, method, path, body) => {
    const answer = await ask(method, path, { body });
    expect([answer.status, codeIn(answer)]).toEqual([400, 'ERR_REQUEST_INVALID']);
    expect(answer.json.error.code).toBe('BadParameter');
    expect((await ask('GET', '/keys/new')).status).toBe(404);
  });

  test('refuses a policy that it does not understand, and keeps the old one', async () => {
    const before = (await ask('GET', '/keys/share')).json.release_policy;
    const texts = [
      '{}',
      '{"version":"1.0.0","anyOf":[]}',
      '{"version":"0.2","anyOf":[{}]}',
      '\ufeff{}',
    ];
    const encodings = texts.map((text) => Buffer.from(text).toString('base64url'));
    for (const data of [...encodings, 'e30=', 'gA', '']) {
      const answer = await ask('PATCH', '/keys/share', { body: { release_policy: { data } } });
      expect([answer.status, codeIn(answer)]).toEqual([400, 'ERR_POLICY_MALFORMED']);
      expect(answer.json.error.innererror.place).toBeTruthy();
    }
    expect((await ask('GET', '/keys/share')).json.release_policy).toEqual(before);
  });

  test('a policy that was set as immutable stays', async () => {
    const client = vault.client('administer');
    const fixed = encoded(policyFor('simulated'), true);
    await client.createOctKey('fixed', { exportable: true, releasePolicy: fixed });
    const data = Buffer.from(JSON.stringify(policyFor('amd'))).toString('base64url');
    const answer = await ask('PATCH', '/keys/fixed', { body: { release_policy: { data } } });
    expect([answer.status, codeIn(answer)]).toEqual([409, 'ERR_POLICY_IMMUTABLE']);
  });

  test('a private key whose halves do not belong together is refused', async () => {
    const jwk = { kty: 'EC', crv: 'P-256', d: Buffer.alloc(32, 7).toString('base64url') };
    const made = (await ask('POST', '/keys/other/create', { body: { kty: 'EC' } })).json.key;
    const answer = await ask('PUT', '/keys/new', {
      body: { key: { ...jwk, x: made.x, y: made.y } },
    });
    expect([answer.status, codeIn(answer)]).toEqual([400, 'ERR_REQUEST_INVALID']);
  });

  test('a release needs a token and a known way of wrapping', async () => {
    const bodies = [{}, { target: '' }, { target: 'x', enc: 'RSA1_5' }, { target: 'x', more: 1 }];
    for (const body of bodies) {
      const answer = await ask('POST', '/keys/share/release', {
        token: vault.tokens.release,
        body,
      });
      expect([answer.status, codeIn(answer)]).toEqual([400, 'ERR_REQUEST_INVALID']);
    }
  });
});

describe('what it leaves behind', () => {
  test('an entry for every release and refusal, durable before the answer', async () => {
    const client = vault.client('release');
    const token = await vault.authority.token(workerClaims(transport.publicKey));
    await client.releaseKey('share', token);
    await client.releaseKey('share', `${token}x`).catch(() => undefined);
    await vault.restart();
    const text = databaseBytes().toString('latin1');
    const tokenSha256 = createHash('sha256').update(token).digest('hex');
    expect(text).toMatch(new RegExp(`"event":"key-released"[^}]*"tokenSha256":"${tokenSha256}"`));
    expect(text).toMatch(/"code":"ERR_TOKEN_INVALID"[^}]*"event":"release-refused"/);
  });

  test('keys and release key are the same after a restart, for new clients', async () => {
    const key = () => get(`${vault.url}/.well-known/strongroom`, vault.ca);
    const before = (await key()).body;
    const { properties } = await vault.client('administer').getKey('share');
    await vault.restart();
    expect((await key()).body).toBe(before);
    const client = createClient(vault.url, vault.tokens.administer, vault.ca);
    expect((await client.getKey('share')).properties.version).toBe(properties.version);
  });

  test('no secret in the log, at the most verbose level, and none in the database', async () => {
    const token = await vault.authority.token(workerClaims(transport.publicKey));
    await vault.client('release').releaseKey('share', token);
    await vault
      .client('release')
      .releaseKey('share', 'not.a.token')
      .catch(() => undefined);
    const secrets = [
      ...[vault.tokens.release, vault.tokens.administer, token],
      vault.masterKey.toString('base64url'),
    ];
    expect(vault.log()).toContain('key-released');
    for (const place of [vault.log(), databaseBytes().toString('latin1')]) {
      for (const secret of secrets) expect(place.includes(secret.slice(0, 24))).toBe(false);
    }
    expect(databaseBytes().includes(vault.masterKey)).toBe(false);
  });
});

function databaseBytes(): Buffer {
  const folder = join(vault.folder, 'data');
  return Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
}

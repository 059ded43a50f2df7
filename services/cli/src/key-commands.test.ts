import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DENY_ALL_POLICY } from '@strongroom/attestation/release-policy';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, inside } from '../test/run-strongroom.ts';
import { createTlsFiles } from '../test/tls.ts';

/** The key commands against the key release service, which the real command starts. */

const STARTED_WITHIN_MS = 60_000;
let folder: string;
let service: ChildProcess;
let vault: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-keys-'));
  service = spawn(process.execPath, [BIN, 'key-release', 'start', ...(await serviceArguments())]);
  const url = await listeningUrl(service);
  vault = ['--vault', url, '--token-file', join(folder, 'admin'), '--ca-file', join(folder, 'ca')];
}, STARTED_WITHIN_MS);

afterAll(async () => {
  service.kill('SIGTERM');
  const [exitCode] = await once(service, 'exit');
  await rm(folder, { recursive: true, force: true });
  // The signal reached the service itself, and it went in order.
  expect(exitCode).toBe(0);
});

async function secretFile(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function serviceArguments(): Promise<string[]> {
  const tls = createTlsFiles('localhost');
  await secretFile('ca', tls.ca);
  const secret = () => randomBytes(32).toString('base64url');
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  const authorities = [{ issuer: 'https://attest.example', keys: [{ kty, n, e }] }];
  return [
    ...['--owner', 'north', '--host', 'localhost', '--port', '0', '--data', join(folder, 'data')],
    ...['--authorities', await secretFile('authorities', JSON.stringify(authorities))],
    ...['--access-token-file', await secretFile('access', secret())],
    ...['--admin-token-file', await secretFile('admin', secret())],
    ...['--audit-token-file', await secretFile('audit', secret())],
    ...['--master-key-file', await secretFile('master', secret())],
    ...['--tls-cert', await secretFile('cert', tls.cert)],
    ...['--tls-key', await secretFile('key', tls.key)],
  ];
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  while (child.exitCode === null) {
    const line = log.split('\n').find((each) => each.includes('"listening"'));
    if (line !== undefined) return new URL(JSON.parse(line).url).origin;
    await sleep(50);
  }
  throw new Error(`the service did not start: ${log}`);
}

async function get(url: string, ca: string): Promise<string> {
  const options = { ca: await readFile(ca) };
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece) => {
        body += piece;
      });
      response.on('end', () => resolve(body));
    });
    asked.on('error', reject).end();
  });
}

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
    const file = await secretFile('policy.json', JSON.stringify(policy));
    const set = await inside('key', 'policy', 'set', ...named('other'), '--policy', file);
    expect(set.exitCode).toBe(0);
    const shown = await inside('key', 'policy', 'show', ...named('other'));
    expect(shown.data).toEqual(policy);
  });

  test('policy set refuses what is no policy before it asks the service', async () => {
    const file = await secretFile('bad.json', '{"version":"1.0.0","anyOf":[]}');
    const set = await inside('key', 'policy', 'set', ...named('absent'), '--policy', file);
    expect(set).toMatchObject({ exitCode: 77, code: 'ERR_POLICY_MALFORMED' });
  });

  test("hands the service's refusals through with their codes", async () => {
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
    await secretFile('wrong', 'x'.repeat(token.length));
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
    const auditor = [...vault.slice(0, 3), join(folder, 'audit'), ...vault.slice(4)];
    const file = join(folder, 'north.audit');
    const saved = await inside('audit', 'export', file, ...auditor);
    expect(saved).toMatchObject({ exitCode: 0, data: { owner: 'north', file } });
    const known = await get(`${vault[1]}/.well-known/strongroom`, join(folder, 'ca'));
    const key = await secretFile('release-key', JSON.stringify(JSON.parse(known).releaseKey));
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

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, inside } from '../../test/run-strongroom.ts';
import { agreedContract } from '../../test/signed-contract.ts';

/** The start of the owner's page by its command: what it says, and what it does not start with. */

let folder: string;
let needed: string[];
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-owner-'));
  const { signed } = await agreedContract();
  await writeFile(at('contract.json'), JSON.stringify(signed));
  await writeFile(at('token'), 'audit-token-of-north', { mode: 0o600 });
  needed = ['--contract', at('contract.json'), '--token-file', at('token')];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('owner serve', () => {
  test('says where the page is, answers to the secret alone, and ends by a signal', async () => {
    const args = ['owner', 'serve', ...needed, '--party', 'north', '--port', '0', '--json'];
    // Where tests run by themselves no browser is opened for that reason already.
    const { CI: _ci, ...env } = process.env;
    const service = spawn(process.execPath, [BIN, ...args, '--open'], { env });
    let complaints = '';
    service.stderr.on('data', (text) => {
      complaints += text;
    });
    const [line] = await once(createInterface(service.stdout), 'line');
    const { url, addressFile } = JSON.parse(line);
    const { origin, hash } = new URL(await readFile(addressFile, 'utf8'));
    expect(url).toBe(origin);
    const ask = (secret: string) =>
      fetch(`${origin}/api/overview`, { headers: { authorization: `Bearer ${secret}` } });
    expect((await ask('guessed')).status).toBe(401);
    const overview = await (await ask(hash.slice(1))).json();
    expect(overview).toMatchObject({
      party: { id: 'north' },
      can: { revoke: false, readLog: false, readUses: false, askWorker: false },
    });
    expect(await (await fetch(origin)).text()).toContain('<!doctype html>');
    service.kill('SIGTERM');
    const [exitCode] = await once(service, 'exit');
    expect(exitCode).toBe(0);
    // A test's output is no terminal.
    expect(complaints).toContain('No browser was opened, since the output is no terminal: open');
    expect(line + complaints).not.toContain(hash.slice(1));
    await expect(stat(addressFile)).rejects.toThrow('ENOENT');
  });

  test.each<[string, () => string[], string]>([
    ['a party that owns nothing', () => ['--party', 'reader'], 'ERR_USAGE'],
    ['other machines and no TLS', () => ['--party', 'north', '--host', '0.0.0.0'], 'ERR_USAGE'],
    [
      'a certificate without its key',
      () => ['--party', 'north', '--tls-cert', at('token')],
      'ERR_USAGE',
    ],
    [
      "an administrator's token that is not there",
      () => ['--party', 'north', '--admin-token-file', at('absent')],
      'ERR_FILE_UNREADABLE',
    ],
    [
      'lists from somewhere, and no --crl',
      () => ['--party', 'north', '--worker', 'http://127.0.0.1:9', '--kds', 'https://kds.example'],
      'ERR_USAGE',
    ],
  ])('does not start with %s', async (_name, args, code) => {
    const refused = await inside('owner', 'serve', ...needed, ...args(), '--port', '0');
    expect(refused.code).toBe(code);
  });

  test('says which port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const args = [...needed, '--party', 'north', '--port', String(port)];
    expect(await inside('owner', 'serve', ...args)).toMatchObject({
      ...{ exitCode: 69, code: 'ERR_PORT_UNAVAILABLE' },
      facts: { port, reason: 'EADDRINUSE' },
    });
    taken.close();
  });
});

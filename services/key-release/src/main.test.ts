import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { get } from '../test/get.ts';
import { encoded, policyFor, workerClaims } from '../test/token.ts';
import { createClient, createTransportKey, prepareVault } from '../test/vault.ts';
import { createAuditLog } from './audit/audit-log.ts';
import { openDatabase } from './storage/database.ts';

/** The program as it is started by people: its exit codes, its signals, and its sudden death. */

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const REWRAP = fileURLToPath(new URL('main.rewrap.ts', import.meta.url));
let prepared: Awaited<ReturnType<typeof prepareVault>>;

beforeAll(async () => {
  prepared = await prepareVault({ platform: 'simulated' });
});
afterAll(() => prepared.remove());

/** @param piped a file that the program reads as its descriptor 3, through a pipe */
function start(args: readonly string[], main = MAIN, piped?: string) {
  const command = [process.execPath, '--conditions=strongroom:source', main, ...args];
  const [program = '', ...rest] =
    piped === undefined ? command : ['bash', '-c', `exec "$@" 3< <(cat "$0")`, piped, ...command];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (part) => {
    output.stdout += part;
  });
  child.stderr.on('data', (part) => {
    output.stderr += part;
  });
  return { child, output };
}

async function exitCode(child: ChildProcess): Promise<unknown> {
  return child.exitCode ?? child.signalCode ?? (await once(child, 'exit'))[0];
}

async function started(args: readonly string[]) {
  const running = start(args);
  for (let turn = 0; turn < 400 && running.child.exitCode === null; turn += 1) {
    const line = running.output.stderr.split('\n').find((each) => each.includes('"listening"'));
    if (line !== undefined) return { ...running, url: new URL(JSON.parse(line).url).origin };
    await sleep(25);
  }
  throw new Error(`not started: ${running.output.stderr}`);
}

test('help ends well, and wrong arguments end with 2 and one line', async () => {
  const help = start(['start', '--help']);
  expect(await exitCode(help.child)).toBe(0);
  expect(help.output.stdout).toContain('--master-key-file');
  const wrong = start(['start', '--owner', 'west']);
  expect(await exitCode(wrong.child)).toBe(2);
  expect(wrong.output.stderr).toMatch(/^error ERR_USAGE: [^\n]*\n$/);
});

test('a file that others may read ends the start with 77, naming the setting', async () => {
  const loose = start(
    prepared.args.with(prepared.args.indexOf('--master-key-file') + 1, '/etc/hostname'),
  );
  expect(await exitCode(loose.child)).toBe(77);
  expect(loose.output.stderr).toContain('ERR_CONFIG_INVALID');
});

test('says that a simulated platform protects nothing, and stops when it is told to', async () => {
  const { child, output, url } = await started(prepared.args);
  expect((await get(`${url}/readyz`, prepared.ca)).status).toBe(200);
  expect(output.stderr).toContain('"simulated-authority"');
  expect(output.stderr).not.toContain('Warning');
  child.kill('SIGTERM');
  expect(await exitCode(child)).toBe(0);
});

test('rewraps under a new master key, which a pipe may bring', async () => {
  const at = prepared.args.indexOf('--master-key-file') + 1;
  const next = join(prepared.folder, 'next-master');
  await writeFile(next, randomBytes(32).toString('base64url'), { mode: 0o600 });
  const rewrap = ['--owner', 'west', '--data', join(prepared.folder, 'data')];
  const keys = ['--master-key-file', prepared.args[at] ?? '', '--new-master-key-file'];
  const wrong = start(['rewrap', ...rewrap, ...keys.slice(0, 2)], REWRAP);
  expect(await exitCode(wrong.child)).toBe(2);
  const running = await started(prepared.args);
  const early = start(['rewrap', ...rewrap, ...keys, next], REWRAP);
  expect(await exitCode(early.child)).toBe(69);
  expect(early.output.stderr).toContain('ERR_STATE_LOCKED');
  running.child.kill('SIGTERM');
  await exitCode(running.child);
  const { child, output } = start(['rewrap', ...rewrap, ...keys, '/dev/fd/3'], REWRAP, next);
  expect(await exitCode(child)).toBe(0);
  expect(JSON.parse(output.stdout)).toMatchObject({ masterKey: 'file' });
  const old = start(prepared.args);
  expect(await exitCode(old.child)).toBe(77);
  expect(old.output.stderr).toContain('ERR_STORE_SEALED');
  prepared.args[at] = next;
  const again = await started(prepared.args);
  again.child.kill('SIGTERM');
  expect(await exitCode(again.child)).toBe(0);
});

test('killed at any moment: no key has left without an entry in the log', async () => {
  const transport = createTransportKey();
  const token = await prepared.authority.token(workerClaims(transport.publicKey));
  const releasePolicy = encoded(policyFor('simulated'));
  let released = 0;
  for (const delay of [150, 230, 310]) {
    const { child, url } = await started(prepared.args);
    const admin = createClient(url, prepared.tokens.administer, prepared.ca);
    await admin.createOctKey('share', { exportable: true, releasePolicy });
    const client = createClient(url, prepared.tokens.release, prepared.ca);
    const asking = Array.from({ length: 4 }, async () => {
      while (child.exitCode === null && child.signalCode === null) {
        const answer = await client.releaseKey('share', token).catch(() => undefined);
        if (answer?.value) released += 1;
      }
    });
    const before = released;
    while (released === before) await sleep(5);
    await sleep(delay);
    child.kill('SIGKILL');
    await Promise.all([exitCode(child), ...asking]);
  }
  const database = openDatabase(join(prepared.folder, 'data'));
  const log = createAuditLog(database, { now: () => 0, monotonic: () => 0 });
  const { size } = log.verify();
  const written = log.read(0, size).filter((entry) => entry.includes('"key-released"'));
  database.close();
  expect(released).toBeGreaterThan(0);
  expect(written.length).toBeGreaterThanOrEqual(released);
});

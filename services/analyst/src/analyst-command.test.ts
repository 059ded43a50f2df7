import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createScene, type Scene } from '../test/scene.ts';

/** The program as it is started: whatever is wrong is said before anything is read. */

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const INSECURE = fileURLToPath(new URL('main.insecure.ts', import.meta.url));
let folder: string;
let scene: Scene;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-analyst-'));
  scene = await createScene();
  await writeFile(at('contract.json'), scene.signedText);
  for (const [party, text] of Object.entries(scene.identityJson)) {
    await writeFile(at(party), text);
  }
  const { payload, signatures } = JSON.parse(scene.signedText);
  const unsigned = JSON.stringify({ payload, signatures: signatures.slice(1) });
  await writeFile(at('unsigned.json'), unsigned);
  await writeFile(at('broken.json'), '{');
}, 30_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Nobody listens there, so that a command which went on would end with ERR_LOG_UNREACHABLE. */
const NOWHERE = ['--brokers', '127.0.0.1:1'];

interface Ended {
  readonly exitCode: number;
  readonly code: string | undefined;
}

const analyst = (...args: string[]) => run(MAIN, args);

function run(main: string, args: readonly string[]): Promise<Ended> {
  const command = ['--conditions=strongroom:source', main, ...args, '--json'];
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, _stdout, stderr) => {
      const exitCode = typeof error?.code === 'number' ? error.code : 0;
      resolve({ exitCode, code: /"error":\{"code":"(\w+)"/.exec(stderr)?.[1] });
    });
  });
}

const read = (contract: string, identity: string, ...more: string[]) =>
  analyst(...['read', '--contract', at(contract), '--identity', at(identity), ...NOWHERE, ...more]);

describe('analyst read', () => {
  test.each([
    ['a party that no query names', ['contract.json', 'institute'], 'ERR_NOT_A_READER', 77],
    ['a party without a reading key', ['contract.json', 'north'], 'ERR_NOT_A_READER', 77],
    ['a contract without a signature', ['unsigned.json', 'authority'], 'ERR_CONTRACT_UNSIGNED', 77],
    ['a contract that is no JSON', ['broken.json', 'authority'], 'ERR_JSON_MALFORMED', 65],
    ['an identity that is none', ['contract.json', 'contract.json'], 'ERR_IDENTITY_MALFORMED', 77],
    ['a query that does not exist', ['contract.json', 'authority', '--query', 'x'], 'ERR_USAGE', 2],
    ['two queries in one CSV', ['contract.json', 'authority', '--format', 'csv'], 'ERR_USAGE', 2],
    ['a limit of nothing', ['contract.json', 'authority', '--limit', '0'], 'ERR_USAGE', 2],
  ])('refuses %s', async (_name, args, code, exitCode) => {
    const [contract = '', identity = '', ...more] = args;
    expect(await read(contract, identity, ...more)).toEqual({ exitCode, code });
  });

  test('takes roots on the simulated platform alone, and there it needs them', async () => {
    const args = ['read', '--contract', at('contract.json'), '--identity', at('authority')];
    const roots = ['--roots', at('none')];
    const ended = (main: string, ...more: string[]) => run(main, [...args, ...NOWHERE, ...more]);
    expect(await ended(MAIN, ...roots)).toEqual({ exitCode: 2, code: 'ERR_USAGE' });
    expect(await ended(INSECURE)).toEqual({ exitCode: 2, code: 'ERR_USAGE' });
    expect((await ended(INSECURE, ...roots)).code).toBe('ERR_FILE_UNREADABLE');
    const mirror = await ended(MAIN, '--kds', 'https://kds.example');
    expect(mirror).toEqual({ exitCode: 2, code: 'ERR_USAGE' });
  });

  test('needs a log to read from', async () => {
    const args = ['--contract', at('contract.json'), '--identity', at('authority')];
    for (const brokers of ['', 'localhost', 'localhost:']) {
      const ended = await analyst('read', ...args, '--brokers', brokers);
      expect(ended).toEqual({ exitCode: 2, code: 'ERR_USAGE' });
    }
  });
});

test('analyst serve never falls back from TLS to plain HTTP', async () => {
  const half = ['--contract', at('contract.json'), ...NOWHERE, '--tls-cert', at('none')];
  expect(await analyst('serve', ...half)).toEqual({ exitCode: 2, code: 'ERR_USAGE' });
});

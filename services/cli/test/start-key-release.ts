import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN } from './run-strongroom.ts';
import { createTlsFiles } from './tls.ts';

/** The key release service of `north`, which the real command starts, as a process of its own. */
export interface KeyReleaseService {
  /** Holds `ca` and the tokens `access`, `admin` and `audit`. */
  readonly folder: string;
  readonly url: string;
  secretFile(name: string, text: string): Promise<string>;
  /** GET, as anybody. */
  get(path: string): Promise<string>;
  /** @returns its exit code after SIGTERM */
  stop(): Promise<number>;
}

export async function startKeyRelease(): Promise<KeyReleaseService> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-keys-'));
  const secretFile = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const args = await serviceArguments(folder, secretFile);
  const service = spawn(process.execPath, [BIN, 'key-release', 'start', ...args]);
  const url = await listeningUrl(service);
  return {
    folder,
    url,
    secretFile,
    get: (path) => get(`${url}${path}`, join(folder, 'ca')),
    stop: async () => {
      service.kill('SIGTERM');
      const [exitCode] = await once(service, 'exit');
      await rm(folder, { recursive: true, force: true });
      return exitCode;
    },
  };
}

async function serviceArguments(
  folder: string,
  secretFile: KeyReleaseService['secretFile'],
): Promise<string[]> {
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

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';

/** Debian's PostgreSQL, as the package postgresql-15 installs it. */
const PROGRAMS = '/usr/lib/postgresql/15/bin';
export const hasPostgres = existsSync(join(PROGRAMS, 'postgres'));
if (!hasPostgres) {
  process.stderr.write('SKIPPED: no PostgreSQL 15 here (apt: postgresql-15)\n');
}

const PASSWORD = 'a-secret-word';
/** Debian's `nobody`: the server refuses to run as root. */
const NOBODY = 65_534;

export interface PostgresServer {
  readonly url: URL;
  readonly passwordFile: string;
  run(sql: string): Promise<void>;
  stop(): Promise<void>;
}

/** A server of its own with an empty folder, a free port and a user that needs a password. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-pg-'));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${PASSWORD}\n`);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) for (const path of [folder, passwordFile]) await chown(path, NOBODY, NOBODY);
  const data = join(folder, 'data');
  const login = ['--username=owner', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const made = ['-D', data, ...login, '--no-sync', '--encoding=UTF8', '--locale=C'];
  await promisify(execFile)(join(PROGRAMS, 'initdb'), made, { ...user, cwd: folder });
  await chmod(passwordFile, 0o644);
  const port = await freePort();
  const settings = ['-h', '127.0.0.1', '-p', `${port}`, '-k', folder, '-c', 'fsync=off'];
  const server = spawn(join(PROGRAMS, 'postgres'), ['-D', data, ...settings], {
    ...user,
    cwd: folder,
    stdio: 'ignore',
  });
  const url = new URL(`postgres://owner@127.0.0.1:${port}/postgres`);
  const client = await connected(port);
  return {
    url,
    passwordFile,
    run: async (sql) => void (await client.query(sql)),
    async stop() {
      await client.end();
      server.kill('SIGINT');
      if (server.exitCode === null) await once(server, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function connected(port: number): Promise<Client> {
  const login = { host: '127.0.0.1', port, user: 'owner', password: PASSWORD };
  for (let left = 200; ; left -= 1) {
    const client = new Client({ ...login, database: 'postgres' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (left === 0) throw error;
      await wait(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

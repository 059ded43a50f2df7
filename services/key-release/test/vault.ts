import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { KeyClient } from '@azure/keyvault-keys';
import { AMD_ROOTS, type RootSet } from '@strongroom/attestation/roots';
import { createLogger } from '@strongroom/runtime/logger';
import type { Right } from '../src/access/access.ts';
import { createAuditLog } from '../src/audit/audit-log.ts';
import { serve } from '../src/serve.ts';
import { readSettings } from '../src/settings.ts';
import { openDatabase } from '../src/storage/database.ts';
import { createTls } from './tls.ts';
import { type Authority, createAuthority, ISSUER } from './token.ts';

/** One owner's key release service in this process, with everything that a client needs. */
export interface Vault {
  readonly url: string;
  readonly folder: string;
  readonly ca: string;
  readonly authority: Authority;
  readonly tokens: Readonly<Record<Right, string>>;
  readonly masterKey: Buffer;
  /** Everything that was logged, at the most verbose level. */
  log(): string;
  client(right: Right): KeyClient;
  /** Stops it and starts it again on the same folder. */
  restart(): Promise<void>;
  /** Does something to its files while it does not run, and starts it again. */
  stopped<T>(act: () => T): Promise<T>;
  /** Every entry of the audit log; the service is stopped for the time of reading. */
  entries(): Promise<Readonly<Record<string, unknown>>[]>;
  /** Does something to its files; the service is stopped for that time. */
  edit(act: (data: string) => void): Promise<void>;
  stop(): Promise<void>;
}

export interface VaultOptions {
  readonly platform?: 'amd' | 'simulated';
  /** Beside the one at ISSUER. */
  readonly authorities?: (own: Authority) => readonly object[];
  /** Whose raw evidence is believed; AMD's unless said otherwise. */
  readonly roots?: RootSet;
  /** Milliseconds that the service's clock goes before this machine's. */
  readonly ahead?: () => number;
  /** More of the command line. */
  readonly arguments?: readonly string[];
  /** The file of `--access`. */
  readonly access?: object;
}

export async function startVault(options: VaultOptions = {}): Promise<Vault> {
  const prepared = await prepareVault(options);
  const { tokens, ca } = prepared;
  const running = await run(prepared.args, options);
  return {
    ...prepared,
    log: running.log,
    restart: running.restart,
    stopped: running.stopped,
    entries: () => running.stopped(() => readEntries(join(prepared.folder, 'data'))),
    edit: (act) => running.stopped(() => act(join(prepared.folder, 'data'))),
    client: (right) => createClient(running.url(), tokens[right], ca),
    stop: async () => {
      await running.stop();
      await prepared.remove();
    },
    get url() {
      return running.url();
    },
  };
}

/** The files of a service and its command line, without starting it. */
export async function prepareVault(options: VaultOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'key-release-'));
  const authority = createAuthority();
  const secret = () => randomBytes(32).toString('base64url');
  const tokens = { release: secret(), administer: secret(), audit: secret() };
  const masterKey = randomBytes(32);
  const tls = createTls('localhost');
  const platform = options.platform === undefined ? {} : { platform: options.platform };
  const own = { issuer: ISSUER, keys: [authority.publicKey] };
  const trusted = [own, ...(options.authorities?.(authority) ?? [])].map((each) => ({
    ...each,
    ...platform,
  }));
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const args = [
    ...['start', '--owner', 'west', '--port', '0', '--host', 'localhost'],
    ...['--data', join(folder, 'data'), '--log-level', 'debug'],
    ...['--authorities', await file('authorities', JSON.stringify(trusted))],
    ...['--access-token-file', await file('access', `${tokens.release}\n`)],
    ...['--admin-token-file', await file('admin', tokens.administer)],
    ...['--audit-token-file', await file('audit', tokens.audit)],
    ...(options.access
      ? ['--access', await file('access.json', JSON.stringify(options.access))]
      : []),
    ...['--master-key-file', await file('master', masterKey.toString('base64url'))],
    ...['--tls-cert', await file('cert', tls.cert), '--tls-key', await file('key', tls.key)],
    ...(options.arguments ?? []),
  ];
  const remove = () => rm(folder, { recursive: true });
  return { folder, authority, tokens, masterKey, args, remove, ca: tls.ca };
}

async function run(args: readonly string[], options: VaultOptions) {
  const { ahead = () => 0, roots = AMD_ROOTS } = options;
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  const logger = createLogger('key-release', { level: 'debug', destination });
  const clock = {
    now: () => Date.now() + ahead(),
    monotonic: () => performance.now() + ahead(),
  };
  let closers: (() => Promise<void> | void)[] = [];
  let url = '';
  const start = async () => {
    const settings = readSettings(args, false);
    if (!settings) throw new Error('no settings');
    const onShutdown = (close: () => Promise<void> | void) => closers.unshift(close);
    url = (await serve(settings, roots, { onShutdown }, clock, logger)).url;
  };
  const stop = async () => {
    for (const close of closers) await close();
    closers = [];
  };
  await start();
  return {
    url: () => url,
    log: () => lines.join(''),
    stop,
    restart: async () => {
      await stop();
      await start();
    },
    stopped: async <T>(act: () => T): Promise<T> => {
      await stop();
      const result = act();
      await start();
      return result;
    },
  };
}

export function readEntries(folder: string): Readonly<Record<string, unknown>>[] {
  const database = openDatabase(folder);
  try {
    const log = createAuditLog(database, { now: () => 0, monotonic: () => 0 });
    return log.read(0, log.verify().size).map((entry) => JSON.parse(entry));
  } finally {
    database.close();
  }
}

/** Azure's own client, told to trust our certificate authority and our host's name. */
export function createClient(
  url: string,
  token: string,
  ca: string,
  certificate?: { cert: string; key: string },
  serviceVersion?: string,
): KeyClient {
  const getToken = async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 });
  return new KeyClient(
    url,
    { getToken },
    {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca, ...certificate },
      retryOptions: { maxRetries: 0 },
      ...(serviceVersion === undefined ? {} : { serviceVersion }),
    },
  );
}

/** RSA-3072 takes a second to make: one for all tests of a file is enough. */
export function createTransportKey(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync('rsa', { modulusLength: 3072 });
}

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];

/** The library of SoftHSM2, when it and its tools are there. */
export function findSoftHsm(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const tools = ['softhsm2-util', 'pkcs11-tool'];
  const found = tools.every((tool) => folders.some((folder) => existsSync(join(folder, tool))));
  return found ? MODULES.find((path) => existsSync(path)) : undefined;
}

/** A token in a folder of its own with one RSA pair, whose private half never leaves it. */
export function createToken(folder: string, module: string, label: string) {
  const tokens = join(folder, 'tokens');
  mkdirSync(tokens);
  const configuration = join(folder, 'softhsm2.conf');
  const lines = [
    `directories.tokendir = ${tokens}`,
    'objectstore.backend = file',
    'log.level = ERROR',
  ];
  writeFileSync(configuration, lines.join('\n'));
  process.env['SOFTHSM2_CONF'] = configuration;
  const pin = '87654321';
  const pinFile = join(folder, 'pin');
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { stdio: 'pipe', env: { ...process.env, PIN: pin } });
  run('softhsm2-util', '--init-token', '--free', '--label', label, '--so-pin', pin, '--pin', pin);
  const makeKey = (id: string, bits = 3072) =>
    run(
      ...['pkcs11-tool', '--module', module, '--token-label', label, '--login', '--pin', 'env:PIN'],
      ...['--keypairgen', '--key-type', `rsa:${bits}`, '--id', id, '--usage-decrypt'],
    );
  return { pinFile, makeKey };
}

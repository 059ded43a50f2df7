/**
 * Debian packages that tests need beside what the lockfile brings: a software token, a browser, the
 * shells that complete commands, and for CI a Docker engine. They are installed as root on Debian;
 * elsewhere the tests that need one say that they did not run.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

interface Group {
  /** What is there when they are. */
  readonly programs: readonly string[];
  readonly packages: readonly string[];
}

const GROUPS: readonly Group[] = [
  { programs: ['softhsm2-util', 'pkcs11-tool'], packages: ['softhsm2', 'opensc'] },
  { programs: ['chromium'], packages: ['chromium'] },
  { programs: ['zsh', 'fish'], packages: ['zsh', 'fish'] },
];
/** It brings a service and rules of the network: not onto a machine that somebody works on. */
const ENGINE: Group = {
  programs: ['dockerd', 'docker-compose', 'debootstrap'],
  packages: ['docker.io', 'docker-compose', 'debootstrap'],
};

/** Resolves when nothing more will come; never rejects. */
export async function installSystemPackages(): Promise<void> {
  if (process.getuid?.() !== 0 || !isThere('apt-get')) return;
  const missing = [...GROUPS, ...(needsEngine() ? [ENGINE] : [])].filter(
    ({ programs }) => !programs.every(isThere),
  );
  if (missing.length === 0) return;
  // Lists of packages may be absent, or too old to fetch by.
  await aptGet('update');
  for (const { packages } of missing) {
    await aptGet('install', '--yes', '--no-install-recommends', ...packages);
  }
}

function needsEngine(): boolean {
  return process.env['CI'] === 'true' && !succeeds('docker', 'version');
}

/** Root's programs are not on every root's path. */
function isThere(program: string): boolean {
  return succeeds('which', program) || existsSync(`/usr/sbin/${program}`);
}

function succeeds(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const child = spawn('apt-get', args, { stdio: 'ignore', env });
  await once(child, 'exit').catch(() => undefined);
}

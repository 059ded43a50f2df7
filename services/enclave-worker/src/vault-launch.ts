import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Duplex } from 'node:stream';
import { StrongroomError } from '@strongroom/protocol/errors';
import { findWrapping, type VaultWalls, type Wrapping } from './vault-walls.ts';

/**
 * The vault's process, before anybody talks to it. It loads its code for half a second, and needs
 * nothing for that: so an entry starts it first, and loads the worker beside it.
 */

export interface LaunchOptions {
  /** The module that it runs and its arguments; a test starts one that dies where it is told to. */
  readonly entry?: readonly string[];
  /** What the kernel takes from it; a test may leave it more, and shows what then holds. */
  readonly walls?: VaultWalls;
}

export interface LaunchedVault {
  readonly child: ChildProcess;
  readonly pipe: Duplex;
  readonly wrapping: Wrapping;
}

/** @throws ERR_VAULT_LOST when it cannot be started */
export async function launchVault(options: LaunchOptions = {}): Promise<LaunchedVault> {
  const wrapping = await findWrapping(READABLE, options.walls);
  const [command = process.execPath, ...args] = [
    ...wrapping.wrapper,
    process.execPath,
    ...nodeArguments(options),
  ];
  const child = spawn(command, args, {
    env: {},
    cwd: '/',
    // Whatever an engine or a crash prints is printed nowhere.
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const pipe = child.stdio[3];
  if (!(pipe instanceof Duplex)) throw new StrongroomError('ERR_VAULT_LOST');
  // Whoever takes it looks whether it has ended.
  for (const each of [child, pipe]) each.on('error', () => undefined);
  return { child, pipe, wrapping };
}

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** The folder that holds packages, services and node_modules. */
const INSTALLATION = resolve(import.meta.dirname, '../../..');
/** All that the vault may read: its code. */
const READABLE = ['node_modules', 'packages', 'services', 'package.json'].map((name) =>
  join(INSTALLATION, name),
);
const EXTENSION = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
const VAULT_MAIN = join(import.meta.dirname, `vault-main.${EXTENSION}`);
/** JavaScript's own heap; rows and keys live outside it. */
export const HEAP_MB_MAX = 384;
/**
 * How much of it may fill before the collector marks what lives. Node begins with so little that
 * the large buffers of batches, which lie beside the heap, make it mark some five times as often.
 */
const HEAP_MB_AT_START = 192;

function nodeArguments({ entry = [VAULT_MAIN] }: LaunchOptions): string[] {
  return [
    ...process.execArgv.filter((argument) => argument.startsWith('--conditions=')),
    '--permission',
    ...READABLE.map((path) => `--allow-fs-read=${path}`),
    '--allow-addons',
    '--disable-sigusr1',
    '--disallow-code-generation-from-strings',
    '--no-warnings',
    `--max-old-space-size=${HEAP_MB_MAX}`,
    `--initial-old-space-size=${HEAP_MB_AT_START}`,
    ...entry,
  ];
}

/** A vault's process that was started before it is known who needs it; the first life takes it. */
export class VaultAhead {
  #launched: Promise<LaunchedVault> | undefined;

  constructor(launched = launchVault()) {
    this.#launched = launched;
    // Whoever takes it is told.
    launched.catch(() => undefined);
  }

  /** Once: what `startVault` is given; nothing for a later life. */
  take(): { readonly launched?: Promise<LaunchedVault> } {
    const launched = this.#launched;
    this.#launched = undefined;
    return launched === undefined ? {} : { launched };
  }

  /** Ends the process, unless somebody took it. */
  async discard(): Promise<void> {
    const { launched } = this.take();
    const vault = await launched?.catch(() => undefined);
    vault?.pipe.destroy();
    vault?.child.kill('SIGKILL');
  }
}

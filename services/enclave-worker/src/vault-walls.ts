import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@strongroom/runtime/logger';

/**
 * What the host can take away from the vault's process before it starts. Node's permissions bind
 * JavaScript alone; an engine in native code opens files and sockets past them. Here the kernel
 * binds both: no core dump, no byte written to any file, and where the host allows, a file system
 * that holds nothing but code, read only, and a network with nothing in it.
 */

/** What the vault's own command line is put behind. */
export async function findWrapping(
  code: readonly string[],
  walls: VaultWalls = 'all',
): Promise<Wrapping> {
  if (walls !== 'all') return { wrapper: walls === 'limits' ? LIMITED : [] };
  // A host does not change while it runs; a vault that died has its successor the sooner.
  found ??= tryWrappers(code);
  return await found;
}

/** Says what the host takes away. */
export function tellWalls({ state, folders }: Wrapping, logger: Logger): void {
  if (folders === undefined) return;
  if (folders === NO_FOLDERS) logger.info('vault-isolation', { state, folders });
  else logger.warn('vault-isolation', { state, folders });
}

/** Limits: no namespace. None: for a vault that has to tell a test where it is. */
export type VaultWalls = 'all' | 'limits' | 'none';

interface WallOptions {
  readonly logger: Logger;
  readonly walls?: VaultWalls;
}

export interface Wrapping {
  readonly wrapper: readonly string[];
  readonly state?: string;
  /** Whether the vault could make folders, whose names may say something. */
  readonly folders?: string;
}

let found: Promise<Wrapping> | undefined;
const OWN_ROOT = 'own root and network';
const NO_NAMESPACE = 'no namespace on this host';

async function tryWrappers(code: readonly string[]): Promise<Wrapping> {
  const limits = (await works([...LIMITED, 'true'])) ? LIMITED : [];
  const root = ROOTS.find((place) => existsSync(place) && !code.some((path) => isIn(path, place)));
  for (const [state, flags, inner] of [
    [OWN_ROOT, '-nm', ownRoot(root, code)],
    [OWN_ROOT, '-rnm', ownRoot(root, code)],
    ['network namespace', '-n', []],
    ['network namespace', '-rn', []],
  ] as const) {
    const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
    const wrapper = [...limits, '/usr/bin/env', path, 'unshare', flags, ...inner];
    if (await works([...wrapper, process.execPath, '--version'])) {
      // Its own root was put together of nothing but what is read only.
      const folders = state === OWN_ROOT ? NO_FOLDERS : await foldersWithin(wrapper);
      return { state, wrapper, folders };
    }
  }
  return { state: NO_NAMESPACE, wrapper: limits, folders: await foldersWithin(limits) };
}

const NO_FOLDERS = 'none can be made';

/**
 * No limit and no descriptor stands before mkdir(2): only that nothing is writable. Looks for a
 * folder that is, with the rights and the root of the vault; a kernel's own hold none of ours.
 */
export async function foldersWithin(wrapper: readonly string[]): Promise<string> {
  const begun = ['-path', '/', '-printf', BEGUN, '-false'];
  const kernel = ['(', '-path', '/proc', '-o', '-path', '/dev/mqueue', ')', '-prune'];
  const writable = ['-type', 'd', '-writable', '-print', '-quit'];
  const search = ['find', '/', ...begun, '-o', ...kernel, '-o', ...writable];
  const [command = '', ...args] = [...wrapper, ...search];
  const printed = await promisify(execFile)(command, args, { timeout: WRAPPER_MS }).then(
    ({ stdout }) => stdout,
    // One that may not look into a folder says so, and has looked into all others.
    (error: { code?: unknown; stdout?: string }) => (error.code === 1 ? error.stdout : undefined),
  );
  if (!printed?.startsWith(BEGUN)) return 'not known';
  return printed === BEGUN ? NO_FOLDERS : 'can be made';
}

const BEGUN = 'begun ';

/**
 * Takes every further file and socket from a vault that runs: what it has open stays, nothing more
 * can be opened. No namespace is needed for it.
 */
export async function forbidOpening(
  { logger, walls = 'all' }: WallOptions,
  pid: number,
): Promise<void> {
  if (walls === 'none') return;
  const isDone = await works(['prlimit', '--pid', String(pid), '--nofile=0:0']);
  if (!isDone) logger.warn('vault-isolation', { state: 'files can be opened' });
}

/** Core dumps hold keys and rows; a file of 0 bytes holds nothing. */
const LIMITS = 'ulimit -c 0 && ulimit -f 0';
/** Where memory runs out, the system takes the vault first, and the worker lives to tell. */
const TAKEN_FIRST = '{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null';
const LIMITED = ['/bin/sh', '-c', `${TAKEN_FIRST}; ${LIMITS} && exec "$0" "$@"`];

/** Where the new root is put together; nobody else sees it there. */
const ROOTS = ['/mnt', '/media', '/srv', '/opt', '/tmp'];

/** The linker's libraries, and the commands that the script needs when the old root is gone. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib64'];

function ownRoot(root: string | undefined, code: readonly string[]): string[] {
  if (root === undefined) return ['false'];
  return ['/bin/sh', '-c', ENTER, root, ...SYSTEM, process.execPath, ...code, '--'];
}

/**
 * Binds each path into an empty file system, makes that the root, and forgets the old one. `umount`
 * reads /proc, which goes last: in it lie the roots of all other processes.
 */
const ENTER = `set -e
mount -t tmpfs -o size=1m,mode=755 tmpfs "$0"
while [ "$1" != -- ]; do
  new="$0$1"
  if [ -e "$new" ] || ! [ -e "$1" ]; then shift; continue; fi
  mkdir -p "$(dirname "$new")"
  if [ -L "$1" ]; then ln -s "$(readlink "$1")" "$new"; shift; continue; fi
  if [ -d "$1" ]; then mkdir "$new"; else : > "$new"; fi
  mount --bind "$1" "$new"
  mount -o remount,bind,ro "$new"
  shift
done
shift
mkdir "$0/old" "$0/proc"
mount --rbind /proc "$0/proc"
cd "$0"
pivot_root . old
cd /
umount -l /old
mount -o remount,ro /
umount -l /proc
unset OLDPWD
exec "$@"`;

/** A host that is so slow gets a wall less, and says so. */
const WRAPPER_MS = 10_000;

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(join(folder, '/'));
}

async function works([command = 'true', ...args]: readonly string[]): Promise<boolean> {
  try {
    await promisify(execFile)(command, args, { timeout: WRAPPER_MS });
    return true;
  } catch {
    return false;
  }
}

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';

/** Services lie beside this one; the folder is all that the command knows of them. */
export type ServiceFolder =
  | 'analyst'
  | 'attestation'
  | 'enclave-worker'
  | 'key-release'
  | 'producer';

/** Exit code of a command that a signal ended, as shells see it when they can name no number. */
const ENDED_BY_SIGNAL = 1;

/**
 * Becomes the service's program: same process, same terminal, same exit code. Where the platform
 * cannot replace a process, a child is started, and signals and its exit code are passed on.
 * @param entry file name in the service's src without extension, `main` or `main.insecure`
 * @throws ERR_FILE_UNREADABLE when that service is not installed beside this one
 */
export async function startService(
  folder: ServiceFolder,
  entry: string,
  args: readonly string[],
): Promise<void> {
  const command = [...programOf(folder, entry), ...args];
  if (process.execve && process.platform !== 'win32') {
    process.execve(process.execPath, [process.execPath, ...command], process.env);
  }
  process.exitCode = await runChild(command);
}

/** What a service's program prints when it is asked for help. */
export async function helpOfService(
  folder: ServiceFolder,
  entry: string,
  verb: string,
): Promise<string> {
  const args = [...programOf(folder, entry), verb, '--help'];
  return (await promisify(execFile)(process.execPath, args)).stdout;
}

/** Arguments of node that run a service's entry file, from sources or from what was built. */
export function programOf(folder: ServiceFolder, entry: string): string[] {
  const fromSource = import.meta.url.endsWith('.ts');
  const file = fromSource ? `src/${entry}.ts` : `dist/${entry}.js`;
  const path = fileURLToPath(new URL(`../../${folder}/${file}`, import.meta.url));
  if (!existsSync(path)) throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  return [...(fromSource ? ['--conditions=strongroom:source'] : []), path];
}

function runChild(command: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, command, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? ENDED_BY_SIGNAL));
  });
}

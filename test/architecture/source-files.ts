import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/** The repository as the tests in this folder see it: paths from the root, with slashes. */

export const ROOT = dirname(dirname(import.meta.dirname));

export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** What is committed, or would be with the next commit; never what an ignore rule leaves out. */
export function repositoryPaths(): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  return listed
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)))
    .sort();
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every TypeScript file of ours: sources, tests and scripts, without declarations. */
export function typescriptFiles(): TextFile[] {
  return repositoryPaths()
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => ({ path, text: readText(path) }));
}

/** The folder of the workspace package that a file belongs to, or undefined outside of one. */
export function packageFolderOf(path: string): string | undefined {
  return /^(?:packages|services)\/[^/]+(?=\/)/.exec(path)?.[0];
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || !/^(?:packages|services)\/[^/]+\/(?:src|bin)\//.test(path);
}

/** Where `./x.ts` or `../y/z.ts` leads, seen from a file. */
export function resolveRelative(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

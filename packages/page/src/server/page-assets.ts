import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';

/** What a page consists of, by path. */
export type PageAssets = ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer }>;

/** Path, name of the file, type. */
export type PageFile = readonly [path: string, name: string, type: string];

const FILES: readonly PageFile[] = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/app.js', 'app.js', 'text/javascript; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
  ['/app.css', 'app.css', 'text/css; charset=utf-8'],
];

const isSource = import.meta.url.endsWith('.ts');

/** Where a service's page lies once it was built: `dist/page` of its package. */
export function pageFolderOf(packageFolder: URL): string {
  return fileURLToPath(new URL('dist/page/', packageFolder));
}

/**
 * The page's files. From sources they are built first, by a process of its own: what is shipped has
 * them and has no bundler.
 * @param packageFolder of the service, with a slash at its end
 * @param builder source that builds the page, from there
 * @param more files beside those that every page has
 * @throws ERR_FILE_UNREADABLE when they were never built
 */
export async function loadPageAssets(
  packageFolder: URL,
  builder: string,
  more: readonly PageFile[] = [],
): Promise<PageAssets> {
  if (isSource) await build(fileURLToPath(new URL(builder, packageFolder)));
  const folder = pageFolderOf(packageFolder);
  const assets = new Map<string, { type: string; bytes: Buffer }>();
  for (const [path, file, type] of [...FILES, ...more]) {
    assets.set(path, { type, bytes: await readAsset(join(folder, file)) });
  }
  return assets;
}

async function build(builder: string): Promise<void> {
  const command = ['--conditions=strongroom:source', builder];
  await promisify(execFile)(process.execPath, command, { timeout: BUILD_MS_MAX });
}

const BUILD_MS_MAX = 60_000;

async function readAsset(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path });
  }
}

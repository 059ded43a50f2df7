import { glob, readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { SOURCE_ITEMS_MAX } from '@strongroom/protocol/limits';
import { type CollectionInput, type CollectionItem, openInput } from './source-input.ts';

const PATTERN = /[*?[{]/;

/** Whether `--source` names several files: a folder, or a pattern that is no file's name. */
export async function isFolder(source: string): Promise<boolean> {
  const found = await stat(source).catch(() => undefined);
  return found === undefined ? PATTERN.test(source) : found.isDirectory();
}

/**
 * All files in a folder and the folders in it, or those that a pattern names. Names that begin with
 * a dot or an underscore are left out: writers mark so what is not yet, or no, data. Files are
 * known by their paths within the folder, or within the last folder before the pattern begins, so
 * that it may move.
 */
export function openFolder(source: string): CollectionInput {
  return {
    type: 'collection',
    items: async () => {
      const isPattern = !(await stat(source).catch(() => undefined))?.isDirectory();
      const base = isPattern ? baseOf(source) : source;
      const paths = isPattern ? await pathsLike(source) : await pathsIn(source);
      const found = await Promise.all(paths.map((path) => itemOf(base, path)));
      const items = found.filter((item) => item !== undefined);
      if (items.length > SOURCE_ITEMS_MAX) {
        throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'SOURCE_ITEMS_MAX' });
      }
      return items.sort((left, right) => (left.name < right.name ? -1 : 1));
    },
  };
}

/** The folder within which a pattern looks. */
function baseOf(pattern: string): string {
  const parts = pattern.split(sep);
  const special = parts.findIndex((part) => PATTERN.test(part));
  return parts.slice(0, special).join(sep) || (pattern.startsWith(sep) ? sep : '.');
}

async function pathsLike(pattern: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of glob(pattern)) if (!isHidden(path)) paths.push(path);
  return paths;
}

async function pathsIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries.map(({ parentPath, name }) => join(parentPath, name));
    return paths.filter((path) => !relative(folder, path).split(sep).some(isHidden));
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? `${error.code}` : '';
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path: folder, reason });
  }
}

function isHidden(path: string): boolean {
  return /^[._]/.test(basename(path));
}

/** Undefined for a folder and whatever else is no file; a link counts as what it leads to. */
async function itemOf(base: string, path: string): Promise<CollectionItem | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return undefined;
  return {
    name: relative(resolve(base), resolve(path)).split(sep).join('/'),
    version: `${found?.size} ${found?.mtimeMs}`,
    open: () => openInput(path),
  };
}

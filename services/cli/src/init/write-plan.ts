import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { syncFolder, writeError } from '@strongroom/runtime/files';
import { makeNewFile } from '../new-file.ts';
import type { Plan } from './plan.ts';

/**
 * The folder is new, or empty: what lies in it already is not touched, and not mixed with ours.
 * @throws ERR_FILE_UNWRITABLE
 */
export async function demandFree(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found) throw new StrongroomError('ERR_FILE_UNWRITABLE', { path: folder, reason: 'EEXIST' });
}

/**
 * All of it, or nothing: half of an organisation would be in the way of a whole one.
 * @throws ERR_FILE_UNWRITABLE, ERR_DISK_FULL
 */
export async function writePlan(folder: string, { folders, files }: Plan): Promise<void> {
  const [own, ...inner] = folders;
  // It must not exist, not even since it was looked for: then it is not ours to take away.
  if (own) await makeFolder(join(folder, own.path), own.mode);
  try {
    for (const { path, mode } of inner) await makeFolder(join(folder, path), mode);
    for (const { path, text, mode } of files) await makeNewFile(join(folder, path), text, mode);
    for (const { path } of folders) await syncFolder(join(folder, path));
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    throw codeOf(error) === undefined ? writeError(error, folder) : error;
  }
}

async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
    // The mode given to mkdir() passes the umask; this one does not.
    await chmod(path, mode);
  } catch (error) {
    throw writeError(error, path);
  }
}

import { chmod, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { systemCodeOf } from '@strongroom/runtime/coded-error';
import { syncFolder, writeError } from '@strongroom/runtime/files';
import type { Plan, PlannedFile } from './plan.ts';

/**
 * The folder is new, or empty: what lies in it already is not touched, and not mixed with ours.
 * @throws ERR_FILE_UNWRITABLE
 */
export async function demandFree(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found) throw new StrongroomError('ERR_FILE_UNWRITABLE', { path: folder, reason: 'EEXIST' });
}

/** @throws ERR_FILE_UNWRITABLE, ERR_DISK_FULL */
export async function writePlan(folder: string, { folders, files }: Plan): Promise<void> {
  for (const { path, mode } of folders) await makeFolder(join(folder, path), mode);
  for (const file of files) await makeFile(join(folder, file.path), file);
  for (const { path } of folders) await syncFolder(join(folder, path));
}

/** The first one must not exist, not even since it was looked for. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
    // The mode given to mkdir() passes the umask; this one does not.
    await chmod(path, mode);
  } catch (error) {
    throw writeError(error, path);
  }
}

async function makeFile(path: string, { text, mode }: PlannedFile): Promise<void> {
  try {
    const file = await open(path, 'wx', mode);
    try {
      await file.chmod(mode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemCodeOf(error) === '' ? error : writeError(error, path);
  }
}

import { type FileHandle, open, rm } from 'node:fs/promises';
import { writeError } from '@strongroom/runtime/files';

const PRIVATE_FILE = 0o600;

/**
 * Writes a file that did not exist, all of it or nothing: private keys are not made twice by
 * accident, and half of them would be in the way of whole ones.
 * @throws ERR_FILE_UNWRITABLE, ERR_DISK_FULL
 */
export async function makeNewFile(path: string, text: string, mode = PRIVATE_FILE): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx', mode);
    // The mode given to open() passes the umask; this one does not.
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
    await file.close();
  } catch (error) {
    // What was there before could not be opened, and stays.
    if (file) await takeAway(path, file);
    throw writeError(error, path);
  }
}

async function takeAway(path: string, file: FileHandle): Promise<void> {
  await file.close().catch(() => undefined);
  await rm(path, { force: true }).catch(() => undefined);
}

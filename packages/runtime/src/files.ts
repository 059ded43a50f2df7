import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RuntimeError, systemCodeOf } from './coded-error.ts';

const READABLE_BY_ALL = 0o644;
const PRIVATE_FOLDER = 0o700;

/**
 * Writes the whole file or nothing: temporary file, fsync, rename, fsync of the folder. After it
 * resolves, a power cut leaves the new bytes; before, the old ones. `mode` is set before any byte
 * is written. Throws ERR_DISK_FULL or ERR_FILE_UNWRITABLE.
 */
export async function writeFileAtomic(
  path: string,
  bytes: Uint8Array | string,
  mode: number = READABLE_BY_ALL,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    await writeDurably(temporary, bytes, mode);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(error, path);
  }
}

/** UTF-8 text of a file. Throws ERR_FILE_UNREADABLE. */
export async function readTextFile(path: string): Promise<string> {
  return Buffer.from(await readBinaryFile(path)).toString('utf8');
}

/** What a JSON file holds, of any shape. Throws ERR_FILE_UNREADABLE, ERR_JSON_MALFORMED. */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = await readTextFile(path);
  try {
    return JSON.parse(text);
  } catch {
    throw new RuntimeError('ERR_JSON_MALFORMED', { path });
  }
}

/** Bytes of a file. Throws ERR_FILE_UNREADABLE. */
export async function readBinaryFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new RuntimeError('ERR_FILE_UNREADABLE', { path, reason: systemCodeOf(error) });
  }
}

/** A folder that only this user may enter; also when it was there before. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER });
    await chmod(path, PRIVATE_FOLDER);
  } catch (error) {
    throw writeError(error, path);
  }
}

/** What a failed write means to a person: no room, or no right. */
export function writeError(error: unknown, path: string): RuntimeError {
  const reason = systemCodeOf(error);
  const full = reason === 'ENOSPC' || reason === 'EDQUOT';
  return new RuntimeError(full ? 'ERR_DISK_FULL' : 'ERR_FILE_UNWRITABLE', { path, reason });
}

async function writeDurably(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    // The mode given to open() passes the umask; this one does not.
    await file.chmod(mode);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

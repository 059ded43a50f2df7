import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import process from 'node:process';
import { writeError } from '@strongroom/runtime/files';
import { isReaderGone, STANDARD_OUTPUT } from '@strongroom/runtime/watch-stdout';

/** Where the bytes of an output go; `discard` leaves nothing that looks finished. */
export interface ByteSink {
  write(bytes: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * @param onGone whoever reads stdout went away (`| head`): nothing is wrong, and nobody listens
 * @throws ERR_DISK_FULL, ERR_FILE_UNWRITABLE: a part must not look like the whole
 */
export function stdoutSink(onGone: () => void): ByteSink {
  process.stdout.on('error', (error) => isReaderGone(error) && onGone());
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => {
          if (!error || isReaderGone(error)) resolve();
          else reject(writeError(error, STANDARD_OUTPUT));
        });
      }),
    close: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
}

/** Results are addressed to one party: its files are not for the machine's other users. */
const RESULT_FILE_MODE = 0o600;

/**
 * A file that has its name only when it is complete; until then it is `PATH.part`. With `live`
 * (results that have no end) it has its name from the start.
 * @throws ERR_FILE_UNWRITABLE, ERR_DISK_FULL
 */
export async function fileSink(path: string, live: boolean): Promise<ByteSink> {
  const unfinished = live ? path : partOf(path);
  const checked = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      throw writeError(error, path);
    }
  };
  const file = await checked(() => (live ? openInPlace(path) : openNew(unfinished)));
  return {
    write: (bytes) => checked(() => file.writeFile(bytes)),
    close: () =>
      checked(async () => {
        await file.sync();
        await file.close();
        if (!live) await rename(unfinished, path);
      }),
    discard: () =>
      checked(async () => {
        await file.close();
        if (!live) await rm(unfinished, { force: true });
      }),
  };
}

/** What lies there, maybe another user's file or a link, does not become the result's. */
export async function openNew(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return await open(path, 'wx', RESULT_FILE_MODE);
}

/** Somebody may read it while it grows, and it may be a pipe; who may read a file is set anew. */
async function openInPlace(path: string): Promise<FileHandle> {
  const file = await open(path, 'w', RESULT_FILE_MODE);
  try {
    if ((await file.stat()).isFile()) await file.chmod(RESULT_FILE_MODE);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

export function partOf(path: string): string {
  return `${path}.part`;
}

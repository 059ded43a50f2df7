import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { MEMORY_FILE_BYTES_MAX } from '@strongroom/protocol/limits';
import { writeError } from '@strongroom/runtime/files';

/** A file system in memory (tmpfs): what is written there is on no disk. */
const MEMORY_FOLDER = '/dev/shm';

/** Bytes for a reader that needs a file, and may read it in any order. */
export interface MemoryFile {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * A file in memory without a name: nobody else finds it, and it is gone when it is closed or this
 * process ends, however it ends.
 * @throws ERR_LIMIT_EXCEEDED, ERR_DISK_FULL, ERR_FILE_UNWRITABLE, and what reading `bytes` throws
 */
export async function memoryFile(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<MemoryFile> {
  const folder = await guard(mkdtemp(join(MEMORY_FOLDER, 'strongroom-')));
  const file = await guard(open(join(folder, 'source'), 'wx+', 0o600));
  try {
    await rm(folder, { recursive: true, force: true });
    let length = 0;
    for await (const piece of bytes) {
      length += piece.length;
      if (length > MEMORY_FILE_BYTES_MAX) {
        throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'MEMORY_FILE_BYTES_MAX' });
      }
      await guard(file.writeFile(piece));
    }
    return { path: `/proc/self/fd/${file.fd}`, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function guard<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw codeOf(error) === undefined ? writeError(error, MEMORY_FOLDER) : error;
  }
}

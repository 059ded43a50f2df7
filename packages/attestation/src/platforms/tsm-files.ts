import { type FileHandle, mkdir, open, rmdir } from 'node:fs/promises';
import { StrongroomError } from '@strongroom/protocol/errors';

/** What the report provider needs of a file system; a test puts a model of configfs behind it. */
export interface TsmFiles {
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** Always closed by who opened it. */
  open(path: string, mode: 'r' | 'w'): Promise<TsmFile>;
}

export type TsmFile = Pick<FileHandle, 'close'> & {
  /** @returns how many bytes came, perhaps fewer than asked for; 0 at the end */
  read(into: Uint8Array, offset: number): Promise<{ readonly bytesRead: number }>;
  write(bytes: Uint8Array): Promise<{ readonly bytesWritten: number }>;
};

export const systemTsmFiles: TsmFiles = {
  makeFolder: (path) => mkdir(path),
  removeFolder: (path) => rmdir(path),
  open,
};

/** In one write: configfs takes the bytes of one call as the value. */
export async function writeWhole(files: TsmFiles, path: string, bytes: Uint8Array): Promise<void> {
  const file = await files.open(path, 'w');
  try {
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten !== bytes.length) throw unavailable('value-in-part');
  } finally {
    await file.close();
  }
}

/** To the end, however long stat says it is; longer than `bytesMax` is an error. */
export async function readWhole(
  files: TsmFiles,
  path: string,
  bytesMax: number,
): Promise<Uint8Array> {
  const file = await files.open(path, 'r');
  try {
    const bytes = new Uint8Array(bytesMax + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes.subarray(length), 0);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > bytesMax) throw unavailable('value-too-long');
    return bytes.slice(0, length);
  } finally {
    await file.close();
  }
}

function unavailable(check: string): StrongroomError {
  return new StrongroomError('ERR_PLATFORM_UNAVAILABLE', { check });
}

import { mkdir, open, rmdir } from 'node:fs/promises';

/** What the report provider needs of a file system; a test puts a model of configfs behind it. */
export interface TsmFiles {
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** In one write: configfs takes the bytes of one call as the value. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** To the end, however long stat says it is; at most `bytesMax`. */
  read(path: string, bytesMax: number): Promise<Uint8Array>;
}

export const systemTsmFiles: TsmFiles = {
  makeFolder: (path) => mkdir(path),
  removeFolder: (path) => rmdir(path),
  async write(path, bytes) {
    const file = await open(path, 'w');
    try {
      await file.write(bytes);
    } finally {
      await file.close();
    }
  },
  async read(path, bytesMax) {
    const file = await open(path, 'r');
    try {
      return await readToEnd(file, bytesMax);
    } finally {
      await file.close();
    }
  },
};

async function readToEnd(
  file: { read(into: Uint8Array, at: number): Promise<{ bytesRead: number }> },
  bytesMax: number,
): Promise<Uint8Array> {
  // One byte more than allowed: a file that fills it is too long, and its reader will see that.
  const bytes = new Uint8Array(bytesMax + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.slice(0, length);
}

import { createHash, type Hash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { StrongroomError } from '@strongroom/protocol/errors';
import { systemCodeOf } from '@strongroom/runtime/coded-error';

/**
 * The hash of a folder's content: SHA-256 over its NAR serialisation (Dolstra, "The Purely
 * Functional Software Deployment Model", figure 5.2), in the form that `nix hash path` prints, so
 * that anybody can take it with a program that is not ours. Names, bytes, links and the right to
 * execute count; owners, times and the rest of the modes do not.
 */
export interface TreeHash {
  /** `sha256-` and base64, as in subresource integrity. */
  readonly tree: string;
  readonly files: number;
  readonly bytes: number;
}

interface Sums {
  readonly hash: Hash;
  readonly chunk: Buffer;
  files: number;
  bytes: number;
}

const EXECUTABLE_BY_OWNER = 0o100;
/** Every string is padded to a multiple of so many bytes, and its length takes as many. */
const UNIT = 8;
const CHUNK_BYTES = 1 << 20;

/** @throws ERR_FILE_UNREADABLE, also for what is neither file, folder nor link */
export function treeHash(folder: string): TreeHash {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const sums: Sums = { hash: createHash('sha256'), chunk, files: 0, bytes: 0 };
  put(sums.hash, 'nix-archive-1');
  try {
    putNode(sums, folder);
  } catch (error) {
    if (error instanceof StrongroomError) throw error;
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path: folder, reason: systemCodeOf(error) });
  }
  const { files, bytes } = sums;
  return { tree: `sha256-${sums.hash.digest('base64')}`, files, bytes };
}

function putNode(sums: Sums, path: string): void {
  const { hash } = sums;
  const found = lstatSync(path);
  put(hash, '(', 'type');
  if (found.isDirectory()) {
    put(hash, 'directory');
    putEntries(sums, path);
  } else if (found.isSymbolicLink()) {
    put(hash, 'symlink', 'target', readlinkSync(path));
  } else if (found.isFile()) {
    put(hash, 'regular');
    if (found.mode & EXECUTABLE_BY_OWNER) put(hash, 'executable', '');
    put(hash, 'contents');
    putContents(sums, path, found.size);
  } else {
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path, reason: 'neither file nor folder' });
  }
  put(hash, ')');
}

function putEntries(sums: Sums, folder: string): void {
  const names = readdirSync(folder).map((name) => Buffer.from(name));
  for (const name of names.sort(Buffer.compare)) {
    put(sums.hash, 'entry', '(', 'name', name, 'node');
    putNode(sums, join(folder, name.toString()));
    put(sums.hash, ')');
  }
}

function putContents(sums: Sums, path: string, size: number): void {
  sums.hash.update(lengthOf(size));
  if (hashFile(sums, path) !== size) {
    // Another length than was told: somebody is writing the file.
    throw new StrongroomError('ERR_FILE_UNREADABLE', { path, reason: 'changed' });
  }
  sums.hash.update(paddingOf(size));
  sums.files += 1;
  sums.bytes += size;
}

function hashFile({ hash, chunk }: Sums, path: string): number {
  const file = openSync(path, 'r');
  try {
    let all = 0;
    for (let read = -1; read !== 0; all += read) {
      read = readSync(file, chunk);
      hash.update(chunk.subarray(0, read));
    }
    return all;
  } finally {
    closeSync(file);
  }
}

function put(hash: Hash, ...texts: readonly (string | Buffer)[]): void {
  for (const text of texts) {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    hash.update(lengthOf(bytes.length)).update(bytes).update(paddingOf(bytes.length));
  }
}

function lengthOf(size: number): Buffer {
  const length = Buffer.alloc(UNIT);
  length.writeBigUInt64LE(BigInt(size));
  return length;
}

function paddingOf(size: number): Buffer {
  return Buffer.alloc((UNIT - (size % UNIT)) % UNIT);
}

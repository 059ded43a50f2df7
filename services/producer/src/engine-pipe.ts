import { execFile } from 'node:child_process';
import { close, constants, open } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * Hands a stream to the engine, which reads only what has a path: a named pipe in a folder of its
 * own, so that no row is ever written to a disk. Standard input itself would not do: opened anew
 * it fails when it is a socket, and its first line has been read by us.
 */
export interface EnginePipe {
  readonly path: string;
  /** Why the stream broke, if it did: the engine sees only that it ended. */
  failure(): unknown;
  close(): Promise<void>;
}

const OPEN_INTERVAL_MS = 2;

export async function openEnginePipe(bytes: AsyncIterable<Uint8Array>): Promise<EnginePipe> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-'));
  const path = join(folder, 'source');
  const stopping = new AbortController();
  let failure: unknown;
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', path]);
  } catch {
    await rm(folder, { recursive: true, force: true });
    throw new StrongroomError('ERR_FILE_UNWRITABLE', { path: folder, reason: 'mkfifo' });
  }
  const watched = watch(bytes, (error) => {
    failure = error;
  });
  // What the pipe itself meets (nobody reads any more, we were closed) is no failure of the source.
  feed(path, folder, watched, stopping.signal).catch(() => undefined);
  return {
    path,
    failure: () => failure,
    async close() {
      // The stream itself may be silent for ever: it is not waited for.
      stopping.abort();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Tells of a failure before the engine can see the end of the pipe. */
async function* watch(bytes: AsyncIterable<Uint8Array>, onFailure: (error: unknown) => void) {
  try {
    yield* bytes;
  } catch (error) {
    onFailure(error);
    throw error;
  }
}

async function feed(
  path: string,
  folder: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const pipe = await openForWriting(path, signal);
  // Both ends are open: the name has served.
  await rm(folder, { recursive: true, force: true });
  const stop = () => pipe.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of bytes) {
      if (signal.aborted || !(await written(pipe, piece))) return;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await ended(pipe);
  }
}

/** Waits until the engine has opened its end: what is written before that would be lost. */
async function openForWriting(path: string, signal: AbortSignal): Promise<Socket> {
  const flags = constants.O_WRONLY | constants.O_NONBLOCK;
  for (;;) {
    signal.throwIfAborted();
    const fd = await new Promise<number | undefined>((resolve, reject) => {
      // ENXIO: nobody reads yet (open(2)).
      open(path, flags, (error, opened) => {
        if (error === null) resolve(opened);
        else if (error.code === 'ENXIO') resolve(undefined);
        else reject(error);
      });
    });
    if (fd !== undefined) return socketOf(fd);
    await wait(OPEN_INTERVAL_MS, undefined, { signal });
  }
}

function socketOf(fd: number): Socket {
  try {
    const pipe = new Socket({ fd, readable: false, writable: true });
    // The engine may leave early (a limit was reached); `written` tells.
    pipe.on('error', () => undefined);
    return pipe;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** False when nobody reads any more. */
function written(pipe: Socket, piece: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    pipe.write(piece, (error) => resolve(error === undefined || error === null));
  });
}

function ended(pipe: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (pipe.destroyed) resolve();
    else pipe.once('close', () => resolve()).end(() => pipe.destroy());
  });
}

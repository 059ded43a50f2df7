import { Socket } from 'node:net';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import { encodeFrame, FrameReader } from './frames.ts';
import { DoorKeeper, type Served } from './vault/door-keeper.ts';
import type { TransportKey } from './vault/transport-key.ts';

/**
 * The vault's process: frames on file descriptor 3, one request after the other, nothing else. It
 * has no network, no file but its code, and nowhere to print to. It ends when the pipe does.
 */
const PIPE = 3;
/** How much memory it took is told in steps: what one row adds is not seen in them. */
const PEAK_KB = 16 * 1_024;

/** @param transportKey the vault's, which may still be in the making */
export function serveDoor(transportKey: Promise<TransportKey>): void {
  const keeper = new DoorKeeper(transportKey);
  const memory = new MessageMemory();
  const reader = new FrameReader(memory);
  let last = Promise.resolve();
  const pipe = new Socket({
    fd: PIPE,
    readable: true,
    writable: true,
    onread: {
      // Sealed batches are read to where they stay.
      buffer: () => reader.room(),
      callback: (bytes: number) => {
        const frame = reader.filled(bytes);
        if (frame) {
          const answer = keeper.begin(frame.message, frame.blobs);
          last = last.then(async () => memory.giveBack(await serve(answer, pipe)));
        }
        return true;
      },
    },
  });
  pipe.on('error', () => pipe.destroy());
}

/** @returns blobs of the request that nobody needs any more */
async function serve(answer: () => Promise<Served>, pipe: Socket): Promise<readonly Uint8Array[]> {
  const { message, blobs, fatal, used = [] } = await answer();
  const peakBytes = Math.ceil(process.resourceUsage().maxRSS / PEAK_KB) * PEAK_KB * 1_024;
  for (const part of encodeFrame({ ...toObject(message), peakBytes }, blobs)) pipe.write(part);
  if (fatal) pipe.end();
  return used;
}

function toObject(message: unknown): object {
  return typeof message === 'object' && message !== null ? message : {};
}

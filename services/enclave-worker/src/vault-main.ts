import { Socket } from 'node:net';
import { encodeFrame, FrameReader } from './frames.ts';
import { DoorKeeper } from './vault/door-keeper.ts';

/**
 * The vault's process: frames on file descriptor 3, one request after the other, nothing else. It
 * has no network, no file but its code, and nowhere to print to. It ends when the pipe does.
 */
const PIPE = 3;
/** How much memory it took is told in steps: what one row adds is not seen in them. */
const PEAK_KB = 16 * 1_024;
const pipe = new Socket({ fd: PIPE, readable: true, writable: true });
const keeper = new DoorKeeper();
const reader = new FrameReader();
let last = Promise.resolve();

pipe.on('data', (piece: Uint8Array) => {
  for (const frame of reader.push(piece)) {
    last = last.then(async () => {
      const { message, blobs, fatal } = await keeper.serve(frame.message, frame.blobs);
      const peakBytes = Math.ceil(process.resourceUsage().maxRSS / PEAK_KB) * PEAK_KB * 1_024;
      for (const part of encodeFrame({ ...toObject(message), peakBytes }, blobs)) pipe.write(part);
      if (fatal) pipe.end();
    });
  }
});
pipe.on('error', () => pipe.destroy());

function toObject(message: unknown): object {
  return typeof message === 'object' && message !== null ? message : {};
}

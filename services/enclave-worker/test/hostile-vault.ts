import { Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../src/frames.ts';
import { UnlockedEngine } from './unlocked-engine.ts';

/** Stands where the vault does, and runs any statement on an engine without flags. */
const pipe = new Socket({ fd: 3, readable: true, writable: true });
const reader = new FrameReader();
let last = Promise.resolve();
// It is open before the first answer, as the vault's own is.
const engine = await UnlockedEngine.open();

pipe.on('data', (piece: Uint8Array) => {
  for (const { message } of reader.push(piece)) {
    const { request } = message as { request: { scene: string[]; sql: string } };
    last = last.then(async () => {
      const answer = await engine.run(request.scene, request.sql);
      for (const part of encodeFrame({ answer }, [])) pipe.write(part);
    });
  }
});
pipe.on('error', () => pipe.destroy());

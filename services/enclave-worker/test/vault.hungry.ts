import { Socket } from 'node:net';

/** Stands where a vault would: at the first request it takes memory without end, or for ever. */
const pipe = new Socket({ fd: 3, readable: true, writable: true });
const PIECE_BYTES = 16 * 1024 * 1024;
const held: Uint8Array[] = [];
pipe.on('data', () => {
  if (process.argv[2] === 'hangs') for (;;) held.length = 0;
  setInterval(() => held.push(new Uint8Array(PIECE_BYTES).fill(1)), 1);
});

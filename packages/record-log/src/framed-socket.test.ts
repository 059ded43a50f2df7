import { describe, expect, it } from 'vitest';
import { ANSWER_BYTES_MAX, createFrameCheck } from './framed-socket.ts';

const answer = (length: number, body = Buffer.alloc(Math.max(0, Math.min(length, 100)))) => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(length);
  return Buffer.concat([head, body]);
};
/** In pieces of so many bytes; true as long as all of them are sound. */
const isSound = (bytes: Buffer, size: number) => {
  const check = createFrameCheck();
  for (let at = 0; at < bytes.length; at += size) {
    if (!check(bytes.subarray(at, at + size))) return false;
  }
  return true;
};

describe('createFrameCheck', () => {
  it.each([1, 2, 3, 5, 7, 1_000])('follows answers in pieces of %i bytes', (size) => {
    const sound = Buffer.concat([answer(4), answer(100), answer(17), answer(5)]);
    expect(isSound(sound, size)).toBe(true);
    for (const length of [-1, 0, 3, ANSWER_BYTES_MAX + 1, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(isSound(Buffer.concat([sound, answer(length)]), size)).toBe(false);
    }
  });

  it('takes the largest answer', () => {
    expect(isSound(answer(ANSWER_BYTES_MAX), 50)).toBe(true);
  });
});

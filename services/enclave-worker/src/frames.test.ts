import { codeOf } from '@strongroom/protocol/errors';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame, FRAME_BYTES_MAX, FrameReader } from './frames.ts';

const bytes = fc.uint8Array({ maxLength: 50 });

test('frames come out as they went in, however the stream is cut', () => {
  const frames = fc.array(fc.tuple(fc.jsonValue(), fc.array(bytes, { maxLength: 4 })), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 40 }), (sent, size) => {
      const wire = Buffer.concat(sent.flatMap(([message, blobs]) => encodeFrame(message, blobs)));
      const reader = new FrameReader();
      const received = [];
      for (let at = 0; at < wire.length; at += size) {
        received.push(...reader.push(wire.subarray(at, at + size)));
      }
      const plain = received.map(({ message, blobs }) => [message, blobs.map((b) => [...b])]);
      expect(plain).toEqual(
        sent.map(([message, blobs]) => [
          JSON.parse(JSON.stringify(message)),
          blobs.map((b) => [...b]),
        ]),
      );
    }),
  );
});

test('a frame that announces too much is refused before it is kept', () => {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, FRAME_BYTES_MAX + 1, true);
  try {
    new FrameReader().push(head);
    expect.fail('it was taken');
  } catch (error) {
    expect(codeOf(error)).toBe('ERR_LIMIT_EXCEEDED');
  }
});

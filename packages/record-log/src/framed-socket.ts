import { Socket } from 'node:net';

/**
 * What a broker may send as one answer: a fetch is at most half of what is read ahead and one
 * request's records beside it. The client under us buffers whatever length an answer names, and
 * fails outside of every promise when it names a negative one.
 */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** A correlation id is in every answer. */
const ANSWER_BYTES_MIN = 4;

/** A connection that ends at the first answer of an impossible length, before anybody sees it. */
export class FramedSocket extends Socket {
  readonly #isSound = createFrameCheck();

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (chunk === null || this.#isSound(chunk)) return super.push(chunk, encoding);
    this.destroy(new Error('answer of an impossible length'));
    return false;
  }
}

/** Follows the lengths in a stream of answers; false: one is impossible. */
export function createFrameCheck(): (chunk: Buffer) => boolean {
  /** Bytes of a length that has not come whole. */
  let length: number[] = [];
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        left -= taken;
        at += taken;
        continue;
      }
      length.push(chunk.readUInt8(at));
      at += 1;
      if (length.length < LENGTH_BYTES) continue;
      left = Buffer.from(length).readInt32BE();
      length = [];
      if (left < ANSWER_BYTES_MIN || left > ANSWER_BYTES_MAX) return false;
    }
    return true;
  };
}

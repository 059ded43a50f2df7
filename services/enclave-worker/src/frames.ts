import { StrongroomError } from '@strongroom/protocol/errors';
import { MessageMemory } from '@strongroom/protocol/message-memory';

/**
 * Messages on the pipe between worker and vault:
 *
 *   frame = uint32 bytes that follow ‖ uint32 JSON bytes ‖ JSON ‖ blob ‖ blob ‖ …
 *
 * Numbers are little-endian. The JSON is {"message": …, "blobs": [bytes of each blob]}.
 */
export interface Frame {
  readonly message: unknown;
  readonly blobs: readonly Uint8Array[];
}

/** A step, as it was prepared and as it leaves, with 64 readers of one record each. */
export const FRAME_BYTES_MAX = 160 * 1024 * 1024;

/** The frame in pieces, so that no blob is copied before it is written. */
export function encodeFrame(message: unknown, blobs: readonly Uint8Array[]): Uint8Array[] {
  const sizes = blobs.map((blob) => blob.length);
  const json = new TextEncoder().encode(JSON.stringify({ message, blobs: sizes }));
  const bytes = sizes.reduce((sum, size) => sum + size, 4 + json.length);
  if (bytes > FRAME_BYTES_MAX) throw tooLarge();
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, bytes, true);
  view.setUint32(4, json.length, true);
  return [head, json, ...blobs];
}

/**
 * Puts a stream together to frames. Whoever reads straight into `room` copies nothing. A frame has
 * memory of its own, and its blobs are views of it, lent to whoever serves it.
 */
export class FrameReader {
  readonly #memory: MessageMemory;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #body: Uint8Array | undefined;
  #filled = 0;

  constructor(memory = new MessageMemory()) {
    this.#memory = memory;
  }

  /** @returns the frames that this piece completes */
  push(piece: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + this.room().length);
      this.room().set(taken);
      at += taken.length;
      const frame = this.filled(taken.length);
      if (frame) frames.push(frame);
    }
    return frames;
  }

  /** Where the next bytes of the stream belong; never empty. */
  room(): Uint8Array {
    return (this.#body ?? this.#head).subarray(this.#filled);
  }

  /**
   * Says that so many bytes were written there.
   * @returns the frame that they complete
   */
  filled(bytes: number): Frame | undefined {
    this.#filled += bytes;
    if (this.room().length > 0) return undefined;
    const { bodyBytes, jsonBytes } = readHead(this.#head);
    const body = this.#body;
    this.#filled = 0;
    // A frame is given only when all of it has come, so nothing is seen of what lay there before.
    this.#body = body ? undefined : this.#memory.take(bodyBytes);
    if (!body) return undefined;
    const frame = decodeBody(body, jsonBytes);
    this.#memory.lend(frame.blobs);
    return frame;
  }
}

const HEAD_BYTES = 8;

/** @throws ERR_LIMIT_EXCEEDED before there is memory for the frame */
function readHead(head: Uint8Array): { bodyBytes: number; jsonBytes: number } {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const bytes = view.getUint32(0, true);
  const jsonBytes = view.getUint32(4, true);
  // Of no JSON there is no message.
  if (bytes > FRAME_BYTES_MAX || jsonBytes + 4 > bytes || jsonBytes === 0) throw tooLarge();
  return { bodyBytes: bytes - 4, jsonBytes };
}

function decodeBody(body: Uint8Array, jsonBytes: number): Frame {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(body.subarray(0, jsonBytes)));
  if (typeof parsed !== 'object' || parsed === null) throw tooLarge();
  const sizes = 'blobs' in parsed && Array.isArray(parsed.blobs) ? parsed.blobs : [];
  const blobs: Uint8Array[] = [];
  let at = jsonBytes;
  for (const size of sizes) {
    const end = at + Number(size);
    if (!Number.isInteger(end) || end < at || end > body.length) throw tooLarge();
    blobs.push(body.subarray(at, end));
    at = end;
  }
  return { message: 'message' in parsed ? parsed.message : undefined, blobs };
}

function tooLarge(): StrongroomError {
  return new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'FRAME_BYTES_MAX' });
}

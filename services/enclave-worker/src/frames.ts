import { StrongroomError } from '@strongroom/protocol/errors';

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

/** A group of records of a fetch, twice over. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** The frame in pieces, so that no blob is copied before it is written. */
export function encodeFrame(message: unknown, blobs: readonly Uint8Array[]): Uint8Array[] {
  const sizes = blobs.map((blob) => blob.length);
  const json = new TextEncoder().encode(JSON.stringify({ message, blobs: sizes }));
  const bytes = sizes.reduce((sum, size) => sum + size, 4 + json.length);
  if (bytes > FRAME_BYTES_MAX) throw tooLarge();
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, bytes, true);
  view.setUint32(4, json.length, true);
  return [head, json, ...blobs];
}

/** Puts the pieces of a stream together to frames. */
export class FrameReader {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** @returns the frames that this piece completes */
  push(piece: Uint8Array): Frame[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#bytes < 8) return undefined;
    const head = this.#peek(8);
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const bytes = view.getUint32(0, true);
    const jsonBytes = view.getUint32(4, true);
    if (bytes > FRAME_BYTES_MAX || jsonBytes + 4 > bytes) throw tooLarge();
    if (this.#bytes < 4 + bytes) return undefined;
    return decodeBody(this.#take(4 + bytes).subarray(8), jsonBytes);
  }

  /** The first bytes, without taking them. */
  #peek(bytes: number): Uint8Array {
    const [first] = this.#pieces;
    if (first && first.length >= bytes) return first.subarray(0, bytes);
    this.#join();
    return this.#peekJoined(bytes);
  }

  #peekJoined(bytes: number): Uint8Array {
    return this.#pieces[0]?.subarray(0, bytes) ?? new Uint8Array(0);
  }

  #take(bytes: number): Uint8Array {
    if ((this.#pieces[0]?.length ?? 0) < bytes) this.#join();
    const taken = this.#peekJoined(bytes);
    const rest = this.#pieces[0]?.subarray(bytes);
    if (rest && rest.length > 0) this.#pieces[0] = rest;
    else this.#pieces.shift();
    this.#bytes -= bytes;
    return taken;
  }

  #join(): void {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)];
  }
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

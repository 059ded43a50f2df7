import { StrongroomError } from '@strongroom/protocol/errors';
import { PLAINTEXT_BYTES_MAX } from '@strongroom/protocol/limits';

/**
 * The outer form of a Zstandard frame (RFC 8878 §3.1.1), read without unfolding it. Decoders take
 * far more: they pass over skippable frames, append one frame to the other and ignore what stands
 * behind the last (Node's does), so that bytes could travel that nobody looks at.
 *
 *   frame  = 28 B5 2F FD ‖ descriptor ‖ [window] ‖ content size ‖ block ‖ … ‖ last block
 *   block  = 3 bytes: last (1 bit), type (2 bits), size (21 bits) ‖ content
 */

const MAGIC = 0xfd2fb528;
const SIZE_BYTES = [0, 2, 4, 8] as const;
const SINGLE_SEGMENT = 0x20;
/** Unused and reserved bit, checksum flag, dictionary id: none may be set. */
const FORBIDDEN = 0x1f;
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** @throws ERR_BATCH_COMPRESSION for anything but one whole frame that says this length */
export function checkFrame(frame: Uint8Array, plaintextBytes: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  try {
    const at = checkHeader(view, plaintextBytes);
    if (endOfBlocks(view, at) !== frame.length) throw refused('trailing bytes');
  } catch (error) {
    // An offset outside of the bytes.
    if (error instanceof RangeError) throw refused('truncated');
    throw error;
  }
}

/** @returns where the first block begins */
function checkHeader(view: DataView, plaintextBytes: number): number {
  if (view.getUint32(0, true) !== MAGIC) throw refused('magic number');
  const descriptor = view.getUint8(4);
  if ((descriptor & FORBIDDEN) !== 0) throw refused('descriptor');
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0;
  const sizeAt = isSingle ? 5 : 6;
  const sizeBytes = isSingle && descriptor >> 6 === 0 ? 1 : (SIZE_BYTES[descriptor >> 6] ?? 0);
  if (sizeBytes === 0) throw refused('no length');
  if (!isSingle && windowOf(view.getUint8(5)) > PLAINTEXT_BYTES_MAX) throw refused('window');
  if (contentSize(view, sizeAt, sizeBytes) !== plaintextBytes) throw refused('length');
  return sizeAt + sizeBytes;
}

/** RFC 8878 §3.1.1.1.2. */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** RFC 8878 §3.1.1.1.4: two bytes count from 256. */
function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true) + 256;
  if (bytes === 4) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}

function endOfBlocks(view: DataView, first: number): number {
  let at = first;
  for (;;) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type === RESERVED_BLOCK || size > BLOCK_BYTES_MAX) throw refused('block');
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : size);
    if (at > view.byteLength) throw refused('truncated');
    if ((header & 1) === 1) return at;
  }
}

type Problem =
  | 'magic number'
  | 'descriptor'
  | 'no length'
  | 'window'
  | 'length'
  | 'block'
  | 'truncated'
  | 'trailing bytes';

const refused = (problem: Problem) => new StrongroomError('ERR_BATCH_COMPRESSION', { problem });

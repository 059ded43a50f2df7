import { constants, zstdDecompressSync } from 'node:zlib';
import { StrongroomError } from '@strongroom/protocol/errors';
import { PLAINTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import { checkFrame } from './zstd-frame.ts';

const WINDOW_LOG_MAX = Math.log2(PLAINTEXT_BYTES_MAX);
/** zlib fills whole pieces: one that is a little too large is filled once and not copied. */
const SPARE_BYTES = 64;

/**
 * What a frame unfolds to is known before it is unfolded: the seal says it, its owner has signed
 * it, and no byte more is made room for.
 * @param plaintextBytes as the seal says, at most PLAINTEXT_BYTES_MAX
 * @throws ERR_BATCH_COMPRESSION for anything but one whole frame of exactly that length
 */
export function decompress(frame: Uint8Array, plaintextBytes: number): Uint8Array {
  checkFrame(frame, plaintextBytes);
  let plaintext: Uint8Array;
  try {
    plaintext = zstdDecompressSync(frame, {
      chunkSize: plaintextBytes + SPARE_BYTES,
      maxOutputLength: plaintextBytes,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
  } catch {
    throw new StrongroomError('ERR_BATCH_COMPRESSION', { problem: 'content' });
  }
  if (plaintext.length !== plaintextBytes) {
    throw new StrongroomError('ERR_BATCH_COMPRESSION', { problem: 'content' });
  }
  return plaintext;
}

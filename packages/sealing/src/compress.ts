import { constants, zstdCompressSync } from 'node:zlib';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CIPHERTEXT_BYTES_MAX, PLAINTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import type { BatchSeal } from '@strongroom/protocol/sealed-batch';

/**
 * Plaintexts as one Zstandard frame (RFC 8878), before they are encrypted; decompress.ts is its
 * mirror, and the format's page says which frames it takes.
 */

/** Those of zstd's own levels that are worth their time. */
export const COMPRESSION_LEVEL_MAX = 12;

/** zlib fills whole pieces: one that is a little too large is filled once and not copied. */
const SPARE_BYTES = 1_024;

/** One frame that says its length, without a checksum: the tag covers it. */
export function compress(plaintext: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(plaintext, {
    chunkSize: plaintext.length + SPARE_BYTES,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 0,
      [constants.ZSTD_c_dictIDFlag]: 0,
    },
  });
}

/** What is encrypted for a plaintext, and what the seal says of it. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly members: Partial<Pick<BatchSeal, 'compression' | 'plaintextBytes'>>;
}

/** @throws ERR_BATCH_TOO_LARGE when neither form fits into a record */
export function pack(plaintext: Uint8Array, level: number | undefined): Packed {
  const plain: Packed = { bytes: plaintext, members: {} };
  const packed = level === undefined ? plain : packFrame(plaintext, level);
  // What compression does not make smaller travels as it is.
  const smaller = packed.bytes.length < plaintext.length ? packed : plain;
  if (smaller.bytes.length > CIPHERTEXT_BYTES_MAX) {
    const at = { bytes: smaller.bytes.length, limit: CIPHERTEXT_BYTES_MAX };
    throw new StrongroomError('ERR_BATCH_TOO_LARGE', at);
  }
  return smaller;
}

function packFrame(plaintext: Uint8Array, level: number): Packed {
  const { length } = plaintext;
  if (length > PLAINTEXT_BYTES_MAX) {
    throw new StrongroomError('ERR_BATCH_TOO_LARGE', { bytes: length, limit: PLAINTEXT_BYTES_MAX });
  }
  const members = { compression: 'zstd' as const, plaintextBytes: length };
  return { bytes: compress(plaintext, level), members };
}

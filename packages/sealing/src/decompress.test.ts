import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { codeOf } from '@strongroom/protocol/errors';
import { PLAINTEXT_BYTES_MAX } from '@strongroom/protocol/limits';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compress } from './compress.ts';
import { decompress } from './decompress.ts';

const MEBIBYTE = 1024 * 1024;
const TEXT = Buffer.from('flight,origin,destination\n'.repeat(400));
const FRAME = Buffer.from(compress(TEXT, 3));
const BLOCK_MAX = 128 * 1024;

const MAGIC = Buffer.from('28b52ffd', 'hex');
const SKIPPABLE = Buffer.from('502a4d1804000000aabbccdd', 'hex');

function le(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

/** A header with a content size of four bytes. */
const headerOf = (length: number) => Buffer.concat([MAGIC, Buffer.of(0xa0), le(length, 4)]);

const block = (type: number, size: number, content: Uint8Array, last: boolean) =>
  Buffer.concat([le((size << 3) | (type << 1) | (last ? 1 : 0), 3), content]);
const raw = (bytes: Uint8Array, last = true) => block(0, bytes.length, bytes, last);
const rle = (size: number, last = true) => block(1, size, Buffer.of(0), last);

/** 128 KiB for four bytes, again and again. */
const bomb = (says: number, blocks: number) => {
  const run = Array.from({ length: blocks }, (_none, at) => rle(BLOCK_MAX, at === blocks - 1));
  return Buffer.concat([headerOf(says), ...run]);
};

function changed(at: number, to: (byte: number) => number, of: Uint8Array = FRAME): Buffer {
  const copy = Buffer.from(of);
  copy[at] = to(copy[at] ?? 0);
  return copy;
}

const withParam = (param: number, value: number) =>
  zstdCompressSync(TEXT, { params: { [param]: value } });
const nested = compress(compress(Buffer.alloc(MEBIBYTE), 3), 3);

/** What is wrong, with which bytes, which declared length, and the word of the refusal. */
const CASES: readonly (readonly [string, Uint8Array, number, string])[] = [
  ['declared one less', FRAME, TEXT.length - 1, 'length'],
  ['declared one more', FRAME, TEXT.length + 1, 'length'],
  ['declared as the largest', FRAME, PLAINTEXT_BYTES_MAX, 'length'],
  ['declared as the frame is long', FRAME, FRAME.length, 'length'],
  ['declared 1', FRAME, 1, 'length'],
  ['frame says one less, as declared', sized(-1), TEXT.length - 1, 'content'],
  ['frame says one more, as declared', sized(1), TEXT.length + 1, 'content'],
  ['frame says 16 MiB, as declared', sized(PLAINTEXT_BYTES_MAX), PLAINTEXT_BYTES_MAX, 'content'],
  [
    'frame says no length',
    withParam(constants.ZSTD_c_contentSizeFlag, 0),
    TEXT.length,
    'no length',
  ],
  ['checksum', withParam(constants.ZSTD_c_checksumFlag, 1), TEXT.length, 'descriptor'],
  ['reserved bit', changed(4, (byte) => byte | 8), TEXT.length, 'descriptor'],
  ['unused bit', changed(4, (byte) => byte | 16), TEXT.length, 'descriptor'],
  ['dictionary id of one byte', changed(4, (byte) => byte | 1), TEXT.length, 'descriptor'],
  ['dictionary id of two bytes', changed(4, (byte) => byte | 2), TEXT.length, 'descriptor'],
  ['dictionary id of four bytes', changed(4, (byte) => byte | 3), TEXT.length, 'descriptor'],
  ['dictionary frame', Buffer.from('37a430ec00000000', 'hex'), 8, 'magic number'],
  ['no frame', TEXT, TEXT.length, 'magic number'],
  ['gzip', Buffer.from('1f8b0800000000000003', 'hex'), 8, 'magic number'],
  ['version 0.7 of the format', changed(0, () => 0x27), TEXT.length, 'magic number'],
  ['skippable frame before', Buffer.concat([SKIPPABLE, FRAME]), TEXT.length, 'magic number'],
  ['skippable frame behind', Buffer.concat([FRAME, SKIPPABLE]), TEXT.length, 'trailing bytes'],
  ['skippable frame alone', SKIPPABLE, 4, 'magic number'],
  ['two frames', Buffer.concat([FRAME, FRAME]), TEXT.length, 'trailing bytes'],
  ['two frames, both declared', Buffer.concat([FRAME, FRAME]), 2 * TEXT.length, 'length'],
  [
    'an empty frame behind',
    Buffer.concat([FRAME, compress(Buffer.of(), 3)]),
    TEXT.length,
    'trailing bytes',
  ],
  ['one byte behind', Buffer.concat([FRAME, Buffer.of(0)]), TEXT.length, 'trailing bytes'],
  ['a frame in a frame', nested, MEBIBYTE, 'length'],
  ['nothing', Buffer.of(), 1, 'truncated'],
  ['magic number alone', MAGIC, 1, 'truncated'],
  ['header alone', headerOf(8), 8, 'truncated'],
  ['cut in the length', headerOf(8).subarray(0, 7), 8, 'truncated'],
  ['cut in a block header', FRAME.subarray(0, 8), TEXT.length, 'truncated'],
  ['cut before the last byte', FRAME.subarray(0, -1), TEXT.length, 'truncated'],
  ['no last block', Buffer.concat([headerOf(4), raw(Buffer.alloc(4), false)]), 4, 'truncated'],
  [
    'reserved kind of block',
    Buffer.concat([headerOf(4), block(3, 4, Buffer.alloc(4), true)]),
    4,
    'block',
  ],
  [
    'block above 128 KiB',
    Buffer.concat([headerOf(BLOCK_MAX + 1), rle(BLOCK_MAX + 1)]),
    BLOCK_MAX + 1,
    'block',
  ],
  [
    'raw block above 128 KiB',
    Buffer.concat([headerOf(200_000), raw(Buffer.alloc(200_000))]),
    200_000,
    'block',
  ],
  [
    'block of 2 MiB for a byte',
    Buffer.concat([headerOf(2 ** 21 - 1), rle(2 ** 21 - 1)]),
    2 ** 21 - 1,
    'block',
  ],
  ['window of 32 MiB', windowed(15 << 3), 4, 'window'],
  ['window of 16 MiB and an eighth', windowed((14 << 3) | 1), 4, 'window'],
  ['window of 3.75 TiB', windowed(0xff), 4, 'window'],
  ['length of eight bytes, 2^63', huge(2n ** 63n), PLAINTEXT_BYTES_MAX, 'length'],
  ['length of eight bytes, 2^64 - 1', huge(2n ** 64n - 1n), PLAINTEXT_BYTES_MAX, 'length'],
  ['bomb: unfolds to more than it says', bomb(1_000, 8), 1_000, 'content'],
  ['bomb: 16 MiB and 128 KiB', bomb(PLAINTEXT_BYTES_MAX, 129), PLAINTEXT_BYTES_MAX, 'content'],
  [
    'bomb: 28 GiB in 900,000 bytes',
    bomb(PLAINTEXT_BYTES_MAX, 224_997),
    PLAINTEXT_BYTES_MAX,
    'content',
  ],
  ['bomb: unfolds to less', bomb(PLAINTEXT_BYTES_MAX, 127), PLAINTEXT_BYTES_MAX, 'content'],
  ['300,000 empty blocks', empties(299_997), 4, 'content'],
  [
    'garbage as a compressed block',
    Buffer.concat([headerOf(100), block(2, 9, Buffer.alloc(9, 0xff), true)]),
    100,
    'content',
  ],
];

/** The frame's length of TEXT, changed by so much. */
function sized(by: number): Buffer {
  const says = by === PLAINTEXT_BYTES_MAX ? by : TEXT.length + by;
  // The blocks of FRAME behind a header of four bytes: its own has two.
  return Buffer.concat([headerOf(says), FRAME.subarray(7)]);
}

/** With a window of its own, and so not a single segment. */
function windowed(window: number): Buffer {
  return Buffer.concat([MAGIC, Buffer.of(0x80, window), le(4, 4), raw(Buffer.alloc(4))]);
}

function huge(length: bigint): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length);
  return Buffer.concat([MAGIC, Buffer.of(0xe0), size, rle(BLOCK_MAX)]);
}

function empties(count: number): Buffer {
  const run = Buffer.alloc(3 * count);
  run[3 * (count - 1)] = 1;
  return Buffer.concat([headerOf(4), run]);
}

function refusalOf(frame: Uint8Array, length: number): unknown {
  try {
    decompress(frame, length);
  } catch (error) {
    return [codeOf(error), (error as { facts?: { problem?: string } }).facts?.problem];
  }
  return 'unfolded';
}

describe('what is not one whole frame of the declared length', () => {
  test.each(CASES)('%s', (_name, frame, length, problem) => {
    expect(refusalOf(frame, length)).toEqual(['ERR_BATCH_COMPRESSION', problem]);
  });

  test('costs little time and memory, whatever it is', () => {
    const before = process.memoryUsage();
    const began = process.cpuUsage();
    for (const [, frame, length] of CASES) refusalOf(frame, length);
    const { user, system } = process.cpuUsage(began);
    const { external, arrayBuffers } = process.memoryUsage();
    expect(CASES.length).toBeGreaterThanOrEqual(40);
    expect((user + system) / 1_000).toBeLessThan(3_000);
    const grown = external + arrayBuffers - before.external - before.arrayBuffers;
    expect(grown).toBeLessThan(8 * CASES.length * MEBIBYTE);
  });

  test('no cut of a frame and no flipped bit unfolds to the wrong length', () => {
    for (let length = 0; length < FRAME.length; length += 1) {
      expect(refusalOf(FRAME.subarray(0, length), TEXT.length)).not.toBe('unfolded');
    }
    for (let bit = 0; bit < 8 * FRAME.length; bit += 1) {
      const flipped = changed(bit >> 3, (byte) => byte ^ (1 << (bit & 7)));
      // The content may be another one; the tag sees to that.
      expect([TEXT.length, 'ERR_BATCH_COMPRESSION']).toContain(lengthOf(flipped));
    }
  });
});

function lengthOf(frame: Uint8Array): unknown {
  try {
    return decompress(frame, TEXT.length).length;
  } catch (error) {
    return codeOf(error);
  }
}

describe('what was compressed', () => {
  test('unfolds to itself, at any level and length', () => {
    const levels = fc.integer({ min: 1, max: 12 });
    const texts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1 });
    const property = fc.property(levels, texts, fc.nat(300), (level, parts, times) => {
      const plaintext = Buffer.concat(Array.from({ length: times + 1 }, () => parts).flat());
      const frame = compress(plaintext, level);
      expect(Buffer.compare(decompress(frame, plaintext.length), plaintext)).toBe(0);
    });
    fc.assert(property, { numRuns: 100 });
  });

  test.each([1, 255, 256, 65_791, 65_792, 900_000, PLAINTEXT_BYTES_MAX])('%i bytes', (length) => {
    const plaintext = Buffer.alloc(length, randomBytes(50));
    expect(Buffer.compare(decompress(compress(plaintext, 1), length), plaintext)).toBe(0);
  });

  test('says its length, and has no checksum: the tag covers it', () => {
    expect(compress(TEXT, 3)[4]).toBe(FRAME[4]);
    expect((FRAME[4] ?? 0) & 0x1f).toBe(0);
  });
});

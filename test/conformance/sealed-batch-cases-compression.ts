import { constants, zstdCompressSync } from 'node:zlib';
import { badBatches, type Case, goodBatches, goodCase, type Row } from './sealed-batch-cases.ts';
import { type Crafting, craftBatch, type Members, sha256 } from './sealed-batch-craft.ts';
import { worldOf } from './sealed-batch-keys.ts';

/** Vectors of batches that were compressed before they were encrypted. */
export async function compressionCases(): Promise<Case[]> {
  return [
    ...(await goodBatches(GOOD)),
    await mixedCase(),
    ...(await badBatches('compression', 'ERR_BATCH_COMPRESSION', FRAMES)),
    ...(await badBatches('malformed', 'ERR_SEAL_MALFORMED', NAMES)),
  ];
}

const PLAIN = Buffer.from('flight,origin,destination\n'.repeat(20));
const BLOCK_MAX = 131_072;
const MAGIC = Buffer.from('28b52ffd', 'hex');
const SKIPPABLE = Buffer.from('502a4d1804000000aabbccdd', 'hex');

/** A frame of Node's own, whatever its library writes. */
const frameOf = (plain: Uint8Array, params: Record<number, number> = {}) =>
  zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 0, ...params } });
const FRAME = frameOf(PLAIN);

function le(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}

const header = (length: number) => Buffer.concat([MAGIC, Buffer.of(0xa0), le(length, 4)]);
const block = (kind: number, size: number, content: Uint8Array, last = true) =>
  Buffer.concat([le(size * 8 + kind * 2 + (last ? 1 : 0), 3), content]);
const runs = (says: number, count: number) =>
  Buffer.concat([
    header(says),
    ...Array.from({ length: count }, (_none, at) =>
      block(1, BLOCK_MAX, Buffer.of(0), at === count - 1),
    ),
  ]);
const flagged = (flags: number) => {
  const changed = Buffer.from(FRAME);
  changed[4] = (changed[4] ?? 0) | flags;
  return changed;
};
const windowed = (window: number, plain: Uint8Array) =>
  Buffer.concat([
    MAGIC,
    Buffer.of(0x80, window),
    le(plain.length, 4),
    block(0, plain.length, plain),
  ]);

const framed = (frame: Uint8Array, seal: Members = {}): Crafting => ({
  plaintext: PLAIN,
  frame,
  seal,
});

const LARGE = Buffer.alloc(300_000);
const SMALL = Buffer.from('ab');

const GOOD: readonly Row[] = [
  ['compressed', 'One zstd frame.', framed(FRAME)],
  ['compressed-p256', 'One zstd frame, and an ES256 seal.', framed(FRAME), worldOf('p256')],
  [
    'compressed-longer',
    'A frame that is longer than what it unfolds to.',
    { plaintext: SMALL, frame: frameOf(SMALL) },
  ],
  [
    'compressed-blocks',
    'Three blocks of one byte each, repeated.',
    { plaintext: LARGE, frame: frameOf(LARGE) },
  ],
  [
    'compressed-window',
    'A frame with a window of 16 MiB, the largest.',
    { plaintext: SMALL, frame: windowed(14 * 8, SMALL) },
  ],
  [
    'compressed-length-of-eight',
    'A frame that says its length in eight bytes.',
    {
      plaintext: SMALL,
      frame: Buffer.concat([
        MAGIC,
        Buffer.of(0xe0),
        le(SMALL.length, 6),
        le(0, 2),
        block(0, SMALL.length, SMALL),
      ]),
    },
  ],
  [
    'compressed-max',
    'As long as a batch may unfold to.',
    { plaintext: Buffer.alloc(16_777_216), frame: runs(16_777_216, 128) },
  ],
];

async function mixedCase(): Promise<Case> {
  const world = worldOf();
  const first = await craftBatch(world, { plaintext: PLAIN });
  const previous = sha256(first.jws).toString('hex');
  const second = await craftBatch(world, framed(FRAME, { sequence: 1, previous }));
  const about = 'Batches of one stream, the second of them compressed.';
  return goodCase('compressed-second', about, world, [first, second]);
}

const FRAMES: readonly Row[] = [
  ['not', 'No frame: the plaintext, called compressed.', framed(PLAIN)],
  ['declared-less', 'One byte less.', framed(FRAME, { plaintextBytes: PLAIN.length - 1 })],
  ['declared-more', 'One byte more.', framed(FRAME, { plaintextBytes: PLAIN.length + 1 })],
  ['declared-frame', "The frame's length.", framed(FRAME, { plaintextBytes: FRAME.length })],
  [
    'no-length',
    'A frame that does not say its length.',
    framed(frameOf(PLAIN, { [constants.ZSTD_c_contentSizeFlag]: 0 })),
  ],
  [
    'checksum',
    'A frame with a checksum, a right one.',
    framed(frameOf(PLAIN, { [constants.ZSTD_c_checksumFlag]: 1 })),
  ],
  ['dictionary', 'A frame that names a dictionary.', framed(flagged(1))],
  ['unused-bit', 'The unused bit of the descriptor.', framed(flagged(16))],
  ['reserved-bit', 'The reserved bit of the descriptor.', framed(flagged(8))],
  ['skippable-before', 'A skippable frame before it.', framed(Buffer.concat([SKIPPABLE, FRAME]))],
  ['skippable-behind', 'A skippable frame behind it.', framed(Buffer.concat([FRAME, SKIPPABLE]))],
  ['two-frames', 'The frame twice.', framed(Buffer.concat([FRAME, FRAME]))],
  [
    'two-halves',
    'Two frames that unfold to the plaintext together.',
    framed(Buffer.concat([frameOf(PLAIN.subarray(0, 260)), frameOf(PLAIN.subarray(260))])),
  ],
  ['trailing-byte', 'A byte behind the frame.', framed(Buffer.concat([FRAME, Buffer.of(0)]))],
  ['truncated', 'The last byte is missing.', framed(FRAME.subarray(0, -1))],
  ['header-alone', 'A header without blocks.', framed(header(PLAIN.length))],
  [
    'no-last-block',
    'No block is the last one.',
    framed(Buffer.concat([header(PLAIN.length), block(0, PLAIN.length, PLAIN, false)])),
  ],
  [
    'block-reserved',
    'A block of the reserved kind.',
    framed(Buffer.concat([header(PLAIN.length), block(3, PLAIN.length, PLAIN)])),
  ],
  [
    'block-too-large',
    'A block of 128 KiB and a byte.',
    framed(Buffer.concat([header(BLOCK_MAX + 1), block(1, BLOCK_MAX + 1, Buffer.of(0))]), {
      plaintextBytes: BLOCK_MAX + 1,
    }),
  ],
  ['window-too-large', 'A window of 16 MiB and an eighth.', framed(windowed(14 * 8 + 1, PLAIN))],
  ['window-huge', 'A window of 3.75 TiB.', framed(windowed(255, PLAIN))],
  [
    'nested',
    'A frame of a frame, with the length of the inner one.',
    framed(frameOf(frameOf(LARGE)), { plaintextBytes: LARGE.length }),
  ],
  [
    'bomb-more',
    'Unfolds to a mebibyte, and says to 1,000 bytes.',
    framed(runs(1_000, 8), { plaintextBytes: 1_000 }),
  ],
  [
    'bomb-above-max',
    'Unfolds to 128 KiB more than the most that can be said.',
    framed(runs(16_777_216, 129), { plaintextBytes: 16_777_216 }),
  ],
  [
    'bomb-less',
    'Says 16 MiB and unfolds to less.',
    framed(runs(16_777_216, 127), { plaintextBytes: 16_777_216 }),
  ],
];

const NAMES: readonly Row[] = [
  ['none', 'none'],
  ['gzip', 'gzip'],
  ['capitals', 'ZSTD'],
  ['empty', ''],
  ['null', null],
  ['true', true],
  ['list', ['zstd']],
].map(([name, compression]): Row => {
  const about = 'A compression that does not exist.';
  return [`compression-${name}`, about, framed(FRAME, { compression })];
});

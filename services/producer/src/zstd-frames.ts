import { pipeline } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * Node's zstd ends with the first frame and drops the rest without a word, while parallel writers
 * and `cat a.zst b.zst` make many (RFC 8878 §3). So the frames are told apart here, by the lengths
 * that they write before their blocks, and each goes through a decoder of its own.
 */

const FRAME_MAGIC = 0xfd2fb528;
/** Sixteen numbers, of frames that hold no data (RFC 8878 §3.1.2). */
const SKIPPABLE_MAGIC = 0x184d2a50;
const LENGTH_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;

/** @throws ERR_SOURCE_MALFORMED, and whatever the decoder says of a frame */
export async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new PieceReader(bytes);
  while (!(await reader.ended())) {
    const magic = (await reader.take(LENGTH_BYTES)).readUInt32LE();
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      const length = (await reader.take(LENGTH_BYTES)).readUInt32LE();
      for await (const _piece of reader.pass(length));
      continue;
    }
    if (magic !== FRAME_MAGIC) throw malformed('no frame');
    yield* decoded(frame(reader));
  }
}

async function* decoded(packed: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = createZstdDecompress();
  // A failure of either side reaches whoever reads the decoder.
  pipeline(packed, decoder, () => undefined);
  yield* decoder;
}

/** The bytes of one frame, its magic (which was read) included. */
async function* frame(reader: PieceReader): AsyncGenerator<Uint8Array> {
  const magic = Buffer.alloc(LENGTH_BYTES);
  magic.writeUInt32LE(FRAME_MAGIC);
  yield magic;
  const descriptor = await reader.take(1);
  yield descriptor;
  const flags = descriptor[0] ?? 0;
  yield await reader.take(headerRest(flags));
  for (let last = false; !last; ) {
    const head = await reader.take(BLOCK_HEADER_BYTES);
    yield head;
    const block = head.readUIntLE(0, BLOCK_HEADER_BYTES);
    last = (block & 1) === 1;
    yield* reader.pass(((block >> 1) & 3) === RLE_BLOCK ? 1 : block >> 3);
  }
  const hasChecksum = (flags & 4) !== 0;
  if (hasChecksum) yield await reader.take(CHECKSUM_BYTES);
}

/** Window, dictionary and content size behind the descriptor (RFC 8878 §3.1.1.1). */
function headerRest(flags: number): number {
  const isSingleSegment = (flags & 0x20) !== 0;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
}

/** Bytes by number, whatever pieces they come in. */
class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#pieces = bytes[Symbol.asyncIterator]();
  }

  async ended(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return true;
      this.#piece = next.value;
    }
    return false;
  }

  async take(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.pass(length)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *pass(length: number): AsyncGenerator<Uint8Array> {
    let rest = length;
    while (rest > 0) {
      if (await this.ended()) throw malformed('cut short');
      const part = this.#piece.subarray(0, rest);
      this.#piece = this.#piece.subarray(part.length);
      rest -= part.length;
      yield part;
    }
  }
}

function malformed(problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_MALFORMED', { format: 'zstd', problem });
}

import { CSV_HEADER_BYTES_MAX } from './csv-header.ts';
import { malformedSource, type SourceFormat } from './row-reader.ts';
import { sampleOf } from './source-fingerprint.ts';
import {
  bytesOf,
  type FileInput,
  peek,
  type ReplayableInput,
  readRange,
  type SourceInput,
  type StreamInput,
} from './source-input.ts';
import { type Packing, packingOf, unpack } from './unpack.ts';

/** A source of which the first bytes were looked at. */
export interface KnownSource {
  /** Not packed any more. A stream still gives all of its bytes, those that were looked at too. */
  readonly input: SourceInput;
  readonly format: SourceFormat;
  /** CSV_HEADER_BYTES_MAX bytes, or all of the source. */
  readonly start: Uint8Array;
}

/** @throws ERR_FILE_UNREADABLE, ERR_SOURCE_MALFORMED when it is packed and damaged */
export async function identifySource(
  input: SourceInput,
  format: SourceFormat | 'auto',
): Promise<KnownSource> {
  const looked = await unpacked(await lookInto(input));
  return { ...looked, format: format === 'auto' ? detectFormat(looked.start) : format };
}

type LookedAt = Pick<KnownSource, 'input' | 'start'>;

async function lookInto(input: SourceInput): Promise<LookedAt> {
  switch (input.type) {
    case 'file':
      return { input, start: await readRange(input.path, 0, CSV_HEADER_BYTES_MAX) };
    case 'replayable':
      return { input, start: await startOf(input.bytes()) };
    case 'stream':
      return peekInto(input, input.bytes);
  }
}

/** A packed file cannot be read from its middle; everything else stays what it was. */
async function unpacked({ input, start }: LookedAt): Promise<LookedAt> {
  const packing = packingOf(start);
  if (packing === undefined) return { input, start };
  if (input.type === 'stream') return peekInto(input, unpack(input.bytes, packing));
  const replayable = replayableOf(input, packing);
  return { input: replayable, start: await startOf(replayable.bytes()) };
}

function replayableOf(input: FileInput | ReplayableInput, packing: Packing): ReplayableInput {
  return {
    type: 'replayable',
    bytes: () => unpack(bytesOf(input), packing),
    knownBy: async () => ({ packing, packed: await sampleOf(input) }),
  };
}

async function startOf(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let seen = 0;
  for await (const piece of bytes) {
    pieces.push(piece);
    seen += piece.length;
    if (seen >= CSV_HEADER_BYTES_MAX) break;
  }
  return Buffer.concat(pieces).subarray(0, CSV_HEADER_BYTES_MAX);
}

async function peekInto(input: StreamInput, unread: AsyncIterable<Uint8Array>): Promise<LookedAt> {
  const { start, bytes } = await peek(unread, CSV_HEADER_BYTES_MAX);
  return { start, input: { ...input, bytes } };
}

/** What the first bytes of a source say about its format: its name may say anything. */
function detectFormat(start: Uint8Array): SourceFormat {
  const letters = Buffer.from(start.subarray(0, 1_024)).toString('latin1');
  if (letters.startsWith('PAR1')) return 'parquet';
  // An Arrow file's magic, or a stream's continuation indicator (Arrow IPC, encapsulated message).
  if (letters.startsWith('ARROW1') || letters.startsWith('\xff\xff\xff\xff')) return 'arrow';
  // No name of a column looks like the beginning of a list of objects.
  if (/^(\xef\xbb\xbf)?\s*\[\s*\{/.test(letters)) {
    throw malformedSource('ndjson', { problem: 'a list of objects, and not one object a line' });
  }
  return /^(\xef\xbb\xbf)?\s*\{/.test(letters) ? 'ndjson' : 'csv';
}

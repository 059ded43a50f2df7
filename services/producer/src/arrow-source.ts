import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import type { Dataset } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import {
  CompressionType,
  compressionRegistry,
  DataType,
  type RecordBatch,
  RecordBatchReader,
} from 'apache-arrow';
import { arrowKindOf, vectorOf } from './arrow-vector.ts';
import { type ColumnMapping, placeColumns } from './column-mapping.ts';
import { malformedSource, type RowReader, type RowWindow } from './row-reader.ts';
import { bytesOf, type SourceInput } from './source-input.ts';
import type { SourceRows } from './source-vector.ts';

/** What data frames write when they compress Arrow; LZ4, their other choice, Node cannot read. */
compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => zstdDecompressSync(bytes) });

const FILE_MAGIC = Buffer.from('ARROW1');
/** The magic and two bytes of padding; an Arrow stream follows. */
const FILE_START_BYTES = 8;
/** Arrow IPC: a continuation indicator and a metadata length of zero. */
const END_MARKER = Buffer.from('ffffffff00000000', 'hex');

/**
 * Opens an Arrow file, an Arrow IPC stream, or the stream within an Arrow file that comes through a
 * pipe. A stream has to have its end marker: one that was cut short between two record batches
 * looks like a shorter one.
 * @param start the first bytes
 * @throws ERR_SOURCE_MALFORMED, ERR_COLUMN_MISSING, ERR_COLUMN_UNKNOWN
 */
export async function openArrow(
  input: SourceInput,
  start: Uint8Array,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  window: RowWindow,
): Promise<RowReader> {
  const isFile = FILE_MAGIC.equals(start.subarray(0, FILE_MAGIC.length));
  // Only a file's footer tells where all of its parts are: some writers leave out the stream's
  // head.
  const file = input.type === 'file' && isFile ? await open(input.path) : undefined;
  const bytes = bytesOf(input);
  const opened =
    file === undefined
      ? RecordBatchReader.from(arrowStream(bytes, isFile))
      : RecordBatchReader.from(file);
  const reader = await guard(opened);
  const close = async () => {
    await reader.cancel();
    await file?.close();
  };
  try {
    await guard(reader.open());
    const { fields } = reader.schema;
    const { present, places } = placeColumns(
      dataset,
      mapping,
      fields.map(({ name }) => name),
    );
    const columns = places.map((place) => {
      const field = fields[place];
      assert(field !== undefined);
      const { name, type } = field;
      const scale = DataType.isDecimal(type) ? { scale: type.scale } : {};
      const instants = DataType.isTimestamp(type) && hasZone(type.timezone);
      return { name, kind: arrowKindOf(type), type: typeName(type), instants, ...scale };
    });
    const rows = () => windowOf(recordBatches(reader, places), window);
    return { present, columns, rows, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Arrow's Schema.fbs: without a zone, a timestamp is a reading of a clock that nobody names. */
function hasZone(timezone: string | null | undefined): boolean {
  return typeof timezone === 'string' && timezone !== '';
}

/** The type's bare name: a nested type's full name lists names that are in no contract. */
function typeName(type: DataType): string {
  return /^\w+(<[A-Z]+>)?/.exec(`${type}`)?.[0] ?? '';
}

async function* recordBatches(
  reader: RecordBatchReader,
  places: readonly number[],
): AsyncGenerator<SourceRows> {
  const source = reader[Symbol.asyncIterator]();
  for (;;) {
    const next: IteratorResult<RecordBatch> = await guard(source.next());
    if (next.done === true) return;
    const recordBatch = next.value;
    const rows = recordBatch.numRows;
    const vectors = places.map((place) => {
      const data = recordBatch.data.children[place];
      if (data === undefined) throw malformedSource('arrow');
      return vectorOf(data, rows);
    });
    yield { from: 0, to: rows, vectors };
  }
}

async function* windowOf(
  source: AsyncIterable<SourceRows>,
  { skip, limit }: RowWindow,
): AsyncGenerator<SourceRows> {
  let before = 0;
  for await (const { to, vectors } of source) {
    const first = Math.max(0, skip - before);
    const end = Math.min(to, skip + limit - before);
    before += to;
    if (first < end) yield { from: first, to: end, vectors };
    if (before >= skip + limit) return;
  }
}

/** The stream's bytes, and the proof that it has an end. */
async function* arrowStream(
  bytes: AsyncIterable<Uint8Array>,
  isFile: boolean,
): AsyncGenerator<Uint8Array> {
  let tail: Uint8Array = new Uint8Array(0);
  let leave = isFile ? FILE_START_BYTES : 0;
  for await (const piece of bytes) {
    tail = Buffer.concat([tail, piece.subarray(-FILE_START_BYTES)]).subarray(-FILE_START_BYTES);
    const stream = piece.subarray(leave);
    leave -= piece.length - stream.length;
    if (stream.length > 0) yield stream;
  }
  // Who reads on after the last byte has met no end marker, unless the marker is that byte.
  const ended = END_MARKER.equals(tail) || FILE_MAGIC.equals(tail.subarray(-FILE_MAGIC.length));
  if (!ended) throw malformedSource('arrow', { problem: 'cut short' });
}

/** Messages of the Arrow library may quote the bytes that they do not understand. */
async function guard<Value>(work: Promise<Value> | Value): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) !== undefined) throw error;
    const compressed = error instanceof Error && error.message.endsWith('codec not found');
    if (compressed) throw malformedSource('arrow', { problem: 'compressed other than with zstd' });
    throw malformedSource('arrow');
  }
}

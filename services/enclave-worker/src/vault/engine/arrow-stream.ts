import type { ColumnType } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { COLUMNS_MAX } from '@strongroom/protocol/limits';
import { FlatTable } from './flatbuffer.ts';

/**
 * Reads the frames of one Arrow IPC stream: a schema, the dictionaries that it names, one record
 * batch, the end. A general reader would accept far more (deltas, compression, nested types, many
 * batches), trusts lengths that an owner wrote, and is known to hang on damaged streams
 * (apache/arrow-js#315); apache-arrow is this reader's oracle in the tests.
 *
 *   frame = FF FF FF FF ‖ int32 metadata bytes ‖ metadata (FlatBuffers Message) ‖ body
 *   end   = FF FF FF FF ‖ 00 00 00 00
 *
 * Format: Arrow columnar specification 1.5, "IPC Streaming Format"; field numbers from Message.fbs
 * and Schema.fbs.
 */
export interface ArrowStream {
  readonly fields: readonly ArrowField[];
  /** By dictionary id. */
  readonly dictionaries: ReadonlyMap<number, StreamPart>;
  readonly batch: StreamPart;
}

export interface ArrowField {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly dictionary?: number;
}

export interface StreamPart {
  readonly rows: number;
  readonly nodes: readonly { readonly length: number; readonly nulls: number }[];
  /** The buffers in their order, each within the body. */
  readonly regions: readonly Uint8Array[];
}

const MESSAGE_SCHEMA = 1;
const MESSAGE_DICTIONARY = 2;
const MESSAGE_BATCH = 3;
const METADATA_V4 = 3;
const METADATA_V5 = 4;
const CONTINUATION = 0xffffffff;
/** Each column has at most three buffers. */
const REGIONS_MAX = COLUMNS_MAX * 3;

interface Frame {
  readonly kind: number;
  readonly header: FlatTable;
  readonly body: Uint8Array;
}

/** @throws ERR_BATCH_CONTENT, or a RangeError where an offset leaves the bytes */
export function readArrowStream(bytes: Uint8Array, columns: number): ArrowStream {
  const frames = readFrames(bytes, columns + 2);
  const [first, ...rest] = frames;
  const last = rest.pop();
  if (first?.kind !== MESSAGE_SCHEMA || last?.kind !== MESSAGE_BATCH) throw malformed();
  const fields = readFields(first.header);
  const dictionaries = new Map<number, StreamPart>();
  for (const frame of rest) {
    const { id, part } = readDictionary(frame);
    if (dictionaries.has(id)) throw malformed();
    dictionaries.set(id, part);
  }
  for (const id of dictionaries.keys()) {
    if (!fields.some((field) => field.dictionary === id)) throw malformed();
  }
  return { fields, dictionaries, batch: readPart(last.header, last.body) };
}

function readFrames(bytes: Uint8Array, maximum: number): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (view.getUint32(at, true) !== CONTINUATION) throw malformed();
    const metadataBytes = view.getInt32(at + 4, true);
    at += 8;
    if (metadataBytes === 0) break;
    if (metadataBytes < 0 || metadataBytes % 8 !== 0) throw malformed();
    const frame = readFrame(bytes, at, metadataBytes);
    at += metadataBytes + frame.body.length;
    frames.push(frame);
    if (frames.length > maximum) throw malformed();
  }
  if (at !== bytes.length) throw malformed();
  return frames;
}

function readFrame(bytes: Uint8Array, at: number, metadataBytes: number): Frame {
  const bodyAt = at + metadataBytes;
  if (bodyAt > bytes.length) throw malformed();
  const message = FlatTable.root(bytes.subarray(at, bodyAt));
  const version = message.int16(0, 0);
  const header = message.table(2);
  const bodyBytes = message.count(3);
  if (version !== METADATA_V4 && version !== METADATA_V5) throw malformed();
  if (!header || bodyBytes % 8 !== 0 || bodyAt + bodyBytes > bytes.length) throw malformed();
  return { kind: message.uint8(1, 0), header, body: bytes.subarray(bodyAt, bodyAt + bodyBytes) };
}

function readFields(message: FlatTable): ArrowField[] {
  if (message.int16(0, 0) !== 0) throw malformed(); // Big-endian.
  return message.tables(1, COLUMNS_MAX).map((field) => {
    const name = field.text(0);
    if (name === undefined || field.tables(5, 0).length > 0) throw malformed();
    const dictionary = field.table(4);
    const type = typeOf(field.uint8(2, 0), field.table(3), dictionary !== undefined);
    const nullable = field.uint8(1, 0) !== 0;
    if (!dictionary) return { name, type, nullable };
    return { name, type, nullable, dictionary: dictionaryId(dictionary) };
  });
}

/** dictionary<int32, utf8> and nothing else; not ordered is not asked. */
function dictionaryId(encoding: FlatTable): number {
  const index = encoding.table(1);
  const isInt32 = !index || (index.int32(0, 0) === 32 && index.uint8(1, 0) === 1);
  if (!isInt32 || encoding.int16(3, 0) !== 0) throw malformed();
  return encoding.count(0);
}

const TYPE_INT = 2;
const TYPE_FLOAT = 3;
const TYPE_UTF8 = 5;
const TYPE_BOOL = 6;
const TYPE_DATE = 8;
const TYPE_TIMESTAMP = 10;

function typeOf(kind: number, type: FlatTable | undefined, inDictionary: boolean): ColumnType {
  if (inDictionary !== (kind === TYPE_UTF8)) throw malformed();
  if (kind === TYPE_UTF8) return 'utf8';
  if (kind === TYPE_BOOL) return 'bool';
  if (!type) throw malformed();
  if (kind === TYPE_INT && type.uint8(1, 0) === 1) return integerType(type.int32(0, 0));
  if (kind === TYPE_FLOAT && type.int16(0, 0) === 2) return 'float64';
  if (kind === TYPE_DATE && type.int16(0, 1) === 0) return 'date32';
  if (kind === TYPE_TIMESTAMP && !type.has(1)) return timestampType(type.int16(0, 0));
  throw malformed();
}

function integerType(bits: number): ColumnType {
  if (bits === 16) return 'int16';
  if (bits === 32) return 'int32';
  if (bits === 64) return 'int64';
  throw malformed();
}

function timestampType(unit: number): ColumnType {
  if (unit === 1) return 'timestamp-ms';
  if (unit === 2) return 'timestamp-us';
  throw malformed();
}

function readDictionary(frame: Frame): { id: number; part: StreamPart } {
  const data = frame.header.table(1);
  const isDelta = frame.header.uint8(2, 0) !== 0;
  if (frame.kind !== MESSAGE_DICTIONARY || !data || isDelta) throw malformed();
  return { id: frame.header.count(0), part: readPart(data, frame.body) };
}

function readPart(records: FlatTable, body: Uint8Array): StreamPart {
  if (records.has(3)) throw malformed(); // Compressed.
  const regions = records.pairs(2, REGIONS_MAX).map(([offset, length]) => {
    if (offset % 8 !== 0 || offset + length > body.length) throw malformed();
    return body.subarray(offset, offset + length);
  });
  const nodes = records.pairs(1, COLUMNS_MAX).map(([length, nulls]) => {
    if (nulls > length) throw malformed();
    return { length, nulls };
  });
  return { rows: records.count(0), nodes, regions };
}

function malformed(): StrongroomError {
  return new StrongroomError('ERR_BATCH_CONTENT');
}

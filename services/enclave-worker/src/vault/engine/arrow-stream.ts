import { ARROW_METADATA_BYTES_MAX, COLUMNS_MAX } from '@strongroom/protocol/limits';
import { refused } from './arrow-refusal.ts';
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
  /** As the contract spells it, a decimal with its digits: `decimal128(18,4)`. */
  readonly type: string;
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
  /** For errors: which frame of the stream it is, counted from 1. */
  readonly place: string;
}

/** How many members the format gives each table (Message.fbs, Schema.fbs of Arrow 1.5). */
const MEMBERS = { message: 5, schema: 4, field: 7, encoding: 4, dictionary: 3, batch: 5 } as const;

/** @throws ERR_BATCH_CONTENT, or a RangeError where an offset leaves the bytes */
export function readArrowStream(bytes: Uint8Array, columns: number): ArrowStream {
  const frames = readFrames(bytes, columns + 2);
  const [first, ...rest] = frames;
  const last = rest.pop();
  if (first?.kind !== MESSAGE_SCHEMA) throw refused('order of frames', 'frame 1', 'a schema');
  if (last?.kind !== MESSAGE_BATCH || first.body.length > 0) {
    throw refused('order of frames', last?.place ?? 'stream', 'one record batch');
  }
  const fields = readFields(first.header);
  const dictionaries = new Map<number, StreamPart>();
  for (const frame of rest) {
    const { id, part } = readDictionary(frame);
    if (dictionaries.has(id)) throw refused('dictionary again', frame.place);
    if (!fields.some((field) => field.dictionary === id)) {
      throw refused('dictionary of no column', frame.place);
    }
    dictionaries.set(id, part);
  }
  return { fields, dictionaries, batch: readPart(last.header, last) };
}

function readFrames(bytes: Uint8Array, maximum: number): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const place = `frame ${frames.length + 1}`;
    if (at + 8 > bytes.length) throw refused('cut short', place);
    if (view.getUint32(at, true) !== CONTINUATION) throw refused('no frame', place);
    const metadataBytes = view.getInt32(at + 4, true);
    at += 8;
    if (metadataBytes === 0) break;
    if (frames.length >= maximum) throw refused('too many frames', place);
    const frame = readFrame(bytes, at, metadataBytes, place);
    at += metadataBytes + frame.body.length;
    frames.push(frame);
  }
  if (at !== bytes.length) throw refused('bytes after the end', 'stream');
  return frames;
}

function readFrame(bytes: Uint8Array, at: number, metadataBytes: number, place: string): Frame {
  const isLength = metadataBytes > 0 && metadataBytes % 8 === 0;
  if (!isLength || metadataBytes > ARROW_METADATA_BYTES_MAX)
    throw refused('metadata length', place);
  const bodyAt = at + metadataBytes;
  if (bodyAt > bytes.length) throw refused('cut short', place);
  const message = FlatTable.root(bytes.subarray(at, bodyAt), MEMBERS.message);
  const version = message.int16(0, 0);
  if (version !== METADATA_V4 && version !== METADATA_V5) throw refused('metadata version', place);
  // What an owner adds for itself is no part of the contract, and nobody would read it.
  if (message.hasVector(4)) throw refused('metadata unknown', place);
  const kind = message.uint8(1, 0);
  const header = message.table(2, HEADER_MEMBERS[kind] ?? 0);
  if (!header) throw refused('order of frames', place);
  const bodyBytes = message.count(3);
  if (bodyBytes % 8 !== 0) throw refused('body length', place, 'a multiple of 8');
  if (bodyAt + bodyBytes > bytes.length) throw refused('cut short', place);
  return { kind, header, body: bytes.subarray(bodyAt, bodyAt + bodyBytes), place };
}

const HEADER_MEMBERS: Readonly<Record<number, number>> = {
  [MESSAGE_SCHEMA]: MEMBERS.schema,
  [MESSAGE_DICTIONARY]: MEMBERS.dictionary,
  [MESSAGE_BATCH]: MEMBERS.batch,
};

function readFields(message: FlatTable): ArrowField[] {
  if (message.int16(0, 0) !== 0) throw refused('big-endian', 'schema');
  if (message.hasVector(2) || message.hasVector(3)) throw refused('metadata unknown', 'schema');
  return message.tables(1, COLUMNS_MAX, MEMBERS.field).map((field, index) => {
    const place = `column ${index + 1}`;
    const name = field.text(0);
    if (name === undefined) throw refused('name', place);
    const kind = field.uint8(2, 0);
    if (field.hasVector(5) || NESTED.has(kind)) throw refused('nested type', place);
    if (field.hasVector(6)) throw refused('metadata unknown', place);
    const dictionary = field.table(4, MEMBERS.encoding);
    const type = typeOf(kind, field.table(3, TYPE_MEMBERS[kind] ?? 0), place);
    if ((type === 'utf8') !== (dictionary !== undefined)) {
      throw refused('dictionary encoding', place, 'dictionary<int32, utf8>');
    }
    const nullable = field.uint8(1, 0) !== 0;
    if (!dictionary) return { name, type, nullable };
    return { name, type, nullable, dictionary: dictionaryId(dictionary, place) };
  });
}

/** dictionary<int32, utf8> and nothing else; not ordered is not asked. */
function dictionaryId(encoding: FlatTable, place: string): number {
  const index = encoding.table(1, TYPE_MEMBERS[TYPE_INT] ?? 0);
  const isInt32 = !index || (index.int32(0, 0) === 32 && index.uint8(1, 0) === 1);
  if (!isInt32 || encoding.int16(3, 0) !== 0) {
    throw refused('dictionary encoding', place, 'dictionary<int32, utf8>');
  }
  return encoding.count(0);
}

const TYPE_INT = 2;
const TYPE_FLOAT = 3;
const TYPE_UTF8 = 5;
const TYPE_BOOL = 6;
const TYPE_DECIMAL = 7;
const TYPE_DATE = 8;
const TYPE_TIMESTAMP = 10;
/** List, struct, union, fixed-size list, map, large list, run-end encoded, and views of lists. */
const NESTED: ReadonlySet<number> = new Set([12, 13, 14, 16, 17, 21, 22, 25, 26]);

const TYPE_MEMBERS: Readonly<Record<number, number>> = {
  [TYPE_INT]: 2,
  [TYPE_FLOAT]: 1,
  [TYPE_UTF8]: 0,
  [TYPE_BOOL]: 0,
  [TYPE_DECIMAL]: 3,
  [TYPE_DATE]: 1,
  [TYPE_TIMESTAMP]: 2,
};

function typeOf(kind: number, type: FlatTable | undefined, place: string): string {
  const found = type === undefined ? undefined : knownType(kind, type);
  if (found === undefined) throw refused('type', place);
  return found;
}

function knownType(kind: number, type: FlatTable): string | undefined {
  switch (kind) {
    case TYPE_UTF8:
      return 'utf8';
    case TYPE_BOOL:
      return 'bool';
    case TYPE_INT:
      return (type.uint8(1, 0) === 1 ? SIGNED : UNSIGNED)[type.int32(0, 0)];
    case TYPE_FLOAT:
      return FLOATS[type.int16(0, 0)];
    case TYPE_DECIMAL:
      // What has no width is of 128 bits (Schema.fbs).
      return type.int32(2, 128) === 128
        ? `decimal128(${type.int32(0, 0)},${type.int32(1, 0)})`
        : undefined;
    case TYPE_DATE:
      return type.int16(0, 1) === 0 ? 'date32' : undefined;
    case TYPE_TIMESTAMP:
      return timestampOf(type.int16(0, 0), type.text(1));
    default:
      return undefined;
  }
}

type TypesByNumber = Readonly<Record<number, string>>;
/** By bits. */
const SIGNED: TypesByNumber = { 8: 'int8', 16: 'int16', 32: 'int32', 64: 'int64' };
const UNSIGNED: TypesByNumber = { 8: 'uint8', 16: 'uint16', 32: 'uint32', 64: 'uint64' };
/** By precision; a half has no type in SQL. */
const FLOATS: TypesByNumber = { 1: 'float32', 2: 'float64' };

/** Units 1 and 2 are milliseconds and microseconds. Of zones there is one spelling of one. */
function timestampOf(unit: number, zone: string | undefined): string | undefined {
  if (zone !== undefined) return unit === 2 && zone === 'UTC' ? 'timestamp-us-utc' : undefined;
  return unit === 1 ? 'timestamp-ms' : unit === 2 ? 'timestamp-us' : undefined;
}

function readDictionary(frame: Frame): { id: number; part: StreamPart } {
  if (frame.kind !== MESSAGE_DICTIONARY) {
    throw refused('order of frames', frame.place, 'a dictionary');
  }
  if (frame.header.uint8(2, 0) !== 0) throw refused('delta dictionary', frame.place);
  const data = frame.header.table(1, MEMBERS.batch);
  if (!data) throw refused('order of frames', frame.place, 'a dictionary');
  return { id: frame.header.count(0), part: readPart(data, frame) };
}

function readPart(records: FlatTable, { body, place }: Frame): StreamPart {
  if (records.has(3)) throw refused('compressed body', place);
  if (records.hasVector(4)) throw refused('metadata unknown', place);
  let end = 0;
  const regions = records.pairs(2, REGIONS_MAX).map(([offset, length]) => {
    if (offset % 8 !== 0) throw refused('buffer not aligned', place);
    if (offset + length > body.length) throw refused('buffer outside the body', place);
    // Writers put one behind the other: bytes that mean two things are no writer's.
    if (length > 0 && offset < end) throw refused('buffers overlap', place);
    if (length > 0) end = offset + length;
    return body.subarray(offset, offset + length);
  });
  const nodes = records.pairs(1, COLUMNS_MAX).map(([length, nulls]) => {
    if (nulls > length) throw refused('null count', place);
    return { length, nulls };
  });
  return { rows: records.count(0), nodes, regions };
}

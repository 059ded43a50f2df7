import { encode, int8, int16, int32, int64 } from './wire.ts';

/** Kafka's record batches of magic 2: what a partition holds, byte by byte. */

export interface BatchRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly (readonly [name: string, value: Uint8Array])[];
}

export interface BatchFields {
  readonly baseOffset?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly firstSequence?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  /** 1 gzip, 2 snappy, 3 lz4, 4 zstd; `compressed` is then what stands for the records. */
  readonly codec?: number;
  readonly compressed?: Uint8Array;
  /** What the batch says; default: how many there are. */
  readonly count?: number;
}

export interface BatchHead {
  readonly baseOffset: number;
  readonly lastOffsetDelta: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly transactional: boolean;
  readonly control: boolean;
}

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const MAGIC = 2;
/** Offset, length, leader epoch, magic and CRC: the CRC covers what follows. */
const CRC_AT = 17;
const COVERED_AT = 21;
/** Offset and length stand before what the length counts. */
const LENGTH_END = 12;

export function encodeBatch(records: readonly BatchRecord[], fields: BatchFields = {}): Buffer {
  const body = fields.compressed ?? Buffer.concat(records.map(encodeRecord));
  const transactional = fields.transactional ? TRANSACTIONAL : 0;
  const attributes = (fields.codec ?? 0) | transactional | (fields.control ? CONTROL : 0);
  const covered = Buffer.concat([
    encode(int16, attributes),
    encode(int32, Math.max(0, (fields.count ?? records.length) - 1)),
    encode(int64, 0),
    encode(int64, 0),
    encode(int64, fields.producerId ?? -1),
    encode(int16, fields.producerEpoch ?? -1),
    encode(int32, fields.firstSequence ?? -1),
    encode(int32, fields.count ?? records.length),
    body,
  ]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(covered));
  return Buffer.concat([
    encode(int64, fields.baseOffset ?? 0),
    encode(int32, COVERED_AT - LENGTH_END + covered.length),
    encode(int32, 0),
    encode(int8, MAGIC),
    crc,
    covered,
  ]);
}

/** The mark that ends a transaction in a partition: version 0, type 0 aborts and 1 commits. */
export function encodeMark(committed: boolean, fields: BatchFields): Buffer {
  const key = Buffer.concat([encode(int16, 0), encode(int16, committed ? 1 : 0)]);
  const value = Buffer.concat([encode(int16, 0), encode(int32, 0)]);
  return encodeBatch([{ key, value }], { ...fields, transactional: true, control: true });
}

export function batchHead(recordBatch: Buffer): BatchHead {
  const attributes = recordBatch.readInt16BE(COVERED_AT);
  return {
    baseOffset: Number(recordBatch.readBigInt64BE(0)),
    lastOffsetDelta: recordBatch.readInt32BE(23),
    producerId: Number(recordBatch.readBigInt64BE(43)),
    producerEpoch: recordBatch.readInt16BE(51),
    firstSequence: recordBatch.readInt32BE(53),
    transactional: (attributes & TRANSACTIONAL) !== 0,
    control: (attributes & CONTROL) !== 0,
  };
}

/** The batches of a produce request or a fetch, one after the other. */
export function splitBatches(records: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < records.length; ) {
    const end = at + LENGTH_END + records.readInt32BE(at + 8);
    batches.push(records.subarray(at, end));
    at = end;
  }
  return batches;
}

/** A copy that stands elsewhere; the CRC does not cover the offset. */
export function batchAt(recordBatch: Buffer, baseOffset: number): Buffer {
  const copy = Buffer.from(recordBatch);
  copy.writeBigInt64BE(BigInt(baseOffset), 0);
  return copy;
}

export function hasValidCrc(recordBatch: Buffer): boolean {
  return recordBatch.readUInt32BE(CRC_AT) === crc32c(recordBatch.subarray(COVERED_AT));
}

function encodeRecord({ key, value, headers = [] }: BatchRecord, index: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, 0]),
    varint(index),
    varintBytes(key),
    varintBytes(value),
    varint(headers.length),
    ...headers.flatMap(([name, text]) => [varintBytes(Buffer.from(name)), varintBytes(text)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function varintBytes(value: Uint8Array | null): Buffer {
  return value === null ? varint(-1) : Buffer.concat([varint(value.length), value]);
}

/** Zigzag, seven bits a byte, the lowest first. */
export function varint(value: number): Buffer {
  const all: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) all.push((rest % 0x80) | 0x80);
  return Buffer.from([...all, rest]);
}

/** Castagnoli's polynomial, bits reversed (RFC 3720, B.4). */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

export function crc32c(covered: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of covered) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCodeOf } from '@strongroom/runtime/coded-error';

/**
 * A broker's own files, read as they lie on its disk (Kafka's record batch, magic 2): what was
 * committed and what was aborted, without the client that is under test.
 */
export interface StoredRecord {
  readonly topic: string;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** `open`: of a transaction without a mark. */
  readonly state: 'committed' | 'aborted' | 'open';
}

/** All records of one partition, by offset: none of a topic that nobody came to make. */
export async function readSegments(dataFolder: string, topic: string): Promise<StoredRecord[]> {
  const folder = join(dataFolder, `${topic}-0`);
  const all = await readdir(folder).catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  });
  const names = all.filter((name) => name.endsWith('.log')).sort();
  const batches: StoredBatch[] = [];
  for (const name of names) batches.push(...parseBatches(await readFile(join(folder, name))));
  return withStates(topic, batches);
}

interface StoredBatch {
  readonly baseOffset: number;
  readonly producer: string;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly records: readonly RawRecord[];
}

interface RawRecord {
  readonly offsetDelta: number;
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const HEAD_BYTES = 61;

function parseBatches(bytes: Buffer): StoredBatch[] {
  const batches: StoredBatch[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const length = bytes.readInt32BE(at + 8);
    const end = at + 12 + length;
    // What a broker was killed over: it cuts that off when it starts again.
    if (length <= 0 || end > bytes.length) break;
    batches.push(parseBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

const COMPRESSION = 0b111;
const TRANSACTIONAL = 0b1_0000;
const CONTROL = 0b10_0000;

function parseBatch(bytes: Buffer): StoredBatch {
  const attributes = bytes.readInt16BE(21);
  const count = bytes.readInt32BE(57);
  if (bytes.readInt8(16) !== 2) throw new Error('a record batch of another magic');
  if ((attributes & COMPRESSION) !== 0) throw new Error('a compressed record batch');
  const reader = new Varints(bytes, HEAD_BYTES);
  return {
    baseOffset: Number(bytes.readBigInt64BE(0)),
    producer: String(bytes.readBigInt64BE(43)),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    records: Array.from({ length: count }, () => parseRecord(reader)),
  };
}

function parseRecord(reader: Varints): RawRecord {
  reader.varint();
  reader.skip(1);
  reader.varint();
  const offsetDelta = reader.varint();
  const key = reader.bytes();
  const value = reader.bytes() ?? Buffer.alloc(0);
  const headers: Record<string, string> = {};
  for (let left = reader.varint(); left > 0; left -= 1) {
    const name = reader.bytes()?.toString() ?? '';
    headers[name] = reader.bytes()?.toString() ?? '';
  }
  return { offsetDelta, key, value, headers };
}

/** Zigzag varints, as Protocol Buffers have them. */
class Varints {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  varint(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.#at);
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return Number((value >> 1n) ^ -(value & 1n));
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const COMMIT = 1;

function withStates(topic: string, batches: readonly StoredBatch[]): StoredRecord[] {
  const found: StoredRecord[] = [];
  /** Of each producer the batches whose transaction has no mark yet. */
  const open = new Map<string, StoredBatch[]>();
  const take = (one: StoredBatch, state: StoredRecord['state']) => {
    for (const { offsetDelta, key, value, headers } of one.records) {
      const offset = one.baseOffset + offsetDelta;
      found.push({ topic, offset, key: key?.toString() ?? null, value, headers, state });
    }
  };
  for (const next of batches) {
    const { producer } = next;
    if (!next.isTransactional) take(next, 'committed');
    else if (!next.isControl) open.set(producer, [...(open.get(producer) ?? []), next]);
    else {
      const mark = next.records[0]?.key?.readInt16BE(2);
      for (const each of open.get(producer) ?? []) {
        take(each, mark === COMMIT ? 'committed' : 'aborted');
      }
      open.delete(producer);
    }
  }
  for (const unmarked of [...open.values()].flat()) take(unmarked, 'open');
  return found.sort((left, right) => left.offset - right.offset);
}

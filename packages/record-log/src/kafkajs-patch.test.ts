import { randomBytes } from 'node:crypto';
import Connection from 'kafkajs/src/network/connection.js';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import crc32C from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import decodeRecordBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import { describe, expect, it } from 'vitest';

/**
 * Every hunk of `patches/kafkajs@2.2.4.patch`, on the client's own modules: without its hunk, each
 * of these fails.
 */
const corrupt = expect.objectContaining({ type: 'CORRUPT_MESSAGE', retriable: true });
const readInt8 = (from: Decoder) => from.readInt8();

describe('lengths from the wire', () => {
  const int32 = (length: number, rest: number) => {
    const bytes = Buffer.alloc(4 + rest, 1);
    bytes.writeInt32BE(length);
    return new Decoder(bytes);
  };
  /** As a varint, and as an unsigned one that counts one more: 2,147,483,647 and 2,147,483,646. */
  const varint = () => new Decoder(Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 1]));
  const unsigned = () => new Decoder(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 1, 1]));

  it('are no longer than what is left', async () => {
    expect(int32(3, 3).readArray(readInt8)).toEqual([1, 1, 1]);
    expect(int32(-1, 0).readArray(readInt8)).toEqual([]);
    for (const length of [4, 2 ** 31 - 1, -2, -(2 ** 31)]) {
      expect(() => int32(length, 3).readArray(readInt8)).toThrow(corrupt);
      await expect(int32(length, 3).readArrayAsync(readInt8)).rejects.toThrow(corrupt);
    }
    expect(() => varint().readVarIntArray(readInt8)).toThrow(corrupt);
    expect(() => unsigned().readUVarIntArray(readInt8)).toThrow(corrupt);
  });
});

type Crc = (bytes: Buffer) => number;

/** By the definition (RFC 3720, B.4), a bit at a time. */
function crcByBits(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe('CRC-32C by native code', () => {
  it('is what it was, at every length and place', () => {
    expect(crc32C(Buffer.from('123456789'))).toBe(0xe3069283);
    const bytes = randomBytes(200);
    for (let start = 0; start < 9; start++) {
      for (let length = 0; length < 100; length++) {
        const part = bytes.subarray(start, start + length);
        expect(crc32C(part)).toBe(crcByBits(part));
      }
    }
  });

  it('is several times faster than JavaScript', () => {
    const table = Uint32Array.from({ length: 256 }, (_, byte) => crcByBits(Buffer.from([byte])));
    const byBytes: Crc = (bytes) => {
      let crc = -1;
      // Any table will do: this is for the time.
      for (let at = 0; at < bytes.length; at++) {
        crc = (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
      }
      return crc;
    };
    const bytes = randomBytes(4 * 1024 * 1024);
    const fastest = (crc: Crc) => {
      const times = Array.from({ length: 7 }, () => {
        const started = performance.now();
        crc(bytes);
        return performance.now() - started;
      });
      return Math.min(...times);
    };
    fastest(byBytes);
    expect(fastest(crc32C)).toBeLessThan(fastest(byBytes) / 5);
  });
});

describe('a record batch', () => {
  /** Records of the value `hello`, as a broker sends them. */
  const written = (count = 1) => {
    const record = Buffer.from([22, 0, 0, 0, 1, 10, ...Buffer.from('hello'), 0]);
    const covered = Buffer.concat([Buffer.alloc(40), ...new Array<Buffer>(count).fill(record)]);
    covered.writeInt32BE(count, 36);
    const head = Buffer.alloc(21);
    head.writeInt32BE(head.length - 12 + covered.length, 8);
    head.writeInt8(2, 16);
    head.writeUInt32BE(crcByBits(covered), 17);
    return Buffer.concat([head, covered]);
  };

  it('is read only with its checksum', async () => {
    const { records } = await decodeRecordBatch(new Decoder(written()));
    expect(records.map(({ value }) => value.toString())).toEqual(['hello']);
    for (let at = 17; at < written().length; at++) {
      const flipped = written();
      flipped.writeUInt8(flipped.readUInt8(at) ^ 4, at);
      await expect(decodeRecordBatch(new Decoder(flipped))).rejects.toThrow(corrupt);
    }
  });

  it('has no more records than a broker takes', async () => {
    const { records } = await decodeRecordBatch(new Decoder(written(1_000)));
    expect(records).toHaveLength(1_000);
    const giant = new Decoder(written(2 ** 18 + 1));
    await expect(decodeRecordBatch(giant)).rejects.toThrow(corrupt);
  });
});

describe('a queue of requests', () => {
  it('arms no timer while nothing waits', () => {
    const logger = { debug: () => undefined, warn: () => undefined };
    const queue = new RequestQueue({ logger, requestTimeout: 1_000, isConnected: () => true });
    queue.scheduleCheckPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeNull();
  });
});

describe('a connection', () => {
  it('hands on an answer that came in one piece, and keeps nothing of it', () => {
    const logger = { namespace: () => ({ debug: () => undefined, error: () => undefined }) };
    const socketFactory = () => expect.fail('nothing is connected');
    const to = { host: '127.0.0.1', port: 1, logger, socketFactory };
    const connection = new Connection(to);
    const payloads: Buffer[] = [];
    connection.requestQueue.fulfillRequest = ({ payload }) => payloads.push(payload);
    for (let round = 0; round < 2; round++) {
      const answer = Buffer.alloc(1_000);
      answer.writeInt32BE(answer.length - 4);
      connection.processData(answer);
      expect(payloads.at(-1)?.buffer).toBe(answer.buffer);
      expect(connection.chunks).toEqual([]);
    }
  });
});

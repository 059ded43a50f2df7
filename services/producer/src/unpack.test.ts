import { gzipSync, zstdCompressSync } from 'node:zlib';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterAll, describe, expect, test } from 'vitest';
import {
  datasetOf,
  failureOf,
  fileWith,
  readAll,
  rowsOf,
  temporaryFolder,
} from '../test/source-fixtures.ts';
import { packingOf, unpack } from './unpack.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const dataset = datasetOf(['n int32']);
const TEXT = Buffer.from('some words\n'.repeat(50_000));
const SKIPPABLE = Buffer.from('5a2a4d180300000061626300', 'hex').subarray(0, 11);

/** In pieces of so many bytes. */
async function unpacked(packed: Uint8Array, piece = 7): Promise<Buffer> {
  async function* pieces() {
    for (let at = 0; at < packed.length; at += piece) yield packed.subarray(at, at + piece);
  }
  const packing = packingOf(packed);
  if (packing === undefined) throw new Error('not packed');
  const parts: Uint8Array[] = [];
  for await (const part of unpack(pieces(), packing)) parts.push(part);
  return Buffer.concat(parts);
}

describe('packed bytes', () => {
  const zstd = zstdCompressSync(TEXT);
  const random = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
  test.each<[string, Uint8Array, Buffer]>([
    ['gzip', gzipSync(TEXT), TEXT],
    ['several gzip members', Buffer.concat([gzipSync(TEXT), gzipSync('!')]), cat(TEXT, '!')],
    ['zstd', zstd, TEXT],
    [
      'several zstd frames',
      Buffer.concat([zstd, zstdCompressSync('!'), zstd]),
      cat(TEXT, '!', TEXT),
    ],
    ['a skippable frame first', Buffer.concat([SKIPPABLE, zstd, SKIPPABLE]), TEXT],
    [
      'a frame of raw and repeated blocks',
      zstdCompressSync(cat(random, Buffer.alloc(300_000))),
      cat(random, Buffer.alloc(300_000)),
    ],
    ['an empty frame', Buffer.concat([zstdCompressSync(''), zstd]), TEXT],
  ])('as %s are read whole', async (_name, packed, expected) => {
    expect((await unpacked(packed, 1_009)).equals(expected)).toBe(true);
  });

  test.each<[string, Uint8Array]>([
    ['gzip without its end', gzipSync(TEXT).subarray(0, -1)],
    ['gzip with a wrong sum', flipped(gzipSync(TEXT), -6)],
    ['gzip and something behind it', cat(gzipSync(TEXT), 'more')],
    ['zstd without its end', zstd.subarray(0, -1)],
    ['the second zstd frame without its end', cat(zstd, zstd.subarray(0, 40))],
    ['zstd and something behind it', cat(zstd, 'more')],
    ['zstd with a damaged block', flipped(zstd, 12)],
  ])('are refused as %s', async (_name, packed) => {
    expect((await failureOf(unpacked(packed))).code).toBe('ERR_SOURCE_MALFORMED');
  });

  test('of every length are whole or refused', async () => {
    const two = cat(zstdCompressSync('first '), zstdCompressSync('second'));
    for (let length = 4; length < two.length; length += 1) {
      const read = unpacked(two.subarray(0, length)).then(String, () => 'refused');
      expect(['refused', 'first ']).toContain(await read);
    }
  });
});

describe('a packed source', () => {
  const arrow = tableToIPC(tableFromArrays({ n: Int32Array.of(1, 2, 3) }), 'stream');
  test.each<[string, string | Uint8Array]>([
    ['CSV', 'n\n1\n2\n3\n'],
    ['NDJSON', '{"n":1}\n{"n":2}\n{"n":3}\n'],
    ['Arrow', arrow],
  ])('of %s gives its rows', async (name, content) => {
    for (const pack of [gzipSync, zstdCompressSync]) {
      const path = fileWith(folder.path, `${name}-${pack.name}`, pack(content));
      expect(rowsOf(await readAll(dataset, path))).toEqual([[1], [2], [3]]);
    }
  });

  test('that breaks off after many rows is an error, and says no row', async () => {
    const packed = gzipSync(`n\n${'123\n'.repeat(200_000)}`);
    const path = fileWith(folder.path, 'broken.gz', packed.subarray(0, -9));
    expect((await failureOf(readAll(dataset, path))).code).toBe('ERR_SOURCE_MALFORMED');
  });
});

function cat(...parts: (string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const place = (at + copy.length) % copy.length;
  copy[place] = (copy[place] ?? 0) ^ 0x55;
  return copy;
}

import type { ColumnContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import {
  Dictionary,
  Field,
  Int8,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  tableToIPC,
  Uint32,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { datasetWith, encodeColumns, type TestColumn } from '../../../test/arrow-tables.ts';
import { readArrowBatch } from './arrow-batch.ts';

const NUMBER: ColumnContract = { name: 'a', type: 'int32', nullable: true };
const TEXT: ColumnContract = { name: 'b', type: 'utf8', nullable: true };
const columns: TestColumn[] = [
  { contract: NUMBER, values: [1, null, 3, 4, 5, 6, 7, 8, 9] },
  { contract: TEXT, values: ['x', 'y', null, 'x', 'zz', 'x', 'y', 'y', 'x'] },
];
const dataset = datasetWith([NUMBER, TEXT]);
const good = encodeColumns(columns);

function outcome(bytes: Uint8Array, rows = 9, of = dataset): string {
  try {
    const { columns: read } = readArrowBatch(bytes, of, rows);
    return read.length === of.columns.length ? 'ok' : 'wrong';
  } catch (error) {
    return codeOf(error) ?? `${error}`;
  }
}

/** One column built by apache-arrow itself, under the name and type that the contract has. */
function streamOf(field: Field, data: ReturnType<typeof makeData>): Uint8Array {
  const fields = new Schema([field]);
  const struct = makeData({
    type: new Struct([field]),
    length: data.length,
    nullCount: 0,
    children: [data],
  });
  return tableToIPC(new Table(fields, [new RecordBatch(fields, struct)]), 'stream');
}

const int32 = (values: number[]) =>
  makeData({ type: new Int32(), length: values.length, data: Int32Array.from(values) });

describe('what the contract does not say is refused', () => {
  const only = datasetWith([{ name: 'a', type: 'int32', nullable: false }]);
  const text = datasetWith([{ name: 'a', type: 'utf8', nullable: false }]);
  const cases: [string, Uint8Array, typeof dataset][] = [
    ['another name', streamOf(new Field('z', new Int32(), false), int32([1])), only],
    ['nullable', streamOf(new Field('a', new Int32(), true), int32([1])), only],
    [
      'another width',
      streamOf(new Field('a', new Int64(), false), bigints(new Int64(), [1n])),
      only,
    ],
    [
      'unsigned',
      streamOf(
        new Field('a', new Uint32(), false),
        makeData({ type: new Uint32(), length: 1, data: Uint32Array.of(1) }),
      ),
      only,
    ],
    [
      'a time zone',
      streamOf(
        new Field('a', new TimestampMicrosecond('UTC'), false),
        bigints(new TimestampMicrosecond('UTC'), [1n]),
      ),
      datasetWith([{ name: 'a', type: 'timestamp-us', nullable: false }]),
    ],
    ['plain text', ofVector('a', vectorFromArray(['x'], new Utf8())), text],
    [
      'other indices',
      ofVector('a', vectorFromArray(['x'], new Dictionary(new Utf8(), new Int8()))),
      text,
    ],
    [
      'a list',
      ofVector('a', vectorFromArray([[1]], new List(new Field('item', new Int32())))),
      only,
    ],
    ['a second column', encodeColumns(columns), only],
    ['no rows', streamOf(new Field('a', new Int32(), false), int32([])), only],
  ];
  test.each(cases)('%s', (_name, bytes, of) => {
    expect(outcome(bytes, 1, of)).toBe('ERR_BATCH_CONTENT');
  });

  test('other row counts', () => {
    expect(outcome(good)).toBe('ok');
    for (const rows of [0, 1, 8, 10]) expect(outcome(good, rows)).toBe('ERR_BATCH_CONTENT');
  });

  test('a null where the contract has none', () => {
    const strict = datasetWith([{ ...NUMBER, nullable: false }]);
    const lying = [{ contract: { ...NUMBER, nullable: false }, values: [1, null] }];
    expect(outcome(encodeColumns(lying), 2, strict)).toBe('ERR_BATCH_CONTENT');
  });

  test('a second batch, and a dictionary that grows', () => {
    const fields = new Schema([new Field('a', new Int32(), false)]);
    const part = () => {
      const struct = makeData({
        type: new Struct(fields.fields),
        length: 1,
        nullCount: 0,
        children: [int32([1])],
      });
      return new RecordBatch(fields, struct);
    };
    const two = tableToIPC(new Table(fields, [part(), part()]), 'stream');
    expect(outcome(two, 1, only)).toBe('ERR_BATCH_CONTENT');
    expect(outcome(two, 2, only)).toBe('ERR_BATCH_CONTENT');
  });

  test('bytes behind the end', () => {
    expect(outcome(Uint8Array.of(...good, 0))).toBe('ERR_BATCH_CONTENT');
    expect(outcome(Uint8Array.of(...good, ...good))).toBe('ERR_BATCH_CONTENT');
  });
});

describe('damaged streams', () => {
  test('cut at every byte: refused', () => {
    // Without the end mark a stream is whole too: it ends where its last frame does.
    for (let length = 0; length < good.length - 8; length += 1) {
      expect(outcome(good.slice(0, length))).toBe('ERR_BATCH_CONTENT');
    }
  });

  test('any byte set to any of several values: rows of the agreed form, or refused', () => {
    const found = new Set<string>();
    for (let at = 0; at < good.length; at += 1) {
      for (const value of [0, 1, 4, 0x7f, 0x80, 0xff, (good[at] ?? 0) ^ 0x10]) {
        const changed = good.slice();
        changed[at] = value;
        found.add(outcome(changed));
      }
    }
    expect([...found].sort()).toEqual(['ERR_BATCH_CONTENT', 'ok']);
  });

  test('an index outside the dictionary is found where a row uses it', () => {
    const bad = vectorFromArray(['x', 'y'], new Dictionary(new Utf8(), new Int32()));
    const [data] = bad.data;
    for (const index of [2, -1, 2 ** 31 - 1]) {
      const values = Int32Array.of(0, index);
      const changed = makeData({ ...data, type: bad.type, data: values } as never);
      const bytes = streamOf(new Field('b', bad.type, false), changed);
      const of = datasetWith([{ ...TEXT, nullable: false }]);
      expect(outcome(bytes, 2, of)).toBe('ERR_BATCH_CONTENT');
    }
  });

  test('an unaligned copy reads the same', () => {
    const buffer = new Uint8Array(good.length + 3);
    buffer.set(good, 3);
    expect(outcome(buffer.subarray(3))).toBe('ok');
    expect(outcome(Buffer.from(buffer.buffer).subarray(3))).toBe('ok');
  });
});

function bigints(type: Int64 | TimestampMicrosecond, values: bigint[]) {
  return makeData({ type, length: values.length, data: BigInt64Array.from(values) } as never);
}

function ofVector(name: string, vector: Vector): Uint8Array {
  const [data] = vector.data;
  return streamOf(new Field(name, vector.type, false), data as never);
}

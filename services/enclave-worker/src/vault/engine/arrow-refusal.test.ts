import type { ColumnContract, Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import {
  Field,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import { expect, test } from 'vitest';
import { mapArrow, readSpot, spotOf, writeSpot } from '../../../test/arrow-spots.ts';
import {
  columnOf,
  datasetWith,
  encodeColumns,
  type TestColumn,
} from '../../../test/arrow-tables.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { ARROW_PROBLEMS, type ArrowProblem } from './arrow-refusal.ts';

const A: ColumnContract = { name: 'a', type: 'int32', nullable: true };
const B: ColumnContract = { name: 'b', type: 'utf8', nullable: true };
const T: ColumnContract = { name: 't', type: 'timestamp-us', nullable: false };
const Y = columnOf('y', 'date32', true);
const Z = columnOf('z', 'timestamp-us', true);
const D = columnOf('d', 'decimal128', true, { precision: 2, scale: 0 });
const dataset = datasetWith([A, B, T]);
const ROWS = 9;

function columnsOf(a = A, b = B, t = T): TestColumn[] {
  return [
    { contract: a, values: [1, null, 3, 4, 5, 6, 7, 8, 9] },
    { contract: b, values: ['x', 'y', null, 'x', 'zz', 'x', 'y', 'y', 'x'] },
    { contract: t, values: Array.from({ length: ROWS }, (_none, row) => BigInt(row)) },
  ];
}

// apache-arrow counts dictionaries from 0, and leaves a 0 out of the stream: this one is not the
// first.
encodeColumns(columnsOf());
const good = encodeColumns(columnsOf());
const map = mapArrow(good);
const [first, dictionary, batch] = map.frames.map(({ start, end }) => good.subarray(start, end));
const END = good.subarray(-8);

/** The good stream with other numbers at some spots. */
function forged(numbers: Readonly<Record<string, number | bigint>>): Uint8Array {
  const bytes = good.slice();
  for (const [name, value] of Object.entries(numbers)) {
    writeSpot(bytes, spotOf(map, name), BigInt(value));
  }
  return bytes;
}

/** The good stream with a byte of a buffer changed. */
function inBuffer(frame: number, buffer: number, at: number, byte: number): Uint8Array {
  const bytes = good.slice();
  bytes[(map.frames[frame]?.buffers[buffer]?.start ?? 0) + at] = byte;
  return bytes;
}

function framed(...frames: (Uint8Array | undefined)[]): Uint8Array {
  return new Uint8Array(Buffer.concat([...frames.flatMap((each) => each ?? []), END]));
}

/** A table's list of members made longer: the next one's place is read from what lies behind. */
function longer(table: string, bytes: Uint8Array = good.slice()): Uint8Array {
  const size = spotOf(map, `${table}.vtable.size`);
  writeSpot(bytes, size, readSpot(bytes, size) + 2n);
  return bytes;
}

function delta(): Uint8Array {
  const bytes = good.slice();
  const table = spotOf(map, '1.header.vtable').at;
  const bytesOfTable = Number(readSpot(bytes, spotOf(map, '1.header.vtable.bytes')));
  bytes.fill(1, table + 8, table + bytesOfTable);
  return longer('1.header', bytes);
}

function withMetadata(): Uint8Array {
  const fields = new Schema([new Field('a', new Int32(), true)], new Map([['pandas', '{}']]));
  return streamOf(fields, makeData({ type: new Int32(), length: 1, data: Int32Array.of(1) }));
}

function nested(): Uint8Array {
  const vector = vectorFromArray([[1]], new List(new Field('item', new Int32())));
  return streamOf(new Schema([new Field('a', vector.type, true)]), vector.data[0] as never);
}

function streamOf(fields: Schema, data: ReturnType<typeof makeData>): Uint8Array {
  const type = new Struct(fields.fields);
  const struct = makeData({ type, length: data.length, nullCount: 0, children: [data] });
  return tableToIPC(new Table(fields, [new RecordBatch(fields, struct)]), 'stream');
}

const CASES: readonly [ArrowProblem, place: string, Uint8Array][] = [
  ['cut short', 'frame 2', good.slice(0, (first?.length ?? 0) + 6)],
  ['cut short', 'frame 3', good.slice(0, -16)],
  ['no frame', 'frame 2', forged({ '1.continuation': 0 })],
  ['metadata length', 'frame 1', forged({ '0.metadata': 289 })],
  ['metadata length', 'frame 1', forged({ '0.metadata': -8 })],
  ['metadata length', 'frame 1', forged({ '0.metadata': 1 << 30 })],
  ['metadata leaves its bounds', 'metadata', forged({ '0.root': 0xffff })],
  ['metadata leaves its bounds', 'metadata', forged({ '0.header.fields.length': 257 })],
  ['metadata leaves its bounds', 'metadata', forged({ '2.header.nodes[0].nulls': -1n })],
  ['metadata leaves its bounds', 'metadata', forged({ '2.header.rows': 2n ** 53n })],
  ['metadata unknown', 'schema', withMetadata()],
  ['metadata version', 'frame 1', forged({ '0.version': 2 })],
  ['body length', 'frame 3', forged({ '2.body': 4 })],
  [
    'too many frames',
    'frame 6',
    framed(first, dictionary, dictionary, dictionary, dictionary, batch),
  ],
  ['bytes after the end', 'stream', framed(good)],
  ['order of frames', 'frame 1', framed(batch, dictionary, first)],
  ['order of frames', 'frame 2', framed(first, dictionary)],
  ['order of frames', 'frame 2', framed(first, batch, batch)],
  ['big-endian', 'schema', forged({ '0.header.endianness.slot': 4 })],
  ['columns', 'schema', encodeColumns(columnsOf().slice(0, 2))],
  ['name', 'column 1', encodeColumns(columnsOf({ ...A, name: 'z' }))],
  ['type', 'a', encodeColumns(columnsOf({ ...A, type: 'int16' }))],
  ['type', 'column 1', forged({ '0.header.fields[0].type.bits': 24 })],
  ['nested type', 'column 1', nested()],
  ['nullable', 't', encodeColumns(columnsOf(A, B, { ...T, nullable: true }))],
  ['dictionary encoding', 'column 2', forged({ '0.header.fields[1].dictionary.index.bits': 8 })],
  ['delta dictionary', 'frame 2', delta()],
  ['dictionary again', 'frame 3', framed(first, dictionary, dictionary, batch)],
  ['dictionary of no column', 'frame 2', forged({ '1.header.id': 99 })],
  ['compressed body', 'frame 3', longer('2.header')],
  ['buffer outside the body', 'frame 3', forged({ '2.header.buffers[1].length': 4096 })],
  ['buffer outside the body', 'frame 3', forged({ '2.header.buffers[1].offset': 2n ** 53n - 8n })],
  ['buffer not aligned', 'frame 3', forged({ '2.header.buffers[1].offset': 4 })],
  ['buffers overlap', 'frame 3', forged({ '2.header.buffers[1].offset': 0 })],
  ['number of buffers', 'record batch', forged({ '2.header.buffers.length': 5 })],
  ['number of nodes', 'record batch', forged({ '2.header.nodes.length': 2 })],
  ['rows', 'record batch', forged({ '2.header.rows': 8 })],
  ['rows', 'a', forged({ '2.header.nodes[0].length': 8 })],
  ['rows', 'dictionary of b', forged({ '1.header.data.rows': 2 })],
  // A stream that says itself that nothing is null, where something is.
  ['null', 'a', forged({ '0.header.fields[0].nullable': 0 })],
  ['null count', 'a', forged({ '2.header.nodes[0].nulls': 2 })],
  ['null count', 'frame 3', forged({ '2.header.nodes[0].nulls': 10 })],
  ['validity length', 'a', forged({ '2.header.buffers[0].length': 1 })],
  ['values length', 'a', forged({ '2.header.buffers[1].length': 32 })],
  ['digits', 'd', encodeColumns([{ contract: D, values: [1n, 100n] }])],
  ['type', 'd', encodeColumns([{ contract: { ...D, scale: 1 }, values: [1n, 1n] }])],
  ['time', 'y', encodeColumns([{ contract: Y, values: [0, 2_932_897] }])],
  ['time', 'z', encodeColumns([{ contract: Z, values: [0n, -(2n ** 62n)] }])],
  ['index', 'b', inBuffer(2, 3, 0, 3)],
  ['offsets', 'dictionary of b', inBuffer(1, 1, 4, 0xff)],
  ['offsets', 'dictionary of b', inBuffer(1, 1, 0, 1)],
  ['not UTF-8', 'dictionary of b', inBuffer(1, 2, 0, 0xff)],
];

function factsOf(bytes: Uint8Array, problem?: ArrowProblem, place?: string) {
  const [of, rows] = contractFor(problem, place);
  try {
    readArrowBatch(bytes, of, rows);
    return 'taken';
  } catch (error) {
    return error instanceof StrongroomError ? error.facts : error;
  }
}

function contractFor(problem?: ArrowProblem, place?: string): [of: Dataset, rows: number] {
  if (place === 'd') return [decimals, 2];
  if (problem === 'time') return [datasetWith([place === 'y' ? Y : Z]), 2];
  if (problem === 'metadata unknown' || problem === 'nested type') return [single, 1];
  return [problem === 'null' ? strict : dataset, ROWS];
}

/** For streams that have one column. */
const single = datasetWith([A]);
const decimals = datasetWith([D]);
const strict = datasetWith([{ ...A, nullable: false }, B, T]);

test('the stream that is forged is good', () => {
  expect(factsOf(good)).toBe('taken');
});

test.each(CASES.map(([problem, place, bytes], index) => ({ index, problem, place, bytes })))(
  '$index: $problem, $place',
  ({ problem, place, bytes }) => {
    expect(factsOf(bytes, problem, place)).toMatchObject({ problem, place, dataset: 'set' });
  },
);

test('every word of the list is met', () => {
  const met = new Set(CASES.map(([problem]) => problem));
  expect([...met].sort()).toEqual([...ARROW_PROBLEMS].sort());
});

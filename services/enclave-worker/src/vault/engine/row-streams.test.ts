import { type ColumnType, DatasetSchema } from '@strongroom/protocol/contract';
import { murmur2 } from '@strongroom/protocol/partitioning';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnOf, datasetWith, encodeColumns } from '../../../test/arrow-tables.ts';
import { readArrowBatch } from './arrow-batch.ts';
import { belongsTo } from './row-streams.ts';

const STREAMS = ['a', 'b', 'c', 'd', 'e'].map((id, partition) => ({ id, partition }));

function placeOf(value: unknown): number {
  const text = typeof value === 'string' ? new TextEncoder().encode(value) : undefined;
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigInt64(0, BigInt.asIntN(64, BigInt(text ? 0 : `${value}`)), true);
  return (murmur2(text ?? new Uint8Array(bytes.buffer)) & 0x7fffffff) % STREAMS.length;
}

const whole = (bits: number, isSigned: boolean) => {
  const [least, most] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return fc.integer({ min: least, max: most });
};
const VALUES: readonly (readonly [ColumnType, fc.Arbitrary<number | bigint | string>])[] = [
  ['int8', whole(8, true)],
  ['uint8', whole(8, false)],
  ['int16', whole(16, true)],
  ['uint16', whole(16, false)],
  ['int32', whole(32, true)],
  ['uint32', whole(32, false)],
  ['int64', fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)],
  ['uint64', fc.bigInt(0n, 2n ** 64n - 1n)],
  ['date32', fc.integer({ min: -10_000, max: 40_000 })],
  ['timestamp-us', fc.bigInt(-(10n ** 15n), 10n ** 15n)],
  ['utf8', fc.string({ unit: 'grapheme', maxLength: 9 })],
];

test.each(VALUES)('a batch of one stream has rows of no other: %s', (type, values) => {
  const column = columnOf('who', type, false);
  const dataset = DatasetSchema.parse({
    ...datasetWith([column]),
    streams: STREAMS,
    partitionBy: 'who',
  });
  const inStream = (rows: readonly unknown[], stream: string) => {
    const bytes = encodeColumns([{ contract: column, values: rows as never }]);
    return belongsTo(readArrowBatch(bytes, dataset, rows.length), dataset, stream);
  };
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 30 }), (rows) => {
      for (const [place, { id }] of STREAMS.entries()) {
        const own = rows.filter((value) => placeOf(value) === place);
        if (own.length > 0) expect(inStream(own, id)).toBe(true);
        expect(inStream(rows, id)).toBe(own.length === rows.length);
      }
    }),
    { numRuns: 20 },
  );
});

test('no stream has to have rows where none are shared out', () => {
  const column = columnOf('who', 'int32', false);
  const dataset = datasetWith([column]);
  const bytes = encodeColumns([{ contract: column, values: [1, 2, 3] }]);
  expect(belongsTo(readArrowBatch(bytes, dataset, 3), dataset, 'any')).toBe(true);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DatasetSchema } from './contract.ts';
import { murmur2, partitionProblemIn, streamOfInteger, streamOfText } from './partitioning.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe('murmur2', () => {
  // Of UtilsTest in Apache Kafka.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('is that of Kafka: %s', (text, hash) => {
    expect(murmur2(bytesOf(text))).toBe(hash);
  });
});

test('a whole number is its eight bytes', () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), fc.integer({ min: 1, max: 64 }), both),
  );
  function both(value: bigint, streams: number) {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, BigInt.asUintN(64, value), true);
    const [low, high] = [bytes.getInt32(0, true), bytes.getInt32(4, true)];
    const place = streamOfInteger(low, high, streams);
    expect(place).toBe(streamOfText(new Uint8Array(bytes.buffer), streams));
    expect(place >= 0 && place < streams).toBe(true);
  }
});

test('streams get about as many values each', () => {
  const counts = [0, 0, 0, 0];
  for (let value = 0; value < 40_000; value += 1) {
    const place = streamOfInteger(value, 0, 4);
    counts[place] = (counts[place] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

describe('a dataset that is shared out', () => {
  const streams = [{ id: 'a', partition: 0 }];
  const column = { name: 'who', type: 'utf8', nullable: false };
  const dataset = {
    ...{ id: 'visits', owner: 'north', relation: 'visits', keyId: 'kek' },
    wrappingKey: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
  };
  test.each([
    [undefined, { columns: [column], streams }],
    ['column of the dataset', { columns: [{ ...column, name: 'whom' }], streams }],
    ['without nulls', { columns: [{ ...column, nullable: true }], streams }],
    ['whole numbers', { columns: [{ ...column, type: 'float64' }], streams }],
    ['whole numbers', { columns: [{ ...column, type: 'bool' }], streams }],
    ['dataset with streams', { columns: [column] }],
  ])('is refused unless it can be: %s', (problem, members) => {
    const parsed = DatasetSchema.parse({ ...dataset, ...members, partitionBy: 'who' });
    const found = partitionProblemIn(parsed);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});

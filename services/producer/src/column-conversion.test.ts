import type { ColumnType } from '@strongroom/protocol/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conversionFor, type TargetArray } from './column-conversion.ts';
import type { SourceKind, ValueArray } from './source-vector.ts';

/** Slow and readable: what a value of one kind is in the contract's type, or that it is not. */
const NANOSECONDS: Record<string, bigint> = {
  'timestamp-s': 1_000_000_000n,
  'timestamp-ms': 1_000_000n,
  'timestamp-us': 1_000n,
  'timestamp-ns': 1n,
  date: 86_400_000_000_000n,
};
const fits = (value: bigint, bits: number) => BigInt.asIntN(bits, value) === value;

function expected(kind: SourceKind, type: ColumnType, value: bigint): bigint | undefined {
  const step = NANOSECONDS[kind];
  if (step === undefined) {
    const isSafe = Number.isSafeInteger(Number(value));
    if (type === 'float64') return isSafe ? value : undefined;
    if (type === 'float32') {
      return isSafe && BigInt(Math.fround(Number(value))) === value ? value : undefined;
    }
    const bits = Number(type.replace(/^u?int/, ''));
    if (type.startsWith('u')) return BigInt.asUintN(bits, value) === value ? value : undefined;
    return fits(value, bits) ? value : undefined;
  }
  const target = NANOSECONDS[type === 'date32' ? 'date' : type.replace('-utc', '')] ?? 1n;
  const exact = (value * step) % target === 0n;
  const isOfOurYears = value * step >= FIRST && value * step < END;
  return exact && isOfOurYears ? (value * step) / target : undefined;
}

/** The years 1 to 9999 in nanoseconds. */
const FIRST = BigInt(Date.parse('0001-01-01T00:00:00Z')) * 1_000_000n;
const END = (BigInt(Date.parse('9999-12-31T23:59:59.999Z')) + 1n) * 1_000_000n;

const BITS: Partial<Record<SourceKind, [number, boolean]>> = {
  int8: [8, true],
  int16: [16, true],
  int32: [32, true],
  int64: [64, true],
  uint8: [8, false],
  uint16: [16, false],
  uint32: [32, false],
  uint64: [64, false],
  date: [32, true],
  'timestamp-s': [64, true],
  'timestamp-ms': [64, true],
  'timestamp-us': [64, true],
  'timestamp-ns': [64, true],
};

function sourceOf(kind: SourceKind, values: readonly bigint[]): ValueArray {
  const [bits, signed] = BITS[kind] ?? [0, true];
  if (bits === 64)
    return new Int32Array(BigInt64Array.from(values, (v) => BigInt.asIntN(64, v)).buffer);
  const numbers = values.map(Number);
  if (bits === 8) return signed ? Int8Array.from(numbers) : Uint8Array.from(numbers);
  if (bits === 16) return signed ? Int16Array.from(numbers) : Uint16Array.from(numbers);
  return signed ? Int32Array.from(numbers) : Uint32Array.from(numbers);
}

function targetOf(type: ColumnType, rows: number): TargetArray {
  if (type === 'int8') return new Int8Array(rows);
  if (type === 'int16') return new Int16Array(rows);
  if (type === 'uint8') return new Uint8Array(rows);
  if (type === 'uint16') return new Uint16Array(rows);
  if (type === 'uint32') return new Uint32Array(rows);
  if (type === 'float32') return new Float32Array(rows);
  if (type === 'float64') return new Float64Array(rows);
  return new Int32Array(rows * (isWide(type) ? 2 : 1));
}

function valuesOf(type: ColumnType, target: TargetArray): bigint[] {
  if (type === 'uint64') return [...new BigUint64Array(target.buffer)];
  if (isWide(type)) return [...new BigInt64Array(target.buffer)];
  return Array.from(target, (value) => BigInt(value));
}

const isWide = (type: ColumnType) => /int64$|^timestamp/.test(type);

function arbitraryOf(kind: SourceKind): fc.Arbitrary<bigint> {
  const [bits, signed] = BITS[kind] ?? [0, true];
  const min = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const max = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  const inside = (value: bigint) => (value < min ? min : value > max ? max : value);
  const edges = [8n, 15n, 16n, 31n, 32n, 53n, 63n].flatMap((bit) =>
    [-1n, 0n, 1n].flatMap((off) => [2n ** bit + off, -(2n ** bit) + off]),
  );
  const days = fc.bigInt(-20_000n, 20_000n).map((day) => day * 86_400_000_000n);
  const step = NANOSECONDS[kind] ?? 1n;
  const ends = fc.constantFrom(FIRST / step, END / step, FIRST / step - 1n, END / step - 1n);
  return fc
    .oneof(fc.bigInt(min, max), fc.constantFrom(...edges), fc.bigInt(-5n, 5n), days, ends)
    .map(inside);
}

const integers: SourceKind[] = [
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
];
const times: SourceKind[] = ['date', 'timestamp-s', 'timestamp-ms', 'timestamp-us', 'timestamp-ns'];
const numbers: ColumnType[] = [
  ...(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const),
  ...(['float32', 'float64'] as const),
];
const pairs: [SourceKind, ColumnType][] = [
  ...integers.flatMap((kind) => numbers.map((type): [SourceKind, ColumnType] => [kind, type])),
  ...times.flatMap((kind) =>
    (['date32', 'timestamp-ms', 'timestamp-us', 'timestamp-us-utc'] as const).map(
      (type): [SourceKind, ColumnType] => [kind, type],
    ),
  ),
];

describe('every value arrives exactly or stops the conversion', () => {
  test.each(pairs)('%s to %s', (kind, type) => {
    const conversion = conversionFor(kind, type);
    if (conversion === undefined) throw new Error('there is no conversion');
    fc.assert(
      fc.property(fc.array(arbitraryOf(kind), { minLength: 1, maxLength: 20 }), (values) => {
        const target = targetOf(type, values.length + 1);
        const range = { from: 0, count: values.length, at: 1 };
        const misfit = conversion(sourceOf(kind, values), target, range);
        const wanted = values.map((value) => expected(kind, type, value));
        expect(misfit).toBe(wanted.indexOf(undefined));
        const good = misfit < 0 ? wanted : wanted.slice(0, misfit);
        expect(valuesOf(type, target).slice(1, good.length + 1)).toEqual(good);
      }),
      { numRuns: 200 },
    );
  });
});

describe('floats', () => {
  const convert = (type: ColumnType, values: readonly number[]) => {
    const target = targetOf(type, values.length);
    const range = { from: 0, count: values.length, at: 0 };
    const misfit = conversionFor('float64', type)?.(Float64Array.from(values), target, range);
    return { misfit, values: valuesOf(type, target) };
  };

  test('become whole numbers when they are', () => {
    expect(convert('int32', [1, -2, 2147483647])).toEqual({
      misfit: -1,
      values: [1n, -2n, 2147483647n],
    });
    expect(convert('int64', [-1, 2 ** 53 - 1, -(2 ** 53 - 1)]).values).toEqual([
      -1n,
      9007199254740991n,
      -9007199254740991n,
    ]);
  });

  test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53])(
    '%s does not',
    (value) => {
      expect(convert('int32', [1, value]).misfit).toBe(1);
    },
  );

  test('of half the size fit exactly', () => {
    const target = new Float64Array(2);
    const values = Float32Array.from([0.1, Number.NaN]);
    expect(
      conversionFor('float32', 'float64')?.(values, target, { from: 0, count: 2, at: 0 }),
    ).toBe(-1);
    expect([...target]).toEqual([Math.fround(0.1), Number.NaN]);
  });
});

test.each<[SourceKind, ColumnType]>([
  ['text', 'int32'],
  ['bool', 'int32'],
  ['int32', 'bool'],
  ['date', 'int32'],
  ['int64', 'timestamp-ms'],
  ['int32', 'date32'],
  ['timestamp-ms', 'int64'],
  ['timestamp-ms', 'float64'],
  ['date', 'float64'],
])('%s is never %s', (kind, type) => {
  expect(conversionFor(kind, type)).toBeUndefined();
});

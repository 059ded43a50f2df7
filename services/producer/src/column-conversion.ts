import type { ColumnType } from '@strongroom/protocol/contract';
import { firstDayOutside, firstTimeOutside } from '@strongroom/protocol/times';
import type { SourceKind, ValueArray } from './source-vector.ts';

/** Room for a column's values: 64-bit types take two 32-bit words a row, the low one first. */
export type TargetArray = ValueArray;

/** Which rows of a source vector go where in the target. */
export interface CopyRange {
  readonly from: number;
  readonly count: number;
  readonly at: number;
}

/**
 * Copies values into the contract's type and stops at one that does not fit exactly: nothing is
 * rounded, cut or wrapped. Returns that row of the source vector, -1 when all values fit.
 */
export type Conversion = (values: ValueArray, target: TargetArray, range: CopyRange) => number;

/**
 * How values of `kind` become the contract's `type`; undefined when no value ever does.
 * Text is not converted but interned (ColumnBuilder).
 */
export function conversionFor(kind: SourceKind, type: ColumnType): Conversion | undefined {
  switch (type) {
    case 'bool':
      return kind === 'bool' ? copyValues(1) : undefined;
    case 'int8':
      return kind === 'int8' ? copyValues(1) : toInteger(kind, -0x80, 0x7f);
    case 'int16':
      return kind === 'int16' ? copyValues(1) : toInteger(kind, -0x8000, 0x7fff);
    case 'int32':
      return kind === 'int32' ? copyValues(1) : toInteger(kind, -0x80000000, 0x7fffffff);
    case 'int64':
      return kind === 'int64' ? copyValues(2) : toInt64(kind);
    case 'uint8':
      return kind === 'uint8' ? copyValues(1) : toInteger(kind, 0, 0xff);
    case 'uint16':
      return kind === 'uint16' ? copyValues(1) : toInteger(kind, 0, 0xffff);
    case 'uint32':
      return kind === 'uint32' ? copyValues(1) : toUint32(kind);
    case 'uint64':
      return kind === 'uint64' ? copyValues(2) : toUint64(kind);
    case 'float32':
      return kind === 'float32' ? copyValues(1) : toFloat32(kind);
    case 'float64':
      return kind === 'float64' ? copyValues(1) : toFloat64(kind);
    case 'date32':
      return ofOurYears(kind === 'date' ? copyValues(1) : toDate(kind), type);
    case 'timestamp-ms':
    case 'timestamp-us':
      return ofOurYears(kind === type ? copyValues(2) : toTimestamp(kind, type), type);
    case 'timestamp-us-utc':
      return conversionFor(kind, 'timestamp-us');
    // With digits of its own (decimal-conversion.ts), or interned.
    case 'decimal128':
    case 'utf8':
      return undefined;
  }
}

function copyValues(words: 1 | 2): Conversion {
  return (values, target, { from, count, at }) => {
    target.set(values.subarray(from * words, (from + count) * words), at * words);
    return -1;
  };
}

const SMALL_NUMBERS = /^u?int(8|16|32)$|^float/;

function toInteger(kind: SourceKind, least: number, most: number): Conversion | undefined {
  if (kind === 'int64') return int64ToInteger(least, most);
  if (kind === 'uint64') {
    return wordPairs((low, high, target, index) => {
      target[index] = low;
      return high === 0 && low >= 0 && low <= most;
    });
  }
  if (!SMALL_NUMBERS.test(kind)) return undefined;
  return numbers((value, target, index) => {
    target[index] = value;
    return value >= least && value <= most && Math.trunc(value) === value;
  });
}

/** What Parquet files and data frames hold most: a loop of its own, without a call a row. */
function int64ToInteger(least: number, most: number): Conversion {
  return (values, target, { from, count, at }) => {
    for (let offset = 0; offset < count; offset += 1) {
      const low = values[2 * (from + offset)] ?? 0;
      // A 64-bit integer fits 32 bits when its high word repeats the low word's sign.
      if (values[2 * (from + offset) + 1] !== low >> 31) return from + offset;
      if (low < least || low > most) return from + offset;
      target[at + offset] = low;
    }
    return -1;
  };
}

function toInt64(kind: SourceKind): Conversion | undefined {
  if (kind === 'uint64') {
    return wordPairs((low, high, target, index) => {
      putWordPair(target, index, low, high);
      return high >= 0;
    });
  }
  if (!SMALL_NUMBERS.test(kind)) return undefined;
  return numbers((value, target, index) => {
    putNumber(target, index, value);
    return Number.isSafeInteger(value);
  });
}

/** Of 64 bits the high word has to be empty; the low one keeps all of its bits. */
function toUint32(kind: SourceKind): Conversion | undefined {
  if (kind !== 'int64' && kind !== 'uint64') return toInteger(kind, 0, 0xffffffff);
  return wordPairs((low, high, target, index) => {
    target[index] = low;
    return high === 0;
  });
}

function toUint64(kind: SourceKind): Conversion | undefined {
  if (kind === 'int64') {
    return wordPairs((low, high, target, index) => {
      putWordPair(target, index, low, high);
      return high >= 0;
    });
  }
  if (!SMALL_NUMBERS.test(kind)) return undefined;
  return numbers((value, target, index) => {
    putNumber(target, index, value);
    return Number.isSafeInteger(value) && value >= 0;
  });
}

function toFloat32(kind: SourceKind): Conversion | undefined {
  if (kind === 'int64' || kind === 'uint64') {
    return wordPairs((low, high, target, index) => {
      const value = (kind === 'int64' ? high : high >>> 0) * WORD + (low >>> 0);
      target[index] = value;
      return Number.isSafeInteger(value) && Math.fround(value) === value;
    });
  }
  if (!SMALL_NUMBERS.test(kind)) return undefined;
  return numbers((value, target, index) => {
    target[index] = value;
    return Number.isNaN(value) || Math.fround(value) === value;
  });
}

function toFloat64(kind: SourceKind): Conversion | undefined {
  if (kind === 'int64' || kind === 'uint64') {
    return wordPairs((low, high, target, index) => {
      const value = (kind === 'int64' ? high : high >>> 0) * WORD + (low >>> 0);
      target[index] = value;
      return Number.isSafeInteger(value);
    });
  }
  if (!SMALL_NUMBERS.test(kind)) return undefined;
  return numbers((value, target, index) => {
    target[index] = value;
    return true;
  });
}

/** How many nanoseconds one step of a kind is. */
const STEP_NANOSECONDS: Partial<Record<SourceKind, number>> = {
  'timestamp-s': 1_000_000_000,
  'timestamp-ms': 1_000_000,
  'timestamp-us': 1_000,
  'timestamp-ns': 1,
  date: 86_400_000_000_000,
};

function toTimestamp(kind: SourceKind, type: 'timestamp-ms' | 'timestamp-us') {
  const step = STEP_NANOSECONDS[kind];
  const wanted = type === 'timestamp-ms' ? 1_000_000 : 1_000;
  if (step === undefined) return undefined;
  if (step < wanted) return divideWordPairs(wanted / step);
  if (kind === 'date') {
    // From the year 2255 on, microseconds lie beyond 2^53.
    return numbers((days, target, index) => {
      const product = BigInt(days) * BigInt(step / wanted);
      putBigInt(target, index, product);
      return BigInt.asIntN(64, product) === product;
    });
  }
  return multiplyWordPairs(step / wanted);
}

/** A time that the vault would refuse does not fit. */
function ofOurYears(
  conversion: Conversion | undefined,
  type: 'date32' | 'timestamp-ms' | 'timestamp-us',
): Conversion | undefined {
  if (!conversion) return undefined;
  return (values, target, range) => {
    const misfit = conversion(values, target, range);
    const until = range.at + (misfit < 0 ? range.count : misfit - range.from);
    const words = target as Int32Array;
    const outside =
      type === 'date32'
        ? firstDayOutside(words, range.at, until)
        : firstTimeOutside(words, type === 'timestamp-ms' ? 'ms' : 'us', range.at, until);
    return outside < 0 ? misfit : range.from + outside - range.at;
  };
}

/** A timestamp is a date when it stands at midnight. */
function toDate(kind: SourceKind): Conversion | undefined {
  const step = STEP_NANOSECONDS[kind];
  if (step === undefined) return undefined;
  const divisor = 86_400_000_000_000 / step;
  return wordPairs((low, high, target, index) => {
    const days = divide(low, high, divisor);
    target[index] = Number(days ?? 0);
    return days !== undefined && Math.abs(Number(days)) <= 0x7fffffff;
  });
}

function divideWordPairs(divisor: number): Conversion {
  return wordPairs((low, high, target, index) => {
    const quotient = divide(low, high, divisor);
    if (quotient === undefined) return false;
    if (typeof quotient === 'bigint') putBigInt(target, index, quotient);
    else putNumber(target, index, quotient);
    return true;
  });
}

function multiplyWordPairs(factor: number): Conversion {
  return wordPairs((low, high, target, index) => {
    const product = bigIntOf(low, high) * BigInt(factor);
    putBigInt(target, index, product);
    return BigInt.asIntN(64, product) === product;
  });
}

const WORD = 2 ** 32;

/** The exact quotient; undefined when there is a rest. */
function divide(low: number, high: number, divisor: number): number | bigint | undefined {
  const value = high * WORD + (low >>> 0);
  if (Number.isSafeInteger(value)) return value % divisor === 0 ? value / divisor : undefined;
  // Nanoseconds since 1970 lie beyond 2^53 from April 1970 on.
  const exact = bigIntOf(low, high);
  return exact % BigInt(divisor) === 0n ? exact / BigInt(divisor) : undefined;
}

function bigIntOf(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function putBigInt(target: TargetArray, index: number, value: bigint): void {
  putWordPair(target, index, Number(BigInt.asIntN(32, value)), Number(value >> 32n));
}

/** A store into 32 bits keeps the low word of any whole number up to 2^53, also below zero. */
function putNumber(target: TargetArray, index: number, value: number): void {
  putWordPair(target, index, value, Math.floor(value / WORD));
}

function putWordPair(target: TargetArray, index: number, low: number, high: number): void {
  target[2 * index] = low;
  target[2 * index + 1] = high;
}

function numbers(put: (value: number, target: TargetArray, index: number) => boolean): Conversion {
  return (values, target, { from, count, at }) => {
    for (let offset = 0; offset < count; offset += 1) {
      if (!put(values[from + offset] ?? 0, target, at + offset)) return from + offset;
    }
    return -1;
  };
}

function wordPairs(
  put: (low: number, high: number, target: TargetArray, index: number) => boolean,
): Conversion {
  return (values, target, { from, count, at }) => {
    for (let offset = 0; offset < count; offset += 1) {
      const low = values[2 * (from + offset)] ?? 0;
      const high = values[2 * (from + offset) + 1] ?? 0;
      if (!put(low, high, target, at + offset)) return from + offset;
    }
    return -1;
  };
}

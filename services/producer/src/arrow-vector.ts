import {
  type Data,
  DataType,
  DateUnit,
  type Dictionary,
  type LargeUtf8,
  Precision,
  TimeUnit,
  type Utf8,
} from 'apache-arrow';
import { malformedSource } from './row-reader.ts';
import type { SourceKind, SourceVector, TextVector, ValueArray } from './source-vector.ts';

/** How an Arrow type is read; undefined for a type that no contract can name. */
export function arrowKindOf(type: DataType): SourceKind | undefined {
  if (DataType.isBool(type)) return 'bool';
  if (DataType.isInt(type)) return integerKind(type.bitWidth, type.isSigned);
  if (DataType.isFloat(type)) return floatKind(type.precision);
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return 'text';
  if (DataType.isDictionary(type))
    return arrowKindOf(type.dictionary) === 'text' ? 'text' : undefined;
  if (DataType.isDecimal(type)) return type.bitWidth === 128 ? 'decimal' : undefined;
  if (DataType.isDate(type)) return type.unit === DateUnit.DAY ? 'date' : 'timestamp-ms';
  if (DataType.isTimestamp(type)) return timestampKind(type.unit);
  return undefined;
}

function integerKind(bits: 8 | 16 | 32 | 64, signed: boolean): SourceKind {
  return signed ? `int${bits}` : `uint${bits}`;
}

function floatKind(precision: Precision): SourceKind | undefined {
  if (precision === Precision.DOUBLE) return 'float64';
  return precision === Precision.SINGLE ? 'float32' : undefined;
}

/** With or without a time zone: Arrow's instants count from 1970 in UTC either way. */
function timestampKind(unit: TimeUnit): SourceKind {
  if (unit === TimeUnit.SECOND) return 'timestamp-s';
  if (unit === TimeUnit.MILLISECOND) return 'timestamp-ms';
  return unit === TimeUnit.MICROSECOND ? 'timestamp-us' : 'timestamp-ns';
}

/** @throws ERR_SOURCE_MALFORMED when a buffer is shorter than its rows */
export function vectorOf(data: Data, rows: number): SourceVector {
  const kind = arrowKindOf(data.type);
  if (kind === undefined || data.offset !== 0 || data.length < rows) throw malformedSource('arrow');
  const validity = data.nullCount > 0 ? data.nullBitmap : null;
  if (validity !== null && validity.length * 8 < rows) throw malformedSource('arrow');
  if (kind === 'text') return textVector(data, rows, validity);
  if (kind === 'bool') return { kind, values: unpackBits(data.values, rows), validity };
  const values = wordsOf(data.values);
  const isWide = data.values instanceof BigInt64Array || data.values instanceof BigUint64Array;
  const wordsPerRow = kind === 'decimal' ? 4 : isWide ? 2 : 1;
  if (values.length < rows * wordsPerRow) throw malformedSource('arrow');
  return { kind, values, validity };
}

function wordsOf(values: unknown): ValueArray {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  }
  for (const ValueArrayClass of VALUE_ARRAYS) {
    if (values instanceof ValueArrayClass) return values;
  }
  throw malformedSource('arrow');
}

const VALUE_ARRAYS = [
  Int8Array,
  Int16Array,
  Int32Array,
  Uint8Array,
  Uint16Array,
  Uint32Array,
  Float32Array,
  Float64Array,
] as const;

function unpackBits(bits: Uint8Array, rows: number): Uint8Array {
  if (bits.length * 8 < rows) throw malformedSource('arrow');
  const flags = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) flags[row] = ((bits[row >> 3] ?? 0) >> (row & 7)) & 1;
  return flags;
}

function textVector(data: Data, rows: number, validity: Uint8Array | null): TextVector {
  if (isDictionaryData(data)) return dictionaryVector(data, rows, validity);
  const text = textOf(data);
  if (text.count < rows) throw malformedSource('arrow');
  return {
    kind: 'text',
    validity,
    intern: (row, interner) => interner.intern(text.bytes, text.start(row), text.length(row)),
  };
}

function isDictionaryData(data: Data): data is Data<Dictionary> {
  return DataType.isDictionary(data.type);
}

/** A dictionary may come in several pieces (delta batches); numbers run through all of them. */
function dictionaryVector(
  data: Data<Dictionary>,
  rows: number,
  validity: Uint8Array | null,
): TextVector {
  const numbers: unknown = data.values;
  const pieces = (data.dictionary?.data ?? []).map((piece) => {
    // A null within a dictionary would be a second way to write a null.
    if (piece.nullCount > 0) throw malformedSource('arrow', { problem: 'nulls in a dictionary' });
    return textOf(piece);
  });
  const indices = wordsOf(numbers);
  if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
    throw malformedSource('arrow', { problem: 'a dictionary with 64-bit numbers' });
  }
  if (indices.length < rows) throw malformedSource('arrow');
  return {
    kind: 'text',
    validity,
    intern(row, interner) {
      let index = indices[row] ?? -1;
      for (const piece of pieces) {
        if (index < 0) break;
        if (index < piece.count) {
          return interner.intern(piece.bytes, piece.start(index), piece.length(index));
        }
        index -= piece.count;
      }
      throw malformedSource('arrow', { problem: 'a number outside its dictionary' });
    },
  };
}

/** Texts end to end, and where each begins. */
interface Texts {
  readonly bytes: Uint8Array;
  readonly count: number;
  start(index: number): number;
  length(index: number): number;
}

function textOf(data: Data): Texts {
  if (!isTextData(data) || data.offset !== 0) throw malformedSource('arrow');
  const { values, valueOffsets, length: count } = data;
  const at = (index: number) => Number(valueOffsets[index] ?? 0);
  if (count > 0 && valueOffsets.length <= count) throw malformedSource('arrow');
  return {
    bytes: values,
    count,
    start: at,
    length(index) {
      const length = at(index + 1) - at(index);
      const inside = length >= 0 && at(index) >= 0 && at(index + 1) <= values.length;
      if (!inside) throw malformedSource('arrow', { problem: 'a text outside its buffer' });
      return length;
    },
  };
}

function isTextData(data: Data): data is Data<Utf8> | Data<LargeUtf8> {
  return DataType.isUtf8(data.type) || DataType.isLargeUtf8(data.type);
}

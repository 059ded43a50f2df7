import { isWidening } from '@strongroom/protocol/amendment';
import {
  COLUMN_TYPES,
  type ColumnContract,
  type ColumnType,
  digitsOf,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { CanonicalTexts, type FormOptions, NO_FORM, textFormOf } from './canonical-texts.ts';
import {
  type Conversion,
  type CopyRange,
  conversionFor,
  type TargetArray,
} from './column-conversion.ts';
import { toDecimal } from './decimal-conversion.ts';
import {
  firstNull,
  isValid,
  lacksZone,
  problemOf,
  type SourceColumn,
  type SourceVector,
} from './source-vector.ts';
import { TextInterner } from './text-interner.ts';

/** Rows of one finished column, ready for Arrow. The arrays are reused by the next batch. */
export interface BuiltColumn {
  readonly contract: ColumnContract;
  /** Of 32 bits a row: two of 64-bit types, four of decimals; utf8 numbers its dictionary. */
  readonly words: 1 | 2 | 4;
  readonly values: TargetArray;
  /** One byte a row, 1 for a value; null when every row has one. */
  readonly valid: Uint8Array | null;
  readonly dictionary: ReturnType<TextInterner['dictionary']> | null;
}

/** Bytes of a row's value in the Arrow body; a bool takes a bit. */
const VALUE_BYTES: Record<ColumnType, number> = {
  bool: 1 / 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  float32: 4,
  float64: 8,
  decimal128: 16,
  utf8: 4,
  date32: 4,
  'timestamp-ms': 8,
  'timestamp-us': 8,
  'timestamp-us-utc': 8,
};

/** How many rows of the source stand before one of a vector. */
type RowNumbers = (row: number) => number;

/** Collects the rows of one column until its batch is full. */
export class ColumnBuilder {
  readonly contract: ColumnContract;
  readonly #source: SourceColumn;
  readonly #isEventTime: boolean;
  readonly #conversion: Conversion | undefined;
  readonly #words: 1 | 2 | 4;
  readonly #values: TargetArray;
  readonly #valid: Uint8Array;
  readonly #interner: TextInterner | undefined;
  readonly #canonical: CanonicalTexts | undefined;
  /** A value without a canonical form is taken for a missing one. */
  readonly #isUnformedNull: boolean;
  #nulls = 0;
  #unformed = 0;

  /**
   * @throws ERR_COLUMN_TYPE when the source's type never fits the contract's;
   *   ERR_JOIN_KEY_MISSING, ERR_COLUMN_FORM
   */
  constructor(
    contract: ColumnContract,
    source: SourceColumn,
    rowsMax: number,
    eventTime: boolean,
    forms: FormOptions,
  ) {
    this.contract = contract;
    this.#source = source;
    this.#isEventTime = eventTime;
    const { kind } = source;
    this.#conversion = conversionOf(source, contract);
    const fits = contract.type === 'utf8' ? kind === 'text' : this.#conversion !== undefined;
    if (!fits) throw this.#wrongType();
    this.#words = wordsOf(contract.type);
    this.#values = roomFor(contract.type, rowsMax * this.#words);
    this.#valid = new Uint8Array(rowsMax);
    this.#interner = contract.type === 'utf8' ? new TextInterner() : undefined;
    const form = textFormOf(contract, forms);
    const formed = this.#interner;
    this.#canonical = form && formed ? new CanonicalTexts(form, formed) : undefined;
    this.#isUnformedNull = forms.withoutForm === 'null' && contract.nullable;
  }

  /** Rows so far whose value is missing because it had no canonical form. */
  get unformed(): number {
    return this.#unformed;
  }

  /**
   * Appends range.count rows of the vector at row range.at. `numberOf` counts the source rows
   * before one of the vector: an error names the row's number, never its value.
   * @throws ERR_COLUMN_NULL, ERR_EVENT_TIME_MISSING, ERR_COLUMN_TYPE, ERR_COLUMN_FORM,
   *   ERR_SOURCE_MALFORMED
   */
  append(vector: SourceVector, range: CopyRange, numberOf: RowNumbers): void {
    const end = range.from + range.count;
    const missing = firstNull(vector.validity, range.from, end);
    if (missing >= 0 && !this.contract.nullable) throw this.#nullAt(numberOf(missing));
    if (vector.kind === 'text') this.#intern(vector, range, numberOf);
    else this.#convert(vector, range, numberOf);
    this.#markNulls(vector, range, missing);
    if (this.#canonical) this.#markUnformed(range);
  }

  /** An estimate from above of the Arrow body: padding of each buffer is counted by the caller. */
  bodyBytes(rows: number): number {
    const text = this.#interner;
    const dictionaryBytes = text === undefined ? 0 : text.byteLength + 4 * (text.count + 1);
    return rows * (VALUE_BYTES[this.contract.type] + 1 / 8) + dictionaryBytes;
  }

  /** The first `rows` rows; valid until the next append. */
  build(rows: number): BuiltColumn {
    return {
      contract: this.contract,
      words: this.#words,
      values: this.#values.subarray(0, rows * this.#words),
      valid: this.#nulls > 0 ? this.#valid.subarray(0, rows) : null,
      dictionary: this.#interner?.dictionary() ?? null,
    };
  }

  clear(): void {
    this.#interner?.clear();
    this.#canonical?.clear();
    this.#nulls = 0;
  }

  #convert(
    vector: Exclude<SourceVector, { kind: 'text' }>,
    range: CopyRange,
    numberOf: RowNumbers,
  ) {
    let { from, count, at } = range;
    while (count > 0 && this.#conversion !== undefined) {
      const misfit = this.#conversion(vector.values, this.#values, { from, count, at });
      if (misfit < 0) return;
      // What lies where a value is missing is nobody's value.
      if (isValid(vector.validity, misfit)) throw this.#wrongType(numberOf(misfit));
      const done = misfit + 1 - from;
      from += done;
      at += done;
      count -= done;
    }
  }

  #intern(vector: Extract<SourceVector, { kind: 'text' }>, range: CopyRange, numberOf: RowNumbers) {
    const interner = this.#interner;
    if (interner === undefined) throw this.#wrongType();
    for (let offset = 0; offset < range.count; offset += 1) {
      const row = range.from + offset;
      if (vector.validity !== null && !isValid(vector.validity, row)) continue;
      const number = this.#canonical?.intern(vector, row) ?? vector.intern(row, interner);
      if (number === NO_FORM && !this.#isUnformedNull) throw this.#noFormAt(numberOf(row));
      if (number === -1) {
        const at = { column: this.contract.name, row: numberOf(row) + 1, problem: 'not UTF-8' };
        throw new StrongroomError('ERR_SOURCE_MALFORMED', at);
      }
      this.#values[range.at + offset] = number;
    }
  }

  /** Zeroes what lies under nulls: the engine leaves bytes of other rows there. */
  #markNulls(vector: SourceVector, range: CopyRange, missing: number): void {
    this.#valid.fill(1, range.at, range.at + range.count);
    if (missing < 0) return;
    const words = this.#words;
    for (let row = missing; row < range.from + range.count; row += 1) {
      if (isValid(vector.validity, row)) continue;
      const at = range.at + row - range.from;
      this.#valid[at] = 0;
      this.#values.fill(0, at * words, (at + 1) * words);
      this.#nulls += 1;
    }
  }

  /** Numbers of texts are never below zero but where there is none. */
  #markUnformed({ at, count }: CopyRange): void {
    for (let row = at; row < at + count; row += 1) {
      if (this.#values[row] !== NO_FORM) continue;
      this.#valid[row] = 0;
      this.#values[row] = 0;
      this.#nulls += 1;
      this.#unformed += 1;
    }
  }

  #noFormAt(row: number): StrongroomError {
    const form = this.contract.canonical?.form ?? '';
    return new StrongroomError('ERR_COLUMN_FORM', {
      column: this.contract.name,
      form,
      row: row + 1,
    });
  }

  #nullAt(row: number): StrongroomError {
    const code = this.#isEventTime ? 'ERR_EVENT_TIME_MISSING' : 'ERR_COLUMN_NULL';
    return new StrongroomError(code, { column: this.contract.name, row: row + 1 });
  }

  /** `row` counts from 0; facts count from 1. */
  #wrongType(row?: number): StrongroomError {
    return new StrongroomError('ERR_COLUMN_TYPE', {
      column: this.contract.name,
      expectedType: this.contract.type,
      foundType: this.#source.type,
      ...wideningTo(this.#source, this.contract),
      ...problemOf(this.#source, this.contract.type),
      ...(row === undefined ? {} : { row: row + 1 }),
    });
  }
}

/** What an amendment may make of the column, so that it holds all that this source can. */
function wideningTo({ kind }: SourceColumn, { type }: ColumnContract): { amendTo?: ColumnType } {
  const name = kind === 'date' ? 'date32' : kind;
  const wider = COLUMN_TYPES.find((each) => each === name);
  return wider !== undefined && isWidening(type, wider) ? { amendTo: wider } : {};
}

/** Rows [from, to) of a column, with a dictionary of only the texts that they use. */
export function sliceColumn(column: BuiltColumn, from: number, to: number): BuiltColumn {
  const values = column.values.slice(from * column.words, to * column.words);
  const valid = column.valid?.subarray(from, to) ?? null;
  if (column.dictionary === null) return { ...column, values, valid };
  const { offsets, bytes, count } = column.dictionary;
  const used = new TextInterner();
  const numbers = new Int32Array(count).fill(-1);
  for (let row = 0; row < values.length; row += 1) {
    const entry = values[row] ?? 0;
    if (valid !== null && valid[row] !== 1) continue;
    if (numbers[entry] === -1) {
      const start = offsets[entry] ?? 0;
      numbers[entry] = used.intern(bytes, start, (offsets[entry + 1] ?? 0) - start);
    }
    values[row] = numbers[entry] ?? 0;
  }
  return { ...column, values, valid, dictionary: used.dictionary() };
}

function conversionOf(source: SourceColumn, contract: ColumnContract): Conversion | undefined {
  const { kind, scale = 0 } = source;
  if (kind === undefined || lacksZone(source, contract.type)) return undefined;
  const digits = digitsOf(contract);
  return digits ? toDecimal(kind, scale, digits) : conversionFor(kind, contract.type);
}

function wordsOf(type: ColumnType): 1 | 2 | 4 {
  if (type === 'decimal128') return 4;
  return /64$|^timestamp/.test(type) && type !== 'float64' ? 2 : 1;
}

function roomFor(type: ColumnType, length: number): TargetArray {
  switch (type) {
    case 'bool':
    case 'uint8':
      return new Uint8Array(length);
    case 'int8':
      return new Int8Array(length);
    case 'int16':
      return new Int16Array(length);
    case 'uint16':
      return new Uint16Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'float32':
      return new Float32Array(length);
    case 'float64':
      return new Float64Array(length);
    default:
      return new Int32Array(length);
  }
}

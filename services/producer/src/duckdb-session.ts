import assert from 'node:assert/strict';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBDecimalType,
  DuckDBInstance,
  type DuckDBResult,
  type DuckDBType,
  DuckDBTypeId,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { ColumnType } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { DECIMAL_DIGITS_MAX } from '@strongroom/protocol/limits';
import { malformedSource, NOT_UTF8, type RowWindow, type SourceFormat } from './row-reader.ts';
import type { SourceKind, SourceRows, SourceVector } from './source-vector.ts';

/** Rows wait in the engine while a group of batches is sealed and sent; none goes to disk. */
const ENGINE_MEMORY = '512MB';

/** One in-memory DuckDB that reads one source; no extension, no spill file, one thread. */
export class DuckDbSession {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #format: SourceFormat;
  #pending: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    format: SourceFormat,
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.#format = format;
  }

  static async open(format: SourceFormat): Promise<DuckDbSession> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: ENGINE_MEMORY,
      // The default spills plain rows into `.tmp` of the working folder.
      temp_directory: '',
      preserve_insertion_order: 'true',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    return new DuckDbSession(instance, await instance.connect(), format);
  }

  /** Names and types of a query's columns. */
  async describe(sql: string): Promise<{ name: string; type: DuckDBType }[]> {
    const statement = await this.#guard(this.#connection.prepare(sql));
    const columns = Array.from({ length: statement.columnCount }, (_, index) => ({
      name: statement.columnName(index),
      type: statement.columnType(index),
    }));
    statement.destroySync();
    return columns;
  }

  /** The rows of a small query all at once, as texts. @throws ERR_SOURCE_MALFORMED */
  async texts(sql: string): Promise<string[][]> {
    const result = await this.#guard(this.#connection.runAndReadAll(sql));
    return result.getRowsJS().map((row) => row.map(String));
  }

  /**
   * Streams the rows of a query, one chunk ahead: the engine works in its own thread meanwhile.
   * Column i is read as kinds[i]. The window is cut here and not by the query: an engine's LIMIT
   * and OFFSET gather all rows before they give out the first one.
   * @throws ERR_SOURCE_MALFORMED, ERR_LIMIT_EXCEEDED
   */
  async *rows(
    sql: string,
    kinds: readonly SourceKind[],
    { skip, limit }: RowWindow,
  ): AsyncGenerator<SourceRows> {
    if (limit === 0) return;
    const result = await this.#guard(this.#connection.stream(sql));
    let before = 0;
    let next = this.#fetch(result);
    for (;;) {
      const chunk = await next;
      if (this.#closed || chunk === null || chunk.rowCount === 0) return;
      const from = Math.max(0, skip - before);
      const to = Math.min(chunk.rowCount, skip + limit - before);
      before += chunk.rowCount;
      const isLast = before >= skip + limit;
      if (!isLast) next = this.#fetch(result);
      if (from < to) {
        yield { from, to, vectors: kinds.map((kind, at) => vectorOf(chunk, at, kind)) };
      }
      if (isLast) return;
    }
  }

  #fetch(result: DuckDBResult): Promise<DuckDBDataChunk | null> {
    const fetched = this.#guard(result.fetchChunk());
    // A failure of the chunk ahead is thrown when that chunk is asked for.
    this.#pending = fetched.catch(() => undefined);
    return fetched;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connection.interrupt();
    await this.#pending;
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /** Engine messages quote the rows that they complain about: only a line number passes. */
  async #guard<Value>(work: Promise<Value>): Promise<Value> {
    try {
      return await work;
    } catch (error) {
      if (codeOf(error) !== undefined) throw error;
      const message = error instanceof Error ? error.message : '';
      if (message.startsWith('Out of Memory')) {
        throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: `memory of ${ENGINE_MEMORY}` });
      }
      throw malformedSource(this.#format, { ...lineOf(message), ...problemOf(message) });
    }
  }
}

function lineOf(message: string): { line?: number } {
  const csv = /^Invalid Input Error: CSV Error on Line: (\d+)\n/.exec(message)?.[1];
  if (csv !== undefined) return { line: Number(csv) };
  // DuckDB 1.5 counts the lines of NDJSON from 2.
  const json = /^Invalid Input Error: Malformed JSON in file .*, at byte \d+ in line (\d+): /.exec(
    message,
  )?.[1];
  return json === undefined ? {} : { line: Number(json) - 1 };
}

/** What is wrong with a line, by the engine's own words, which stand around those of the row. */
const PROBLEMS: readonly (readonly [words: RegExp, problem: string])[] = [
  [/\nInvalid unicode /, NOT_UTF8],
  [/\nExpected Number of Columns: /, 'not as many fields as there are names'],
  [/\nValue with unterminated quote found\./, 'a quote that does not end where its field does'],
  [/\nMaximum line size of /, 'a line that is too long'],
];

function problemOf(message: string): { problem?: string } {
  if (!message.startsWith('Invalid Input Error: CSV Error on Line: ')) return {};
  const problem = PROBLEMS.find(([words]) => words.test(message))?.[1];
  return problem === undefined ? {} : { problem };
}

/** How a DuckDB type is read; undefined for a type that no contract can name. */
export interface EngineType {
  readonly kind: SourceKind;
  /** What the query has to cast the column to first: never loses anything. */
  readonly cast?: string;
  /** Of a decimal: digits behind the point. */
  readonly scale?: number;
  readonly instants?: true;
}

const ENGINE_TYPES: Partial<Record<DuckDBTypeId, EngineType>> = {
  [DuckDBTypeId.BOOLEAN]: { kind: 'bool' },
  [DuckDBTypeId.TINYINT]: { kind: 'int8' },
  [DuckDBTypeId.SMALLINT]: { kind: 'int16' },
  [DuckDBTypeId.INTEGER]: { kind: 'int32' },
  [DuckDBTypeId.BIGINT]: { kind: 'int64' },
  [DuckDBTypeId.UTINYINT]: { kind: 'uint8' },
  [DuckDBTypeId.USMALLINT]: { kind: 'uint16' },
  [DuckDBTypeId.UINTEGER]: { kind: 'uint32' },
  [DuckDBTypeId.UBIGINT]: { kind: 'uint64' },
  [DuckDBTypeId.FLOAT]: { kind: 'float32' },
  [DuckDBTypeId.DOUBLE]: { kind: 'float64' },
  [DuckDBTypeId.VARCHAR]: { kind: 'text' },
  [DuckDBTypeId.ENUM]: { kind: 'text', cast: 'VARCHAR' },
  [DuckDBTypeId.UUID]: { kind: 'text', cast: 'VARCHAR' },
  [DuckDBTypeId.DATE]: { kind: 'date' },
  [DuckDBTypeId.TIMESTAMP_S]: { kind: 'timestamp-s' },
  [DuckDBTypeId.TIMESTAMP_MS]: { kind: 'timestamp-ms' },
  [DuckDBTypeId.TIMESTAMP]: { kind: 'timestamp-us' },
  // Microseconds since 1970 in UTC, as TIMESTAMP.
  [DuckDBTypeId.TIMESTAMP_TZ]: { kind: 'timestamp-us', instants: true },
  [DuckDBTypeId.TIMESTAMP_NS]: { kind: 'timestamp-ns' },
};

/** @param wanted what the contract makes of it: a decimal stays one for a decimal only */
export function engineTypeOf(type: DuckDBType, wanted: ColumnType): EngineType | undefined {
  if (!isDecimal(type)) return ENGINE_TYPES[type.typeId];
  return wanted === 'decimal128' ? wideDecimal(type.scale) : decimalType(type);
}

/** All of its digits, in 128 bits whatever their number is. */
export function wideDecimal(scale: number): EngineType & { readonly cast: string } {
  return { kind: 'decimal', cast: `DECIMAL(${DECIMAL_DIGITS_MAX}, ${scale})`, scale };
}

function isDecimal(type: DuckDBType): type is DuckDBDecimalType {
  return type.typeId === DuckDBTypeId.DECIMAL;
}

/** Up to 15 digits survive the way into a double and back; 18 digits fit 64 bits. */
function decimalType({ width, scale }: DuckDBDecimalType): EngineType | undefined {
  if (scale === 0 && width <= 18) return { kind: 'int64', cast: 'BIGINT' };
  return width <= 15 ? { kind: 'float64', cast: 'DOUBLE' } : undefined;
}

/** The type's bare name: an ENUM's full name would list its values. */
export function engineTypeName(type: DuckDBType): string {
  return DuckDBTypeId[type.typeId];
}

function vectorOf(chunk: DuckDBDataChunk, column: number, kind: SourceKind): SourceVector {
  const { rowCount } = chunk;
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column);
  // The binding says Uint8Array; it returns null when no row is null (DuckDB's C API).
  const bits: Uint8Array | null = duckdb.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8);
  const bytes = duckdb.vector_get_data(vector, rowCount * BYTES_PER_ROW[kind]);
  if (kind === 'text') return textVector(chunk, bytes, bits);
  const { buffer, byteOffset, byteLength } = bytes;
  assert(buffer instanceof ArrayBuffer);
  const ValueArray = VALUE_ARRAYS[kind];
  const length = byteLength / ValueArray.BYTES_PER_ELEMENT;
  const values = new ValueArray(buffer, byteOffset, length);
  return { kind, values, validity: bits };
}

const VALUE_ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
  date: Int32Array,
  decimal: Int32Array,
  int64: Int32Array,
  uint64: Int32Array,
  'timestamp-s': Int32Array,
  'timestamp-ms': Int32Array,
  'timestamp-us': Int32Array,
  'timestamp-ns': Int32Array,
} as const;

const BYTES_PER_ROW: Record<SourceKind, number> = {
  bool: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  float32: 4,
  float64: 8,
  date: 4,
  decimal: 16,
  int64: 8,
  uint64: 8,
  'timestamp-s': 8,
  'timestamp-ms': 8,
  'timestamp-us': 8,
  'timestamp-ns': 8,
  text: 16,
};

/**
 * duckdb_string_t, 16 bytes: a 32-bit length, then up to 12 bytes of text in place, else a 4-byte
 * prefix and a pointer into the chunk, which must therefore stay alive as long as the vector.
 */
const INLINE_BYTES_MAX = 12;

function textVector(
  chunk: DuckDBDataChunk,
  strings: Uint8Array,
  validity: Uint8Array | null,
): SourceVector {
  const { buffer, byteOffset, byteLength } = strings;
  assert(buffer instanceof ArrayBuffer);
  const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
  const owner = { chunk };
  return {
    kind: 'text',
    validity,
    intern(row, interner) {
      const length = words[4 * row] ?? 0;
      if (length <= INLINE_BYTES_MAX) return interner.intern(strings, 16 * row + 4, length);
      assert(row < owner.chunk.rowCount);
      const text = duckdb.get_data_from_pointer(buffer, byteOffset + 16 * row + 8, length);
      return interner.intern(text, 0, length);
    },
  };
}

import assert from 'node:assert/strict';
import {
  DataType,
  Field,
  makeData,
  makeVector,
  RecordBatch,
  Schema,
  Table,
  TimestampMillisecond,
  tableToIPC,
  Utf8,
  type Vector,
} from 'apache-arrow';
import type { ByteSink } from './byte-sink.ts';
import type { VerifiedResult } from './open-aggregate.ts';
import { checkSameColumns, columnsWithWindow, type ResultColumn } from './result-columns.ts';
import type { FormatWriter } from './result-writer.ts';

/** Collects the windows of one query and writes them when it is closed. */
export function arrowWriter(sink: ByteSink, form: 'file' | 'stream'): FormatWriter {
  const results: VerifiedResult[] = [];
  let first: readonly ResultColumn[] | undefined;
  return {
    write(result) {
      const columns = columnsWithWindow(result);
      first ??= columns;
      checkSameColumns(first, columns, result.seal.query);
      results.push(result);
      return Promise.resolve();
    },
    async close() {
      await sink.write(resultArrow(results, form));
      await sink.close();
    },
    discard: () => sink.discard(),
  };
}

/** Windows of one query, with the columns of the first, as one Arrow file or stream. */
export function resultArrow(
  results: readonly VerifiedResult[],
  form: 'file' | 'stream',
): Uint8Array {
  const tables = results.map((result) => arrowTableOf(result, columnsWithWindow(result)));
  return arrowBytes(tables, form);
}

/**
 * Dictionaries become plain text: every window has its own, and not every Arrow reader follows a
 * change of dictionary.
 */
function arrowTableOf(result: VerifiedResult, columns: readonly ResultColumn[]): Table {
  const { seal, content, table } = result;
  const bounds = seal.window === null ? [] : [seal.window.start, seal.window.end];
  const vectors: Record<string, Vector> = {};
  columns.forEach((column, index) => {
    const bound = bounds[index];
    vectors[column.name] =
      bound === undefined
        ? plainVector(table.getChildAt(index - bounds.length))
        : boundVector(bound, content.rows);
  });
  return new Table(vectors);
}

/** Made of bytes: Arrow's builders compile functions, which the page's policy refuses. */
function boundVector(milliseconds: number, rows: number): Vector {
  const data = new BigInt64Array(rows).fill(BigInt(milliseconds));
  return makeVector(makeData({ type: new TimestampMillisecond(), length: rows, data }));
}

function plainVector(vector: Vector | null): Vector {
  assert(vector !== null, 'a result has a vector for each of its columns');
  return DataType.isDictionary(vector.type) ? textVector([...vector]) : vector;
}

function textVector(cells: readonly (string | null)[]): Vector {
  const texts = cells.map((cell) => new TextEncoder().encode(cell ?? ''));
  const valueOffsets = new Int32Array(cells.length + 1);
  for (const [row, text] of texts.entries()) {
    valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + text.length;
  }
  const data = new Uint8Array(valueOffsets[cells.length] ?? 0);
  for (const [row, text] of texts.entries()) data.set(text, valueOffsets[row]);
  const nullBitmap = new Uint8Array(Math.ceil(cells.length / 8));
  for (const [row, cell] of cells.entries()) {
    if (cell !== null) nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row % 8));
  }
  const nullCount = cells.filter((cell) => cell === null).length;
  const { length } = cells;
  const type = new Utf8();
  return makeVector(makeData({ type, length, nullCount, nullBitmap, valueOffsets, data }));
}

/** All windows under one schema, in which every column may have missing values. */
function arrowBytes(tables: readonly Table[], form: 'file' | 'stream'): Uint8Array {
  const fields = tables[0]?.schema.fields ?? [];
  const columns = new Schema(fields.map((field) => new Field(field.name, field.type, true)));
  const arrowBatches = tables.flatMap((table) =>
    table.batches.map((arrowBatch) => new RecordBatch(columns, arrowBatch.data)),
  );
  return tableToIPC(new Table(columns, arrowBatches), form);
}

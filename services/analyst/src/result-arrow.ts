import assert from 'node:assert/strict';
import {
  DataType,
  Field,
  RecordBatch,
  Schema,
  Table,
  TimestampMillisecond,
  tableToIPC,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import type { ByteSink } from './byte-sink.ts';
import type { VerifiedResult } from './open-aggregate.ts';
import { checkSameColumns, columnsWithWindow, type ResultColumn } from './result-columns.ts';
import type { FormatWriter } from './result-writer.ts';

/** Collects the windows of one query and writes them when it is closed. */
export function arrowWriter(sink: ByteSink, form: 'file' | 'stream'): FormatWriter {
  const tables: Table[] = [];
  let first: readonly ResultColumn[] | undefined;
  return {
    write(result) {
      const columns = columnsWithWindow(result);
      first ??= columns;
      checkSameColumns(first, columns, result.seal.query);
      tables.push(arrowTableOf(result, columns));
      return Promise.resolve();
    },
    async close() {
      await sink.write(arrowBytes(tables, form));
      await sink.close();
    },
    discard: () => sink.discard(),
  };
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
        : vectorFromArray(Array<number>(content.rows).fill(bound), new TimestampMillisecond());
  });
  return new Table(vectors);
}

function plainVector(vector: Vector | null): Vector {
  assert(vector !== null, 'a result has a vector for each of its columns');
  return DataType.isDictionary(vector.type) ? vectorFromArray([...vector], new Utf8()) : vector;
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

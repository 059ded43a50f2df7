import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { StreamId } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX, ROWS_PER_BATCH_DEFAULT } from '@strongroom/protocol/limits';
import { absentColumnsOf, withAbsentColumns } from './absent-columns.ts';
import { type ArrowBatch, ArrowBatchCutter } from './arrow-batch.ts';
import { openArrow } from './arrow-source.ts';
import type { FormOptions } from './canonical-texts.ts';
import type { ColumnMapping } from './column-mapping.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { inUtf8, startInUtf8 } from './csv-encoding.ts';
import { openCsv } from './csv-source.ts';
import { openEnginePipe } from './engine-pipe.ts';
import { memoryFile } from './memory-file.ts';
import { openNdjson } from './ndjson-source.ts';
import { openParquet } from './parquet-source.ts';
import type { RowReader, RowWindow, SourceFormat } from './row-reader.ts';
import type { KnownSource } from './source-format.ts';
import { bytesOf, type ReplayableInput, type SourceInput } from './source-input.ts';
import { streamShareOf } from './stream-share.ts';

export interface SourceOptions extends FormOptions {
  readonly dataset: Dataset;
  readonly source: KnownSource;
  readonly columns?: ColumnMapping | undefined;
  /** Rows at the start that an earlier run has published. */
  readonly skipRows?: number;
  /** Rows of the source to publish in all, those of earlier runs included. */
  readonly limitRows?: number | undefined;
  readonly batchRows?: number | undefined;
  readonly batchBytes?: number | undefined;
  /** Of CSV, as its owner says it. */
  readonly csv?: CsvDialect | undefined;
  /** Rows of the first batches, as they were cut before. */
  readonly cut?: readonly number[];
  /** Where the contract shares rows out: the stream whose rows are wanted. Absent: all rows. */
  readonly stream?: StreamId | undefined;
}

/** The rows of a source as Arrow batches of the dataset's columns, in the source's order. */
export interface BatchSource extends AsyncIterable<ArrowBatch> {
  readonly format: SourceFormat;
  /** Columns that an amendment added and the source lacks: null in every row. */
  readonly absentColumns: readonly string[];
  /** Values read so far that are missing in the batches, because they had no canonical form. */
  readonly unformed: number;
  /** Rows of the source that were read so far, where some of them belong to other streams. */
  readonly passed: number | undefined;
  /** Ends the engine; safe to call at any time, also while a batch is awaited. */
  close(): Promise<void>;
}

/** The same source with other batches: what is left of its own, or a check behind them. */
export function withBatches(
  source: BatchSource,
  batches: () => AsyncIterator<ArrowBatch>,
): BatchSource {
  return {
    format: source.format,
    absentColumns: source.absentColumns,
    get unformed() {
      return source.unformed;
    },
    get passed() {
      return source.passed;
    },
    close: () => source.close(),
    [Symbol.asyncIterator]: batches,
  };
}

/**
 * Opens a CSV, Parquet, NDJSON or Arrow source and checks its columns against the contract. Only
 * a bounded part of it is in memory at a time, and none of it is copied to a disk.
 * @throws ERR_FILE_UNREADABLE, ERR_SOURCE_MALFORMED, ERR_COLUMN_UNKNOWN, ERR_COLUMN_MISSING,
 *   ERR_COLUMN_TYPE; while rows are read also ERR_COLUMN_*, ERR_EVENT_TIME_MISSING,
 *   ERR_BATCH_TOO_LARGE
 */
export async function openSource(options: SourceOptions): Promise<BatchSource> {
  const { dataset, skipRows = 0, limitRows = Number.POSITIVE_INFINITY } = options;
  const window = { skip: skipRows, limit: Math.max(0, limitRows - skipRows) };
  const found = await openReader(options, window);
  const reader = withAbsentColumns(dataset, found);
  try {
    const limits = {
      rows: options.batchRows ?? ROWS_PER_BATCH_DEFAULT,
      bytes: Math.min(options.batchBytes ?? CIPHERTEXT_BYTES_MAX, CIPHERTEXT_BYTES_MAX),
      ...(options.cut === undefined ? {} : { cut: options.cut }),
    };
    const cutter = new ArrowBatchCutter(dataset, reader.columns, limits, skipRows, options);
    const share = streamShareOf(dataset, reader.columns, skipRows, options);
    return {
      format: options.source.format,
      absentColumns: absentColumnsOf(dataset, found),
      get unformed() {
        return cutter.unformed;
      },
      get passed() {
        return share?.passed;
      },
      close: () => reader.close(),
      async *[Symbol.asyncIterator]() {
        for await (const rows of reader.rows()) {
          if (!share) yield* cutter.add(rows);
          else for (const own of share.rowsIn(rows)) yield* cutter.add(own);
        }
        yield* cutter.rest();
      },
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function openReader(
  { source: { format, input, start }, dataset, columns, csv }: SourceOptions,
  window: RowWindow,
): Promise<RowReader> {
  switch (format) {
    case 'parquet':
      if (input.type === 'file') return openParquet(input.path, dataset, columns, window);
      if (input.type === 'replayable') {
        return inMemory(input, (path) => openParquet(path, dataset, columns, window));
      }
      throw new StrongroomError('ERR_USAGE', {
        argument: '--source',
        problem: 'Parquet is read from a file or an object: its contents are listed at its end',
      });
    case 'arrow':
      return openArrow(input, start, dataset, columns, window);
    case 'csv': {
      const encoding = csv?.encoding ?? 'utf-8';
      if (encoding === 'utf-8') {
        return withPath(input, (path) => openCsv(path, start, dataset, columns, window, csv));
      }
      const text = startInUtf8(start, encoding);
      return throughPipe(inUtf8(bytesOf(input), encoding), (path) =>
        openCsv(path, text, dataset, columns, window, csv),
      );
    }
    case 'ndjson':
      return withPath(input, (path) => openNdjson(path, dataset, columns, window));
  }
}

/** A reader that begins at the end, for bytes that come from their start. */
async function inMemory(
  input: ReplayableInput,
  openPath: (path: string) => Promise<RowReader>,
): Promise<RowReader> {
  const file = await memoryFile(input.bytes());
  const reader = await openPath(file.path).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return {
    present: reader.present,
    columns: reader.columns,
    rows: () => reader.rows(),
    async close() {
      await reader.close();
      await file.close();
    },
  };
}

/** A reader that needs a path, also for a stream. */
async function withPath(
  input: SourceInput,
  openPath: (path: string) => Promise<RowReader>,
): Promise<RowReader> {
  return input.type === 'file' ? openPath(input.path) : throughPipe(bytesOf(input), openPath);
}

async function throughPipe(
  bytes: AsyncIterable<Uint8Array>,
  openPath: (path: string) => Promise<RowReader>,
): Promise<RowReader> {
  const pipe = await openEnginePipe(bytes);
  const reader = await openPath(pipe.path).catch(async (error: unknown) => {
    await pipe.close();
    throw error;
  });
  return {
    present: reader.present,
    columns: reader.columns,
    async *rows() {
      try {
        yield* reader.rows();
      } catch (error) {
        throw pipe.failure() ?? error;
      }
      // The engine takes a stream that broke for one that ended.
      if (pipe.failure() !== undefined) throw pipe.failure();
    },
    async close() {
      await pipe.close();
      await reader.close();
    },
  };
}

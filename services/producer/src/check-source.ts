import type { Dataset } from '@strongroom/protocol/contract';
import { chooseStream } from './agreement.ts';
import { openSource, type SourceOptions } from './batch-source.ts';
import type { FormOptions } from './canonical-texts.ts';
import { wantedColumns } from './column-mapping.ts';
import type { CsvDialect } from './csv-dialect.ts';
import type { SourceFormat } from './row-reader.ts';
import type { KnownSource } from './source-format.ts';
import type { CollectionInput, GrowingInput, SourceInput } from './source-input.ts';
import { advance, type EventTimes, type WatermarkRule } from './watermark.ts';

/** Which rows are published as which dataset, and how they are cut. */
export interface SourceRequest extends FormOptions {
  /** The parsed contract file. */
  readonly signedContract: unknown;
  readonly amendments?: readonly unknown[];
  readonly datasetId: string;
  /** Not yet read. */
  readonly input: SourceInput | CollectionInput | GrowingInput;
  readonly format: SourceFormat | 'auto';
  /** `--columns` as it was written. */
  readonly columns?: string | undefined;
  /** Of CSV files, as their owner says it. */
  readonly csv?: CsvDialect | undefined;
  readonly batchRows?: number | undefined;
  readonly batchBytes?: number | undefined;
  /** Rows of the source to publish in all. */
  readonly limitRows?: number | undefined;
  /** `--stream`, whose rows alone are read where the contract shares them out. */
  readonly stream?: string | undefined;
  readonly rule: WatermarkRule;
  /** Ends the reading early, without an error. */
  readonly signal: AbortSignal;
}

/** What a source would become. */
export interface SourceSummary {
  readonly rows: number;
  readonly batches: number;
  /** Bytes of all batches before they are sealed. */
  readonly bytes: number;
  /** Values that would be missing, because they have no canonical form. */
  readonly unformed: number;
  /** Oldest and newest event time in milliseconds; null without rows or event time. */
  readonly eventTime: { readonly min: number; readonly max: number } | null;
  /** Columns that an amendment added and the source lacks: null in every row. */
  readonly absentColumns: readonly string[];
  /** What the next rows must not be older than. */
  readonly times: EventTimes;
}

/**
 * Reads a source to its end: whatever is wrong with any of its rows is found before the first one
 * leaves.
 * @throws ERR_SOURCE_MALFORMED, ERR_COLUMN_*, ERR_EVENT_TIME_MISSING, ERR_BATCH_TOO_LARGE,
 *   ERR_LATE_ROWS
 */
export async function checkSource(
  request: SourceRequest,
  dataset: Dataset,
  source: KnownSource,
  { newestEventTime, watermark }: EventTimes,
): Promise<SourceSummary> {
  const opened = await openSource(sourceOptions(request, dataset, source, 0));
  const { absentColumns } = opened;
  let summary: SourceSummary = {
    ...nothingFound({ newestEventTime, watermark }),
    absentColumns,
  };
  try {
    for await (const arrowBatch of opened) {
      if (request.signal.aborted) break;
      const times = advance(summary.times, arrowBatch, request.rule);
      const { rows, bytes, eventTime } = arrowBatch;
      summary = {
        ...summary,
        rows: summary.rows + rows,
        batches: summary.batches + 1,
        bytes: summary.bytes + bytes.length,
        unformed: opened.unformed,
        eventTime: union(summary.eventTime, eventTime),
        times,
      };
    }
    return summary;
  } finally {
    await opened.close();
  }
}

/** @param skipRows rows at the start that an earlier run has published */
export function sourceOptions(
  request: SourceRequest,
  dataset: Dataset,
  source: KnownSource,
  skipRows: number,
): SourceOptions {
  const { csv, limitRows, batchRows, batchBytes, columns, joinKeys, withoutForm } = request;
  const { mapping } = wantedColumns(dataset, columns);
  const forms = { joinKeys, withoutForm };
  // A check of no stream in particular is one of all rows.
  const isShare = dataset.partitionBy !== undefined && request.stream !== undefined;
  const { id: stream } = isShare ? chooseStream(dataset, request.stream) : {};
  return {
    dataset,
    stream,
    source,
    columns: mapping,
    csv,
    skipRows,
    limitRows,
    batchRows,
    batchBytes,
    ...forms,
  };
}

/** The summary of a source without a row. */
export function nothingFound(times: EventTimes): SourceSummary {
  const counts = { rows: 0, batches: 0, bytes: 0, unformed: 0 };
  return { ...counts, eventTime: null, absentColumns: [], times };
}

type Range = SourceSummary['eventTime'];

export function union(left: Range, right: Range): Range {
  if (left === null || right === null) return left ?? right;
  return { min: Math.min(left.min, right.min), max: Math.max(left.max, right.max) };
}

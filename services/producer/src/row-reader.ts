import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { SourceColumn, SourceRows } from './source-vector.ts';

/** An open source in one format, already looked at: its columns are known, no row is read yet. */
export interface RowReader {
  /** The dataset, without columns that the source lacks and may lack. */
  readonly present: Dataset;
  /** One source column for each of its columns, in its order. */
  readonly columns: readonly SourceColumn[];
  /** Every row once, in the order of the source. To be called once. */
  rows(): AsyncIterable<SourceRows>;
  close(): Promise<void>;
}

/** Which rows of a source are wanted. */
export interface RowWindow {
  /** Rows to leave out at the start: an earlier run has published them. */
  readonly skip: number;
  /** Rows to read after those at most. */
  readonly limit: number;
}

export const SOURCE_FORMATS = ['csv', 'parquet', 'ndjson', 'arrow'] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

/** Facts say where, never what: a malformed line is still somebody's row. */
export function malformedSource(
  format: SourceFormat,
  facts: Readonly<Record<string, string | number>> = {},
): StrongroomError {
  return new StrongroomError('ERR_SOURCE_MALFORMED', { format, ...facts });
}

/** What is wrong with a text, and what helps. */
export const NOT_UTF8 = 'not UTF-8: convert it, or name its encoding with --csv';

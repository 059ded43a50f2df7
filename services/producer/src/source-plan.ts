import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { wantedColumns } from './column-mapping.ts';
import type { CsvDialect } from './csv-dialect.ts';
import { fingerprintSource, goesOn } from './source-fingerprint.ts';
import type { KnownSource } from './source-format.ts';
import type { StreamState } from './stream-state.ts';

/** Which rows of a source are still to be published. */
export interface SourcePlan {
  readonly fingerprint: string;
  /** Rows of the source that are in the stream already. */
  readonly cursor: number;
  /** All of it is in the stream, or the stream has ended: there is nothing to do. */
  readonly published: boolean;
}

/**
 * Finds out where an earlier run has left the source. When all of it was published and the stream
 * was left open, the same source may still be named to end the stream. A stream of bytes cannot be
 * known again: when one was published in part, the next one is taken for the same rows, from their
 * start.
 * @param columns `--columns` as it was written
 * @param csv `--csv`, where it was given
 * @throws ERR_SOURCE_CHANGED, ERR_USAGE, ERR_COLUMN_UNKNOWN
 */
export async function planSource(
  source: KnownSource,
  dataset: Dataset,
  columns: string | undefined,
  state: StreamState,
  final: boolean,
  csv?: CsvDialect,
): Promise<SourcePlan> {
  const { mapping } = wantedColumns(dataset, columns);
  const fingerprint = await fingerprintSource(source, dataset, mapping, csv);
  const before = state.source;
  const same = before?.fingerprint === fingerprint;
  if (state.final) {
    if (!same) throw changed(dataset, 'the stream has ended with another source');
    return { fingerprint, cursor: before?.cursor ?? 0, published: true };
  }
  if (before === null) return { fingerprint, cursor: 0, published: false };
  if (before.complete) {
    const known = same && source.input.type !== 'stream';
    const { sample } = before;
    if (!same && sample && before.cursor > 0 && (await goesOn(source.input, sample))) {
      throw changed(dataset, 'a file that was published has grown: give new rows in another one');
    }
    return { fingerprint, cursor: known ? before.cursor : 0, published: known && !final };
  }
  if (!same) throw changed(dataset, 'another source is published only in part');
  return { fingerprint, cursor: before.cursor, published: false };
}

function changed(dataset: Dataset, problem: string): StrongroomError {
  return new StrongroomError('ERR_SOURCE_CHANGED', { dataset: dataset.id, problem });
}

import { StrongroomError } from '@strongroom/protocol/errors';
import { RecordBatch, Table, tableToIPC } from 'apache-arrow';
import { malformedSource } from './row-reader.ts';

/** Arrow IPC, encapsulated message: a continuation indicator, and the bytes of the metadata. */
const PREFIX_BYTES = 8;
/** What ends a stream: a continuation indicator and no metadata. */
export const STREAM_END: Uint8Array = Buffer.from('ffffffff00000000', 'hex');

/**
 * Record batches as one Arrow IPC stream, a piece for each, so that no more of them are in memory
 * than are read: the library's own writer takes all that come and waits for nobody. Each has its
 * dictionaries with it.
 */
export class ArrowMessages {
  #columns: Buffer | undefined;
  #arrowBatches = 0;

  /** @throws ERR_SOURCE_MALFORMED for what has other columns than the first one, ERR_USAGE */
  message(arrowBatch: unknown): Uint8Array {
    this.#arrowBatches += 1;
    if (!(arrowBatch instanceof RecordBatch)) throw this.#stranger(arrowBatch);
    const stream = Buffer.from(tableToIPC(new Table([arrowBatch]), 'stream'));
    // The columns' message has no body, so it ends where its metadata does.
    const columnsEnd = PREFIX_BYTES + stream.readInt32LE(4);
    const columns = stream.subarray(0, columnsEnd);
    const end = stream.length - STREAM_END.length;
    if (this.#columns === undefined) {
      this.#columns = columns;
      return stream.subarray(0, end);
    }
    if (!this.#columns.equals(columns)) {
      const problem = 'its columns are not those of the first one';
      throw malformedSource('arrow', { arrowBatch: this.#arrowBatches, problem });
    }
    return stream.subarray(columnsEnd, end);
  }

  #stranger(found: unknown): StrongroomError {
    return looksLikeArrow(found)
      ? new StrongroomError('ERR_USAGE', { problem: 'a RecordBatch of another apache-arrow' })
      : malformedSource('arrow', { arrowBatch: this.#arrowBatches, problem: 'no RecordBatch' });
  }
}

/** Also of another copy of the library, of which nothing can be known. */
export function looksLikeArrow(row: unknown): boolean {
  if (row instanceof RecordBatch) return true;
  const isObject = typeof row === 'object' && row !== null;
  return isObject && 'numRows' in row && 'schema' in row && 'data' in row && 'getChildAt' in row;
}

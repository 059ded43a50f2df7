import type { Dataset } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ArrowMessages, looksLikeArrow, STREAM_END } from './arrow-messages.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { RowLines } from './row-lines.ts';
import type { StreamInput } from './source-input.ts';

/** Rows that a program hands over, as the pipeline reads standard input. */
export interface RowStream {
  readonly input: StreamInput;
  readonly format: 'ndjson' | 'arrow';
  /** What the rows themselves threw, or were refused for: more than the pipeline can say of it. */
  failure(): unknown;
  /** What the pipeline meets when it reads on although it was told to stop. */
  readonly stopped: Error;
}

export type AnyRows = Iterable<unknown> | AsyncIterable<unknown>;

/** Lines that are handed over together. */
const PIECE_CHARACTERS = 64 * 1024;

/**
 * Waits for the first of the rows, which tells what they are: plain objects or Arrow batches. When
 * the signal aborts first, the pipeline finds nothing to read, and that it was told to stop.
 * @throws what the rows throw
 */
export async function openRows(
  rows: AnyRows,
  dataset: Dataset,
  mapping: ColumnMapping | undefined,
  signal: AbortSignal,
): Promise<RowStream> {
  const iterator = new PatientIterator(rows);
  const cancel = () => iterator.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    const first = await iterator.next();
    const isArrow = first.done !== true && looksLikeArrow(first.value);
    const all = withFirst(first, iterator);
    return isArrow
      ? streamOf(arrowPieces(all), 'arrow', iterator)
      : streamOf(linePieces(all, new RowLines(dataset, mapping)), 'ndjson', iterator);
  } catch (error) {
    if (!iterator.isCancelled) throw error;
    return streamOf(linePieces(iterator, new RowLines(dataset, mapping)), 'ndjson', iterator);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function streamOf(
  pieces: AsyncIterable<Uint8Array>,
  format: RowStream['format'],
  iterator: PatientIterator,
): RowStream {
  let failure: unknown;
  async function* watched() {
    try {
      yield* pieces;
    } catch (error) {
      if (!iterator.isCancelled) failure = error;
      throw error;
    } finally {
      iterator.return();
    }
  }
  return {
    input: { type: 'stream', bytes: watched(), cancel: () => iterator.cancel() },
    format,
    failure: () => failure,
    stopped: iterator.stopped,
  };
}

async function* withFirst(first: IteratorResult<unknown>, rest: PatientIterator) {
  for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
}

async function* linePieces(rows: AsyncIterable<unknown>, lines: RowLines) {
  const encoder = new TextEncoder();
  let piece = '';
  for await (const row of rows) {
    piece += lines.line(row);
    if (piece.length < PIECE_CHARACTERS) continue;
    yield encoder.encode(piece);
    piece = '';
  }
  if (piece !== '') yield encoder.encode(piece);
}

async function* arrowPieces(rows: AsyncIterable<unknown>) {
  const messages = new ArrowMessages();
  for await (const row of rows) yield messages.message(row);
  yield STREAM_END;
}

/** Waits for a row that may never come, until it is told not to. */
class PatientIterator implements AsyncIterable<unknown> {
  readonly stopped = new StrongroomError('ERR_FILE_UNREADABLE', {
    path: 'rows',
    reason: 'stopped',
  });
  readonly #rows: AsyncIterator<unknown> | Iterator<unknown>;
  #refuse: ((reason: unknown) => void) | undefined;
  #isCancelled = false;

  constructor(rows: AnyRows) {
    this.#rows =
      Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return { next: () => this.next() };
  }

  next(): Promise<IteratorResult<unknown>> {
    return new Promise((resolve, reject) => {
      if (this.#isCancelled) return reject(this.stopped);
      this.#refuse = reject;
      this.#next().then(resolve, reject);
    });
  }

  /** What is thrown at once is a rejection too. */
  async #next(): Promise<IteratorResult<unknown>> {
    return await this.#rows.next();
  }

  /** It does not end but fail: rows that were not waited for may still exist. */
  cancel(): void {
    this.#isCancelled = true;
    this.#refuse?.(this.stopped);
    this.return();
  }

  /** Whoever makes the rows may clean up; nobody waits for it. */
  return(): void {
    this.#return().catch(() => undefined);
  }

  async #return(): Promise<void> {
    await this.#rows.return?.();
  }
}

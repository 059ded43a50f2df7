import {
  codeOf,
  dispositionOf,
  type ErrorCode,
  StrongroomError,
} from '@strongroom/protocol/errors';
import type { DoorEntry, EntryOutcome, LateCount } from './door.ts';
import type { StoredBatch } from './engine/row-store.ts';
import type { HeldElement, OpenedBatch, StreamElement } from './held-elements.ts';
import type { TimeRange } from './kept-batches.ts';
import { type Judgement, mergeLate } from './late-rows.ts';
import { type EntryContext, type OpenedEntry, openEntry } from './open-entry.ts';
import { type LaterRefusal, leftAtOrigin } from './quarantine.ts';
import type { DatasetStream } from './stream.ts';

/** From records of a dataset's topic to rows that may be counted: verify, open, check, order. */

export interface IntakeContext extends Pick<EntryContext, 'streams'> {
  /** Says what is late of a batch that is next in its stream, and counts it. */
  readonly judge: (opened: OpenedBatch, isNew: boolean) => Judgement;
  /** Whether no window that holds rows between these times has closed. */
  readonly isOpen: (eventTime: TimeRange | null) => boolean;
}

/** What came of some records; of outcomes, first one for each of them, in their order. */
export interface Intake {
  readonly outcomes: readonly EntryOutcome[];
  /** Of these, records that were handed in earlier, had to wait, and are bad. */
  readonly later: readonly LaterRefusal[];
  /** In the order in which they count. */
  readonly batches: readonly StoredBatch[];
  /** What their rows are views of: it is free once they are stored. */
  readonly plaintexts: readonly Uint8Array[];
  /** Numbers of batches that were stored before, and count no more. */
  readonly removed: readonly number[];
}

/** Records that were verified and opened, or why they could not be, in their order. */
export type OpenedEntries = readonly Settled<OpenedEntry>[];

/**
 * Verifies and opens records, as far as that depends on nothing that came before them; it may be
 * begun before their turn has come. Never rejects.
 */
export function openEntries(
  entries: readonly DoorEntry[],
  context: EntryContext,
): Promise<OpenedEntries> {
  // Hashing and unwrapping overlap; the order is that of the records.
  return Promise.all(entries.map((entry) => settle(openEntry(entry, context))));
}

/**
 * Takes records in the log's order. A record that is bad is an outcome with its code; what halts
 * the computation is thrown.
 */
export function takeEntries(
  entries: readonly DoorEntry[],
  opened: OpenedEntries,
  context: IntakeContext,
): Intake {
  const taking = new Taking(context);
  const outcomes = entries.flatMap((entry, index) => {
    const result = opened[index];
    return result ? [taking.take(entry, result)] : [];
  });
  const { batches, plaintexts, removed, later } = taking;
  const all = [...outcomes, ...later.map(({ outcome }) => outcome)];
  return { outcomes: all, later, batches, plaintexts, removed };
}

interface Taken {
  rows: number;
  lateRows: number;
  retractedRows: number;
  readonly late: readonly LateCount[];
  readonly code?: ErrorCode;
}
const NOTHING = { rows: 0, lateRows: 0, retractedRows: 0 };

class Taking {
  readonly #context: IntakeContext;
  readonly batches: StoredBatch[] = [];
  readonly plaintexts: Uint8Array[] = [];
  readonly removed: number[] = [];
  readonly later: LaterRefusal[] = [];

  constructor(context: IntakeContext) {
    this.#context = context;
  }

  take(entry: DoorEntry, opened: Settled<OpenedEntry>): EntryOutcome {
    const { offset, partition = 0 } = entry;
    const { streams } = this.#context;
    const again = streams.isKnown(partition, offset);
    try {
      const result = unsettle(opened);
      const stream = streams.streamOf(result, partition);
      if (result.kind === 'manifest') {
        stream.takeManifest(result.manifest);
        return { offset, kind: 'manifest', ...NOTHING };
      }
      const { element } = result;
      if (stream.hold(element, streamIdOf(element), () => leftAtOrigin(entry.value))) {
        return held(offset, stream);
      }
      return this.#takeElement(element, stream, again);
    } catch (error) {
      return { ...refusalOf(error, offset), again };
    }
  }

  /** Takes an element and those that waited for it. */
  #takeElement(element: StreamElement, stream: DatasetStream, again: boolean): EntryOutcome {
    const { offset, kind } = element;
    const { code, late, ...counts } = this.#takeNow(element, stream);
    const allLate = [...late];
    for (let next = stream.takeHeld(); next; next = stream.takeHeld()) {
      try {
        const its = this.#takeNow(next, stream);
        counts.rows += its.rows;
        counts.lateRows += its.lateRows;
        counts.retractedRows += its.retractedRows;
        allLate.push(...its.late);
        if (its.code) this.#refuseLater(next, stream, refused(next.offset, its.code));
      } catch (error) {
        this.#refuseLater(next, stream, refusalOf(error, next.offset));
      }
    }
    const told = { ...counts, ...(allLate.length > 0 ? { late: mergeLate(allLate) } : {}) };
    return code ? { offset, kind: 'refused', ...told, code, again } : { offset, kind, ...told };
  }

  #takeNow(element: StreamElement, stream: DatasetStream): Taken {
    switch (element.kind) {
      case 'batch':
        return this.#takeBatch(element, stream);
      case 'retraction':
        return this.#takeRetraction(element, stream);
      case 'opening':
        for (const ended of stream.takeOpening(element.opening, element)) {
          this.#refuseLater(ended, stream, refused(ended.offset, 'ERR_STREAM_EPOCH'));
        }
        return { ...NOTHING, late: [] };
    }
  }

  #refuseLater({ record }: HeldElement, { partition }: DatasetStream, outcome: EntryOutcome): void {
    this.later.push({ outcome, partition, record });
  }

  #takeBatch(element: OpenedBatch, stream: DatasetStream): Taken {
    const { seal, arrowBatch, plaintext } = element;
    this.plaintexts.push(plaintext);
    const batchNumber = this.#context.streams.nextBatch();
    const { isNew, counts } = stream.takeBatch(seal, { ...element, batchNumber });
    const { late, lateBelow } = this.#context.judge(element, isNew);
    const { eventTime } = seal;
    const stored = { arrowBatch, stream: stream.index, batchNumber, lateBelow, eventTime };
    if (counts) this.batches.push(stored);
    // What is late for one query is late for every one that has closed more.
    const lateRows = Math.max(0, ...late.map(({ rows }) => rows));
    stream.addLateRows(lateRows);
    return { ...NOTHING, rows: isNew ? seal.rows : 0, lateRows, late };
  }

  #takeRetraction(element: StreamElement & { kind: 'retraction' }, stream: DatasetStream): Taken {
    const { isOpen } = this.#context;
    const { rows, batchNumber, code } = stream.takeRetraction(element.retraction, element, isOpen);
    const place = this.batches.findIndex((each) => each.batchNumber === batchNumber);
    if (place >= 0) this.batches.splice(place, 1);
    else if (batchNumber !== undefined) this.removed.push(batchNumber);
    return { ...NOTHING, retractedRows: rows, late: [], ...(code ? { code } : {}) };
  }
}

function streamIdOf(element: StreamElement) {
  if (element.kind === 'batch') return element.seal.stream;
  return element.kind === 'opening' ? element.opening.stream : element.retraction.stream;
}

function held(offset: number, { dataset, sequence }: DatasetStream): EntryOutcome {
  const facts = { dataset: dataset.id, expected: sequence };
  return { offset, kind: 'held', ...NOTHING, code: 'ERR_STREAM_GAP', facts };
}

function refused(offset: number, code: ErrorCode): EntryOutcome {
  return { offset, kind: 'refused', ...NOTHING, code };
}

/** What halts the computation is thrown on. */
function refusalOf(error: unknown, offset: number): EntryOutcome {
  const code = codeOf(error);
  if (code === undefined || dispositionOf(error) === 'halt') throw error;
  const facts = error instanceof StrongroomError ? error.facts : {};
  return { ...refused(offset, code), facts };
}

type Settled<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

function unsettle<T>(settled: Settled<T>): T {
  if (settled.ok) return settled.value;
  throw settled.error;
}

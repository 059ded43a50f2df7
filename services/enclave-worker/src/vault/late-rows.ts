import type { QueryLateRows } from '@strongroom/protocol/checkpoint';
import type { Dataset, Query } from '@strongroom/protocol/contract';
import type { DatasetId, QueryId, StreamId } from '@strongroom/protocol/fields';
import type { BatchSeal } from '@strongroom/protocol/sealed-batch';
import type { LateCount } from './door.ts';
import type { ArrowBatch } from './engine/arrow-batch.ts';
import { eventTimeColumnOf, timesBelow } from './engine/event-time.ts';
import type { LateBelow } from './engine/row-store.ts';
import { firstStart, lastEnd, nextStart, type WindowRule } from './engine/window.ts';

/**
 * A row is late for a query when its time lies before the end of the newest closed window: one of
 * its windows, at least, has left without it. Those that are open still count it. A session's rows
 * may have left, whichever they are, so that a session takes no late row in. Nor does a query whose
 * results are compared with others: one that counts a row and one that does not would tell of it.
 */
export interface OpenQuery {
  readonly query: Query;
  readonly rule: WindowRule;
  /** Of the query, or of those that its results are compared with: the newest. */
  readonly closedUntil: number | null;
  readonly leavesLateOut: boolean;
}

/** What of a batch is late, query by query. */
export interface Judgement {
  readonly late: readonly LateCount[];
  readonly lateBelow: LateBelow;
}

interface NextBatch {
  readonly seal: BatchSeal;
  readonly arrowBatch: ArrowBatch;
}

type StreamLateRows = QueryLateRows[number];

/** What came too late so far: counts, and what leaves it out again after a restart. */
export class LateRows {
  readonly #byQuery = new Map<QueryId, StreamLateRows[]>();

  restore(query: QueryId, late: QueryLateRows): void {
    this.#byQuery.set(query, structuredClone(late));
  }

  /**
   * What a checkpoint keeps of a query.
   * @param isReadAgain whether the batch will be read by who begins at the checkpoint
   */
  state(
    query: QueryId,
    isReadAgain: (at: { dataset: DatasetId; stream: StreamId; sequence: number }) => boolean,
  ): QueryLateRows {
    const all = this.#byQuery.get(query) ?? [];
    for (const each of all) {
      const { dataset, stream } = each;
      each.spans = each.spans.filter(({ last }) =>
        isReadAgain({ dataset, stream, sequence: last }),
      );
    }
    return structuredClone(all);
  }

  /** Rows of a stream that were late for the query, over all windows so far. */
  count(query: QueryId, dataset: DatasetId, stream: StreamId): number {
    return this.#find(query, dataset, stream)?.rows ?? 0;
  }

  /** Counts what is late of a batch; what is read again was counted, and is late as it was. */
  judge(next: NextBatch, isNew: boolean, dataset: Dataset, open: readonly OpenQuery[]): Judgement {
    const late: LateCount[] = [];
    const lateBelow = new Map<QueryId, number>();
    for (const each of open) {
      const { query } = each;
      const found = isNew ? lateIn(next, dataset, each) : undefined;
      if (found) {
        late.push(found);
        this.#add(next.seal, each, found.rows);
      }
      if (!each.leavesLateOut) continue;
      const below = isNew ? found && each.closedUntil : this.#spanOf(next.seal, query.id)?.below;
      if (below !== undefined && below !== null) lateBelow.set(query.id, below);
    }
    return { late, lateBelow };
  }

  #add({ dataset, stream, sequence }: BatchSeal, open: OpenQuery, rows: number) {
    const { query, closedUntil } = open;
    const all = this.#byQuery.get(query.id) ?? [];
    this.#byQuery.set(query.id, all);
    const known = this.#find(query.id, dataset, stream);
    const entry = known ?? { dataset, stream, rows: 0, spans: [] };
    if (!known) all.push(entry);
    entry.rows += rows;
    if (!open.leavesLateOut || closedUntil === null) return;
    const newest = entry.spans.at(-1);
    // Batches between were not late, so that one bound for all of them says the truth.
    if (newest?.below === closedUntil) newest.last = sequence;
    else entry.spans.push({ first: sequence, last: sequence, below: closedUntil });
  }

  #spanOf({ dataset, stream, sequence }: BatchSeal, query: QueryId) {
    const spans = this.#find(query, dataset, stream)?.spans ?? [];
    return spans.find(({ first, last }) => first <= sequence && sequence <= last);
  }

  #find(query: QueryId, dataset: DatasetId, stream: StreamId): StreamLateRows | undefined {
    const all = this.#byQuery.get(query) ?? [];
    return all.find((each) => each.dataset === dataset && each.stream === stream);
  }
}

function lateIn({ seal, arrowBatch }: NextBatch, dataset: Dataset, open: OpenQuery) {
  const { query, rule, closedUntil } = open;
  const column = eventTimeColumnOf(dataset);
  if (!column || !seal.eventTime || closedUntil === null) return undefined;
  if (seal.eventTime.min >= closedUntil) return undefined;
  const { rows, max } = timesBelow(arrowBatch, column, closedUntil);
  const excludedBelow = nextStart(rule, closedUntil);
  const isWhole = open.leavesLateOut || excludedBelow === closedUntil;
  const excluded = isWhole ? rows : timesBelow(arrowBatch, column, excludedBelow).rows;
  const missed = {
    start: firstStart(seal.eventTime.min, rule),
    end: Math.min(lastEnd(max, rule), closedUntil),
  };
  return { query: query.id, rows, excluded, missed };
}

/** Counts of one query become one. */
export function mergeLate(counts: readonly LateCount[]): LateCount[] {
  const byQuery = new Map<QueryId, LateCount>();
  for (const count of counts) {
    const known = byQuery.get(count.query);
    byQuery.set(count.query, known ? sumOf(known, count) : count);
  }
  return [...byQuery.values()];
}

function sumOf(one: LateCount, other: LateCount): LateCount {
  return {
    query: one.query,
    rows: one.rows + other.rows,
    excluded: one.excluded + other.excluded,
    missed: {
      start: Math.min(one.missed.start, other.missed.start),
      end: Math.max(one.missed.end, other.missed.end),
    },
  };
}

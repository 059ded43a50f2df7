import { ERRORS } from './messages.ts';
import { batchAt, batchHead, encodeMark, hasValidCrc, splitBatches } from './record-batch.ts';

/**
 * One partition as a broker keeps it: batches, who wrote them, which transactions are open and
 * which were aborted. The rules are those of Kafka's ProducerStateManager and TransactionIndex.
 */

interface StoredBatch {
  readonly bytes: Buffer;
  readonly first: number;
  readonly last: number;
}

interface Sent {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly offset: number;
}

interface ProducerState {
  epoch: number;
  /** The newest five, by which Kafka knows a batch that is sent again. */
  readonly recent: Sent[];
}

interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface Appended {
  readonly errorCode: number;
  readonly baseOffset: number;
}

const RECENT_MAX = 5;
/** Sequences are 31 bits, and begin again at 0. */
const SEQUENCES = 2 ** 31;

export class PartitionLog {
  readonly #batches: StoredBatch[] = [];
  readonly #producers = new Map<number, ProducerState>();
  /** Producer id -> the first offset of its open transaction. */
  readonly #open = new Map<number, number>();
  /** In the order of completion, as Kafka's index is. */
  readonly #aborted: AbortedRange[] = [];
  #end = 0;
  /** Reading from before it is an error; moved by whoever plays retention. */
  logStart = 0;

  get highWatermark(): number {
    return this.#end;
  }

  get lastStableOffset(): number {
    return Math.min(this.#end, ...this.#open.values());
  }

  /** What one produce request holds for this partition. */
  append(records: Buffer): Appended {
    let appended: Appended = { errorCode: ERRORS.NONE, baseOffset: this.#end };
    for (const recordBatch of splitBatches(records)) {
      if (!hasValidCrc(recordBatch)) return refusal(ERRORS.CORRUPT_MESSAGE);
      appended = this.#appendOnce(recordBatch);
      if (appended.errorCode !== ERRORS.NONE) return appended;
    }
    return appended;
  }

  #appendOnce(recordBatch: Buffer): Appended {
    const head = batchHead(recordBatch);
    if (head.producerId < 0) return this.plant(recordBatch);
    const known = this.#producers.get(head.producerId);
    const lastSequence = (head.firstSequence + head.lastOffsetDelta) % SEQUENCES;
    const again = known?.recent.find(
      (one) => one.firstSequence === head.firstSequence && one.lastSequence === lastSequence,
    );
    if (known !== undefined && known.epoch > head.producerEpoch) {
      return refusal(ERRORS.INVALID_PRODUCER_EPOCH);
    }
    const sameEpoch = known?.epoch === head.producerEpoch;
    if (again !== undefined && sameEpoch) {
      return { errorCode: ERRORS.NONE, baseOffset: again.offset };
    }
    const before = sameEpoch ? known.recent.at(-1)?.lastSequence : undefined;
    const expected = before === undefined ? 0 : (before + 1) % SEQUENCES;
    if (known !== undefined && head.firstSequence !== expected) {
      return refusal(ERRORS.OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    const appended = this.plant(recordBatch);
    const state = sameEpoch ? known : { epoch: head.producerEpoch, recent: [] };
    state.recent.push({
      firstSequence: head.firstSequence,
      lastSequence,
      offset: appended.baseOffset,
    });
    state.recent.splice(0, state.recent.length - RECENT_MAX);
    this.#producers.set(head.producerId, state);
    return appended;
  }

  /** Whatever its bytes say: how a log is made that no honest broker would have. */
  plant(recordBatch: Buffer): Appended {
    const head = batchHead(recordBatch);
    const first = this.#end;
    const last = first + head.lastOffsetDelta;
    this.#batches.push({ bytes: batchAt(recordBatch, first), first, last });
    this.#end = last + 1;
    const opens = head.transactional && !head.control && !this.#open.has(head.producerId);
    if (opens) this.#open.set(head.producerId, first);
    return { errorCode: ERRORS.NONE, baseOffset: first };
  }

  /** Ends a producer's transaction. The mark's epoch keeps older ones out from now on. */
  mark(producerId: number, producerEpoch: number, committed: boolean): void {
    const lastOffset = this.#end;
    this.plant(encodeMark(committed, { producerId, producerEpoch }));
    const firstOffset = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (!committed && firstOffset !== undefined) {
      this.#aborted.push({ producerId, firstOffset, lastOffset });
    }
    const known = this.#producers.get(producerId);
    if (known === undefined || known.epoch === producerEpoch) return;
    this.#producers.set(producerId, { epoch: producerEpoch, recent: [] });
  }

  /** Batches from the one that holds `offset`; at least one, whatever its size. */
  read(offset: number, maxBytes: number, committedOnly: boolean): Buffer {
    const end = committedOnly ? this.lastStableOffset : this.#end;
    const found: Buffer[] = [];
    let size = 0;
    for (const { bytes, first, last } of this.#batches) {
      if (last < offset || first >= end) continue;
      if (found.length > 0 && size + bytes.length > maxBytes) break;
      found.push(bytes);
      size += bytes.length;
    }
    return Buffer.concat(found);
  }

  abortedFrom(offset: number): { producerId: number; firstOffset: number }[] {
    return this.#aborted
      .filter(({ lastOffset }) => lastOffset >= offset)
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }
}

function refusal(errorCode: number): Appended {
  return { errorCode, baseOffset: -1 };
}

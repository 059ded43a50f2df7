import { ERRORS } from './messages.ts';
import type { PartitionLog } from './partition-log.ts';

/** Kafka's transaction coordinator before KIP-890: epochs rise with InitProducerId. */

interface Transactional {
  producerId: number;
  epoch: number;
  readonly open: Set<PartitionLog>;
  /** How the newest one ended, for an end that is sent again. */
  ended?: boolean;
}

export interface ProducerIdentity {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The last but one is for the mark that fences; after it a new producer id is given. */
const EPOCH_MAX = 32_766;

export class Transactions {
  readonly #known = new Map<string, Transactional>();
  readonly #firstEpoch: number;
  #nextProducerId = 1_000;

  constructor(firstEpoch = 0) {
    this.#firstEpoch = firstEpoch;
  }

  newProducerId(): number {
    this.#nextProducerId += 1;
    return this.#nextProducerId;
  }

  /** The first call aborts what is open and says that it is busy with it, as Kafka does. */
  take(transactionalId: string): { errorCode: number; producerId: number; producerEpoch: number } {
    const known = this.#known.get(transactionalId);
    if (known === undefined || known.epoch >= EPOCH_MAX) {
      if (known !== undefined) this.#end(known, false);
      const taken = { producerId: this.newProducerId(), epoch: known ? 0 : this.#firstEpoch };
      this.#known.set(transactionalId, { ...taken, open: new Set() });
      return identity(ERRORS.NONE, taken.producerId, taken.epoch);
    }
    known.epoch += 1;
    if (known.open.size > 0) {
      this.#end(known, false);
      return identity(ERRORS.CONCURRENT_TRANSACTIONS, -1, -1);
    }
    delete known.ended;
    return identity(ERRORS.NONE, known.producerId, known.epoch);
  }

  add(writer: ProducerIdentity, partition: PartitionLog): number {
    const errorCode = this.#check(writer);
    if (errorCode !== ERRORS.NONE) return errorCode;
    const known = this.#known.get(writer.transactionalId);
    known?.open.add(partition);
    delete known?.ended;
    return ERRORS.NONE;
  }

  /** What KIP-890 verifies: that the partition was added by this writer. */
  verify(writer: ProducerIdentity, partition: PartitionLog): number {
    const errorCode = this.#check(writer);
    if (errorCode !== ERRORS.NONE) return errorCode;
    const isOpen = this.#known.get(writer.transactionalId)?.open.has(partition);
    return isOpen ? ERRORS.NONE : ERRORS.INVALID_TXN_STATE;
  }

  end(writer: ProducerIdentity, committed: boolean): number {
    const errorCode = this.#check(writer);
    const known = this.#known.get(writer.transactionalId);
    if (errorCode !== ERRORS.NONE || known === undefined) return errorCode;
    if (known.ended === committed) return ERRORS.NONE;
    if (known.open.size === 0) return ERRORS.INVALID_TXN_STATE;
    this.#end(known, committed);
    return ERRORS.NONE;
  }

  /** What happens to every open transaction whose timeout has passed. */
  expire(): void {
    for (const known of this.#known.values()) {
      if (known.open.size === 0) continue;
      known.epoch += 1;
      this.#end(known, false);
    }
  }

  /**
   * What a Kafka that was killed does now and then (4.4.0): it takes what is open for aborted, and
   * marks nothing.
   */
  forget(): void {
    for (const known of this.#known.values()) known.open.clear();
  }

  #check({ transactionalId, producerId, producerEpoch }: ProducerIdentity): number {
    const known = this.#known.get(transactionalId);
    if (known?.producerId !== producerId) return ERRORS.INVALID_PRODUCER_ID_MAPPING;
    return known.epoch === producerEpoch ? ERRORS.NONE : ERRORS.INVALID_PRODUCER_EPOCH;
  }

  #end(known: Transactional, committed: boolean): void {
    for (const partition of known.open) partition.mark(known.producerId, known.epoch, committed);
    known.open.clear();
    known.ended = committed;
  }
}

function identity(errorCode: number, producerId: number, producerEpoch: number) {
  return { errorCode, producerId, producerEpoch };
}

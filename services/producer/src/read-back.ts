import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { StreamId } from '@strongroom/protocol/fields';
import type { BatchSeal, Manifest } from '@strongroom/protocol/sealed-batch';
import type { RecordLog } from '@strongroom/record-log/log';
import { type CheckedPoint, StreamCheck } from '@strongroom/sealing/stream-check';
import {
  recordTypeOf,
  verifyBatchRecord,
  verifyManifestRecord,
  verifyOpeningRecord,
  verifyRetractionRecord,
} from '@strongroom/sealing/verify';
import type { Agreement, ChosenStream } from './agreement.ts';

/** A stream as its log has it: what a worker that reads the same log counts. */
export interface StreamOnLog {
  readonly stream: StreamId;
  readonly point: CheckedPoint;
  /** Its batches in order, with the hashes of their seals. */
  readonly batches: readonly { readonly seal: BatchSeal; readonly hash: string }[];
  /** Larger than every epoch that was begun, fitting or not. */
  readonly nextEpoch: number;
  readonly watermark: number | null;
  readonly newestEventTime: number | null;
  readonly final: boolean;
  /** Sequence numbers of batches that were taken back. */
  readonly retracted: ReadonlySet<number>;
}

type Element = { readonly jws: string; readonly epoch: number; readonly sequence: number } & (
  | { readonly kind: 'batch'; readonly seal: BatchSeal }
  | {
      readonly kind: 'opening';
      readonly opening: Awaited<ReturnType<typeof verifyOpeningRecord>>['opening'];
    }
  | {
      readonly kind: 'retraction';
      readonly retraction: Awaited<ReturnType<typeof verifyRetractionRecord>>['retraction'];
    }
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
);

export interface StreamPlaceOnLog {
  readonly log: RecordLog;
  readonly topic: string;
  readonly chosen: ChosenStream;
  readonly agreement: Agreement;
}

/**
 * Reads the stream's partition to its end. Only what the owner has signed is believed, and only
 * what follows; nothing is decrypted.
 * @returns undefined when there is no valid record of the stream
 */
export async function readStreamBack(place: StreamPlaceOnLog): Promise<StreamOnLog | undefined> {
  let reading: Reading | undefined;
  for await (const { element, stream } of elementsOf(place)) {
    reading ??= new Reading(place.agreement, stream);
    reading.take(element);
  }
  return reading?.result();
}

/** Whether the log holds a valid record of the stream. */
export async function isOnLog(place: StreamPlaceOnLog): Promise<boolean> {
  for await (const _found of elementsOf(place)) return true;
  return false;
}

/** Valid records of the one stream; the first one names it where the contract does not. */
async function* elementsOf({ log, topic, chosen, agreement }: StreamPlaceOnLog) {
  let { id } = chosen;
  const from = [{ topic, partition: chosen.partition, offset: 0 }];
  for await (const entries of log.read(from, { untilEnd: true })) {
    for (const entry of entries) {
      const found = await elementOf(entry, agreement);
      if (!found) continue;
      id ??= found.stream;
      if (found.stream === id) yield found;
    }
  }
}

type Entry = Parameters<typeof verifyBatchRecord>[0];

/** @returns undefined for what no worker would take */
async function elementOf(
  entry: Entry,
  agreement: Agreement,
): Promise<{ element: Element; stream: StreamId } | undefined> {
  try {
    switch (recordTypeOf(entry)) {
      case 'manifest': {
        const { manifest, jws } = await verifyManifestRecord(entry, agreement);
        const at = { jws, epoch: manifest.epoch, sequence: manifest.sequences };
        return { element: { kind: 'manifest', manifest, ...at }, stream: manifest.stream };
      }
      case 'opening': {
        const { opening, jws } = await verifyOpeningRecord(entry, agreement);
        const { epoch, sequences } = opening.continues;
        const at = { jws, epoch, sequence: sequences };
        return { element: { kind: 'opening', opening, ...at }, stream: opening.stream };
      }
      case 'retraction': {
        const { retraction, jws } = await verifyRetractionRecord(entry, agreement);
        const { epoch, sequence, stream } = retraction;
        return { element: { kind: 'retraction', retraction, jws, epoch, sequence }, stream };
      }
      default: {
        const { seal, jws } = await verifyBatchRecord(entry, agreement);
        const { epoch, sequence, stream } = seal;
        return { element: { kind: 'batch', seal, jws, epoch, sequence }, stream };
      }
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Puts elements in their order, as a worker does; what comes early waits. */
class Reading {
  readonly #stream: StreamId;
  readonly #check: StreamCheck;
  readonly #batches: { seal: BatchSeal; hash: string }[] = [];
  readonly #early: Element[] = [];
  #watermark: number | null = null;
  #nextEpoch = 1;
  readonly #retracted = new Set<number>();

  constructor({ contractId, dataset }: Agreement, stream: StreamId) {
    this.#stream = stream;
    this.#check = new StreamCheck({ contract: contractId, dataset: dataset.id, stream });
  }

  take(element: Element): void {
    if (element.kind === 'opening') {
      this.#nextEpoch = Math.max(this.#nextEpoch, element.opening.epoch + 1);
    }
    if (!this.#tryTake(element)) return;
    for (let at = 0; at < this.#early.length; at += 1) {
      const [next] = this.#early.splice(at, 1);
      // Whatever was taken may be what others waited for.
      if (next && this.#tryTake(next)) at = -1;
    }
  }

  result(): StreamOnLog {
    const times = this.#batches.flatMap(({ seal }) => seal.eventTime?.max ?? []);
    return {
      stream: this.#stream,
      point: this.#check.point,
      batches: this.#batches,
      nextEpoch: this.#nextEpoch,
      watermark: this.#watermark,
      newestEventTime: times.reduce<number | null>(latest, null),
      final: this.#check.final,
      retracted: this.#retracted,
    };
  }

  #tryTake(element: Element): boolean {
    try {
      return this.#takeNow(element);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || code === 'ERR_STREAM_FORKED') throw error;
      if (code === 'ERR_STREAM_GAP') this.#early.push(element);
      return false;
    }
  }

  #takeNow(element: Element): boolean {
    switch (element.kind) {
      case 'manifest':
        if (this.#check.checkManifest(element.manifest) === 'ahead') {
          throw new StrongroomError('ERR_STREAM_GAP');
        }
        this.#watermark = latest(this.#watermark, element.manifest.watermark);
        return true;
      case 'opening':
        this.#check.open(element.opening, element.jws);
        return true;
      case 'retraction':
        this.#check.accept(element.retraction, element.jws);
        this.#retracted.add(element.retraction.retracts.sequence);
        return true;
      case 'batch':
        this.#check.accept(element.seal, element.jws);
        this.#batches.push({ seal: element.seal, hash: this.#check.point.head });
        return true;
    }
  }
}

function latest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

import { type Contract, type Dataset, partitionsOf } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { MessageMemory } from '@strongroom/protocol/message-memory';
import { datasetTopic } from '@strongroom/protocol/record';
import type { Manifest } from '@strongroom/protocol/sealed-batch';
import type { LogEntry, RecordLog } from '@strongroom/record-log/log';
import { recordTypeOf, verifyManifestRecord } from '@strongroom/sealing/verify';
import { endOf } from '../status-of-log.ts';
import type { DatasetFacts } from './facts.ts';

/**
 * How far an owner's streams go, by the newest manifest of each that the log shows: signed by the
 * owner, so its numbers are true, and maybe not the newest that there is. Batches are passed over.
 */
export class SentStreams {
  readonly #at: Place;
  readonly #manifests = new Map<string, Manifest>();
  /** Where reading goes on, by partition. */
  readonly #next = new Map<number, number>();

  constructor(at: Place) {
    this.#at = at;
  }

  /** Calls must not overlap. @throws ERR_LOG_* */
  async catchUp(log: RecordLog): Promise<DatasetFacts> {
    const { dataset } = this.#at;
    let records: number | null = null;
    for (let partition = 0; partition < partitionsOf(dataset); partition += 1) {
      const end = await endOf(log, this.#topic, partition);
      if (end === null) continue;
      records = (records ?? 0) + end;
      await this.#readPartition(log, partition, end);
    }
    const streams = [...this.#manifests.values()].map((manifest) => ({
      stream: manifest.stream,
      rows: manifest.rows,
      batches: manifest.sequences,
      watermark: manifest.watermark,
      isFinal: manifest.final,
    }));
    const { id, relation, columns } = dataset;
    return { id, relation, columns: columns.length, streams, records };
  }

  get #topic(): string {
    const { contractId, dataset, namespace } = this.#at;
    return datasetTopic(contractId, dataset.id, namespace);
  }

  /** At first from shortly before the end: a manifest follows every few batches. */
  async #readPartition(log: RecordLog, partition: number, end: number): Promise<void> {
    const known = this.#next.get(partition);
    for (const records of known === undefined ? RECORDS_AT_FIRST : [end - known]) {
      const before = this.#manifests.size;
      const start = await log.startOffset(this.#topic, partition);
      await this.#readFrom(log, partition, Math.max(start, end - records), end);
      if (this.#manifests.size > before || end - records <= start) break;
    }
    this.#next.set(partition, end);
  }

  async #readFrom(log: RecordLog, partition: number, offset: number, end: number) {
    if (offset >= end) return;
    const from = [{ topic: this.#topic, partition, offset }];
    const views = new MessageMemory();
    for await (const entries of log.read(from, { untilEnd: true, views })) {
      for (const entry of entries) await this.#take(entry);
      views.giveBack(entries.map(({ value }) => value));
    }
  }

  async #take(entry: LogEntry): Promise<void> {
    if (recordTypeOf(entry) !== 'manifest') return;
    try {
      const { manifest } = await verifyManifestRecord(entry, this.#at);
      const known = this.#manifests.get(manifest.stream);
      if (known && !isLater(manifest, known)) return;
      this.#manifests.set(manifest.stream, manifest);
    } catch (error) {
      // Anybody can write to a topic: what the owner did not sign is no word of the owner.
      if (codeOf(error) === undefined) throw error;
    }
  }
}

interface Place {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly dataset: Dataset;
  readonly namespace: string;
}

/** A batch may be large: so many records are read, and if they hold no manifest so many. */
const RECORDS_AT_FIRST = [64, 2_048];

function isLater(one: Manifest, other: Manifest): boolean {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch;
  if (one.sequences !== other.sequences) return one.sequences > other.sequences;
  return one.final || (one.watermark ?? 0) > (other.watermark ?? 0);
}

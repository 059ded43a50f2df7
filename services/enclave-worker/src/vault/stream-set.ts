import type { StreamState } from '@strongroom/protocol/checkpoint';
import { type Contract, type Dataset, streamsOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, DatasetId, StreamId } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX, HELD_BYTES_MAX } from '@strongroom/protocol/limits';
import type { ExactInput } from '@strongroom/protocol/sealed-aggregate';
import { streamsOfSlice } from '@strongroom/protocol/slices';
import type { InputProgress } from './engine/window.ts';
import { DatasetStream } from './stream.ts';

/**
 * The streams of one dataset, in the contract's order. What is known of the dataset is what all of
 * them say: a log that hides one of them holds every window open.
 */
export class StreamSet {
  readonly dataset: Dataset;
  readonly streams: readonly DatasetStream[];
  /** By partition: the offset after the last that was handed in. */
  readonly #seen = new Map<number, number>();
  /** By partition: what lies before was asked for again. */
  readonly #readAgain = new Map<number, number>();
  #batches = 0;

  constructor(
    contractId: ContractId,
    dataset: Dataset,
    /** In the contract's order. */
    places: ReturnType<typeof streamsOf>,
    heldBytesMax: number,
  ) {
    this.dataset = dataset;
    this.streams = places.map(
      (place, index) => new DatasetStream(contractId, dataset, { ...place, index, heldBytesMax }),
    );
  }

  /**
   * The stream to which a verified record belongs.
   * @throws ERR_STREAM_UNKNOWN, ERR_STREAM_PARTITION
   */
  streamOf(at: { readonly stream: StreamId }, partition: number): DatasetStream {
    const stream = this.streams.find((each) => each.mayBe(at.stream));
    if (!stream) {
      throw new StrongroomError('ERR_STREAM_UNKNOWN', {
        dataset: this.dataset.id,
        stream: this.streams.map(({ id }) => id).join(' '),
        found: at.stream,
      });
    }
    if (stream.partition === partition) return stream;
    throw new StrongroomError('ERR_STREAM_PARTITION', {
      dataset: this.dataset.id,
      stream: at.stream,
      expected: stream.partition,
      found: partition,
    });
  }

  /** @throws ERR_CHECKPOINT_INVALID for a stream that the contract does not name */
  restore(state: StreamState): void {
    const stream = this.streams.find((each) => each.mayBe(state.stream));
    if (!stream) throw new StrongroomError('ERR_CHECKPOINT_INVALID', { dataset: state.dataset });
    stream.restore(state);
  }

  /** Where to read on, for each partition that holds a stream or lies before one that does. */
  get readFrom(): { partition: number; offset: number }[] {
    const count = 1 + Math.max(...this.streams.map(({ partition }) => partition));
    return Array.from({ length: count }, (_none, partition) => {
      const offsets = this.#in(partition).map(({ readFrom }) => readFrom);
      return { partition, offset: offsets.length === 0 ? 0 : Math.min(...offsets) };
    });
  }

  /** Under which the rows of one more batch are stored. */
  nextBatch(): number {
    this.#batches += 1;
    return this.#batches;
  }

  /** Whether this record was reported before: by an earlier run, or before it was read again. */
  isKnown(partition: number, offset: number): boolean {
    const streams = this.#in(partition);
    const seen = this.#seen.get(partition) ?? 0;
    this.#seen.set(partition, Math.max(seen, offset + 1));
    // The log may give any record any offset: only what we asked for again is known by it.
    if (streams.some((stream) => stream.asksAgain)) this.#readAgain.set(partition, seen);
    const known = streams.map(({ countedOffset }) => countedOffset);
    return offset < Math.max(this.#readAgain.get(partition) ?? 0, ...known);
  }

  /** What a query may believe about the dataset. */
  progress(): InputProgress {
    const all = this.streams.map((stream) => stream.progress());
    const watermarks = all.flatMap(({ final, watermark }) => (final ? [] : [watermark]));
    const times = all.flatMap(({ eventTime }) => eventTime ?? []);
    return {
      hasEventTime: this.dataset.eventTime !== undefined,
      watermark: leastOf(watermarks),
      final: all.every(({ final }) => final),
      caughtUp: all.every(({ caughtUp }) => caughtUp),
      eventTime:
        times.length === 0
          ? null
          : {
              min: Math.min(...times.map(({ min }) => min)),
              max: Math.max(...times.map(({ max }) => max)),
            },
    };
  }

  /**
   * What the streams contributed to a result; nothing of one that was never seen.
   * @param rows by the stream's index, those that lie in the window
   */
  counted(rows: ReadonlyMap<number, number>): ExactInput[] {
    return this.streams.flatMap((stream) => stream.counted(rows.get(stream.index) ?? 0) ?? []);
  }

  #in(partition: number): DatasetStream[] {
    return this.streams.filter((stream) => stream.partition === partition);
  }
}

/**
 * The sets of all datasets of a contract; what they may hold back is shared out evenly.
 * @param slice of which alone; absent: all streams
 */
export function streamSetsOf(
  contract: Contract,
  contractId: ContractId,
  slice?: number,
): ReadonlyMap<DatasetId, StreamSet> {
  const placesOf = (dataset: Dataset) => streamsOfSlice(streamsOf(dataset), contract, slice);
  const count = contract.datasets.reduce((sum, each) => sum + placesOf(each).length, 0);
  const share = Math.max(CIPHERTEXT_BYTES_MAX, Math.floor(HELD_BYTES_MAX / count));
  return new Map(
    contract.datasets.map((dataset) => [
      dataset.id,
      new StreamSet(contractId, dataset, placesOf(dataset), share),
    ]),
  );
}

/** Of all datasets, in the contract's order. */
export function streamsIn(sets: ReadonlyMap<DatasetId, StreamSet>): DatasetStream[] {
  return [...sets.values()].flatMap(({ streams }) => streams);
}

/** Null when nothing is known of one of them. */
function leastOf(watermarks: readonly (number | null)[]): number | null {
  const known = watermarks.flatMap((watermark) => watermark ?? []);
  return known.length < watermarks.length || known.length === 0 ? null : Math.min(...known);
}

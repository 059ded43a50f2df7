// More than 300 lines, because where a stream stands, and what an earlier run left, is one state.
import type { StreamState } from '@strongroom/protocol/checkpoint';
import type { Dataset } from '@strongroom/protocol/contract';
import { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import { RETRACTIONS_OPEN_MAX } from '@strongroom/protocol/limits';
import type { QuarantinedRecord } from '@strongroom/protocol/quarantine-entry';
import type { ExactInput } from '@strongroom/protocol/sealed-aggregate';
import type { BatchSeal, Manifest, Opening, Retraction } from '@strongroom/protocol/sealed-batch';
import { StreamCheck } from '@strongroom/sealing/stream-check';
import type { StreamProgress } from './door.ts';
import type { InputProgress } from './engine/window.ts';
import { type HeldElement, HeldElements, placeOf, type StreamElement } from './held-elements.ts';
import { isBefore, KeptBatches, type TimeRange } from './kept-batches.ts';

/** What the contract says of a stream, and what it may use. */
interface StreamPlace {
  readonly id?: StreamId;
  readonly partition: number;
  /** Among the streams of its dataset. */
  readonly index: number;
  /** Of what waits for its predecessor. */
  readonly heldBytesMax: number;
}

/** What became of a retraction. */
export interface TakenRetraction {
  /** Rows that count no more. */
  readonly rows: number;
  /** Under which they are stored. */
  readonly batchNumber?: number;
  /** Why nothing was taken back. */
  readonly code?: ErrorCode;
}

/**
 * How far one stream of a dataset was counted. Knows sequence numbers, times and counts; no rows.
 * Where the contract does not name it, the first valid record does; after a restart the checkpoint.
 */
export class DatasetStream {
  readonly dataset: Dataset;
  readonly partition: number;
  readonly index: number;
  readonly #contractId: ContractId;
  #id: StreamId | undefined;
  #check: StreamCheck | undefined;
  /** What an earlier run counted; until the reading is there again, nothing is new. */
  #restored: StreamState | undefined;
  #watermark: number | null = null;
  #final = false;
  #lateRows = 0;
  #retractedRows = 0;
  /** The newest opening does not fit. */
  #isStalled = false;
  #kept = new KeptBatches();
  /** The manifest that names the most of those that name more than there is. */
  #ahead: Manifest | undefined;
  #nextOffset = 0;
  #countedOffset = 0;
  readonly #held: HeldElements;
  /** Where its rows lie that have to come again, until all of them are there. */
  #rereadFrom: number | null = null;
  #rereads = 0;

  constructor(contractId: ContractId, dataset: Dataset, place: StreamPlace) {
    this.#contractId = contractId;
    this.dataset = dataset;
    this.partition = place.partition;
    this.index = place.index;
    this.#held = new HeldElements(place.heldBytesMax);
    if (place.id !== undefined) this.#begin(place.id);
  }

  /** Undefined while no record has named it. */
  get id(): StreamId | undefined {
    return this.#id;
  }

  mayBe(stream: StreamId): boolean {
    return this.#id === undefined || this.#id === stream;
  }

  restore(state: StreamState): void {
    const { offset: _offset, ...rebuild } = state.rebuild;
    const known = this.#check?.at(rebuild);
    this.#begin(state.stream, known ?? new StreamCheck(this.#positionOf(state.stream), rebuild));
    this.#restored = state;
    this.#watermark = state.watermark;
    this.#lateRows = state.lateRows;
    this.#retractedRows = state.retractedRows;
    this.#isStalled = state.stalled;
    this.#nextOffset = state.rebuild.offset;
    this.#countedOffset = state.counted.offset;
    this.#checkCaughtUp();
  }

  /** Goes back to where open windows begin, as whoever starts at a checkpoint made now would. */
  readAgain(): void {
    const state = this.state();
    if (!state) return;
    this.#kept = this.#kept.emptied();
    this.#final = false;
    this.restore(state);
    if (!this.#restored) return;
    this.#rereadFrom = state.rebuild.offset;
    this.#rereads += 1;
  }

  get readFrom(): number {
    return this.#nextOffset;
  }

  /** Records before this offset were reported by an earlier run. */
  get countedOffset(): number {
    return this.#countedOffset;
  }

  /** Part of it has to be read again. */
  get asksAgain(): boolean {
    return this.#rereadsFrom() !== null;
  }

  /** The next sequence number. */
  get sequence(): number {
    return this.#check?.point.sequence ?? 0;
  }

  /**
   * Takes a batch whose seal was verified and whose content was checked.
   * @param at with the number under which its rows will be stored
   * @returns whether it was not counted before, and whether its rows are to be stored
   * @throws ERR_STREAM_*, ERR_BATCH_REPLAYED, ERR_MANIFEST_MISMATCH
   */
  takeBatch(
    seal: BatchSeal,
    at: { jws: string; offset: number; batchNumber: number },
  ): { isNew: boolean; counts: boolean } {
    const check = this.#checkOf(seal.stream);
    const { jws, offset, batchNumber } = at;
    const before = { ...check.point, offset };
    check.accept(seal, jws);
    // An earlier run has taken it back, and the retraction comes behind it.
    const isRetracted = this.#restored?.retracted.includes(seal.sequence) ?? false;
    const { rows, eventTime } = seal;
    this.#kept.add({ before, seal: check.point.head, eventTime, rows, batchNumber, isRetracted });
    return { isNew: this.#stepped(offset), counts: !isRetracted };
  }

  /**
   * Takes a retraction; what it says holds as long as no window with any of the rows has closed.
   * @param isOpen whether that is so, for rows between these event times
   * @throws as takeBatch
   */
  takeRetraction(
    retraction: Retraction,
    { jws, offset }: { jws: string; offset: number },
    isOpen: (eventTime: TimeRange | null) => boolean,
  ): TakenRetraction {
    const check = this.#checkOf(retraction.stream);
    const before = { ...check.point, offset };
    check.accept(retraction, jws);
    this.#kept.addWord(before);
    const isNew = this.#stepped(offset);
    const { sequence, seal } = retraction.retracts;
    const kept = this.#kept.find(sequence);
    if (!isNew && kept?.isRetracted) return { rows: 0 };
    if (!kept) {
      const isForgotten = sequence < (this.#kept.first?.sequence ?? Number.POSITIVE_INFINITY);
      return { rows: 0, code: isForgotten ? 'ERR_RETRACTION_LATE' : 'ERR_RETRACTION_UNKNOWN' };
    }
    if (kept.isRetracted || kept.seal !== seal) return { rows: 0, code: 'ERR_RETRACTION_UNKNOWN' };
    // What an earlier run did not take back, stays.
    if (!isNew || !isOpen(kept.eventTime)) return { rows: 0, code: 'ERR_RETRACTION_LATE' };
    if (this.#kept.retracted.length >= RETRACTIONS_OPEN_MAX) {
      return { rows: 0, code: 'ERR_LIMIT_EXCEEDED' };
    }
    this.#kept.retract(kept);
    this.#retractedRows += kept.rows;
    return { rows: kept.rows, batchNumber: kept.batchNumber };
  }

  /**
   * Begins a new epoch. With one that does not fit the stream stalls, until another one fits.
   * @returns what waited in the epochs that have ended
   * @throws ERR_OPENING_MISMATCH, ERR_STREAM_*, ERR_BATCH_REPLAYED
   */
  takeOpening(opening: Opening, { jws, offset }: { jws: string; offset: number }): HeldElement[] {
    const check = this.#checkOf(opening.stream);
    const before = { ...check.point, offset };
    try {
      check.open(opening, jws);
    } catch (error) {
      if (codeOf(error) === 'ERR_OPENING_MISMATCH') this.#isStalled = true;
      throw error;
    }
    this.#kept.addWord(before);
    if (!this.#restored) this.#isStalled = false;
    if (this.#ahead && this.#ahead.epoch < opening.epoch) this.#ahead = undefined;
    this.#stepped(offset);
    return this.#held.takeEnded(opening.epoch);
  }

  /** @throws ERR_STREAM_UNKNOWN, ERR_STREAM_EPOCH, ERR_MANIFEST_MISMATCH */
  takeManifest(manifest: Manifest): void {
    const reached = this.#checkOf(manifest.stream).checkManifest(manifest);
    if (reached === 'ahead') {
      if (!this.#ahead || goesFarther(manifest, this.#ahead)) this.#ahead = manifest;
      return;
    }
    if (manifest.watermark !== null) {
      this.#watermark = Math.max(manifest.watermark, this.#watermark ?? manifest.watermark);
    }
    this.#final ||= manifest.final;
  }

  /**
   * Keeps what has come too early.
   * @param tell what its owner is told of it, should it turn out to be bad
   * @returns false when it has not, or when there is no room
   */
  hold(element: StreamElement, stream: StreamId, tell: () => QuarantinedRecord): boolean {
    const { point } = this.#checkOf(stream);
    const { epoch, sequence } = placeOf(element);
    const isEarly = epoch > point.epoch || (epoch === point.epoch && sequence > point.sequence);
    return isEarly && this.#held.add({ ...element, record: tell() });
  }

  /** What waited to be next, if anything did. */
  takeHeld(): HeldElement | undefined {
    return this.#check && this.#held.take(this.#check.point);
  }

  addLateRows(rows: number): void {
    this.#lateRows += rows;
  }

  /** What a query may believe about this input. */
  progress(): InputProgress {
    return {
      hasEventTime: this.dataset.eventTime !== undefined,
      watermark: this.#watermark,
      final: this.#final,
      caughtUp: this.#check !== undefined && this.#restored === undefined && !this.#isStalled,
      eventTime: this.#kept.eventTime,
    };
  }

  /** Batches with no row at or after `ms` need not be read again after a restart. */
  forgetBefore(ms: number): void {
    this.#kept.forgetBefore(ms);
  }

  /** @returns undefined while no record of the stream was seen */
  state(): StreamState | undefined {
    if (!this.#check || !this.#id) return undefined;
    if (this.#restored) return { ...this.#restored, stalled: this.#isStalled };
    const counted = { ...this.#check.point, offset: this.#nextOffset };
    const first = this.#kept.first ?? counted;
    const offset = Math.min(first.offset, this.#kept.offset, this.#held.offset);
    return {
      dataset: this.dataset.id,
      stream: this.#id,
      counted,
      rebuild: { ...first, offset },
      watermark: this.#watermark,
      final: this.#final,
      lateRows: this.#lateRows,
      retractedRows: this.#retractedRows,
      retracted: this.#kept.retracted,
      stalled: this.#isStalled,
    };
  }

  /** What this stream contributed to a result. */
  counted(rows: number): ExactInput | undefined {
    if (!this.#check || !this.#id) return undefined;
    const { epoch, sequence, head } = this.#check.point;
    return {
      dataset: this.dataset.id,
      stream: this.#id,
      epoch,
      sequences: sequence,
      head,
      rows,
      lateRows: this.#lateRows,
      retractedRows: this.#retractedRows,
    };
  }

  report(): StreamProgress {
    const { epoch, sequence, rows } = this.#check?.point ?? { epoch: 0, sequence: 0, rows: 0 };
    return {
      dataset: this.dataset.id,
      stream: this.#id ?? null,
      partition: this.partition,
      epoch,
      sequences: sequence,
      rows,
      watermark: this.#watermark,
      final: this.#final,
      missing: this.#missing(),
      held: this.#held.size,
      rereadFrom: this.#rereadsFrom(),
      rereads: this.#rereads,
      stalled: this.#isStalled,
    };
  }

  /** @throws ERR_STREAM_TRUNCATED while a manifest or an earlier run knows of more batches */
  checkWhole(): void {
    if (this.#missing() === 0) return;
    throw new StrongroomError('ERR_STREAM_TRUNCATED', {
      dataset: this.dataset.id,
      expected: this.sequence + this.#missing(),
      found: this.sequence,
    });
  }

  #rereadsFrom(): number | null {
    return this.#rereadFrom ?? this.#held.rereadFrom(this.sequence);
  }

  #missing(): number {
    const promised = [this.#ahead?.sequences, this.#restored?.counted.sequence];
    const known = [...promised, this.#held.sequences, this.sequence];
    return Math.max(...known.map((sequences) => sequences ?? 0)) - this.sequence;
  }

  #checkOf(stream: StreamId): StreamCheck {
    return this.#check ?? this.#begin(stream);
  }

  #begin(stream: StreamId, check = new StreamCheck(this.#positionOf(stream))): StreamCheck {
    this.#id = stream;
    this.#check = check;
    return check;
  }

  #positionOf(stream: StreamId) {
    return { contract: this.#contractId, dataset: this.dataset.id, stream };
  }

  /** After each element. @returns whether no earlier run has counted it */
  #stepped(offset: number): boolean {
    this.#nextOffset = Math.max(this.#nextOffset, offset + 1);
    const isNew = this.#restored === undefined;
    this.#checkCaughtUp();
    this.#takeAhead();
    this.#held.reached(this.sequence);
    return isNew;
  }

  /** At the point where the earlier run stopped, the log must show the same history. */
  #checkCaughtUp(): void {
    const restored = this.#restored;
    if (!restored || !this.#check) return;
    const { point } = this.#check;
    const { counted } = restored;
    if (isBefore(point, counted)) return;
    if (
      point.epoch !== counted.epoch ||
      point.head !== counted.head ||
      point.rows !== counted.rows
    ) {
      const { sequence } = point;
      throw new StrongroomError('ERR_STREAM_FORKED', { dataset: this.dataset.id, sequence });
    }
    this.#restored = undefined;
    this.#rereadFrom = null;
    this.#final = restored.final;
    if (restored.final) this.#begin(restored.stream, this.#check.at(point, true));
  }

  #takeAhead(): void {
    const manifest = this.#ahead;
    const point = this.#check?.point;
    if (!manifest || !point) return;
    if (isBefore(point, { epoch: manifest.epoch, sequence: manifest.sequences })) return;
    this.#ahead = undefined;
    this.takeManifest(manifest);
  }
}

function goesFarther(one: Manifest, other: Manifest): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.sequences >= other.sequences);
}

import { hash } from 'node:crypto';
import type { SlicePoint, SliceState } from '@strongroom/protocol/checkpoint';
import type { Query } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, DatasetId, QueryId } from '@strongroom/protocol/fields';
import { PARTIALS_HELD_MAX } from '@strongroom/protocol/limits';
import type { SlicedInput, SlicePartial, Standing } from '@strongroom/protocol/partial';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import { type TimeWindow, windowRuleOf } from '../engine/window.ts';
import type { TimeRange } from '../kept-batches.ts';
import type { OpenedPartial } from './partial-seal.ts';

/** What a slice counted in one window. */
export interface ToldWindow {
  /** Empty where there is no group, and where it is withheld. */
  readonly arrow: Uint8Array;
  readonly inputs: readonly SlicedInput[];
  readonly withheld?: WithheldReason;
}

export type IsClosed = (query: QueryId, window: TimeWindow | null) => boolean;
/** What has no event time is in every window, and in none by itself. */
export type IsTimed = (dataset: DatasetId) => boolean;

interface KeptWindow extends ToldWindow {
  readonly query: QueryId;
  readonly window: TimeWindow | null;
  /** The point before its partial. */
  readonly before: SlicePoint;
}

/**
 * What one slice has said, in its order: the vault that tells results hears each word of it once,
 * and keeps what a window counted until all slices have told it.
 */
export class SliceChain {
  readonly slice: number;
  #next: SlicePoint;
  /** What an earlier run heard; until the reading is there again, nothing is new. */
  #restored: SlicePoint | undefined;
  readonly #standings = new Map<QueryId, Standing>();
  /** In the order in which they came. */
  readonly #windows = new Map<string, KeptWindow>();
  /** Of each query, the first and the last window with rows that was told and was not closed. */
  readonly #spans = new Map<QueryId, { readonly first: TimeWindow; readonly last: TimeWindow }>();
  /** By sequence number: what came too early. */
  readonly #early = new Map<number, { readonly opened: OpenedPartial; readonly offset: number }>();
  #bytes = 0;

  readonly #isClosed: IsClosed;
  readonly #isTimed: IsTimed;

  /** @param isClosed of windows whose result has left: heard again, they need not be kept */
  constructor(slice: number, contractId: ContractId, isClosed: IsClosed, isTimed: IsTimed) {
    this.slice = slice;
    this.#isClosed = isClosed;
    this.#isTimed = isTimed;
    this.#next = { sequence: 0, head: hash('sha256', contractId, 'hex'), offset: 0 };
  }

  restore({ counted, rebuild, queries }: SliceState): void {
    this.#next = rebuild;
    this.#restored = counted;
    for (const standing of queries) this.#standings.set(standing.query, standing);
    this.#checkCaughtUp();
  }

  state(): SliceState {
    const counted = this.#restored ?? this.#next;
    const [oldest] = this.#windows.values();
    const first = oldest?.before ?? this.#next;
    const early = [...this.#early.values()].map(({ offset }) => offset);
    const offset = Math.min(first.offset, ...early);
    const queries = [...this.#standings.values()];
    return { slice: this.slice, counted, rebuild: { ...first, offset }, queries };
  }

  get readFrom(): number {
    return this.#next.offset;
  }

  get sequence(): number {
    return this.#next.sequence;
  }

  /** Partials that wait for one before them. */
  get early(): number {
    return this.#early.size;
  }

  /** That the log is known to have held, and has not shown. */
  get missing(): number {
    const known = [this.#restored?.sequence ?? 0, ...[...this.#early.keys()].map((at) => at + 1)];
    return Math.max(0, Math.max(...known) - this.sequence - this.early);
  }

  /** Of all that is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get isCaughtUp(): boolean {
    return this.#restored === undefined;
  }

  standingOf(query: QueryId): Standing | undefined {
    return this.#standings.get(query);
  }

  /**
   * Takes a partial, and those that waited for it.
   * @returns those of them that no earlier run has heard, in their order; none for one that waits
   * @throws ERR_PARTIAL_REPLAYED, ERR_PARTIAL_FORKED, ERR_STREAM_GAP when too many wait
   */
  take(opened: OpenedPartial, offset: number): SlicePartial[] {
    const { sequence } = opened.partial;
    const expected = this.#next.sequence;
    if (sequence < expected) {
      throw new StrongroomError('ERR_PARTIAL_REPLAYED', { slice: this.slice, sequence });
    }
    if (sequence > expected) this.#hold(opened, offset);
    else this.#early.set(sequence, { opened, offset });
    const heard: SlicePartial[] = [];
    for (let next = this.#takeEarly(); next; next = this.#takeEarly()) {
      const isNew = this.isCaughtUp;
      this.#hear(next.opened, next.offset);
      if (isNew) heard.push(next.opened.partial);
    }
    return heard;
  }

  /**
   * Where the first and the last window with rows of the slice are, by event times in them. A
   * worker that was started anew says nothing of rows in windows that it had told: windows that are
   * heard here say it. A time of the first may so be later than one of the last. One that closed
   * since may still be meant: what is asked is which windows come behind those that are closed.
   */
  eventTimeOf(query: Query): TimeRange | null {
    const { eventTime = null } = this.#standings.get(query.id) ?? {};
    const span = this.#spans.get(query.id);
    if (!span) return eventTime;
    const { first, last } = span;
    // A session's rows are at least a gap before its end, which is in the window.
    const { gapMs = 0 } = windowRuleOf(query) ?? {};
    const own = { min: first.end - 1 - gapMs, max: last.start - gapMs };
    const { min, max } = eventTime ?? own;
    return { min: Math.min(min, own.min), max: Math.max(max, own.max) };
  }

  /** Undefined where the slice has no row in the window. */
  windowOf(query: QueryId, window: TimeWindow | null): ToldWindow | undefined {
    return this.#windows.get(nameOf(query, window));
  }

  /** All slices have told the window, and their result has been made. */
  forget(query: QueryId, window: TimeWindow | null): void {
    const name = nameOf(query, window);
    this.#bytes -= this.#windows.get(name)?.arrow.length ?? 0;
    this.#windows.delete(name);
  }

  /** An early one may be the first of two histories, and is then the one that stands. */
  #hold(opened: OpenedPartial, offset: number): void {
    const { sequence } = opened.partial;
    const known = this.#early.get(sequence);
    if (known && known.opened.hash !== opened.hash) throw this.#forked(sequence);
    if (!known && this.#early.size >= PARTIALS_HELD_MAX) {
      throw new StrongroomError('ERR_STREAM_GAP', { slice: this.slice, expected: this.sequence });
    }
    if (!known) this.#early.set(sequence, { opened, offset });
  }

  #takeEarly() {
    const next = this.#early.get(this.#next.sequence);
    this.#early.delete(this.#next.sequence);
    return next;
  }

  #hear({ partial, arrow, hash: head }: OpenedPartial, offset: number): void {
    const before = { ...this.#next, offset };
    if (partial.previous !== before.head) throw this.#forked(partial.sequence);
    if (partial.about) this.#note(partial.about, arrow, before);
    const sequence = partial.sequence + 1;
    this.#next = { sequence, head, offset: Math.max(this.#next.offset, offset + 1) };
    this.#checkCaughtUp();
  }

  #note(
    { told, ...standing }: NonNullable<SlicePartial['about']>,
    arrow: Uint8Array,
    before: SlicePoint,
  ): void {
    // What is heard again says where the slice stood then.
    if (this.isCaughtUp) this.#standings.set(standing.query, standing);
    if (!told || this.#isClosed(standing.query, told.window)) return;
    const { withheld } = told;
    const { query, inputs } = standing;
    const { window } = told;
    const kept = { query, window, arrow, inputs, before, ...(withheld ? { withheld } : {}) };
    this.#windows.set(nameOf(query, window), kept);
    this.#bytes += arrow.length;
    if (window) this.#extendSpan(query, window, inputs);
  }

  /** A slice tells the windows of a query in their order. */
  #extendSpan(query: QueryId, last: TimeWindow, inputs: readonly SlicedInput[]): void {
    if (!inputs.some(({ dataset, rows }) => rows > 0 && this.#isTimed(dataset))) return;
    const { first } = this.#spans.get(query) ?? { first: last };
    this.#spans.set(query, { first, last });
  }

  /** Where the earlier run stopped, the log must show the same history. */
  #checkCaughtUp(): void {
    const restored = this.#restored;
    if (!restored || this.#next.sequence < restored.sequence) return;
    if (this.#next.head !== restored.head) throw this.#forked(restored.sequence);
    this.#restored = undefined;
  }

  #forked(sequence: number): StrongroomError {
    return new StrongroomError('ERR_PARTIAL_FORKED', { slice: this.slice, sequence });
  }
}

function nameOf(query: QueryId, window: TimeWindow | null): string {
  return window ? `${query} ${window.start} ${window.end}` : query;
}

import type { Query } from '@strongroom/protocol/contract';

/**
 * What windows are to hold, said as plainly as it can be and slowly: by search over every window
 * and every row ever seen. It forgets nothing, and shares no line with what it is compared to.
 */

export interface TrueRow {
  readonly dataset: string;
  /** Milliseconds. */
  readonly at: number;
  readonly key: string;
  readonly bit: bigint;
}

export interface TrueInput {
  readonly isTimed: boolean;
  watermark: number | null;
  final: boolean;
}

export interface TrueWindow {
  /** Null for the whole data. */
  readonly start: number | null;
  /** The rows of each group: of the one group, or of each session that ends in the window. */
  readonly groups: readonly (readonly TrueRow[])[];
  /** By dataset. */
  readonly lateRows: Readonly<Record<string, number>>;
}

type WindowedQuery = Pick<Query, 'id' | 'window' | 'latenessMs'> & {
  /** Datasets. */
  readonly inputs: readonly string[];
};

/** One computation as its owners would have it; `structuredClone` is a checkpoint. */
export class WindowTruth {
  rows: TrueRow[] = [];
  inputs: Record<string, TrueInput> = {};
  closedUntil: Record<string, number | null> = {};
  emitted: Record<string, TrueWindow[]> = {};
  late: Record<string, TrueRow[]> = {};

  static begin(queries: readonly WindowedQuery[], inputs: Record<string, boolean>): WindowTruth {
    const truth = new WindowTruth();
    for (const [id, isTimed] of Object.entries(inputs)) {
      truth.inputs[id] = { isTimed, watermark: null, final: false };
    }
    for (const { id } of queries) {
      Object.assign(truth.closedUntil, { [id]: null });
      Object.assign(truth.emitted, { [id]: [] });
      Object.assign(truth.late, { [id]: [] });
    }
    return truth;
  }

  copy(): WindowTruth {
    return Object.assign(new WindowTruth(), structuredClone({ ...this }));
  }

  take(rows: readonly TrueRow[], queries: readonly WindowedQuery[]): void {
    this.rows.push(...rows);
    for (const { id, inputs } of queries) {
      const closed = this.closedUntil[id] ?? null;
      const late = rows.filter(({ dataset, at }) => {
        return inputs.includes(dataset) && this.inputs[dataset]?.isTimed && closed !== null
          ? at < closed
          : false;
      });
      this.late[id]?.push(...late);
    }
  }

  promise(dataset: string, watermark: number | null, final: boolean): void {
    const input = this.inputs[dataset];
    if (!input) throw new Error('no such dataset');
    input.final ||= final;
    if (watermark === null) return;
    input.watermark = Math.max(watermark, input.watermark ?? watermark);
  }

  close(queries: readonly WindowedQuery[]): void {
    for (const query of queries) {
      if (query.window.kind === 'whole') this.#closeWhole(query);
      else this.#closeTimed(query, query.window.sizeMs);
    }
  }

  #closeWhole({ id, inputs }: WindowedQuery): void {
    const isOver = inputs.every((input) => this.inputs[input]?.final);
    if (!isOver || (this.emitted[id]?.length ?? 0) > 0) return;
    const rows = this.#rowsOf(inputs);
    // A group without a row is below any minimum.
    this.emitted[id]?.push({ start: null, groups: rows.length > 0 ? [rows] : [], lateRows: {} });
  }

  #closeTimed(query: WindowedQuery, sizeMs: number): void {
    const { id } = query;
    const rows = this.#rowsOf(query.inputs);
    for (const start of startsOf(query)) {
      const closed = this.closedUntil[id] ?? null;
      const isNext = closed === null || start + sizeMs > closed;
      const holds = (from: number) => rows.some((row) => from <= placeOf(row, query));
      const before = rows.some((row) => placeOf(row, query) < start + sizeMs);
      if (!isNext || !this.#isCompleteTo(start + sizeMs, query)) continue;
      if (!holds(start) || (closed === null && !before)) continue;
      this.closedUntil[id] = start + sizeMs;
      const groups = this.#groupsIn(query, start, start + sizeMs);
      const lateRows: Record<string, number> = {};
      for (const { dataset } of this.late[id] ?? []) {
        lateRows[dataset] = (lateRows[dataset] ?? 0) + 1;
      }
      this.emitted[id]?.push({ start, groups, lateRows });
    }
  }

  #isCompleteTo(end: number, { inputs, latenessMs }: WindowedQuery): boolean {
    return inputs.every((id) => {
      const { final, watermark } = this.inputs[id] ?? {};
      if (final) return true;
      return typeof watermark === 'number' && watermark >= end + latenessMs;
    });
  }

  #groupsIn(query: WindowedQuery, start: number, end: number): TrueRow[][] {
    const rows = this.#rowsOf(query.inputs);
    if (query.window.kind !== 'session') {
      const inside = rows.filter(({ at }) => start <= at && at < end);
      return inside.length > 0 ? [inside] : [];
    }
    const { gapMs } = query.window;
    const late = new Set(this.late[query.id]?.map(({ bit }) => bit));
    const onTime = rows.filter(({ bit }) => !late.has(bit));
    return sessionsOf(onTime, query.window).filter((session) => {
      const ended = Math.max(...session.map(({ at }) => at)) + gapMs;
      return start <= ended && ended < end;
    });
  }

  /** With an event time: those without are not counted by bits. */
  #rowsOf(inputs: readonly string[]): TrueRow[] {
    return this.rows.filter(({ dataset }) => {
      return inputs.includes(dataset) && this.inputs[dataset]?.isTimed;
    });
  }
}

function startsOf({ window }: WindowedQuery): number[] {
  return multiplesOf(advanceOf(window));
}

/** Every one that this test could see. */
function multiplesOf(step: number): number[] {
  const least = Math.floor(-20_000 / step);
  return Array.from({ length: Math.ceil(40_000 / step) }, (_none, index) => (least + index) * step);
}

function advanceOf(window: WindowedQuery['window']): number {
  if (window.kind === 'hopping') return window.advanceMs;
  return window.kind === 'whole' ? 1 : window.sizeMs;
}

/** The earliest time by which a row may be placed: a session ends a gap after it, or later. */
function placeOf({ at }: TrueRow, { window }: WindowedQuery): number {
  return window.kind === 'session' ? at + window.gapMs : at;
}

/** By start, then key. */
function sessionsOf(
  rows: readonly TrueRow[],
  { gapMs, maximumMs }: { readonly gapMs: number; readonly maximumMs: number },
): TrueRow[][] {
  const sessions: TrueRow[][] = [];
  for (const key of new Set(rows.map((row) => row.key))) {
    const mine = rows.filter((row) => row.key === key).sort((one, other) => one.at - other.at);
    const activities: TrueRow[][] = [];
    for (const row of mine) {
      const newest = activities.at(-1);
      const before = newest?.at(-1);
      if (newest && before && row.at - before.at <= gapMs) newest.push(row);
      else activities.push([row]);
    }
    for (const activity of activities) sessions.push(...cut(activity, maximumMs));
  }
  const startOf = (session: readonly TrueRow[]) => session[0]?.at ?? 0;
  const keyOf = (session: readonly TrueRow[]) => session[0]?.key ?? '';
  return sessions.sort((one, other) => {
    return startOf(one) - startOf(other) || (keyOf(one) < keyOf(other) ? -1 : 1);
  });
}

/** At every multiple of the maximum before which it has gone on for more than the maximum. */
function cut(activity: readonly TrueRow[], maximumMs: number): TrueRow[][] {
  const first = activity[0]?.at ?? 0;
  const pieces = new Map<number, TrueRow[]>();
  for (const row of activity) {
    const lines = multiplesOf(maximumMs).filter((line) => first < line - maximumMs);
    const cuts = lines.filter((line) => line <= row.at).length;
    pieces.set(cuts, [...(pieces.get(cuts) ?? []), row]);
  }
  return [...pieces.values()];
}

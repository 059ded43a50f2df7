import { leavesLateRowsOut, querySetOf } from '@strongroom/analysis/query-sets';
import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import { type Contract, type Dataset, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { DatasetId, StreamId } from '@strongroom/protocol/fields';
import type { Standing } from '@strongroom/protocol/partial';
import type { ExactInput, WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import { Closings, type Progress } from './closings.ts';
import { type Disclosable, disclose, withhold } from './disclose.ts';
import type { DoorRecord, QueryProgress } from './door.ts';
import { type Emission, emit } from './emit.ts';
import type { Aggregator } from './engine/aggregate.ts';
import { SharedAtoms } from './engine/atoms.ts';
import {
  frontierOf,
  type InputProgress,
  lastEndUntil,
  neededFrom,
  type TimeWindow,
  windowRuleOf,
} from './engine/window.ts';
import type { OpenedBatch } from './held-elements.ts';
import { type TimeRange, union } from './kept-batches.ts';
import { type Judgement, LateRows, type OpenQuery } from './late-rows.ts';
import type { NoiseSeeds } from './noise-seeds.ts';
import { PrivateQueries } from './private-queries.ts';
import type { Sealing, SliceResult, SliceTeller } from './slices/slice-teller.ts';
import type { StreamSet } from './stream-set.ts';
import type { Emitted } from './uses.ts';

/** What rows are counted for: which windows were emitted, and what those need that are open. */
export class Computation {
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;
  readonly #streams: ReadonlyMap<DatasetId, StreamSet>;
  readonly #closings: Closings;
  readonly #late = new LateRows();
  readonly #private: PrivateQueries;
  #atoms = new SharedAtoms();

  constructor(
    contract: Contract,
    aggregator: Aggregator,
    streams: ReadonlyMap<DatasetId, StreamSet>,
  ) {
    this.#contract = contract;
    this.#aggregator = aggregator;
    this.#streams = streams;
    this.#private = new PrivateQueries(contract, aggregator);
    this.#closings = new Closings(contract, (query) => this.#progressOf(query));
  }

  restore({ queries }: Pick<Checkpoint, 'queries'>): void {
    this.#closings.restore(queries);
    for (const { query, late } of queries) if (late) this.#late.restore(query, late);
  }

  state(): Pick<Checkpoint, 'queries'> {
    const queries = this.#contract.queries.map(({ id }) => {
      const late = this.#late.state(id, (at) => this.#isReadAgain(at));
      return { query: id, ...this.#of(id), ...(late.length > 0 ? { late } : {}) };
    });
    return { queries };
  }

  /** As far as anybody may know it. */
  report(): QueryProgress[] {
    return this.#closings.report();
  }

  get done(): boolean {
    return this.#closings.done;
  }

  /** Event time below which no open window of any query needs a row of this dataset. */
  keepFrom(dataset: DatasetId): number {
    return Math.min(...this.#neededBy(dataset), Number.POSITIVE_INFINITY);
  }

  /** Judges what is late of batches of this dataset, until the next window closes. */
  judgeOf(dataset: Dataset): (opened: OpenedBatch, isNew: boolean) => Judgement {
    const open = this.#queriesOf(dataset.id).flatMap((query): OpenQuery[] => {
      const rule = windowRuleOf(query);
      const set = querySetOf(this.#contract, query);
      const leavesLateOut = query.window.kind === 'session' || leavesLateRowsOut(set);
      return rule
        ? [{ query, rule, closedUntil: this.#closedIn(set ?? [query]), leavesLateOut }]
        : [];
    });
    return (opened, isNew) => this.#late.judge(opened, isNew, dataset, open);
  }

  /** The end of the newest window that any of these queries has closed. */
  #closedIn(queries: readonly Query[]): number | null {
    const ends = queries.flatMap(({ id }) => this.#of(id).closedUntil ?? []);
    return ends.length > 0 ? Math.max(...ends) : null;
  }

  /** Whether no window of any query that holds rows of these event times has closed. */
  isOpenFor(dataset: DatasetId, eventTime: TimeRange | null): boolean {
    return this.#queriesOf(dataset).every((query) => {
      const { closedUntil, emissions } = this.#of(query.id);
      if (!eventTime || !windowRuleOf(query)) return emissions === 0;
      return closedUntil === null || eventTime.min >= closedUntil;
    });
  }

  /** Seals the results of windows that are complete, as many as a step takes. */
  async close(
    emission: Emission,
    seeds: NoiseSeeds,
  ): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    return await this.#closings.close({
      prepare: (query, windows) => this.#aggregator.prepare(query, windows),
      close: async (query, window, progress) => {
        const result = await this.#disclose(query, window, progress, seeds);
        const inputs = await this.#countInputs(query, window);
        return await emit(result, { window, inputs, emission: progress.emissions }, emission);
      },
    });
  }

  /** Of a slice: what it has counted in windows that are complete in it, and how far it is. */
  async closeSlice(
    teller: SliceTeller,
    sealing: Sealing,
    seeds: NoiseSeeds,
  ): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    const closed = await this.#closings.close({
      prepare: (query, windows) => this.#aggregator.prepare(query, windows),
      close: async (query, window, progress) => {
        const result = await this.#countSlice(query, window, seeds);
        const inputs = await this.#countInputs(query, window);
        const closedUntil = window?.end ?? null;
        const standing = { ...this.#standing(query, inputs), closedUntil, ended: window === null };
        const { record, told } = teller.tellWindow(query, window, { result, standing }, sealing);
        const { groups, withheld } = told;
        const counts = { groups, suppressedGroups: 0, ...(withheld ? { withheld } : {}) };
        const emitted = { query, window, emission: progress.emissions, inputs, ...counts };
        return { records: [record], emitted };
      },
    });
    const standings: DoorRecord[] = [];
    for (const query of this.#contract.queries) {
      this.#passEmpty(query);
      const standing = this.#standing(query, await this.#countInputs(query, NO_WINDOW));
      standings.push(...teller.tellStanding(standing, sealing));
    }
    return { ...closed, records: [...closed.records, ...standings] };
  }

  /** Lets go of rows that no open window needs. */
  async forget(): Promise<void> {
    this.#atoms = new SharedAtoms();
    for (const [dataset, { streams }] of this.#streams) {
      const from = this.keepFrom(dataset);
      for (const stream of streams) stream.forgetBefore(from);
      if (from === Number.POSITIVE_INFINITY) await this.#aggregator.rows.clear(dataset);
      else if (from !== EARLIEST) await this.#aggregator.rows.dropBefore(dataset, from);
    }
  }

  /** A row that comes for an empty window that was told to be closed is as late as any other. */
  #passEmpty(query: Query): void {
    const rule = windowRuleOf(query);
    const frontier = frontierOf(this.#progressOf(query), rule?.latenessMs ?? 0);
    if (!rule || !Number.isFinite(frontier) || this.#closings.hasMore(query)) return;
    const progress = this.#of(query.id);
    const passed = lastEndUntil(frontier, rule);
    progress.closedUntil = Math.max(progress.closedUntil ?? passed, passed);
  }

  #standing(query: Query, inputs: readonly ExactInput[]): Standing {
    const { closedUntil, done } = this.#of(query.id);
    const eventTime = this.#progressOf(query)
      .map((each) => each.eventTime)
      .reduce(union, null);
    return { query: query.id, closedUntil, ended: done, eventTime, inputs: [...inputs] };
  }

  async #disclose(
    query: Query,
    window: TimeWindow | null,
    progress: Progress,
    seeds: NoiseSeeds,
  ): Promise<Disclosable> {
    try {
      return await this.#compute(query, window, progress, seeds);
    } catch (error) {
      return withhold(query, await this.#reasonFor(query, error));
    }
  }

  async #countSlice(
    query: Query,
    window: TimeWindow | null,
    seeds: NoiseSeeds,
  ): Promise<SliceResult> {
    try {
      return await this.#aggregator.partial(query, window, seeds.orderKey(query, window));
    } catch (error) {
      return { withheld: await this.#reasonFor(query, error) };
    }
  }

  /** What a row can make fail withholds a result and stops nothing: a stop, everybody sees. */
  async #reasonFor(query: Query, error: unknown): Promise<WithheldReason> {
    // Totals without one of their windows would be wrong in silence.
    if (query.privacy?.continual) throw error;
    const code = codeOf(error);
    if (code === 'ERR_LIMIT_EXCEEDED') return 'too-large';
    if (code !== 'ERR_QUERY_FAILED' || !(await this.#aggregator.answers())) throw error;
    return 'failed';
  }

  async #compute(
    query: Query,
    window: TimeWindow | null,
    progress: Progress,
    seeds: NoiseSeeds,
  ): Promise<Disclosable> {
    if (!query.privacy) {
      const orderKey = seeds.orderKey(query, window);
      return disclose(await this.#aggregator.aggregate(query, window, orderKey, this.#atoms));
    }
    const { result, totals } = await this.#private.result(query, window, seeds, progress.totals);
    if (totals) progress.totals = totals;
    return result;
  }

  /** @param window NO_WINDOW for how far the inputs were counted, and rows that all windows have */
  async #countInputs(
    query: Query,
    window: TimeWindow | null | typeof NO_WINDOW,
  ): Promise<ExactInput[]> {
    const inputs: ExactInput[] = [];
    for (const streams of this.#inputsOf(query)) {
      const { id, eventTime } = streams.dataset;
      const isNone = window === NO_WINDOW && eventTime !== undefined;
      const span = window === NO_WINDOW ? null : window;
      const rows = isNone
        ? new Map<number, number>()
        : await this.#aggregator.rows.countByStream(query, id, span);
      const counted = streams.counted(rows);
      for (const input of counted) {
        const lateRows = this.#late.count(query.id, id, input.stream);
        inputs.push({ ...input, lateRows });
      }
    }
    return inputs;
  }

  #neededBy(dataset: DatasetId): number[] {
    const isTimed = this.#streams.get(dataset)?.dataset.eventTime !== undefined;
    return this.#queriesOf(dataset).map((query) => {
      const { done, closedUntil } = this.#of(query.id);
      if (done) return Number.POSITIVE_INFINITY;
      const rule = windowRuleOf(query);
      return isTimed && rule ? neededFrom(rule, closedUntil) : EARLIEST;
    });
  }

  #isReadAgain(at: { dataset: DatasetId; stream: StreamId; sequence: number }): boolean {
    const streams = this.#streams.get(at.dataset)?.streams ?? [];
    const state = streams.find(({ id }) => id === at.stream)?.state();
    return state !== undefined && at.sequence >= state.rebuild.sequence;
  }

  #queriesOf(dataset: DatasetId): Query[] {
    const relation = this.#streams.get(dataset)?.dataset.relation;
    return this.#contract.queries.filter(
      (query) => relation !== undefined && query.relations.some((each) => each === relation),
    );
  }

  #inputsOf(query: Query): StreamSet[] {
    return query.relations
      .flatMap((relation) => datasetsOf(this.#contract, relation))
      .flatMap((dataset) => this.#streams.get(dataset.id) ?? []);
  }

  #progressOf(query: Query): InputProgress[] {
    return this.#inputsOf(query).map((streams) => streams.progress());
  }

  #of(query: string): Progress {
    return this.#closings.of(query);
  }
}

const EARLIEST = Number.NEGATIVE_INFINITY;
const NO_WINDOW = 'no window';

import { leavesLateRowsOut, querySetOf } from '@strongroom/analysis/query-sets';
import type { Checkpoint, QueryTotals } from '@strongroom/protocol/checkpoint';
import { type Contract, type Dataset, datasetsOf, type Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { DatasetId, StreamId } from '@strongroom/protocol/fields';
import { STEP_BYTES, STEP_WINDOWS_MAX } from '@strongroom/protocol/limits';
import type { CountedInput, ExactInput } from '@strongroom/protocol/sealed-aggregate';
import { type Disclosable, disclose, withhold } from './disclose.ts';
import type { DoorRecord, QueryProgress } from './door.ts';
import type { Aggregator } from './engine/aggregate.ts';
import {
  allWindowsClosed,
  frontierOf,
  neededFrom,
  type TimeWindow,
  windowRuleOf,
  windowsToClose,
} from './engine/window.ts';
import type { OpenedBatch } from './held-elements.ts';
import type { TimeRange } from './kept-batches.ts';
import { type Judgement, LateRows, type OpenQuery } from './late-rows.ts';
import type { NoiseSeeds } from './noise-seeds.ts';
import { PrivateQueries } from './private-queries.ts';
import { type ResultProof, sealAggregate } from './seal-aggregate.ts';
import type { StreamSet } from './stream-set.ts';
import type { Emitted } from './uses.ts';

/** Which windows of which queries were emitted, and what is needed for those that are open. */
export class Computation {
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;
  readonly #streams: ReadonlyMap<DatasetId, StreamSet>;
  readonly #progress: Map<string, Progress>;
  readonly #late = new LateRows();
  readonly #private: PrivateQueries;

  constructor(
    contract: Contract,
    aggregator: Aggregator,
    streams: ReadonlyMap<DatasetId, StreamSet>,
  ) {
    this.#contract = contract;
    this.#aggregator = aggregator;
    this.#streams = streams;
    this.#private = new PrivateQueries(contract, aggregator);
    this.#progress = new Map(
      contract.queries.map((query) => [query.id, { closedUntil: null, done: false, emissions: 0 }]),
    );
  }

  restore(queries: Checkpoint['queries']): void {
    for (const { query, late, ...progress } of queries) {
      this.#progress.set(query, { ...progress });
      if (late) this.#late.restore(query, late);
    }
  }

  state(): Checkpoint['queries'] {
    return this.#contract.queries.map(({ id }) => {
      const late = this.#late.state(id, (at) => this.#isReadAgain(at));
      return { query: id, ...this.#of(id), ...(late.length > 0 ? { late } : {}) };
    });
  }

  /** As far as anybody may know it. */
  report(): QueryProgress[] {
    return this.#contract.queries.map(({ id }) => {
      const { emissions, done, closedUntil } = this.#of(id);
      return { query: id, emissions, done, closedUntil };
    });
  }

  get done(): boolean {
    return [...this.#progress.values()].every((progress) => progress.done);
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
    checkpoint: number,
    proof: ResultProof,
    seeds: NoiseSeeds,
  ): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    const records: DoorRecord[] = [];
    const emitted: Emitted[] = [];
    for (const query of this.#contract.queries) {
      const windows = this.#closable(query);
      await this.#aggregator.prepare(query, windows);
      for (const window of windows) {
        const isFull = bytesOf(records) >= STEP_BYTES || emitted.length >= STEP_WINDOWS_MAX;
        if (isFull) return { records, emitted, more: true };
        const result = await this.#emit(query, window, checkpoint, proof, seeds);
        records.push(...result.records);
        emitted.push(result.emitted);
        // Should an owner's budget be used up, no debit of another window has been made in vain.
        if (query.privacy) return { records, emitted, more: true };
      }
      this.#checkDone(query);
    }
    return { records, emitted, more: this.#contract.queries.some((query) => this.#hasMore(query)) };
  }

  /** Lets go of rows that no open window needs. */
  async forget(): Promise<void> {
    for (const [dataset, { streams }] of this.#streams) {
      const from = this.keepFrom(dataset);
      for (const stream of streams) stream.forgetBefore(from);
      if (from === Number.POSITIVE_INFINITY) await this.#aggregator.rows.clear(dataset);
      else if (from !== EARLIEST) await this.#aggregator.rows.dropBefore(dataset, from);
    }
  }

  #closable(query: Query): (TimeWindow | null)[] {
    const progress = this.#of(query.id);
    if (progress.done) return [];
    const inputs = this.#inputsOf(query).map((streams) => streams.progress());
    const rule = windowRuleOf(query);
    if (!rule) return frontierOf(inputs, 0) === Number.POSITIVE_INFINITY ? [null] : [];
    return windowsToClose(inputs, rule, progress.closedUntil, WINDOWS_AT_ONCE);
  }

  #hasMore(query: Query): boolean {
    return this.#closable(query).length > 0;
  }

  async #emit(
    query: Query,
    window: TimeWindow | null,
    checkpoint: number,
    proof: ResultProof,
    seeds: NoiseSeeds,
  ): Promise<{ records: DoorRecord[]; emitted: Emitted }> {
    const progress = this.#of(query.id);
    const result = await this.#disclose(query, window, seeds);
    const inputs = await this.#countInputs(query, window);
    const place = { window, emission: progress.emissions };
    const shown = query.privacy ? inputs.map(withoutRows) : inputs;
    const at = { ...place, inputs: shown, checkpoint };
    const { records, told } = await sealAggregate(result, at, proof);
    progress.emissions += 1;
    if (window === null) progress.done = true;
    else progress.closedUntil = window.end;
    const { rows: groups, suppressedGroups, withheld } = told;
    const counts = { groups, suppressedGroups, ...(withheld ? { withheld } : {}) };
    return { records, emitted: { query, ...place, inputs, ...counts } };
  }

  /** What a row can make fail withholds a result and stops nothing: a stop, everybody sees. */
  async #disclose(
    query: Query,
    window: TimeWindow | null,
    seeds: NoiseSeeds,
  ): Promise<Disclosable> {
    try {
      return await this.#compute(query, window, seeds);
    } catch (error) {
      // Totals without one of their windows would be wrong in silence.
      if (query.privacy?.continual) throw error;
      const code = codeOf(error);
      if (code === 'ERR_LIMIT_EXCEEDED') return withhold(query, 'too-large');
      if (code !== 'ERR_QUERY_FAILED' || !(await this.#aggregator.answers())) throw error;
      return withhold(query, 'failed');
    }
  }

  async #compute(query: Query, window: TimeWindow | null, seeds: NoiseSeeds): Promise<Disclosable> {
    if (!query.privacy) {
      const orderKey = seeds.orderKey(query, window);
      return disclose(await this.#aggregator.aggregate(query, window, orderKey));
    }
    const progress = this.#of(query.id);
    const { result, totals } = await this.#private.result(query, window, seeds, progress.totals);
    if (totals) progress.totals = totals;
    return result;
  }

  async #countInputs(query: Query, window: TimeWindow | null): Promise<ExactInput[]> {
    const inputs: ExactInput[] = [];
    for (const streams of this.#inputsOf(query)) {
      const { id } = streams.dataset;
      const counted = streams.counted(await this.#aggregator.rows.countByStream(query, id, window));
      for (const input of counted) {
        const lateRows = this.#late.count(query.id, id, input.stream);
        inputs.push({ ...input, lateRows });
      }
    }
    return inputs;
  }

  #checkDone(query: Query): void {
    const progress = this.#of(query.id);
    const rule = windowRuleOf(query);
    if (!rule || progress.done) return;
    const inputs = this.#inputsOf(query).map((streams) => streams.progress());
    progress.done = allWindowsClosed(inputs, rule, progress.closedUntil);
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

  #of(query: string): Progress {
    const progress = this.#progress.get(query) ?? { closedUntil: null, done: false, emissions: 0 };
    this.#progress.set(query, progress);
    return progress;
  }
}

/** What noise hides in the result is not written beside it. */
function withoutRows(input: ExactInput): CountedInput {
  return { ...input, rows: null, lateRows: null };
}

interface Progress {
  closedUntil: number | null;
  done: boolean;
  emissions: number;
  totals?: QueryTotals;
}

const EARLIEST = Number.NEGATIVE_INFINITY;
const WINDOWS_AT_ONCE = 64;

function bytesOf(records: readonly DoorRecord[]): number {
  return records.reduce((sum, { value, headers }) => {
    const headerBytes = Object.values(headers).reduce((total, text) => total + text.length, 0);
    return sum + value.length + headerBytes;
  }, 0);
}

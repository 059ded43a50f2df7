import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { Closings, type Progress } from '../closings.ts';
import { type Disclosable, disclose, withhold } from '../disclose.ts';
import type { DoorRecord, QueryProgress } from '../door.ts';
import { type Emission, emit } from '../emit.ts';
import type { Aggregator } from '../engine/aggregate.ts';
import type { TimeWindow } from '../engine/window.ts';
import type { NoiseSeeds } from '../noise-seeds.ts';
import { PrivateQueries } from '../private-queries.ts';
import type { Emitted } from '../uses.ts';
import { type Gathered, SliceInputs } from './slice-inputs.ts';

/** Merges what slices have counted, window by window, once all of them have told it. */
export class FinalComputation {
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;
  readonly #closings: Closings;
  readonly #private: PrivateQueries;
  readonly inputs: SliceInputs;

  constructor(contract: Contract, contractId: ContractId, aggregator: Aggregator) {
    this.#contract = contract;
    this.#aggregator = aggregator;
    this.#private = new PrivateQueries(contract, aggregator);
    this.#closings = new Closings(contract, (query) => this.inputs.progressOf(query));
    this.inputs = new SliceInputs(contract, contractId, (query, window) => {
      const { done, closedUntil } = this.#closings.of(query);
      return done || (window !== null && closedUntil !== null && window.end <= closedUntil);
    });
  }

  restore({ queries, slices = [] }: Pick<Checkpoint, 'queries' | 'slices'>): void {
    this.#closings.restore(queries);
    this.inputs.restore(slices);
  }

  state(): Pick<Checkpoint, 'queries' | 'slices'> {
    const queries = this.#contract.queries.map(({ id }) => ({
      query: id,
      ...this.#closings.of(id),
    }));
    return { queries, slices: this.inputs.state() };
  }

  report(): QueryProgress[] {
    return this.#closings.report();
  }

  get done(): boolean {
    return this.#closings.done;
  }

  /** Seals the results of windows that all slices have told, as many as a step takes. */
  async close(
    emission: Emission,
    seeds: NoiseSeeds,
  ): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    return await this.#closings.close({
      prepare: async () => undefined,
      close: async (query, window, progress) => {
        const gathered = this.inputs.gather(query, window);
        const result = await this.#merge(query, window, gathered, { seeds, progress });
        const { inputs } = gathered;
        const closed = await emit(
          result,
          { window, inputs, emission: progress.emissions },
          emission,
        );
        this.inputs.forget(query, window);
        return closed;
      },
    });
  }

  async #merge(
    query: Query,
    window: TimeWindow | null,
    { arrows, withheld }: Gathered,
    noise: Noise,
  ): Promise<Disclosable> {
    // Totals without one of their windows would be wrong in silence.
    const isContinual = query.privacy?.continual !== undefined;
    if (withheld !== undefined && isContinual) {
      throw new StrongroomError('ERR_QUERY_FAILED', { query: query.id });
    }
    if (withheld !== undefined) return withhold(query, withheld);
    try {
      if (query.privacy) return await this.#mergeWithNoise(query, window, arrows, noise);
      return disclose(await this.#aggregator.merge(query, arrows));
    } catch (error) {
      if (isContinual) throw error;
      const code = codeOf(error);
      if (code === 'ERR_LIMIT_EXCEEDED') return withhold(query, 'too-large');
      if (code !== 'ERR_QUERY_FAILED' || !(await this.#aggregator.answers())) throw error;
      return withhold(query, 'failed');
    }
  }

  /** Once, to what all slices have counted together; and so it is paid for once. */
  async #mergeWithNoise(
    query: Query,
    window: TimeWindow | null,
    arrows: readonly Uint8Array[],
    { seeds, progress }: Noise,
  ): Promise<Disclosable> {
    const exact = await this.#aggregator.mergeStatistics(query, arrows);
    const noisy = this.#private.withNoise(exact, window, seeds, progress.totals);
    if (noisy.totals) progress.totals = noisy.totals;
    return noisy.result;
  }
}

interface Noise {
  readonly seeds: NoiseSeeds;
  readonly progress: Progress;
}

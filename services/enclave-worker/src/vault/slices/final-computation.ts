import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { Closings } from '../closings.ts';
import { type Disclosable, disclose, withhold } from '../disclose.ts';
import type { DoorRecord, QueryProgress } from '../door.ts';
import { type Emission, emit } from '../emit.ts';
import type { Aggregator } from '../engine/aggregate.ts';
import type { Emitted } from '../uses.ts';
import { type Gathered, SliceInputs } from './slice-inputs.ts';

/** Merges what slices have counted, window by window, once all of them have told it. */
export class FinalComputation {
  readonly #contract: Contract;
  readonly #aggregator: Aggregator;
  readonly #closings: Closings;
  readonly inputs: SliceInputs;

  constructor(contract: Contract, contractId: ContractId, aggregator: Aggregator) {
    this.#contract = contract;
    this.#aggregator = aggregator;
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
  ): Promise<{ records: DoorRecord[]; emitted: Emitted[]; more: boolean }> {
    return await this.#closings.close({
      prepare: async () => undefined,
      close: async (query, window, progress) => {
        const gathered = this.inputs.gather(query, window);
        const result = await this.#merge(query, gathered);
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

  async #merge(query: Query, { arrows, withheld }: Gathered): Promise<Disclosable> {
    if (withheld !== undefined) return withhold(query, withheld);
    try {
      return disclose(await this.#aggregator.merge(query, arrows));
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ERR_LIMIT_EXCEEDED') return withhold(query, 'too-large');
      if (code !== 'ERR_QUERY_FAILED' || !(await this.#aggregator.answers())) throw error;
      return withhold(query, 'failed');
    }
  }
}

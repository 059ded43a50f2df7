import type { SliceState } from '@strongroom/protocol/checkpoint';
import {
  type Contract,
  datasetOf,
  datasetsOf,
  type Query,
  streamsOf,
} from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, DatasetId } from '@strongroom/protocol/fields';
import { PARTIALS_BYTES_MAX } from '@strongroom/protocol/limits';
import type { SlicedInput } from '@strongroom/protocol/partial';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import { partialsName } from '@strongroom/protocol/slices';
import type { StreamProgress } from '../door.ts';
import type { InputProgress, TimeWindow } from '../engine/window.ts';
import { type IsClosed, SliceChain } from './slice-chain.ts';

/** What all slices together counted in a window. */
export interface Gathered {
  readonly arrows: readonly Uint8Array[];
  /** In the contract's order of datasets and of their streams. */
  readonly inputs: readonly SlicedInput[];
  /** One slice could not tell its part, so there is no whole. */
  readonly withheld?: WithheldReason;
}

/** All slices of a contract, each an input of every query. */
export class SliceInputs {
  readonly #contract: Contract;
  readonly chains: readonly SliceChain[];

  constructor(contract: Contract, contractId: ContractId, isClosed: IsClosed) {
    this.#contract = contract;
    this.chains = Array.from(
      { length: contract.slices ?? 0 },
      (_none, slice) =>
        new SliceChain(slice, contractId, isClosed, (dataset) => this.#isTimed(dataset)),
    );
  }

  restore(states: readonly SliceState[]): void {
    for (const state of states) this.of(state.slice).restore(state);
  }

  state(): SliceState[] {
    return this.chains.map((chain) => chain.state());
  }

  /** @throws ERR_SLICE_UNKNOWN */
  of(slice: number): SliceChain {
    const chain = this.chains[slice];
    if (!chain) throw new StrongroomError('ERR_SLICE_UNKNOWN', { slice });
    return chain;
  }

  /** By the name of its topic, as a dataset has one. @throws ERR_SLICE_UNKNOWN */
  named(name: string): SliceChain {
    const chain = this.chains.find(({ slice }) => partialsName(slice) === name);
    if (!chain) throw new StrongroomError('ERR_SLICE_UNKNOWN', { name });
    return chain;
  }

  get readFrom(): { dataset: string; partition: number; offset: number }[] {
    return this.chains.map(({ slice, readFrom: offset }) => ({
      dataset: partialsName(slice),
      partition: 0,
      offset,
    }));
  }

  /** As streams are reported, one a slice. */
  report(): StreamProgress[] {
    const { queries } = this.#contract;
    return this.chains.map((chain) => ({
      dataset: partialsName(chain.slice),
      stream: null,
      partition: 0,
      epoch: 0,
      sequences: chain.sequence,
      rows: 0,
      watermark: null,
      final: queries.every(({ id }) => chain.standingOf(id)?.ended),
      missing: chain.missing,
      held: chain.early,
      rereadFrom: null,
      rereads: 0,
      stalled: false,
    }));
  }

  /** @throws ERR_STREAM_TRUNCATED while an earlier run, or a later partial, knows of more */
  checkWhole(): void {
    const short = this.chains.find(({ missing }) => missing > 0);
    if (!short) return;
    const { slice, sequence, missing } = short;
    throw new StrongroomError('ERR_STREAM_TRUNCATED', {
      slice,
      expected: sequence + missing,
      found: sequence,
    });
  }

  /** @throws ERR_VAULT_MEMORY when too much waits for slices that are behind the others */
  demandRoom(): void {
    const bytes = this.chains.reduce((sum, chain) => sum + chain.bytes, 0);
    if (bytes > PARTIALS_BYTES_MAX) throw new StrongroomError('ERR_VAULT_MEMORY');
  }

  /**
   * A slice is like an input whose watermark is where it has told all windows: what it has not told
   * until there, it has no row in.
   */
  progressOf(query: Query): InputProgress[] {
    const { id, latenessMs } = query;
    return this.chains.map((chain) => {
      const { closedUntil = null, ended = false } = chain.standingOf(id) ?? {};
      return {
        hasEventTime: true,
        watermark: closedUntil === null ? null : closedUntil + latenessMs,
        final: ended,
        caughtUp: chain.isCaughtUp,
        eventTime: chain.eventTimeOf(query),
      };
    });
  }

  gather(query: Query, window: TimeWindow | null): Gathered {
    const told = this.chains.map((chain) => chain.windowOf(query.id, window));
    const inputs = told.flatMap((each, slice) => {
      // A slice without a row in the window says, at least, how far it has counted.
      const standing = this.of(slice).standingOf(query.id);
      return each?.inputs ?? standing?.inputs.map((input) => this.#withoutWindow(input)) ?? [];
    });
    const withheld = told.find((each) => each?.withheld !== undefined)?.withheld;
    const arrows = told.flatMap((each) => (each && each.arrow.length > 0 ? [each.arrow] : []));
    return { arrows, inputs: this.#inOrder(query, inputs), ...(withheld ? { withheld } : {}) };
  }

  /** What has no event time is in every window. */
  #withoutWindow(input: SlicedInput): SlicedInput {
    return this.#isTimed(input.dataset) ? { ...input, rows: 0 } : input;
  }

  #isTimed(dataset: DatasetId): boolean {
    return datasetOf(this.#contract, dataset).eventTime !== undefined;
  }

  forget(query: Query, window: TimeWindow | null): void {
    for (const chain of this.chains) chain.forget(query.id, window);
  }

  #inOrder(query: Query, inputs: readonly SlicedInput[]): SlicedInput[] {
    const datasets = query.relations.flatMap((relation) => datasetsOf(this.#contract, relation));
    return datasets.flatMap((dataset) =>
      streamsOf(dataset).flatMap((stream) =>
        inputs.filter((each) => each.dataset === dataset.id && each.stream === stream.id),
      ),
    );
  }
}

import { hash, type KeyObject } from 'node:crypto';
import type { Checkpoint } from '@strongroom/protocol/checkpoint';
import type { Query } from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { CIPHERTEXT_BYTES_MAX, PADDED_SIZES } from '@strongroom/protocol/limits';
import type { SlicedQuery, SlicePartial, Standing } from '@strongroom/protocol/partial';
import type { WithheldReason } from '@strongroom/protocol/sealed-aggregate';
import type { DoorRecord } from '../door.ts';
import { type ArrowColumn, encodeResult } from '../engine/result-types.ts';
import type { TimeWindow } from '../engine/window.ts';
import { sealPartial } from './partial-seal.ts';

/** What a slice counted in a window, or why it could not. */
export type SliceResult =
  | { readonly columns: readonly ArrowColumn[]; readonly groups: number }
  | { readonly withheld: WithheldReason };

/** What leaves a slice: the chain of its partials. */
export class SliceTeller {
  readonly slice: number;
  readonly #contractId: ContractId;
  #sequence = 0;
  /** Hash of the newest plaintext; of the contract id before the first. */
  #head: string;
  /** By query, as it was told last. */
  readonly #told = new Map<string, string>();

  constructor(slice: number, contractId: ContractId) {
    this.slice = slice;
    this.#contractId = contractId;
    this.#head = hash('sha256', contractId, 'hex');
  }

  /** @throws ERR_CHECKPOINT_INVALID for one that is not of this slice */
  restore({ teller, queries }: Pick<Checkpoint, 'teller' | 'queries'>): void {
    if (teller?.slice !== this.slice) throw new StrongroomError('ERR_CHECKPOINT_INVALID');
    this.#sequence = teller.sequence;
    this.#head = teller.head;
    for (const { query, closedUntil, done } of queries) {
      this.#told.set(query, standingText({ closedUntil, ended: done }));
    }
  }

  state(): Pick<Checkpoint, 'teller'> {
    return { teller: { slice: this.slice, sequence: this.#sequence, head: this.#head } };
  }

  /** A window that is complete in this slice. What is too large is told to be so. */
  tellWindow(
    query: Query,
    window: TimeWindow | null,
    { result, standing }: { readonly result: SliceResult; readonly standing: Standing },
    sealing: Sealing,
  ): { record: DoorRecord; told: NonNullable<SlicedQuery['told']> } {
    // What is too large is as large as what nearly was.
    const isTooLarge = 'withheld' in result && result.withheld === 'too-large';
    const sizes = isTooLarge ? [CIPHERTEXT_BYTES_MAX] : sizesOf(query);
    try {
      const { arrow, told } = contentOf(result, window);
      const record = this.#tell({ about: { ...standing, told } }, arrow, sizes, sealing);
      this.#told.set(query.id, standingText(standing));
      return { record, told };
    } catch (error) {
      const isLarge = codeOf(error) === 'ERR_LIMIT_EXCEEDED' && !('withheld' in result);
      if (!isLarge) throw error;
      const withheld = { withheld: 'too-large' } as const;
      return this.tellWindow(query, window, { result: withheld, standing }, sealing);
    }
  }

  /** That there is no row in some windows, or that nothing more comes; nothing if that is known. */
  tellStanding(standing: Standing, sealing: Sealing): DoorRecord[] {
    const text = standingText(standing);
    if ((this.#told.get(standing.query) ?? NOTHING_TOLD) === text) return [];
    this.#told.set(standing.query, text);
    return [this.#tell({ about: standing }, NO_ARROW, PADDED_SIZES, sealing)];
  }

  /** For the owners' ledgers of uses. */
  tellFacts(facts: SlicePartial['facts'], sealing: Sealing): DoorRecord[] {
    if (!facts || facts.length === 0) return [];
    return [this.#tell({ facts }, NO_ARROW, PADDED_SIZES, sealing)];
  }

  #tell(
    news: Pick<SlicePartial, 'about' | 'facts'>,
    arrow: Uint8Array,
    sizes: readonly number[],
    { epoch, sliceKey }: Sealing,
  ): DoorRecord {
    const place = { contract: this.#contractId, slice: this.slice, sequence: this.#sequence };
    const partial: SlicePartial = { v: 1, ...place, previous: this.#head, ...news };
    const sealed = sealPartial({ partial, arrow }, sizes, epoch, sliceKey);
    this.#sequence += 1;
    this.#head = sealed.hash;
    return sealed.record;
  }
}

export interface Sealing {
  readonly epoch: number;
  readonly sliceKey: KeyObject;
}

const NO_ARROW = new Uint8Array(0);
const NOTHING_TOLD = standingText({ closedUntil: null, ended: false });

function contentOf(result: SliceResult, window: TimeWindow | null) {
  if ('withheld' in result) {
    return { arrow: NO_ARROW, told: { window, groups: 0, withheld: result.withheld } };
  }
  const { columns, groups } = result;
  return { arrow: encodeResult(columns, groups), told: { window, groups } };
}

/**
 * A partial has more columns than the result, so the one size of a result may not hold it. Of a
 * query with noise it has groups that no result may tell of.
 */
function sizesOf({ disclosure, privacy }: Query): readonly number[] {
  const isOneSize = privacy !== undefined || disclosure.resultBytes !== undefined;
  return isOneSize ? [CIPHERTEXT_BYTES_MAX] : PADDED_SIZES;
}

function standingText({ closedUntil, ended }: Pick<Standing, 'closedUntil' | 'ended'>): string {
  return `${closedUntil} ${ended}`;
}

import type { KeyObject } from 'node:crypto';
import { codeOf, dispositionOf, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import type { SlicePartial } from '@strongroom/protocol/partial';
import type { DoorEntry, EntryOutcome } from '../door.ts';
import { openPartial } from './partial-seal.ts';
import type { SliceChain } from './slice-chain.ts';

/**
 * From records of a slice's topic to what it has told: open, and put in order. A record that is bad
 * is an outcome with its code; that two histories exist is thrown.
 */
export async function takePartials(
  entries: readonly DoorEntry[],
  chain: SliceChain,
  sliceKey: KeyObject,
  contract: ContractId,
): Promise<{ outcomes: EntryOutcome[]; heard: SlicePartial[] }> {
  const heard: SlicePartial[] = [];
  const outcomes: EntryOutcome[] = [];
  for (const entry of entries) {
    const { offset } = entry;
    try {
      const opened = await openPartial(entry, sliceKey, { contract, slice: chain.slice });
      const isEarly = opened.partial.sequence > chain.sequence;
      heard.push(...chain.take(opened, offset));
      outcomes.push({ offset, kind: isEarly ? 'held' : 'manifest', ...NO_ROWS });
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || dispositionOf(error) === 'halt') throw error;
      const facts = error instanceof StrongroomError ? error.facts : {};
      outcomes.push({ offset, kind: 'refused', ...NO_ROWS, code, facts });
    }
  }
  return { outcomes, heard };
}

const NO_ROWS = { rows: 0, lateRows: 0 };

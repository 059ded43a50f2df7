import type { CountedInput, ExactInput } from '@strongroom/protocol/sealed-aggregate';
import type { Disclosable } from './disclose.ts';
import type { DoorRecord } from './door.ts';
import type { TimeWindow } from './engine/window.ts';
import { type ResultProof, sealAggregate } from './seal-aggregate.ts';
import type { Emitted } from './uses.ts';

/** What all results of a step have in common. */
export interface Emission {
  readonly proof: ResultProof;
  /** Number of the checkpoint that covers them. */
  readonly checkpoint: number;
}

/** Seals a result to its readers, and says what owners are told of it. */
export async function emit(
  result: Disclosable,
  at: {
    readonly window: TimeWindow | null;
    readonly emission: number;
    readonly inputs: readonly ExactInput[];
  },
  { proof, checkpoint }: Emission,
): Promise<{ records: DoorRecord[]; emitted: Emitted }> {
  const { query } = result;
  const inputs = query.privacy ? at.inputs.map(withoutRows) : at.inputs;
  const { records, told } = await sealAggregate(result, { ...at, inputs, checkpoint }, proof);
  const { rows: groups, suppressedGroups, withheld } = told;
  const counts = { groups, suppressedGroups, ...(withheld ? { withheld } : {}) };
  return { records, emitted: { query, ...at, ...counts } };
}

/** What noise hides in the result is not written beside it. */
function withoutRows(input: ExactInput): CountedInput {
  return { ...input, rows: null, lateRows: null };
}

import { hash } from 'node:crypto';
import type { Contract, Query } from '@strongroom/protocol/contract';
import { partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { fits } from '@strongroom/protocol/padding';
import { resultSizesOf, tooLargeSizeOf } from '@strongroom/protocol/result-sizes';
import {
  AGGREGATE_FORMAT,
  type CountedInput,
  encodeAggregateContent,
} from '@strongroom/protocol/sealed-aggregate';
import { sealInParts } from '@strongroom/sealing/seal';
import type { Signer } from '@strongroom/sealing/sign';
import { type Disclosable, withhold } from './disclose.ts';
import type { DoorRecord } from './door.ts';
import type { TimeWindow } from './engine/window.ts';

/** What every result of this process life names. */
export interface ResultProof {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly signer: Signer;
  readonly epoch: number;
  /** SHA-256 in hex of the attestation proof. */
  readonly token: string;
}

/** Where one result stands. */
export interface ResultPlace {
  readonly window: TimeWindow | null;
  readonly emission: number;
  /** Sequence number of the checkpoint in the same transaction. */
  readonly checkpoint: number;
  readonly inputs: readonly CountedInput[];
}

/**
 * Seals a result once for each reader of its query, each time under a secret of its own. What
 * follows from rows is sealed with it; outside stands what the log shows anyway.
 * @returns the records, those of one reader behind each other, and what they tell: nothing where a
 *   result is too large
 */
export async function sealAggregate(
  result: Disclosable,
  place: ResultPlace,
  proof: ResultProof,
): Promise<{ readonly records: DoorRecord[]; readonly told: Disclosable }> {
  const { query } = result;
  const sizes = resultSizesOf(query);
  const largest = Math.max(...sizes);
  const whole = contentOf(result, place);
  const told = fits(largest, whole.length) ? result : withhold(query, 'too-large');
  const plaintext = told === result ? whole : contentOf(told, place);
  // What is too large is as large as what nearly was.
  const tooLarge = told === result ? tooLargeSizeOf(query, proof.contract) : largest;
  const content = { plaintext, sizes: told.withheld === 'too-large' ? [tooLarge] : sizes };
  const records: DoorRecord[] = [];
  for (const reader of query.readers) {
    records.push(...(await sealFor(reader, content, query, place, proof)));
  }
  return { records, told };
}

function contentOf(result: Disclosable, { inputs }: ResultPlace): Uint8Array {
  const { rows, suppressedGroups, withheld } = result;
  const counts = inputs.map(({ rows: counted, lateRows, retractedRows }) => ({
    ...{ rows: counted, lateRows, retractedRows },
  }));
  const why = withheld === undefined ? {} : { withheld };
  return encodeAggregateContent(
    { rows, suppressedGroups, inputs: counts, ...why },
    result.encode(),
  );
}

async function sealFor(
  reader: PartyId,
  content: { readonly plaintext: Uint8Array; readonly sizes: readonly number[] },
  query: Query,
  place: ResultPlace,
  proof: ResultProof,
): Promise<DoorRecord[]> {
  const wrappingKey = partyOf(proof.contract, reader).readingKey;
  if (!wrappingKey) throw new StrongroomError('ERR_NOT_A_READER', { party: reader });
  const { contractId: contract, epoch, token, signer } = proof;
  const { window, emission, checkpoint } = place;
  const inputs = place.inputs.map(({ dataset, stream, epoch: at, sequences, head }) => ({
    ...{ dataset, stream, epoch: at, sequences, head },
  }));
  const parts = await sealInParts(AGGREGATE_FORMAT, {
    ...content,
    at: { contract, query: query.id, reader, epoch, emission },
    members: { window, checkpoint, inputs, token },
    to: { kid: reader, wrappingKey },
    signer,
  });
  return parts.map(({ record }) => record);
}

export function proofHash(proof: string): string {
  return hash('sha256', proof, 'hex');
}

import { hash } from 'node:crypto';
import type { Contract } from '@strongroom/protocol/contract';
import { partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId, PartyId } from '@strongroom/protocol/fields';
import { AGGREGATE_FORMAT, type CountedInput } from '@strongroom/protocol/sealed-aggregate';
import { sealOnce } from '@strongroom/sealing/seal';
import type { Signer } from '@strongroom/sealing/sign';
import type { Disclosable } from './disclose.ts';
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
 * Seals a result once for each reader of its query, each time under a secret of its own.
 * @throws ERR_LIMIT_EXCEEDED
 */
export async function sealAggregate(
  result: Disclosable,
  place: ResultPlace,
  proof: ResultProof,
): Promise<DoorRecord[]> {
  const plaintext = result.encode();
  const records: DoorRecord[] = [];
  for (const reader of result.query.readers) {
    records.push(await sealFor(reader, plaintext, result, place, proof));
  }
  return records;
}

async function sealFor(
  reader: PartyId,
  plaintext: Uint8Array,
  result: Disclosable,
  place: ResultPlace,
  proof: ResultProof,
): Promise<DoorRecord> {
  const wrappingKey = partyOf(proof.contract, reader).readingKey;
  if (!wrappingKey) throw new StrongroomError('ERR_NOT_A_READER', { party: reader });
  const at = {
    contract: proof.contractId,
    query: result.query.id,
    reader,
    epoch: proof.epoch,
    emission: place.emission,
  };
  const { record } = await sealOnce(AGGREGATE_FORMAT, {
    plaintext,
    at,
    members: {
      window: place.window,
      checkpoint: place.checkpoint,
      inputs: place.inputs,
      rows: result.rows,
      suppressedGroups: result.suppressedGroups,
      token: proof.token,
    },
    to: { kid: reader, wrappingKey },
    signer: proof.signer,
  });
  return record;
}

export function proofHash(proof: string): string {
  return hash('sha256', proof, 'hex');
}

import assert from 'node:assert/strict';
import { hash, type KeyObject } from 'node:crypto';
import { canonicalBytes, parseCanonical } from '@strongroom/protocol/canonical-json';
import {
  CHECKPOINT_JWE_TYPE,
  type Checkpoint,
  CheckpointSchema,
} from '@strongroom/protocol/checkpoint';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { CHECKPOINT_SIZES } from '@strongroom/protocol/limits';
import { padTo, unpad } from '@strongroom/protocol/padding';
import { CompactEncrypt, compactDecrypt } from 'jose';

/** Seals and opens checkpoints: compact JWE, `dir` + A256GCM (RFC 7518 §4.5, §5.3), padded. */

/** The chain of checkpoints: each names the one before it. */
export class CheckpointChain {
  /** Of the next one. */
  sequence = 0;
  /** Hash of the newest one; of the contract id before the first. */
  head: string;

  constructor(contractId: ContractId) {
    this.head = hash('sha256', contractId, 'hex');
  }

  /** Goes on behind a checkpoint. */
  follow(sequence: number, head: string): void {
    this.sequence = sequence + 1;
    this.head = head;
  }

  /** Seals the next one. @throws ERR_LIMIT_EXCEEDED */
  async seal(
    state: Omit<Checkpoint, 'v' | 'sequence' | 'previous'>,
    stateKey: KeyObject,
  ): Promise<string> {
    const { sequence, head: previous } = this;
    const jwe = await sealCheckpoint({ v: 1, ...state, sequence, previous }, stateKey);
    this.follow(sequence, checkpointHash(jwe));
    return jwe;
  }
}

async function sealCheckpoint(checkpoint: Checkpoint, stateKey: KeyObject): Promise<string> {
  // One that could not be opened again would send a restart back behind what has left.
  assert(CheckpointSchema.safeParse(checkpoint).success, 'a checkpoint can be opened again');
  // Running totals and numbers of rows have more digits or fewer.
  const plaintext = padTo(CHECKPOINT_SIZES, canonicalBytes(checkpoint));
  return new CompactEncrypt(plaintext)
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: CHECKPOINT_JWE_TYPE })
    .encrypt(stateKey);
}

/** @throws ERR_CHECKPOINT_INVALID, whatever is wrong */
export async function openCheckpoint(
  jwe: string,
  stateKey: KeyObject,
  contractId: ContractId,
): Promise<Checkpoint> {
  let checkpoint: Checkpoint;
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, stateKey, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    if (protectedHeader.typ !== CHECKPOINT_JWE_TYPE || 'zip' in protectedHeader) throw invalid();
    const content = unpad(CHECKPOINT_SIZES, plaintext);
    if (!content) throw invalid();
    checkpoint = CheckpointSchema.parse(parseCanonical(content));
  } catch {
    throw invalid();
  }
  if (checkpoint.contract !== contractId) throw invalid();
  return checkpoint;
}

/** How the next checkpoint names this one. */
export function checkpointHash(jwe: string): string {
  return hash('sha256', jwe, 'hex');
}

function invalid(): StrongroomError {
  return new StrongroomError('ERR_CHECKPOINT_INVALID');
}

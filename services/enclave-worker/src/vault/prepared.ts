import type { KeyObject } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  decodePreparedStep,
  encodePreparedStep,
  PREPARED_JWE_TYPE,
  type PreparedStep,
} from '@strongroom/protocol/prepared-step';
import { preparedRecordShape, SEAL_HEADER } from '@strongroom/protocol/record';
import { sealDetachedJwe } from '@strongroom/sealing/detached-jwe';
import type { DoorRecord, SealedStep } from './door.ts';
import { openDetached } from './open-detached.ts';

/** Seals and opens steps that are prepared: a JWE whose ciphertext is detached. */

/** @param at where it stands: the number of its checkpoint, and the epoch that prepared it */
export function sealPrepared(
  step: PreparedStep,
  at: { readonly epoch: number; readonly checkpoint: number },
  stateKey: KeyObject,
): DoorRecord {
  const sealed = sealDetachedJwe(encodePreparedStep(step), PREPARED_JWE_TYPE, stateKey);
  const { key, headers } = preparedRecordShape({ contract: step.contract, ...at });
  return { key, value: sealed.ciphertext, headers: { ...headers, [SEAL_HEADER]: sealed.seal } };
}

/** @throws ERR_CHECKPOINT_INVALID, whatever is wrong */
export async function openPrepared(
  sealed: SealedStep,
  stateKey: KeyObject,
  contractId: ContractId,
): Promise<PreparedStep> {
  const plaintext = await openDetached(sealed, PREPARED_JWE_TYPE, stateKey);
  const step = plaintext && decodePreparedStep(plaintext);
  if (step?.contract !== contractId) throw new StrongroomError('ERR_CHECKPOINT_INVALID');
  return step;
}

import type { KeyObject } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
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
import { flattenedDecrypt } from 'jose';
import type { DoorRecord, SealedStep } from './door.ts';

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
  { seal, value }: SealedStep,
  stateKey: KeyObject,
  contractId: ContractId,
): Promise<PreparedStep> {
  const [protectedHeader = '', wrappedKey, iv = '', detached, tag = '', ...more] = seal.split('.');
  if (wrappedKey !== '' || detached !== '' || more.length > 0) throw invalid();
  const jwe = { protected: protectedHeader, iv, tag, ciphertext: encodeBase64url(value) };
  const step = decodePreparedStep(await decrypt(jwe, stateKey));
  if (step.contract !== contractId) throw invalid();
  return step;
}

async function decrypt(
  jwe: Parameters<typeof flattenedDecrypt>[0],
  stateKey: KeyObject,
): Promise<Uint8Array> {
  try {
    const { plaintext, protectedHeader } = await flattenedDecrypt(jwe, stateKey, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    const isOurs = protectedHeader?.typ === PREPARED_JWE_TYPE && !('zip' in protectedHeader);
    if (isOurs) return plaintext;
  } catch {
    // One code for all that is wrong with it.
  }
  throw invalid();
}

function invalid(): StrongroomError {
  return new StrongroomError('ERR_CHECKPOINT_INVALID');
}

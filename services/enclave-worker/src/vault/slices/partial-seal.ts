import { hash, type KeyObject } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { PADDED_SIZES } from '@strongroom/protocol/limits';
import { padTo, unpad } from '@strongroom/protocol/padding';
import {
  decodePartial,
  encodePartial,
  PARTIAL_JWE_TYPE,
  type SlicePartial,
} from '@strongroom/protocol/partial';
import { partialRecordShape, SEAL_HEADER } from '@strongroom/protocol/record';
import { sealDetachedJwe } from '@strongroom/sealing/detached-jwe';
import type { DoorRecord } from '../door.ts';
import { openDetached } from '../open-detached.ts';

/** Seals and opens partials. */

/** A partial, and the Arrow stream that it tells of; its hash is what the next one names. */
export interface OpenedPartial {
  readonly partial: SlicePartial;
  readonly arrow: Uint8Array;
  readonly hash: string;
}

/**
 * @param sizes of which it has the smallest that holds it
 * @throws ERR_LIMIT_EXCEEDED when none does
 */
export function sealPartial(
  { partial, arrow }: Omit<OpenedPartial, 'hash'>,
  sizes: readonly number[],
  epoch: number,
  sliceKey: KeyObject,
): { record: DoorRecord; hash: string } {
  const plaintext = encodePartial(partial, arrow);
  const padded = padTo(sizes, plaintext);
  const { seal, ciphertext } = sealDetachedJwe(padded, PARTIAL_JWE_TYPE, sliceKey);
  const { key, headers } = partialRecordShape({ ...partial, epoch });
  const record = { key, value: ciphertext, headers: { ...headers, [SEAL_HEADER]: seal } };
  return { record, hash: hashOf(plaintext) };
}

/** @throws ERR_PARTIAL_INVALID, whatever is wrong */
export async function openPartial(
  { headers, value }: Pick<DoorRecord, 'headers' | 'value'>,
  sliceKey: KeyObject,
  at: { readonly contract: ContractId; readonly slice: number },
): Promise<OpenedPartial> {
  const sealed = { seal: headers[SEAL_HEADER] ?? '', value };
  const padded = await openDetached(sealed, PARTIAL_JWE_TYPE, sliceKey);
  const plaintext = padded && unpad(PADDED_SIZES, padded);
  if (!plaintext) throw new StrongroomError('ERR_PARTIAL_INVALID');
  const { partial, arrow } = decodePartial(plaintext);
  const isHere = partial.contract === at.contract && partial.slice === at.slice;
  if (!isHere) throw new StrongroomError('ERR_PARTIAL_INVALID');
  return { partial, arrow, hash: hashOf(plaintext) };
}

function hashOf(plaintext: Uint8Array): string {
  return hash('sha256', plaintext, 'hex');
}

import type { Contract, Dataset } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { SEAL_BYTES_MAX } from '@strongroom/protocol/limits';
import { freeMemory } from '@strongroom/protocol/message-memory';
import { batchRecordShape } from '@strongroom/protocol/record';
import { type BatchSeal, batchKeyInfo, segmentContext } from '@strongroom/protocol/sealed-batch';
import { decompress } from './decompress.ts';
import { checkCiphertext, openBytes, openFrame } from './open-bytes.ts';
import {
  checkRecordShape,
  type ReadRecord,
  type SplitValue,
  sealOf,
  splitValue,
} from './record-checks.ts';
import type { SecretReader } from './secret-reader.ts';
import { verifyBatchSeal } from './verify.ts';

export { claimedAggregate, type OpenedAggregate, openAggregate } from './open-aggregate.ts';
export { recordTypeOf } from './record-checks.ts';
export type { SecretReader } from './secret-reader.ts';
export { createUnwrapper } from './unwrapper.ts';

export interface ParsedBatchRecord extends SplitValue {
  readonly jws: string;
}

/**
 * The checks that cost nothing: a seal within its limit, a value with room for a tag.
 * @throws ERR_SEAL_MALFORMED, ERR_LIMIT_EXCEEDED, ERR_BATCH_UNOPENABLE
 */
export function parseBatchRecord(record: ReadRecord): ParsedBatchRecord {
  const jws = sealOf(record, SEAL_BYTES_MAX, 'ERR_SEAL_MALFORMED');
  return { jws, ...splitValue(record.value, 'ERR_BATCH_UNOPENABLE') };
}

export interface OpenBatchContext {
  readonly contract: Contract;
  readonly contractId: ContractId;
  /** The dataset on whose topic the record lay. */
  readonly dataset: Dataset;
  readonly unwrapper: SecretReader;
}

export interface OpenedBatch {
  readonly seal: BatchSeal;
  readonly jws: string;
  /** In memory of its own. */
  readonly plaintext: Uint8Array;
}

/**
 * Opens a sealed batch; sealing's mirror. No byte is decrypted before the owner's signature, the
 * place and the ciphertext's hash were verified. Whether the batch is the next of its stream is
 * `StreamCheck`'s question.
 * @throws ERR_SEAL_*, ERR_RECORD_HEADERS, ERR_CIPHERTEXT_HASH, ERR_SEGMENT_UNWRAP,
 *   ERR_BATCH_UNOPENABLE (commitment, tag or length; it does not say which),
 *   ERR_BATCH_COMPRESSION, ERR_LIMIT_EXCEEDED
 */
export async function openBatch(
  record: ReadRecord,
  context: OpenBatchContext,
): Promise<OpenedBatch> {
  const { contract, contractId, dataset, unwrapper } = context;
  const { jws, ciphertext, tag } = parseBatchRecord(record);
  const seal = await verifyBatchSeal(jws, contract, contractId, dataset);
  checkRecordShape(record, batchRecordShape(seal));
  checkCiphertext(ciphertext, seal.ciphertextSha256, 'ERR_CIPHERTEXT_HASH');
  const dataKey = await unwrapper.dataKey(seal.segment, {
    kid: dataset.keyId,
    context: segmentContext(seal),
    info: batchKeyInfo(seal),
  });
  const sealed = { ciphertext, tag, jws, seal };
  if (seal.compression === undefined) {
    return { seal, jws, plaintext: openBytes(dataKey, sealed, 'ERR_BATCH_UNOPENABLE') };
  }
  const frame = openFrame(dataKey, sealed, 'ERR_BATCH_UNOPENABLE');
  const plaintext = decompress(frame, seal.plaintextBytes);
  freeMemory(frame);
  return { seal, jws, plaintext };
}

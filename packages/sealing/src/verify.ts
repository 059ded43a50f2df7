import { type Contract, type Dataset, partyOf } from '@strongroom/protocol/contract';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { MANIFEST_BYTES_MAX, SEAL_BYTES_MAX } from '@strongroom/protocol/limits';
import { manifestRecordShape } from '@strongroom/protocol/record';
import {
  BATCH_JWS_TYPE,
  type BatchSeal,
  BatchSealSchema,
  MANIFEST_JWS_TYPE,
  type Manifest,
  ManifestSchema,
} from '@strongroom/protocol/sealed-batch';
import { type JwsCodes, verifyCompact } from './compact-jws.ts';
import { parsePayload } from './payload.ts';
import { checkRecordShape, type ReadRecord, sealOf } from './record-checks.ts';

export { type JwsCodes, type JwsExpectation, verifyCompact } from './compact-jws.ts';
export {
  type ReadContract,
  readContract,
  type SignatureState,
  type VerifiedContract,
  verifyContract,
} from './signed-contract.ts';
export { verifyStatement } from './verify-statement.ts';

const SEAL_CODES: JwsCodes = {
  malformed: 'ERR_SEAL_MALFORMED',
  algorithm: 'ERR_SEAL_ALGORITHM',
  signature: 'ERR_SEAL_SIGNATURE',
};

/**
 * Verifies the seal of a batch: signature of the dataset's owner, payload, place.
 * @throws ERR_SEAL_MALFORMED, ERR_SEAL_VERSION, ERR_SEAL_ALGORITHM, ERR_SEAL_SIGNATURE,
 *   ERR_SEAL_CONTEXT
 */
export async function verifyBatchSeal(
  jws: string,
  contract: Contract,
  contractId: ContractId,
  dataset: Dataset,
): Promise<BatchSeal> {
  if (jws.length > SEAL_BYTES_MAX) throw tooLong('ERR_SEAL_MALFORMED', 'SEAL_BYTES_MAX');
  const expected = ownerSignature(BATCH_JWS_TYPE, contract, dataset);
  const payload = await verifyCompact(jws, expected, SEAL_CODES);
  const seal = parsePayload(payload, BatchSealSchema, 'ERR_SEAL_MALFORMED');
  checkPlace(seal, contractId, dataset);
  if ((seal.eventTime === null) !== (dataset.eventTime === undefined)) {
    throw new StrongroomError('ERR_SEAL_MALFORMED', { part: 'eventTime' });
  }
  return seal;
}

const MANIFEST_CODES: JwsCodes = {
  malformed: 'ERR_MANIFEST_MALFORMED',
  algorithm: 'ERR_SEAL_ALGORITHM',
  signature: 'ERR_SEAL_SIGNATURE',
};

/**
 * Verifies a manifest: signature of the dataset's owner, payload, place. Whether it agrees with
 * the stream is `StreamCheck.checkManifest`'s question.
 * @throws ERR_MANIFEST_MALFORMED, ERR_SEAL_VERSION, ERR_SEAL_ALGORITHM, ERR_SEAL_SIGNATURE,
 *   ERR_SEAL_CONTEXT
 */
export async function verifyManifest(
  jws: string,
  contract: Contract,
  contractId: ContractId,
  dataset: Dataset,
): Promise<Manifest> {
  if (jws.length > MANIFEST_BYTES_MAX) {
    throw tooLong('ERR_MANIFEST_MALFORMED', 'MANIFEST_BYTES_MAX');
  }
  const expected = ownerSignature(MANIFEST_JWS_TYPE, contract, dataset);
  const payload = await verifyCompact(jws, expected, MANIFEST_CODES);
  const manifest = parsePayload(payload, ManifestSchema, 'ERR_MANIFEST_MALFORMED');
  checkPlace(manifest, contractId, dataset);
  if (manifest.watermark !== null && dataset.eventTime === undefined) {
    throw new StrongroomError('ERR_MANIFEST_MALFORMED', { part: 'watermark' });
  }
  return manifest;
}

/**
 * Verifies a manifest and the record around it, which has an empty value.
 * @throws what `verifyManifest` throws, ERR_MANIFEST_MALFORMED, ERR_RECORD_HEADERS
 */
export async function verifyManifestRecord(
  record: ReadRecord,
  at: { readonly contract: Contract; readonly contractId: ContractId; readonly dataset: Dataset },
): Promise<{ manifest: Manifest; jws: string }> {
  const jws = sealOf(record, MANIFEST_BYTES_MAX, 'ERR_MANIFEST_MALFORMED');
  if (record.value.length > 0) {
    throw new StrongroomError('ERR_MANIFEST_MALFORMED', { part: 'value' });
  }
  const manifest = await verifyManifest(jws, at.contract, at.contractId, at.dataset);
  checkRecordShape(record, manifestRecordShape(manifest));
  return { manifest, jws };
}

function ownerSignature(typ: string, contract: Contract, dataset: Dataset) {
  return { typ, kid: dataset.owner, key: partyOf(contract, dataset.owner).signingKey };
}

function checkPlace(
  at: { readonly contract: ContractId; readonly dataset: string },
  contractId: ContractId,
  dataset: Dataset,
): void {
  if (at.contract !== contractId) {
    throw new StrongroomError('ERR_SEAL_CONTEXT', { expected: contractId });
  }
  if (at.dataset !== dataset.id) {
    throw new StrongroomError('ERR_SEAL_CONTEXT', { expected: dataset.id });
  }
}

function tooLong(code: ErrorCode, limit: string): StrongroomError {
  return new StrongroomError(code, { limit });
}

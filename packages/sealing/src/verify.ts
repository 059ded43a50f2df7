import {
  type Contract,
  type Dataset,
  demandEventTimes,
  partyOf,
} from '@strongroom/protocol/contract';
import { type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import type { ContractId } from '@strongroom/protocol/fields';
import { MANIFEST_BYTES_MAX, SEAL_BYTES_MAX } from '@strongroom/protocol/limits';
import {
  batchRecordShape,
  manifestRecordShape,
  openingRecordShape,
  retractionRecordShape,
} from '@strongroom/protocol/record';
import {
  BATCH_JWS_TYPE,
  type BatchSeal,
  BatchSealSchema,
  MANIFEST_JWS_TYPE,
  type Manifest,
  ManifestSchema,
  OPENING_JWS_TYPE,
  type Opening,
  OpeningSchema,
  RETRACTION_JWS_TYPE,
  type Retraction,
  RetractionSchema,
} from '@strongroom/protocol/sealed-batch';
import { type JwsCodes, verifyCompact } from './compact-jws.ts';
import { sha256Hex } from './digest.ts';
import { type PayloadSchema, parsePayload } from './payload.ts';
import { checkRecordShape, type ReadRecord, sealOf, splitValue } from './record-checks.ts';

export { type JwsCodes, type JwsExpectation, verifyCompact } from './compact-jws.ts';
export { recordTypeOf } from './record-checks.ts';
export {
  type ReadContract,
  readContract,
  type SignatureState,
  type VerifiedContract,
  verifyContract,
} from './signed-contract.ts';
export { verifyStatement } from './verify-statement.ts';

/**
 * Verifies the record of a batch as far as it goes without a key: seal, place, key and headers, and
 * the hash of the ciphertext.
 * @throws what `verifyBatchSeal` throws, ERR_RECORD_HEADERS, ERR_CIPHERTEXT_HASH,
 *   ERR_BATCH_UNOPENABLE, ERR_LIMIT_EXCEEDED
 */
export async function verifyBatchRecord(
  record: ReadRecord,
  at: Place,
): Promise<{ seal: BatchSeal; jws: string }> {
  const jws = sealOf(record, SEAL_BYTES_MAX, 'ERR_SEAL_MALFORMED');
  const { ciphertext } = splitValue(record.value, 'ERR_BATCH_UNOPENABLE');
  const seal = await verifyBatchSeal(jws, at.contract, at.contractId, at.dataset);
  checkRecordShape(record, batchRecordShape(seal));
  if (sha256Hex(ciphertext) !== seal.ciphertextSha256) {
    throw new StrongroomError('ERR_CIPHERTEXT_HASH');
  }
  return { seal, jws };
}

const MANIFEST_MALFORMED = 'ERR_MANIFEST_MALFORMED';
const SEAL_CODES: JwsCodes = {
  malformed: 'ERR_SEAL_MALFORMED',
  algorithm: 'ERR_SEAL_ALGORITHM',
  signature: 'ERR_SEAL_SIGNATURE',
};

/**
 * Verifies the seal of a batch: signature of the dataset's owner, payload, place, event times.
 * @throws ERR_SEAL_MALFORMED, ERR_SEAL_VERSION, ERR_SEAL_ALGORITHM, ERR_SEAL_SIGNATURE,
 *   ERR_SEAL_CONTEXT, ERR_EVENT_TIME_RANGE
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
  checkPlace(seal, { contract, contractId, dataset });
  if ((seal.eventTime === null) !== (dataset.eventTime === undefined)) {
    throw new StrongroomError('ERR_SEAL_MALFORMED', { part: 'eventTime' });
  }
  demandEventTimes(dataset, seal.eventTime);
  return seal;
}

interface Place {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly dataset: Dataset;
}

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
  const at = { contract, contractId, dataset };
  const manifest = await verifyWord(jws, MANIFEST_JWS_TYPE, ManifestSchema, at, MANIFEST_MALFORMED);
  if (manifest.watermark !== null && dataset.eventTime === undefined) {
    throw new StrongroomError(MANIFEST_MALFORMED, { part: 'watermark' });
  }
  return manifest;
}

/**
 * Verifies a manifest and the record around it, which has an empty value.
 * @throws what `verifyManifest` throws, ERR_MANIFEST_MALFORMED, ERR_RECORD_HEADERS
 */
export async function verifyManifestRecord(
  record: ReadRecord,
  at: Place,
): Promise<{ manifest: Manifest; jws: string }> {
  const jws = wordOf(record, MANIFEST_MALFORMED);
  const manifest = await verifyManifest(jws, at.contract, at.contractId, at.dataset);
  checkRecordShape(record, manifestRecordShape(manifest));
  return { manifest, jws };
}

/**
 * Verifies an opening and the record around it. Whether it fits is `StreamCheck.open`'s question.
 * @throws ERR_OPENING_MALFORMED, ERR_SEAL_*, ERR_RECORD_HEADERS
 */
export async function verifyOpeningRecord(
  record: ReadRecord,
  at: Place,
): Promise<{ opening: Opening; jws: string }> {
  const jws = wordOf(record, 'ERR_OPENING_MALFORMED');
  const malformed = 'ERR_OPENING_MALFORMED';
  const opening = await verifyWord(jws, OPENING_JWS_TYPE, OpeningSchema, at, malformed);
  checkRecordShape(record, openingRecordShape(opening));
  return { opening, jws };
}

/**
 * Verifies a retraction and the record around it.
 * @throws ERR_RETRACTION_MALFORMED, ERR_SEAL_*, ERR_RECORD_HEADERS
 */
export async function verifyRetractionRecord(
  record: ReadRecord,
  at: Place,
): Promise<{ retraction: Retraction; jws: string }> {
  const malformed = 'ERR_RETRACTION_MALFORMED';
  const jws = wordOf(record, malformed);
  const retraction = await verifyWord(jws, RETRACTION_JWS_TYPE, RetractionSchema, at, malformed);
  checkRecordShape(record, retractionRecordShape(retraction));
  return { retraction, jws };
}

/** The seal of a record with an empty value: a manifest, an opening, a retraction. */
function wordOf(record: ReadRecord, malformed: ErrorCode): string {
  const jws = sealOf(record, MANIFEST_BYTES_MAX, malformed);
  if (record.value.length > 0) throw new StrongroomError(malformed, { part: 'value' });
  return jws;
}

async function verifyWord<Word extends { contract: ContractId; dataset: string }>(
  jws: string,
  typ: string,
  wordSchema: PayloadSchema<Word>,
  at: Place,
  malformed: ErrorCode,
): Promise<Word> {
  if (jws.length > MANIFEST_BYTES_MAX) throw tooLong(malformed, 'MANIFEST_BYTES_MAX');
  const codes = { ...SEAL_CODES, malformed };
  const payload = await verifyCompact(jws, ownerSignature(typ, at.contract, at.dataset), codes);
  const word = parsePayload(payload, wordSchema, malformed);
  checkPlace(word, at);
  return word;
}

function ownerSignature(typ: string, contract: Contract, dataset: Dataset) {
  return { typ, kid: dataset.owner, key: partyOf(contract, dataset.owner).signingKey };
}

function checkPlace(
  at: { readonly contract: ContractId; readonly dataset: string },
  { contract, contractId, dataset }: Place,
): void {
  if (at.contract === contract.previous) {
    throw new StrongroomError('ERR_SEAL_SUPERSEDED', { expected: contractId });
  }
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

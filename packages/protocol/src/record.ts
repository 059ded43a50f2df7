import type { ContractId, DatasetId, PartyId } from './fields.ts';
import { partialsName } from './slices.ts';

/**
 * How objects travel as Kafka records: CloudEvents 1.0 in binary content mode (Kafka protocol
 * binding §3.2). Every header except `seal` follows from the seal, and a reader demands exactly
 * those: a header has one right value.
 */

export interface RecordShape {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const RECORD_TYPES = {
  batch: 'strongroom.batch.v1',
  manifest: 'strongroom.manifest.v1',
  opening: 'strongroom.opening.v1',
  retraction: 'strongroom.retraction.v1',
  aggregate: 'strongroom.aggregate.v1',
  token: 'strongroom.token.v1',
  checkpoint: 'strongroom.checkpoint.v1',
  prepared: 'strongroom.prepared.v1',
  receipt: 'strongroom.receipt.v1',
  notice: 'strongroom.notice.v1',
  quarantine: 'strongroom.quarantine.v1',
  challenge: 'strongroom.challenge.v1',
  evidence: 'strongroom.evidence.v1',
  evidenceRefusal: 'strongroom.evidence-refusal.v1',
  use: 'strongroom.use.v1',
  partial: 'strongroom.partial.v1',
} as const;
export type RecordType = (typeof RECORD_TYPES)[keyof typeof RECORD_TYPES];

interface Origin {
  readonly contract: string;
  readonly dataset: string;
  readonly stream: string;
  readonly epoch: number;
}

export function batchRecordShape(seal: Origin & { readonly sequence: number }): RecordShape {
  return shapeOf(seal, RECORD_TYPES.batch, `${seal.sequence}`, ARROW_CONTENT_TYPE);
}

export function manifestRecordShape(
  manifest: Origin & { readonly sequences: number; readonly final: boolean },
): RecordShape {
  const id = `manifest.${manifest.sequences}${manifest.final ? '.final' : ''}`;
  return shapeOf(manifest, RECORD_TYPES.manifest, id, MANIFEST_CONTENT_TYPE);
}

export function openingRecordShape(opening: Origin): RecordShape {
  return shapeOf(opening, RECORD_TYPES.opening, 'opening', MANIFEST_CONTENT_TYPE);
}

export function retractionRecordShape(
  retraction: Origin & { readonly sequence: number },
): RecordShape {
  const id = `${retraction.sequence}`;
  return shapeOf(retraction, RECORD_TYPES.retraction, id, MANIFEST_CONTENT_TYPE);
}

function shapeOf(at: Origin, type: RecordType, id: string, contentType: string): RecordShape {
  const source = `/contracts/${at.contract}/datasets/${at.dataset}`;
  return cloudEvent(at.stream, type, source, `${at.stream}.${at.epoch}.${id}`, contentType);
}

function cloudEvent(
  recordKey: string,
  type: RecordType,
  source: string,
  id: string,
  contentType: string,
): RecordShape {
  return {
    key: recordKey,
    headers: {
      ce_specversion: '1.0',
      ce_type: type,
      ce_source: source,
      ce_id: id,
      'content-type': contentType,
    },
  };
}

/** One part of a result for one reader. */
export function aggregateRecordShape(seal: {
  readonly contract: string;
  readonly query: string;
  readonly reader: string;
  readonly epoch: number;
  readonly emission: number;
  readonly part: { readonly index: number };
}): RecordShape {
  const source = `/contracts/${seal.contract}/queries/${seal.query}`;
  const id = `${seal.reader}.${seal.epoch}.${seal.emission}.${seal.part.index}`;
  const recordKey = `${seal.query}.${seal.reader}`;
  return cloudEvent(recordKey, RECORD_TYPES.aggregate, source, id, BINARY_CONTENT_TYPE);
}

/** Whether a record says that it is the first part of a result: each result has one a reader. */
export function beginsResult({ headers }: Pick<RecordShape, 'headers'>): boolean {
  const { ce_type: type, ce_id: id } = headers;
  return type === RECORD_TYPES.aggregate && id?.endsWith('.0') === true;
}

/**
 * A step that is prepared, in as many records as it takes; by its number each has one key, so that
 * the log may let go of all but those of the newest step.
 */
export function preparedRecordShape(
  at: { readonly contract: string; readonly epoch: number; readonly checkpoint: number },
  piece: { readonly index: number; readonly count: number } = { index: 0, count: 1 },
): RecordShape {
  const id = `${at.epoch}.${at.checkpoint}.${piece.index}.${piece.count}`;
  const { key, headers } = plainRecordShape(at.contract, RECORD_TYPES.prepared, id);
  return {
    key: `${key}.${piece.index}`,
    headers: { ...headers, 'content-type': BINARY_CONTENT_TYPE },
  };
}

/** What one slice says to the vault that tells results. */
export function partialRecordShape(at: {
  readonly contract: string;
  readonly slice: number;
  readonly epoch: number;
  readonly sequence: number;
}): RecordShape {
  const source = `/contracts/${at.contract}/slices/${at.slice}`;
  const id = `${at.epoch}.${at.sequence}`;
  return cloudEvent(`${at.slice}`, RECORD_TYPES.partial, source, id, BINARY_CONTENT_TYPE);
}

/** An entry for one owner, on a topic of its own. */
interface OwnersEntry {
  readonly contract: string;
  readonly owner: string;
  readonly epoch: number;
  readonly sequence: number;
}

/** Entries of an owner's ledger of uses. */
export function useRecordShape(seal: OwnersEntry): RecordShape {
  return ownersShape(seal, RECORD_TYPES.use, 'uses');
}

/** Entries of an owner's quarantine. */
export function quarantineRecordShape(seal: OwnersEntry): RecordShape {
  return ownersShape(seal, RECORD_TYPES.quarantine, 'quarantine');
}

function ownersShape(
  { contract, owner, epoch, sequence }: OwnersEntry,
  type: RecordType,
  collection: 'uses' | 'quarantine',
): RecordShape {
  const source = `/contracts/${contract}/${collection}/${owner}`;
  return cloudEvent(owner, type, source, `${epoch}.${sequence}`, JSON_CONTENT_TYPE);
}

/** Records whose value speaks for itself: proofs, receipts, checkpoints. */
export function plainRecordShape(contract: string, type: RecordType, id: string): RecordShape {
  const contentType = JSON_TYPES.has(type) ? JSON_CONTENT_TYPE : MANIFEST_CONTENT_TYPE;
  return cloudEvent(type, type, `/contracts/${contract}`, id, contentType);
}

const JSON_TYPES: ReadonlySet<RecordType> = new Set([RECORD_TYPES.token, RECORD_TYPES.receipt]);

/** Challenges and answers, both by the challenge's nonce; their value is canonical JSON. */
export function evidenceRecordShape(
  contract: string,
  type: 'challenge' | 'evidence' | 'evidenceRefusal',
  nonce: string,
): RecordShape {
  const { headers } = plainRecordShape(contract, RECORD_TYPES[type], nonce);
  return { key: nonce, headers: { ...headers, 'content-type': JSON_CONTENT_TYPE } };
}

/** Of canonical JSON. */
export const JSON_CONTENT_TYPE = 'application/json';
export const BINARY_CONTENT_TYPE = 'application/octet-stream';
export const ARROW_CONTENT_TYPE = 'application/vnd.apache.arrow.stream';
export const MANIFEST_CONTENT_TYPE = 'application/jose';
export const SEAL_HEADER = 'seal';

/**
 * Topics of a contract. `namespace` separates environments on one cluster ('' for none).
 * 64 + 6 + 63 characters and a namespace stay under Kafka's 249.
 */
export function datasetTopic(contract: ContractId, dataset: DatasetId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.${dataset}`;
}

/** Aggregates, proofs, receipts, notices: in one partition, for their order counts. */
export function aggregatesTopic(contract: ContractId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.aggregates`;
}

/**
 * Checkpoints and prepared steps; only the newest count, so the log may let go of older ones.
 * @param slice whose, in a contract with slices; absent: of the worker that tells results
 */
export function checkpointsTopic(contract: ContractId, namespace = '', slice?: number): string {
  const of = slice === undefined ? '' : `.${slice}`;
  return `${prefix(namespace)}${contract}.checkpoints${of}`;
}

/** Holds nothing: hosts share out its partitions, one for each slice and one for what merges. */
export function slicesTopic(contract: ContractId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.slices`;
}

/** What one slice has counted, sealed for the worker that tells results. */
export function partialsTopic(contract: ContractId, slice: number, namespace = ''): string {
  return `${prefix(namespace)}${contract}.${partialsName(slice)}`;
}

/** Records that were refused on the topics of one owner's datasets, sealed to it. */
export function quarantineTopic(contract: ContractId, owner: PartyId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.quarantine.${owner}`;
}

/** One owner's ledger of uses, with the proofs of the workers that wrote it. */
export function usesTopic(contract: ContractId, owner: PartyId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.uses.${owner}`;
}

/** Where anybody who may write to it asks the worker for evidence. */
export function challengesTopic(contract: ContractId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.challenges`;
}

/** The worker's answers. */
export function evidenceTopic(contract: ContractId, namespace = ''): string {
  return `${prefix(namespace)}${contract}.evidence`;
}

/** No dataset may take the name of one of our own topics. */
export const RESERVED_DATASET_IDS: readonly string[] = [
  'aggregates',
  'checkpoints',
  'challenges',
  'evidence',
  'partials',
  'slices',
];

function prefix(namespace: string): string {
  return namespace === '' ? '' : `${namespace}.`;
}

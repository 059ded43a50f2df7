// More than 300 lines, since the shape and the references inside it are read together.
import { z } from 'zod';
import { AnalysisRulesSchema, ruleProblemIn } from './analysis-rules.ts';
import { CanonicalSchema, canonicalProblemIn, formText } from './canonical-form.ts';
import { canonicalBytes, parseCanonical } from './canonical-json.ts';
import {
  contradictionIn,
  ENCLAVE_DEMANDS,
  PcrsSchema,
  PLATFORM_KINDS,
  PRODUCTS,
  TcbFloorSchema,
} from './enclave-demands.ts';
import { StrongroomError } from './errors.ts';
import {
  ContractIdSchema,
  DatasetIdSchema,
  KeyIdSchema,
  type PartyId,
  PartyIdSchema,
  QueryIdSchema,
  Sha384HexSchema,
  SqlNameSchema,
  type StreamId,
  StreamNameSchema,
} from './fields.ts';
import { GUARD_MEMBERS, guardProblemIn } from './guards.ts';
import { KeySharesSchema, keySharesProblemIn } from './key-shares.ts';
import {
  AUTHORITIES_MAX,
  COLUMNS_MAX,
  CONTRACT_BYTES_MAX,
  DATASETS_MAX,
  DECIMAL_DIGITS_MAX,
  PARTIES_MAX,
  PARTITIONS_MAX,
  QUERIES_MAX,
  RESULT_BYTES_MAX,
  RESULT_BYTES_MIN,
  RESULT_TICK_MS_MAX,
  SLICES_MAX,
  SQL_CHARACTERS_MAX,
  STREAMS_MAX,
  STREAMS_PER_DATASET_MAX,
} from './limits.ts';
import { partitionProblemIn } from './partitioning.ts';
import { PrivacySchema, privacyProblemIn } from './privacy.ts';
import { IssuerKeySchema, SigningKeySchema, WrappingKeySchema } from './public-key.ts';
import { RESERVED_DATASET_IDS } from './record.ts';
import { sizeProblemIn } from './result-sizes.ts';
import { sliceProblemIn } from './slices.ts';
import { WindowSchema, windowProblemIn } from './windows.ts';

/**
 * The contract: who computes what over whose data, in which enclave. One JSON document; its id is
 * the SHA-256 of its canonical bytes, and every seal, token, key release and result names that id.
 */

const name = z.string().min(1).max(200);

/**
 * Arrow types that may cross the wire; `utf8` travels as dictionary<int32, utf8>. A timestamp is a
 * time on a calendar without a zone; `-utc` is an instant, `timestamp(us, "UTC")` in Arrow.
 */
export const COLUMN_TYPES = [
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'float32',
  'float64',
  'decimal128',
  'utf8',
  'date32',
  'timestamp-ms',
  'timestamp-us',
  'timestamp-us-utc',
] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

export const ColumnContractSchema = z.strictObject({
  name: SqlNameSchema,
  type: z.enum(COLUMN_TYPES),
  nullable: z.boolean(),
  /** Digits of a `decimal128`, and how many of them stand behind the point; of no other type. */
  precision: z.exactOptional(z.int().min(1).max(DECIMAL_DIGITS_MAX)),
  scale: z.exactOptional(z.int().min(0).max(DECIMAL_DIGITS_MAX)),
  /** The version that added the column: a source of before may lack it, and then it is null. */
  since: z.exactOptional(z.int().min(2)),
  /** The one spelling of what means the same, which the producer brings values into. */
  canonical: z.exactOptional(CanonicalSchema),
});
export type ColumnContract = z.infer<typeof ColumnContractSchema>;

type TypedColumn = Pick<ColumnContract, 'type' | 'precision' | 'scale'>;

export interface DecimalDigits {
  readonly precision: number;
  readonly scale: number;
}

/** Of a column of type `decimal128`; undefined for others. */
export function digitsOf({ type, precision, scale }: TypedColumn): DecimalDigits | undefined {
  const isDecimal = type === 'decimal128' && precision !== undefined && scale !== undefined;
  return isDecimal ? { precision, scale } : undefined;
}

/** Where an owner's keys are and who signs their releases. */
export const KeyReleaseContractSchema = z.strictObject({
  /** Base URL in Azure Key Vault's shape, for example https://vault.owner.example */
  url: z.url({ protocol: /^https?$/ }),
  /** Verifies the JWS around a released key. */
  releaseKey: IssuerKeySchema,
  /** The symmetric key of which the state key needs this owner's share. */
  stateShareKeyId: KeyIdSchema,
  /** Absent: this owner cannot stop a rolled-back or cloned worker, nor end a running one. */
  lease: z.exactOptional(
    z.strictObject({
      /** Base URL of the service that keeps it: `url` above, or one beside an Azure vault. */
      url: z.url({ protocol: /^https?$/ }),
      /** Verifies what that service says about the lease. */
      statementKey: IssuerKeySchema,
    }),
  ),
  /**
   * Its owner knows that two workers could average the noise over its rows, as it keeps no lease.
   * Absent: without one, a query with noise over them is refused.
   */
  averaging: z.exactOptional(z.literal('accepted')),
});

export const PartySchema = z.strictObject({
  id: PartyIdSchema,
  name,
  /** Verifies this party's contract signature and, for an owner, its seals and manifests. */
  signingKey: SigningKeySchema,
  /** Present for who reads results: aggregates are sealed to it. */
  readingKey: z.exactOptional(WrappingKeySchema),
  /** Present for who owns a dataset. */
  keyRelease: z.exactOptional(KeyReleaseContractSchema),
});
export type Party = z.infer<typeof PartySchema>;

export const StreamContractSchema = z.strictObject({
  /** What seals and manifests call it; `strongroom producer publish --stream` takes it. */
  id: StreamNameSchema,
  /** Of the dataset's topic; streams may share one. */
  partition: z
    .int()
    .min(0)
    .max(PARTITIONS_MAX - 1),
});
export type StreamContract = z.infer<typeof StreamContractSchema>;

/** An instant by UTC, to the second, of one spelling (RFC 3339 section 5.6). */
const InstantSchema = z.iso.datetime({ precision: 0 }).max('0000-00-00T00:00:00Z'.length);

/** `from` is the first time, `until` the first that is none of them. */
const EventTimesSchema = z.strictObject({ from: InstantSchema, until: InstantSchema });

export const DatasetSchema = z.strictObject({
  id: DatasetIdSchema,
  owner: PartyIdSchema,
  /** The SQL table that these rows appear in; datasets with equal columns may share one. */
  relation: SqlNameSchema,
  columns: z.array(ColumnContractSchema).min(1).max(COLUMNS_MAX),
  /** The column that windows are cut by; absent for a reference table, which is used whole. */
  eventTime: z.exactOptional(SqlNameSchema),
  /**
   * Between which event times its rows lie: a batch with any other is refused. What one owner's
   * rows are far away from makes windows come, and owners pay for those of queries with noise.
   */
  eventTimes: z.exactOptional(EventTimesSchema),
  /**
   * Several producers of one dataset, each with a sequence of its own. A window closes when all of
   * them are complete, so that the log cannot hide one. Absent: one stream of any name, in
   * partition 0.
   */
  streams: z.exactOptional(z.array(StreamContractSchema).min(1).max(STREAMS_PER_DATASET_MAX)),
  /**
   * The column by whose values rows are shared out to the streams (partitioning.ts): all rows of a
   * value are in one. The log then shows how many rows each such part has.
   */
  partitionBy: z.exactOptional(SqlNameSchema),
  /** Key encryption key: id in the owner's key release service, and public half. */
  keyId: KeyIdSchema,
  wrappingKey: WrappingKeySchema,
  /** The private half is under so many holders, and `keyId` a mere name. Default: the owner's. */
  keyShares: z.exactOptional(KeySharesSchema),
  /** What queries may do with which column. Absent: whatever the gate lets through. */
  rules: z.exactOptional(AnalysisRulesSchema),
});
export type Dataset = z.infer<typeof DatasetSchema>;

export const DisclosureRuleSchema = z.strictObject({
  /** A group with fewer rows than this is not disclosed. */
  minimumGroupRows: z.int().min(1).max(1_000_000),
  /** The result column that holds the group's row count: `count(*) AS <name>` in the SQL. */
  groupRowsColumn: SqlNameSchema,
  /**
   * The one size of every result of this query, sealed, in as many records as that takes; one that
   * does not fit leaves empty. Absent: the smallest of a few sizes that holds it, which tells
   * roughly how many groups there are.
   */
  resultBytes: z.exactOptional(z.int().min(RESULT_BYTES_MIN).max(RESULT_BYTES_MAX)),
  /**
   * All parties know that a difference of this query's results and others may be a group below the
   * minimum. Absent: the vault withholds groups, or refuses the queries, so that none is.
   */
  differences: z.exactOptional(z.literal('accepted')),
});
export type DisclosureRule = z.infer<typeof DisclosureRuleSchema>;

export const QuerySchema = z.strictObject({
  id: QueryIdSchema,
  sql: z.string().min(1).max(SQL_CHARACTERS_MAX),
  /** Exactly the relations that the SQL names. */
  relations: z.array(SqlNameSchema).min(1).max(16),
  window: WindowSchema,
  /** The grace period: how long after the watermark has passed a window's end it stays open. */
  latenessMs: z.int().min(0),
  readers: z.array(PartyIdSchema).min(1).max(PARTIES_MAX),
  disclosure: DisclosureRuleSchema,
  /** Noise that hides each contributor, and what it costs. Absent: results are exact. */
  privacy: z.exactOptional(PrivacySchema),
});
export type Query = z.infer<typeof QuerySchema>;

export { PLATFORM_KINDS, PRODUCTS, TcbFloorSchema };

export const AuthoritySchema = z.strictObject({
  /** The `iss` of its tokens. */
  issuer: z.url({ protocol: /^https?$/ }),
  keys: z.array(IssuerKeySchema).min(1).max(8),
});

export const EnclaveSchema = z.strictObject({
  /** `simulated` must be named here to be accepted anywhere. */
  platform: z.enum(PLATFORM_KINDS),
  measurements: z
    .array(
      z.strictObject({
        name,
        sha384: Sha384HexSchema,
        /** Absent: evidence with a virtual TPM is refused for this measurement. */
        pcrs: z.exactOptional(PcrsSchema),
      }),
    )
    .min(1)
    .max(16),
  minimumTcb: z.partialRecord(z.enum(PRODUCTS), TcbFloorSchema),
  authorities: z.array(AuthoritySchema).min(1).max(AUTHORITIES_MAX),
  ...GUARD_MEMBERS,
  ...ENCLAVE_DEMANDS,
});
export type EnclaveContract = z.infer<typeof EnclaveSchema>;

export const ContractSchema = z.strictObject({
  strongroom: z.literal('contract/v1'),
  title: name,
  purpose: z.string().min(1).max(2_000),
  version: z.int().min(1),
  /** The id of the contract that this one amends; absent in version 1. */
  previous: z.exactOptional(ContractIdSchema),
  parties: z.array(PartySchema).min(2).max(PARTIES_MAX),
  datasets: z.array(DatasetSchema).min(1).max(DATASETS_MAX),
  queries: z.array(QuerySchema).min(1).max(QUERIES_MAX),
  /**
   * Results leave a multiple of so many milliseconds after what completed them was read, so that
   * nobody sees how long they took; 0: at once. Default: RESULT_TICK_MS_DEFAULT.
   */
  tickMs: z.exactOptional(z.int().min(0).max(RESULT_TICK_MS_MAX)),
  /**
   * So many workers count, each the partitions of one slice, and one more tells the results
   * (slices.ts). Absent: one worker does all.
   */
  slices: z.exactOptional(z.int().min(2).max(SLICES_MAX)),
  enclave: EnclaveSchema,
});
export type Contract = z.infer<typeof ContractSchema>;

const signaturesSchema = z
  .array(z.strictObject({ protected: z.string(), signature: z.string() }))
  .max(PARTIES_MAX);

/** General JWS serialisation (RFC 7515 §7.2.1), one signature a party, kid = party id. */
export const SignedContractSchema = z.strictObject({
  payload: z.string(),
  signatures: signaturesSchema,
  /**
   * Of an amendment: by parties of the version before that left or have another key now, made with
   * the key that the version before names. Whoever knows that version verifies them.
   */
  consents: z.exactOptional(signaturesSchema),
});
export type SignedContract = z.infer<typeof SignedContractSchema>;

/** What a contract signature's protected header must be; `typ` separates it from other JWS. */
export const CONTRACT_JWS_TYPE = 'strongroom-contract+jws';
/** A consent says another thing than a signature: that one may be left out from now on. */
export const CONSENT_JWS_TYPE = 'strongroom-contract-consent+jws';

/**
 * Checks shape and inner references of a contract.
 * @throws ERR_CONTRACT_MALFORMED with the first place that is wrong
 */
export function parseContract(value: unknown): Contract {
  const parsed = ContractSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw malformed(issue?.path.join('.') || '(document)', issue?.message ?? 'invalid');
  }
  checkReferences(parsed.data);
  return parsed.data;
}

/** @throws ERR_JSON_* when the bytes are not the canonical form, ERR_CONTRACT_MALFORMED */
export function parseContractBytes(bytes: Uint8Array): Contract {
  if (bytes.length > CONTRACT_BYTES_MAX) {
    throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'CONTRACT_BYTES_MAX' });
  }
  return parseContract(parseCanonical(bytes));
}

export function contractBytes(contract: Contract): Uint8Array {
  return canonicalBytes(contract);
}

function checkReferences(contract: Contract): void {
  unique(
    contract.parties.map((party) => party.id),
    'parties',
    'id',
  );
  unique(
    contract.datasets.map((dataset) => dataset.id),
    'datasets',
    'id',
  );
  unique(
    contract.queries.map((query) => query.id),
    'queries',
    'id',
  );
  unique(
    contract.parties.map((party) => JSON.stringify(party.signingKey)),
    'parties',
    'signingKey',
  );
  for (const dataset of contract.datasets) checkDataset(contract, dataset);
  const streams = contract.datasets.reduce((sum, dataset) => sum + streamsOf(dataset).length, 0);
  if (streams > STREAMS_MAX) throw malformed('datasets', `more than ${STREAMS_MAX} streams`);
  for (const query of contract.queries) checkQuery(contract, query);
  const unsliced = sliceProblemIn(contract);
  if (unsliced !== undefined) throw malformed('slices', unsliced);
  const contradiction = contradictionIn(contract.enclave) ?? guardProblemIn(contract.enclave);
  if (contradiction !== undefined) throw malformed('enclave', contradiction);
  if ((contract.version === 1) !== (contract.previous === undefined)) {
    throw malformed('previous', 'an amendment names its predecessor, version 1 has none');
  }
}

function checkDataset(contract: Contract, dataset: Dataset): void {
  const at = `datasets.${dataset.id}`;
  if (RESERVED_DATASET_IDS.includes(dataset.id)) throw malformed(`${at}.id`, 'a reserved name');
  if (!partyOf(contract, dataset.owner).keyRelease) {
    throw malformed(`${at}.owner`, 'an owner needs a key release service');
  }
  unique(
    dataset.columns.map((column) => column.name),
    at,
    'columns',
  );
  for (const { name, type, precision, scale } of dataset.columns) {
    const isDecimal = type === 'decimal128';
    const isWhole = (precision !== undefined) === isDecimal && (scale !== undefined) === isDecimal;
    if (isWhole && (scale ?? 0) <= (precision ?? 0)) continue;
    throw malformed(`${at}.columns.${name}`, 'a decimal has precision and scale, others have none');
  }
  for (const { name, nullable, since } of dataset.columns) {
    if (since === undefined || (nullable && since <= contract.version)) continue;
    throw malformed(
      `${at}.columns.${name}.since`,
      'a version up to this one, of a nullable column',
    );
  }
  for (const column of dataset.columns) {
    const problem = canonicalProblemIn(column);
    if (problem !== undefined) throw malformed(`${at}.columns.${column.name}.canonical`, problem);
  }
  unique(
    (dataset.streams ?? []).map((stream) => stream.id),
    `${at}.streams`,
    'id',
  );
  if (dataset.eventTime !== undefined) {
    const column = dataset.columns.find((each) => each.name === dataset.eventTime);
    if (!column || column.nullable || !/^timestamp-|^date32$/.test(column.type)) {
      throw malformed(`${at}.eventTime`, 'a column of type date or timestamp without nulls');
    }
  }
  const { from, until } = eventTimesOf(dataset);
  if (dataset.eventTimes && !(dataset.eventTime !== undefined && from < until)) {
    throw malformed(`${at}.eventTimes`, 'a time and a later one, of a dataset with an event time');
  }
  const unshared = partitionProblemIn(dataset);
  if (unshared !== undefined) throw malformed(`${at}.partitionBy`, unshared);
  const problem = keySharesProblemIn(contract, dataset.id);
  if (problem !== undefined) throw malformed(`${at}.keyShares`, problem);
  const ruleProblem = ruleProblemIn(dataset, contract.datasets);
  if (ruleProblem !== undefined) throw malformed(`${at}.rules`, ruleProblem);
  for (const other of contract.datasets) {
    const shares = other.relation === dataset.relation;
    if (shares && relationShape(other) !== relationShape(dataset)) {
      throw malformed(`${at}.relation`, 'datasets of one relation have equal columns');
    }
  }
}

/** In milliseconds since 1970; whatever the contract does not bound is infinite. */
export function eventTimesOf({ eventTimes }: Pick<Dataset, 'eventTimes'>): {
  readonly from: number;
  readonly until: number;
} {
  if (!eventTimes) return { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
  return { from: Date.parse(eventTimes.from), until: Date.parse(eventTimes.until) };
}

/** @throws ERR_EVENT_TIME_RANGE naming what the contract allows, and not what was found */
export function demandEventTimes(
  dataset: Dataset,
  found: { readonly min: number; readonly max: number } | null,
): void {
  const { from, until } = eventTimesOf(dataset);
  if (!found || (found.min >= from && found.max < until)) return;
  throw new StrongroomError('ERR_EVENT_TIME_RANGE', { dataset: dataset.id, ...dataset.eventTimes });
}

function relationShape(dataset: Dataset): string {
  const columns = dataset.columns.map(({ since: _since, ...column }) => {
    return { ...column, canonical: formText(column) };
  });
  return JSON.stringify([columns, dataset.eventTime ?? null]);
}

function checkQuery(contract: Contract, query: Query): void {
  const at = `queries.${query.id}`;
  unique(query.relations, at, 'relations');
  unique(query.readers, at, 'readers');
  for (const relation of query.relations) {
    if (datasetsOf(contract, relation).length === 0) {
      throw malformed(`${at}.relations`, `no dataset has the relation ${relation}`);
    }
  }
  for (const reader of query.readers) {
    if (!partyOf(contract, reader).readingKey) {
      throw malformed(`${at}.readers`, `${reader} has no reading key`);
    }
  }
  const inputs = query.relations.flatMap((relation) => datasetsOf(contract, relation));
  const problem = windowProblemIn(query, inputs);
  if (problem !== undefined) throw malformed(`${at}.window`, problem);
  const large = sizeProblemIn(query);
  if (large !== undefined) throw malformed(`${at}.disclosure.resultBytes`, large);
  const unsafe = privacyProblemIn(query, inputs);
  if (unsafe !== undefined) throw malformed(`${at}.privacy`, unsafe);
}

/** @throws ERR_PARTY_UNKNOWN */
export function partyOf(contract: Contract, id: string): Party {
  const party = contract.parties.find((each) => each.id === id);
  if (!party) throw new StrongroomError('ERR_PARTY_UNKNOWN', { party: id });
  return party;
}

/** @throws ERR_DATASET_UNKNOWN */
export function datasetOf(contract: Contract, id: string): Dataset {
  const dataset = contract.datasets.find((each) => each.id === id);
  if (!dataset) throw new StrongroomError('ERR_DATASET_UNKNOWN', { dataset: id });
  return dataset;
}

export function datasetsOf(contract: Contract, relation: string): Dataset[] {
  return contract.datasets.filter((dataset) => dataset.relation === relation);
}

/** The streams of a dataset; one without a name where the contract names none. */
export function streamsOf(dataset: Dataset): readonly { id?: StreamId; partition: number }[] {
  return dataset.streams ?? [{ partition: 0 }];
}

/** Of the dataset's topic. */
export function partitionsOf(dataset: Dataset): number {
  return 1 + Math.max(...streamsOf(dataset).map(({ partition }) => partition));
}

/** The owners whose keys a computation needs, in the contract's order of parties. */
export function ownersOf(contract: Contract): Party[] {
  const owners = new Set<PartyId>(contract.datasets.map((dataset) => dataset.owner));
  return contract.parties.filter((party) => owners.has(party.id));
}

function unique(values: readonly string[], place: string, member: string): void {
  if (new Set(values).size !== values.length) throw malformed(place, `${member} is not unique`);
}

function malformed(place: string, problem: string): StrongroomError {
  return new StrongroomError('ERR_CONTRACT_MALFORMED', { place, problem });
}

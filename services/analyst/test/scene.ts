import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { reportDataOf } from '@strongroom/attestation/binding';
import { createProof, proofBytes } from '@strongroom/protocol/attestation-proof';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { type Contract, parseContract, partyOf, type Query } from '@strongroom/protocol/contract';
import { type Evidence, RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import type { ContractId } from '@strongroom/protocol/fields';
import { QueryIdSchema } from '@strongroom/protocol/fields';
import { aggregatesTopic, plainRecordShape, RECORD_TYPES } from '@strongroom/protocol/record';
import { resultSizesOf } from '@strongroom/protocol/result-sizes';
import {
  AGGREGATE_FORMAT,
  type AggregateContent,
  type AggregateSeal,
  encodeAggregateContent,
} from '@strongroom/protocol/sealed-aggregate';
import { STOP_NOTICE_JWS_TYPE } from '@strongroom/protocol/stop-notice';
import type { LogRecord } from '@strongroom/record-log/log';
import { createIdentity, type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { sealInParts } from '@strongroom/sealing/seal';
import { createSigner, type Signer, signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { createMemoryLog, type MemoryLog } from '@strongroom/testkit/memory-log';
import { Int64, Table, tableToIPC, vectorFromArray } from 'apache-arrow';
import { SignJWT } from 'jose';

/** One contract, its parties, a worker that seals results as the vault does, and a memory log. */

const ISSUER = 'https://attest.example';
export const MEASURED = 'ab'.repeat(48);
export const NOW = Date.UTC(2026, 0, 1);
export const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2001, 0, 1);

export interface Scene {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly authority: PartyIdentity;
  readonly institute: PartyIdentity;
  readonly north: PartyIdentity;
  readonly signedText: string;
  /** Signs releases and audit heads of both owners. */
  readonly releaseSigner: Signer;
  /** Identity files, by party. */
  readonly identityJson: Readonly<Record<'north' | 'authority' | 'institute', string>>;
  readonly log: MemoryLog;
  readonly clock: { now(): number; monotonic(): number };
  worker(changes?: Record<string, unknown>, machine?: Machine): Promise<SceneWorker>;
  append(...records: readonly LogRecord[]): Promise<void>;
}

interface SceneWorker {
  readonly proof: string;
  readonly transportKeySha256: string;
  readonly tokenRecord: LogRecord;
  /** Of a result that is one record. */
  seal(changes?: SealChanges): Promise<LogRecord>;
  sealParts(changes?: SealChanges): Promise<LogRecord[]>;
  /** The worker's last word; members may be written over, and the signer. */
  notice(changes?: Record<string, unknown>, signer?: Signer): Promise<LogRecord>;
}

interface SealChanges {
  readonly query?: string;
  readonly reader?: string;
  readonly epoch?: number;
  readonly emission?: number;
  readonly table?: Table;
  /** Members of the seal that are written over just before it is signed. */
  readonly seal?: Partial<Record<keyof AggregateSeal, unknown>>;
  /** And of what is sealed. */
  readonly content?: Partial<AggregateContent>;
  readonly signer?: Signer;
}

/** @param edit changes the contract before anybody signs it */
export async function createScene(
  edit: (contract: Record<string, unknown>) => unknown = (contract) => contract,
): Promise<Scene> {
  const issuerKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = {
    north: await createIdentity('north', { reading: false }),
    south: await createIdentity('south', { reading: false }),
    authority: await createIdentity('authority', { reading: true }),
    institute: await createIdentity('institute', { reading: true }),
  };
  const releaseSigner = createSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const { publicKey } = issuerKeys;
  const contract = parseContract(edit(contractFor(made, publicKey, releaseSigner.publicKey)));
  const identities = {
    north: parseIdentity(made.north.identityJson),
    south: parseIdentity(made.south.identityJson),
    authority: parseIdentity(made.authority.identityJson),
    institute: parseIdentity(made.institute.identityJson),
  };
  let signed = await signContract(contract, identities.north);
  for (const party of ['south', 'authority', 'institute'] as const) {
    signed = await signContract(signed, identities[party]);
  }
  const { contractId } = await verifyContract(signed);
  const log = createMemoryLog();
  const topic = aggregatesTopic(contractId);
  await log.createTopics([{ topic }]);
  return {
    contract,
    contractId,
    ...identities,
    signedText: JSON.stringify(signed),
    releaseSigner,
    identityJson: {
      north: made.north.identityJson,
      authority: made.authority.identityJson,
      institute: made.institute.identityJson,
    },
    log,
    clock: { now: () => NOW, monotonic: () => 0 },
    worker: (changes = {}, machine) =>
      createWorker({ contract, contractId, issuer: issuerKeys.privateKey, changes, machine }),
    append: (...records) => log.append(topic, records),
  };
}

type Made = Awaited<ReturnType<typeof createIdentity>>;

function contractFor(
  made: Readonly<Record<string, Made>>,
  issuerKey: KeyObject,
  releaseKey: object,
): Record<string, unknown> {
  const ec = publicJwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const party = (id: string, more: object) => ({
    id,
    name: id,
    signingKey: made[id]?.signingKey,
    ...more,
  });
  const url = 'https://keys.example';
  const lease = { url, statementKey: releaseKey };
  const keyRelease = { url, releaseKey, stateShareKeyId: 'share', lease };
  const reading = (id: string) => ({ readingKey: made[id]?.readingKey });
  const dataset = (owner: string) => ({
    id: `flights-${owner}`,
    owner,
    relation: 'flights',
    columns: [
      { name: 'departed', type: 'timestamp-ms', nullable: false },
      { name: 'delay', type: 'int32', nullable: false },
    ],
    eventTime: 'departed',
    keyId: 'wrapping-key',
    wrappingKey: ec,
  });
  const query = (id: string, window: object) => ({
    id,
    sql: 'SELECT count(*) AS flights FROM flights',
    relations: ['flights'],
    window,
    latenessMs: 0,
    readers: ['authority'],
    disclosure: { minimumGroupRows: 5, groupRowsColumn: 'flights' },
  });
  return {
    strongroom: 'contract/v1',
    title: 'Delays',
    purpose: 'Tests',
    version: 1,
    parties: [
      party('north', { keyRelease }),
      party('south', { keyRelease }),
      party('authority', reading('authority')),
      party('institute', reading('institute')),
    ],
    datasets: [dataset('north'), dataset('south')],
    queries: [
      query('daily', { kind: 'tumbling', sizeMs: DAY_MS }),
      query('total', { kind: 'whole' }),
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build 1', sha384: MEASURED }],
      minimumTcb: {},
      authorities: [{ issuer: ISSUER, keys: [publicJwk(issuerKey)] }],
    },
  };
}

interface WorkerOptions {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly issuer: KeyObject;
  /** Claims of the token that are written over. */
  readonly changes: Record<string, unknown>;
  readonly machine: Machine | undefined;
}

/** Without one the token alone speaks of it. */
interface Machine {
  /** Raw evidence that binds these claims. */
  attest(runtimeClaims: Uint8Array): Promise<Evidence>;
  /** What an authority then says of it. */
  claims(evidence: Evidence): object;
}

async function createWorker(options: WorkerOptions): Promise<SceneWorker> {
  const { contractId, changes } = options;
  const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
  const runtime = {
    contract: contractId,
    keys: [
      {
        ...publicJwk(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey),
        kid: 'transport',
        key_ops: ['encrypt'],
      },
      { ...signer.publicKey, kid: 'aggregates', key_ops: ['verify'] },
    ],
    nonce: encodeBase64url(randomBytes(32)),
    purpose: 'strongroom/worker/v1',
    ...(typeof changes['runtime'] === 'object' ? changes['runtime'] : {}),
  };
  const { runtime: _runtime, signingKey, ...claims } = changes;
  const evidence = await options.machine?.attest(canonicalBytes(runtime));
  const jwt = await new SignJWT({
    iss: ISSUER,
    iat: NOW / 1_000,
    nbf: NOW / 1_000,
    exp: NOW / 1_000 + 600,
    jti: 'token',
    'x-ms-attestation-type': 'sevsnpvm-simulated',
    'x-strongroom-platform': 'simulated',
    'x-ms-sevsnpvm-launchmeasurement': MEASURED,
    'x-ms-sevsnpvm-hostdata': contractId,
    'x-ms-sevsnpvm-reportdata': Buffer.from(reportDataOf(canonicalBytes(runtime))).toString('hex'),
    'x-ms-runtime': runtime,
    ...(evidence && options.machine?.claims(evidence)),
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .sign(isKey(signingKey) ? signingKey : options.issuer);
  const proof = new TextDecoder().decode(proofBytes(createProof([jwt], evidence)));
  const value = new TextEncoder().encode(proof);
  const tokenShape = plainRecordShape(contractId, RECORD_TYPES.token, 'token');
  const modulus = RuntimeClaimsSchema.safeParse(runtime).data?.keys[0].n ?? '';
  return {
    proof,
    transportKeySha256: createHash('sha256').update(modulus).digest('hex'),
    tokenRecord: { ...tokenShape, value },
    sealParts: (seal = {}) => sealResult(options, signer, proof, seal),
    seal: async (seal = {}) => {
      const [record, ...more] = await sealResult(options, signer, proof, seal);
      if (!record || more.length > 0) throw new Error('a result of one record');
      return record;
    },
    notice: (members = {}, by = signer) => signNotice(contractId, proof, members, by),
  };
}

async function signNotice(
  contract: ContractId,
  proof: string,
  changes: Record<string, unknown>,
  signer: Signer,
): Promise<LogRecord> {
  const { dataset, stream, sequences } = inputOf('north');
  const notice = {
    ...{ v: 1, contract, epoch: 0, stoppedBy: 'north', at: NOW },
    token: createHash('sha256').update(proof).digest('hex'),
    streams: [{ dataset, stream, sequences, rows: 40 }],
    ...changes,
  };
  const header = { typ: STOP_NOTICE_JWS_TYPE, kid: 'aggregates' };
  const value = new TextEncoder().encode(await signer.sign(canonicalBytes(notice), header));
  return { ...plainRecordShape(contract, RECORD_TYPES.notice, '0'), value };
}

function isKey(value: unknown): value is KeyObject {
  return typeof value === 'object' && value !== null && 'asymmetricKeyType' in value;
}

async function sealResult(
  { contract, contractId }: WorkerOptions,
  signer: Signer,
  proof: string,
  changes: SealChanges,
): Promise<LogRecord[]> {
  const { emission = 0, epoch = 0, table = flightsTable(emission) } = changes;
  const query = QueryIdSchema.parse(changes.query ?? 'daily');
  const reader = partyOf(contract, changes.reader ?? 'authority');
  const position = { contract: contractId, query, reader: reader.id, epoch, emission };
  const start = FIRST_DAY + emission * DAY_MS;
  const counted = [40, 2].map((rows) => ({ rows, lateRows: 0, retractedRows: 0 }));
  if (!reader.readingKey) throw new Error(`${reader.id} has no reading key`);
  const parts = await sealInParts(AGGREGATE_FORMAT, {
    plaintext: encodeAggregateContent(
      { rows: table.numRows, suppressedGroups: 1, inputs: counted, ...changes.content },
      changes.content?.withheld ? new Uint8Array(0) : tableToIPC(table, 'stream'),
    ),
    at: position,
    members: {
      window: isWhole(contract, query) ? null : { start, end: start + DAY_MS },
      checkpoint: emission,
      inputs: ['north', 'south'].map(inputOf),
      token: createHash('sha256').update(proof).digest('hex'),
      ...changes.seal,
    },
    to: { kid: reader.id, wrappingKey: reader.readingKey },
    signer: changes.signer ?? signer,
    sizes: resultSizesOf(queryOf(contract, query)),
  });
  return parts.map(({ record }) => record);
}

function queryOf({ queries }: Contract, query: string): Query {
  const found = queries.find(({ id }) => id === query) ?? queries[0];
  if (!found) throw new Error('no query');
  return found;
}

function isWhole({ queries }: Contract, query: string): boolean {
  return queries.find(({ id }) => id === query)?.window.kind === 'whole';
}

function inputOf(owner: string) {
  return {
    dataset: `flights-${owner}`,
    stream: encodeBase64url(new Uint8Array(16)),
    epoch: 0,
    sequences: 3,
    head: '0'.repeat(64),
  };
}

export function flightsTable(emission: number): Table {
  return new Table({
    origin: vectorFromArray(['A', 'B, "b"']),
    flights: vectorFromArray([BigInt(10 + emission), 2n ** 60n], new Int64()),
  });
}

function publicJwk(key: KeyObject): Record<string, unknown> {
  return Object.fromEntries(Object.entries(key.export({ format: 'jwk' })));
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

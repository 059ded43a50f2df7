// More than 300 lines, because keys, contract and streams of the owners belong together.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import type { AnalysisRules } from '@strongroom/protocol/analysis-rules';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import {
  type ColumnContract,
  type Contract,
  ContractSchema,
  datasetOf,
  type Query,
  type SignedContract,
} from '@strongroom/protocol/contract';
import type { ContractId, StreamId } from '@strongroom/protocol/fields';
import { LEASE_STATEMENT_JWS_TYPE, type LeaseStatement } from '@strongroom/protocol/lease';
import { createIdentity, type PartyIdentity, parseIdentity } from '@strongroom/sealing/identity';
import {
  createStreamSealer,
  newStreamId,
  type SealedRecord,
  type StreamHead,
  type StreamSealer,
  sealOpening,
  streamStart,
} from '@strongroom/sealing/seal';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { wrapForRelease } from '@strongroom/sealing/wrap';
import { CompactSign } from 'jose';
import { type CellValue, encodeColumns } from './arrow-tables.ts';
import { rsaPairOf } from './rsa-keys.ts';
import { type SharedKey, share } from './shares.ts';

/** Owners with real keys and a contract that all of them signed, for tests without a network. */

export interface DatasetPlan {
  readonly id: string;
  readonly relation: string;
  readonly columns: readonly ColumnContract[];
  readonly eventTime?: string;
  readonly streams?: readonly { readonly id: string; readonly partition: number }[];
  readonly partitionBy?: string;
  readonly rules?: AnalysisRules;
  /** Of its key encryption key, where the contract names it. */
  readonly keyVersion?: string;
}

export interface Computation {
  readonly contract: Contract;
  readonly contractId: ContractId;
  readonly signed: SignedContract;
  readonly analyst: PartyIdentity;
  readonly identities: ReadonlyMap<string, PartyIdentity>;
  /** Signs tokens of the one authority that the contract names. */
  readonly authority: KeyObject;
  /** By dataset, when its key is under shares. */
  readonly shared: ReadonlyMap<string, SharedKey>;
  /** What the service that keeps an owner's lease would sign. */
  state(statement: Omit<LeaseStatement, 'v' | 'at'>, typ?: string): Promise<string>;
  /** The JWS that an owner's key release service would answer with. */
  release(owner: string, keyId: string, nonce: string, transportKey: object): Promise<string>;
}

interface OwnerKeys {
  readonly kek: { publicKey: KeyObject; privateKey: KeyObject };
  readonly stateShare: Uint8Array;
}

type QueryDraft = Pick<Query, 'id' | 'sql' | 'relations' | 'window' | 'latenessMs'> &
  Partial<Pick<Query, 'privacy'> & Pick<Query['disclosure'], 'resultBytes' | 'differences'>>;

/** One owner a dataset, named `owner-<dataset>`, and one analyst. */
export async function agreeOn(
  plans: readonly DatasetPlan[],
  queries: readonly QueryDraft[],
  minimumGroupRows = 2,
  /** Where all services of the contract are. */
  servicesUrl = 'https://services.example',
  /** Whether every owner keeps a lease. */
  leases = false,
  /** So many owners must release a share of each dataset's key; absent: its owner has it. */
  threshold?: number,
  /** Whether every owner has a reading key, and so a ledger of uses. */
  reading = false,
  /** What the contract says besides: results need not wait here. */
  members: object = { tickMs: 0 },
): Promise<Computation> {
  const releaseKey = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const releaseJwk = releaseKey.publicKey.export({ format: 'jwk' });
  const hasNoise = queries.some(({ privacy }) => privacy !== undefined);
  const made = await makeOwners(plans, servicesUrl, releaseJwk, { leases, reading, hasNoise });
  const { identities, owners, parties } = made;
  const { identityJson, ...analystKeys } = await createIdentity('analyst', { reading: true });
  const analyst = parseIdentity(identityJson);
  identities.set('analyst', analyst);
  parties.push({ id: 'analyst', name: 'Analyst', ...analystKeys });
  const shared = await shareKeys(owners, threshold);
  const contract = ContractSchema.parse({
    strongroom: 'contract/v1',
    title: 'Test',
    purpose: 'To test.',
    version: 1,
    parties,
    datasets: plans.map(({ keyVersion, ...plan }) => ({
      ...plan,
      owner: `owner-${plan.id}`,
      keyId: keyVersion === undefined ? `kek-${plan.id}` : `kek-${plan.id}/${keyVersion}`,
      wrappingKey: owners.get(`owner-${plan.id}`)?.kek.publicKey.export({ format: 'jwk' }),
      ...(shared.has(plan.id) ? { keyShares: shared.get(plan.id)?.keyShares } : {}),
    })),
    queries: queries.map((query) => queryOf(query, minimumGroupRows)),
    ...members,
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'test', sha384: '0'.repeat(96) }],
      minimumTcb: {},
      authorities: [{ issuer: servicesUrl, keys: [releaseJwk] }],
    },
  });
  let signed: SignedContract | Contract = contract;
  for (const identity of identities.values()) signed = await signContract(signed, identity);
  return {
    ...(await verifyContract(signed)),
    signed: signed as SignedContract,
    analyst,
    identities,
    authority: releaseKey.privateKey,
    shared,
    state: (statement, typ = LEASE_STATEMENT_JWS_TYPE) => {
      const payload = { v: 1, at: 1_700_000_000_000, ...statement };
      return signAnswer(payload, { typ, kid: statement.owner }, releaseKey.privateKey);
    },
    release: (owner, keyId, nonce, transportKey) => {
      const held = shared.get(keyId.replace(/^share-of-/, ''))?.shares.get(owner);
      const secret = held ?? secretOf(owners.get(owner), keyId);
      return signRelease(secret, keyId, nonce, transportKey, releaseKey.privateKey);
    },
  };
}

function queryOf({ resultBytes, differences, ...query }: QueryDraft, minimumGroupRows: number) {
  const size = resultBytes === undefined ? {} : { resultBytes };
  const word = differences === undefined ? {} : { differences };
  const disclosure = { minimumGroupRows, groupRowsColumn: 'n', ...size, ...word };
  return { ...query, readers: ['analyst'], disclosure };
}

async function makeOwners(
  plans: readonly DatasetPlan[],
  servicesUrl: string,
  releaseJwk: object,
  { leases, reading, hasNoise }: Readonly<Record<'leases' | 'reading' | 'hasNoise', boolean>>,
) {
  const identities = new Map<string, PartyIdentity>();
  const owners = new Map<string, OwnerKeys>();
  const parties: unknown[] = [];
  for (const plan of plans) {
    const id = `owner-${plan.id}`;
    const { identityJson, ...publicKeys } = await createIdentity(id, { reading });
    identities.set(id, parseIdentity(identityJson));
    owners.set(id, {
      kek: await rsaPairOf(`kek of ${id}`),
      stateShare: new Uint8Array(randomBytes(32)),
    });
    const url = `${servicesUrl}/${id}`;
    const lease = leases ? { lease: { url, statementKey: releaseJwk } } : {};
    // One worker at a time is what most tests are about.
    const word = hasNoise && !leases ? { averaging: 'accepted' } : {};
    const keyRelease = {
      url,
      releaseKey: releaseJwk,
      stateShareKeyId: 'state-share',
      ...lease,
      ...word,
    };
    parties.push({ id, name: id, ...publicKeys, keyRelease });
  }
  return { identities, owners, parties };
}

async function shareKeys(owners: ReadonlyMap<string, OwnerKeys>, threshold: number | undefined) {
  const shared = new Map<string, SharedKey>();
  if (threshold === undefined) return shared;
  for (const [owner, { kek }] of owners) {
    const dataset = owner.replace(/^owner-/, '');
    shared.set(dataset, await share(dataset, kek.privateKey, threshold, [...owners.keys()]));
  }
  return shared;
}

function secretOf(owner: OwnerKeys | undefined, keyId: string): Uint8Array {
  if (!owner) throw new Error('no such owner');
  const pkcs8 = owner.kek.privateKey.export({ format: 'der', type: 'pkcs8' });
  return keyId === 'state-share' ? owner.stateShare : pkcs8;
}

async function signRelease(
  secret: Uint8Array,
  keyId: string,
  nonce: string,
  transportKey: object,
  releaseKey: KeyObject,
): Promise<string> {
  const recipient = transportKey as { kty: 'RSA'; n: string; e: string };
  const wrapped = wrapForRelease(secret, recipient, 'RSA_AES_KEY_WRAP_256');
  const keyHsm = {
    schema_version: '1.0',
    header: { kid: 'transport', alg: 'dir', enc: 'RSA_AES_KEY_WRAP_256' },
    ciphertext: Buffer.from(wrapped).toString('base64url'),
  };
  const answer = {
    request: { 'api-version': '7.4', enc: 'RSA_AES_KEY_WRAP_256', kid: `/keys/${keyId}`, nonce },
    response: {
      key: {
        key: {
          kid: `https://owner.example/keys/${keyId.includes('/') ? keyId : `${keyId}/0`}`,
          key_hsm: Buffer.from(JSON.stringify(keyHsm)).toString('base64url'),
        },
      },
    },
  };
  return signAnswer(answer, { typ: 'JWT', kid: 'release' }, releaseKey);
}

function signAnswer(payload: object, header: { typ: string; kid: string }, releaseKey: KeyObject) {
  return new CompactSign(canonicalBytes(payload))
    .setProtectedHeader({ alg: 'RS256', kid: header.kid, typ: header.typ })
    .sign(releaseKey);
}

export type Row = Readonly<Record<string, CellValue>>;

/** One dataset's stream: rows in, records for its topic out. */
export class TestStream {
  readonly sealer: StreamSealer;
  readonly stream: StreamId;
  readonly epoch: number;
  readonly #computation: Computation;
  readonly #dataset: string;

  constructor(
    computation: Computation,
    dataset: string,
    stream = newStreamId(),
    at?: { readonly epoch: number; readonly point: StreamHead },
  ) {
    this.#computation = computation;
    this.#dataset = dataset;
    const { contract, contractId, identities } = computation;
    const found = datasetOf(contract, dataset);
    const identity = identities.get(found.owner);
    if (!identity) throw new Error('no such owner');
    this.stream = stream;
    const position = { contract: contractId, dataset: found.id, stream, epoch: 0 };
    this.epoch = at?.epoch ?? 0;
    this.sealer = createStreamSealer({
      contractId,
      dataset: found,
      stream,
      epoch: this.epoch,
      point: at?.point ?? streamStart(position),
      signer: identity.signer,
      kid: found.owner,
      clock: { monotonic: () => 0 },
    });
  }

  /** @param facts what the seal says, true or not */
  async seal(
    rows: readonly Row[],
    facts: { rows?: number; compression?: 'zstd' } = {},
    level?: number,
  ): Promise<SealedRecord> {
    const dataset = datasetOf(this.#computation.contract, this.#dataset);
    const plaintext = encodeColumns(
      dataset.columns.map((contract) => ({
        contract,
        values: rows.map((row) => row[contract.name] ?? null),
      })),
    );
    const times = rows.map((row) => Math.floor(Number(row[dataset.eventTime ?? '']) / 1_000));
    const eventTime =
      dataset.eventTime === undefined ? null : { min: Math.min(...times), max: Math.max(...times) };
    const said = { rows: rows.length, eventTime, ...facts };
    const { record } = await this.sealer.seal(plaintext, said, level);
    return record;
  }

  /** Takes a batch of this stream back. */
  retract(sequence: number, record: SealedRecord): Promise<SealedRecord> {
    const seal = createHash('sha256')
      .update(record.headers['seal'] ?? '')
      .digest('hex');
    return this.sealer.retract({ sequence, seal });
  }

  /** Another producer that goes on from here, or from `from`, in a new epoch. */
  async reopen(
    epoch = this.epoch + 1,
    from: StreamHead = this.sealer.point(),
  ): Promise<{ opening: SealedRecord; stream: TestStream }> {
    const { contract, contractId, identities } = this.#computation;
    const dataset = datasetOf(contract, this.#dataset);
    const identity = identities.get(dataset.owner);
    if (!identity) throw new Error('no such owner');
    const { sequence, ...rest } = from;
    const { record, point } = await sealOpening(
      {
        contractId,
        dataset,
        stream: this.stream,
        epoch,
        signer: identity.signer,
        kid: dataset.owner,
      },
      { epoch: this.epoch, sequences: sequence, ...rest },
    );
    const at = { epoch, point };
    const stream = new TestStream(this.#computation, this.#dataset, this.stream, at);
    return { opening: record, stream };
  }

  manifest(watermark: number | null, final = false): Promise<SealedRecord> {
    return this.sealer.manifest({ watermark, final });
  }
}

import { generateKeyPairSync } from 'node:crypto';
import type { Agent } from 'node:https';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { parseContract } from '@strongroom/protocol/contract';
import { DEBIT_JWS_TYPE, DEBIT_KEY_ID, type Debit, DebitSchema } from '@strongroom/protocol/ledger';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { createSigner, signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { amend, type Version } from './amend.ts';
import { get } from './get.ts';
import {
  type Authority,
  ISSUER,
  MEASUREMENT,
  reportDataOf,
  runtimeClaims,
  workerClaims,
} from './token.ts';
import { createTransportKey } from './vault.ts';

/**
 * A signed contract of the owner `west`, who has two datasets, and `east`, who reads.
 * @param leased whether `west` keeps a lease of it
 */
export async function createContract({ leased = false }: { readonly leased?: boolean } = {}) {
  const west = await createIdentity('west', { reading: false });
  const east = await createIdentity('east', { reading: true });
  const ec = () =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const dataset = (id: string) => ({
    ...{
      id,
      owner: 'west',
      relation: id,
      columns: [{ name: 'at', type: 'timestamp-ms', nullable: false }],
    },
    ...{ eventTime: 'at', keyId: 'kek', wrappingKey: ec() },
  });
  const query = (id: string, relations: string[], window: object) => ({
    ...{ id, relations, window, sql: 'SELECT count(*) AS n FROM flights', latenessMs: 0 },
    ...{ readers: ['east'], disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' } },
  });
  const contract = parseContract({
    ...{ strongroom: 'contract/v1', title: 'Delays', purpose: 'Tests', version: 1 },
    parties: [
      {
        ...{ id: 'west', name: 'West', signingKey: west.signingKey },
        keyRelease: {
          ...{ url: 'https://west.example', releaseKey: ec(), stateShareKeyId: 'share' },
          ...(leased ? { lease: { url: 'https://west.example', statementKey: ec() } } : {}),
        },
      },
      { id: 'east', name: 'East', signingKey: east.signingKey, readingKey: east.readingKey },
    ],
    datasets: [dataset('flights'), dataset('strikes')],
    queries: [
      query('hourly', ['flights'], { kind: 'tumbling', sizeMs: 3_600_000 }),
      query('total', ['flights', 'strikes'], { kind: 'whole' }),
    ],
    enclave: {
      platform: 'simulated',
      measurements: [{ name: 'build 1', sha384: MEASUREMENT }],
      minimumTcb: {},
      authorities: [{ issuer: ISSUER, keys: [ec()] }],
    },
  });
  const half = await signContract(contract, parseIdentity(west.identityJson));
  const signed = await signContract(half, parseIdentity(east.identityJson));
  const version = { signed, contractId: (await verifyContract(signed)).contractId };
  const both = [west.identityJson, east.identityJson];
  return { ...version, amend: (of: Version, members: object) => amend(of, both, members) };
}

export type Charges = Readonly<Record<string, object>>;

/** A worker of a contract: it has a token, and the key that its evidence binds. */
/** @param nonce of the owner `west`, for a lease */
export async function createWorker(authority: Authority, contractId: string, nonce?: string) {
  const transport = createTransportKey();
  const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
  const claims = runtimeClaims(transport.publicKey, contractId);
  const [first] = claims.keys;
  const runtime = {
    ...claims,
    keys: [first, { ...signer.publicKey, kid: 'aggregates', key_ops: ['verify'] }],
    ...(nonce === undefined ? {} : { challenges: { west: nonce } }),
  };
  /** @param challenges nonces by owner, for a lease */
  const targetWith = (challenges: object = {}) => {
    const bound = Object.keys(challenges).length === 0 ? runtime : { ...runtime, challenges };
    return authority.token(
      workerClaims(transport.publicKey, {
        'x-ms-sevsnpvm-hostdata': contractId,
        'x-ms-sevsnpvm-reportdata': reportDataOf(bound),
        'x-ms-runtime': bound,
      }),
    );
  };
  const target = await targetWith();
  const debitOf = (hour: number | null, charges: Charges, more: object = {}): Debit =>
    DebitSchema.parse({
      ...{ v: 1, contract: contractId, query: hour === null ? 'total' : 'hourly' },
      window: hour === null ? null : { start: hour * 3_600_000, end: (hour + 1) * 3_600_000 },
      charges: Object.entries(charges).map(([dataset, loss]) => ({ dataset, loss })),
      ...more,
    });
  const sign = (debit: object, header = {}) =>
    signer.sign(canonicalBytes(debit), { typ: DEBIT_JWS_TYPE, kid: DEBIT_KEY_ID, ...header });
  return { target, targetWith, debitOf, sign, holder: signer.publicKey.x };
}
export type TestWorker = Awaited<ReturnType<typeof createWorker>>;

/** Whom a test asks: a running service with its tokens. */
export interface Asked {
  readonly url: string;
  readonly ca: string;
  readonly tokens: {
    readonly release: string;
    readonly administer: string;
    readonly audit: string;
  };
}

export function createClientOf({ url, ca, tokens }: Asked, contractId: string, agent?: Agent) {
  const ask = async (
    method: string,
    path: string,
    right: 'release' | 'administer' | 'audit',
    body?: object,
  ) => {
    const more = {
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(agent === undefined ? {} : { agent }),
    };
    const answer = await get(`${url}${path}`, ca, { method, token: tokens[right], ...more });
    const json = JSON.parse(answer.body);
    return { status: answer.status, json, code: json.error?.innererror?.code };
  };
  return {
    ask,
    contract: (signed: object) => ask('PUT', `/contracts/${contractId}`, 'administer', signed),
    budgets: (limits: Charges) =>
      ask('PUT', `/ledger/${contractId}/budgets`, 'administer', {
        budgets: Object.entries(limits).map(([dataset, limit]) => ({ dataset, limit })),
      }),
    accounts: async () => (await ask('GET', `/ledger/${contractId}`, 'audit')).json.accounts,
    debit: async (worker: TestWorker, debit: object, header = {}) =>
      ask('POST', `/ledger/${contractId}/debits`, 'release', {
        target: worker.target,
        debit: await worker.sign(debit, header),
      }),
  };
}

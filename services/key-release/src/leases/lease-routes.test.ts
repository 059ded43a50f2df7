import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { SignedContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import {
  LEASE_MS,
  LEASE_NONCE_MS,
  LEASE_STATEMENT_JWS_TYPE,
  LEASE_STEP_JWS_TYPE,
  LeaseStatementSchema,
} from '@strongroom/protocol/lease';
import { createSigner, type Signer } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { compactVerify, importJWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agreeWith, genesisOf } from '../../test/agreement.ts';
import type { Version } from '../../test/amend.ts';
import { get } from '../../test/get.ts';
import { encoded, policyFor, reportDataOf, runtimeClaims, workerClaims } from '../../test/token.ts';
import { startVault, type Vault } from '../../test/vault.ts';
import type { Right } from '../access/access.ts';

let ahead = 0;
let vault: Vault;
let releaseKey: Awaited<ReturnType<typeof importJWK>>;
let transport: { publicKey: KeyObject; privateKey: KeyObject };
let contractId: ContractId;
let signed: SignedContract;
let amend: (members: object) => Promise<Version>;

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated', ahead: () => ahead });
  transport = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const known = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
  releaseKey = await importJWK(JSON.parse(known.body).releaseKey, 'RS256');
}, 60_000);
afterAll(() => vault.stop());

beforeEach(async () => {
  // A contract of its own for every test: a lease is one a contract.
  ({ contractId, signed, amend } = await agreeWith(vault));
  const stored = await ask('administer', 'PUT', `/contracts/${contractId}`, signed);
  expect(stored.status).toBe(200);
});

async function ask(right: Right, method: string, path: string, body?: object) {
  const question = { method, token: vault.tokens[right] };
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await get(`${vault.url}${path}`, vault.ca, { ...question, ...text });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

const lease = (path: string, body: object = {}, right: Right = 'release') =>
  ask(right, 'POST', `/leases/${contractId}/${path}`, body);
const codeIn = ({ body }: { body: { error?: { innererror: { code: string } } } }) =>
  body.error?.innererror.code ?? 'accepted';

async function statementIn({ body }: { body: { statement?: string; error?: unknown } }) {
  const { payload, protectedHeader } = await compactVerify(body.statement ?? '', releaseKey);
  expect(protectedHeader.typ).toBe(LEASE_STATEMENT_JWS_TYPE);
  return LeaseStatementSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
}

/** Goes on with a contract of two slices. */
async function slice(): Promise<void> {
  const { contract } = await verifyContract(signed);
  const streams = [0, 1].map((partition) => ({ id: `gate-${partition}`, partition }));
  const datasets = contract.datasets.map((dataset) => ({ ...dataset, streams }));
  ({ contractId, signed } = await amend({ slices: 2, datasets }));
  await ask('administer', 'PUT', `/contracts/${contractId}`, signed);
}

/** An attested worker with keys of its own. */
class Worker {
  readonly #signer: Signer;
  readonly holder: string;
  readonly #runtime: ReturnType<typeof runtimeClaims>;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.#signer = createSigner(privateKey);
    this.holder = publicKey.export({ format: 'jwk' }).x ?? '';
    const [transportKey, aggregates] = runtimeClaims(transport.publicKey).keys;
    const keys = [transportKey, { ...aggregates, x: this.holder }];
    this.#runtime = { ...runtimeClaims(transport.publicKey, contractId), keys } as never;
  }

  async token(nonce?: string, changes: object = {}): Promise<string> {
    const challenges = nonce === undefined ? {} : { challenges: { west: nonce } };
    const runtime = { ...this.#runtime, ...challenges };
    return vault.authority.token(
      workerClaims(transport.publicKey, {
        'x-ms-runtime': runtime,
        'x-ms-sevsnpvm-reportdata': reportDataOf(runtime),
        'x-ms-sevsnpvm-hostdata': contractId,
        ...changes,
      }),
    );
  }

  async acquire(nonce?: string, place = '') {
    const own = nonce ?? (await lease(`${place}nonces`)).body.nonce;
    return lease(place, { target: await this.token(own) });
  }

  async step(
    from: string,
    to: string,
    changes: object = {},
    typ = LEASE_STEP_JWS_TYPE,
    place = '',
  ) {
    const payload = { v: 1, contract: contractId, epoch: 1, from, to, ...changes };
    const step = await this.#signer.sign(canonicalBytes(payload), { typ, kid: 'aggregates' });
    return lease(`${place}steps`, { step });
  }
}

const hash = (byte: string) => byte.repeat(32);

describe('a lease over HTTPS', () => {
  test('from nonce to end, every answer signed by the key that the contract pins', async () => {
    const worker = new Worker();
    const granted = await statementIn(await worker.acquire());
    const genesis = genesisOf(contractId);
    expect(granted).toMatchObject({
      ...{ contract: contractId, owner: 'west', state: 'held', holder: worker.holder },
      ...{ epoch: 1, from: genesis, to: genesis },
    });
    const taken = await statementIn(await worker.step(genesis, hash('01')));
    expect(taken).toMatchObject({ from: genesis, to: hash('01') });
    const { holder } = worker;
    expect(await statementIn(await lease('renewals', { holder }))).toEqual({
      ...taken,
      at: expect.any(Number),
    });
    expect(await statementIn(await lease('end', { holder }))).toMatchObject({ state: 'ended' });
    const seen = await ask('audit', 'GET', `/leases/${contractId}`);
    expect(seen.body).toEqual({
      ...{ contract: contractId, state: 'ended', holder, epoch: 1 },
      ...{ from: genesis, to: hash('01') },
    });
  });

  test('of a slice is nobody’s where the contract has no such slice', async () => {
    expect(codeIn(await new Worker().acquire(undefined, 'slices/0/'))).toBe('ERR_SLICE_UNKNOWN');
    const seen = await ask('audit', 'GET', `/leases/${contractId}/slices/0`);
    expect(seen.body).toMatchObject({ slice: 0, state: 'ended', epoch: 0 });
    for (const none of ['-1', '00', '1e1', '100', '0x1']) {
      const path = `/leases/${contractId}/slices/${none}`;
      expect([none, (await ask('audit', 'GET', path)).status]).toEqual([none, 400]);
    }
  });

  test('of a slice stands beside that of the worker that tells, and ends with it', async () => {
    await slice();
    const [final, zero, clone] = [new Worker(), new Worker(), new Worker()];
    expect(codeIn(await final.acquire())).toBe('accepted');
    const granted = await statementIn(await zero.acquire(undefined, 'slices/0/'));
    expect(granted).toMatchObject({ slice: 0, state: 'held', holder: zero.holder, epoch: 1 });
    expect(codeIn(await clone.acquire(undefined, 'slices/0/'))).toBe('ERR_LEASE_HELD');
    expect(codeIn(await clone.acquire(undefined, 'slices/2/'))).toBe('ERR_SLICE_UNKNOWN');
    const [from, to] = [genesisOf(contractId), hash('01')];
    const own = { slice: 0 };
    for (const [worker, members, place, code] of [
      [zero, own, '', 'ERR_LEASE_LOST'],
      [final, own, '', 'ERR_LEASE_INVALID'],
      [final, own, 'slices/0/', 'ERR_LEASE_LOST'],
      [zero, {}, 'slices/0/', 'ERR_LEASE_INVALID'],
      [zero, { slice: 1 }, 'slices/0/', 'ERR_LEASE_INVALID'],
      [zero, { slice: 1 }, 'slices/1/', 'ERR_LEASE_LOST'],
    ] as const) {
      const asked = await worker.step(from, to, members, LEASE_STEP_JWS_TYPE, place);
      expect([members, place, codeIn(asked)]).toEqual([members, place, code]);
    }
    const taken = await zero.step(from, to, own, LEASE_STEP_JWS_TYPE, 'slices/0/');
    expect(await statementIn(taken)).toMatchObject({ slice: 0, from, to });
    expect(await statementIn(await lease('renewals', { holder: final.holder }))).toMatchObject({
      ...{ from, to: from },
    });
    await lease('revocation', {}, 'administer');
    const refused = await lease('slices/0/renewals', { holder: zero.holder });
    expect(codeIn(refused)).toBe('ERR_CONTRACT_REVOKED');
    const { statement } = refused.body.error.innererror;
    expect(await statementIn({ body: { statement } })).toMatchObject({ slice: 0, to });
  });

  test('an amendment that the owner approves ends it, by the word that revokes one', async () => {
    const worker = new Worker();
    await worker.acquire();
    const genesis = genesisOf(contractId);
    await worker.step(genesis, hash('01'));
    const { contractId: successor, signed: second } = await amend({ title: 'Second' });
    await ask('administer', 'PUT', `/contracts/${successor}`, second);
    const { holder } = worker;
    const refusals = async () => [
      await worker.step(hash('01'), hash('02')),
      await new Worker().acquire(),
      await lease('renewals', { holder }),
      await lease('end', { holder }),
    ];
    for (const answers of [await refusals(), await vault.restart().then(refusals)]) {
      for (const answer of answers) {
        expect(codeIn(answer)).toBe('ERR_CONTRACT_SUPERSEDED');
        const { statement } = answer.body.error.innererror;
        expect(await statementIn({ body: { statement } })).toMatchObject({
          ...{ contract: contractId, state: 'revoked', successor, to: hash('01') },
        });
      }
    }
    expect((await lease('revocation', {}, 'administer')).status).toBe(200);
    const next = await ask('audit', 'GET', `/leases/${successor}`);
    expect(next.body).toMatchObject({ state: 'ended', epoch: 0 });
  });

  test('a nonce is spent once, also by a hundred at a time, and lasts a minute', async () => {
    const { nonce } = (await lease('nonces')).body;
    const workers = Array.from({ length: 20 }, () => new Worker());
    const answers = await Promise.all(workers.map((worker) => worker.acquire(nonce)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const codes = new Set(answers.map(codeIn));
    expect(codes).toEqual(new Set(['accepted', 'ERR_NONCE_SPENT']));
    const late = (await lease('nonces')).body.nonce;
    ahead += LEASE_NONCE_MS + 1_000;
    expect(codeIn(await new Worker().acquire(late))).toBe('ERR_NONCE_SPENT');
    expect(codeIn(await lease('', { target: await new Worker().token() }))).toBe('ERR_NONCE_SPENT');
    expect(codeIn(await new Worker().acquire(nonce))).toBe('ERR_NONCE_SPENT');
  });

  test('a worker that a key would not be released to gets no lease', async () => {
    const measured = { 'x-ms-sevsnpvm-launchmeasurement': 'b2'.repeat(48) };
    const debug = { 'x-strongroom-platform': 'amd' };
    for (const [changes, code] of [
      [measured, 'ERR_MEASUREMENT_MISMATCH'],
      [debug, 'ERR_ROOT_KIND'],
      [{ iss: 'https://other.example' }, 'ERR_TOKEN_INVALID'],
    ] as const) {
      const { nonce } = (await lease('nonces')).body;
      const target = await new Worker().token(nonce, changes);
      expect(codeIn(await lease('', { target }))).toBe(code);
    }
    const seen = await ask('audit', 'GET', `/leases/${contractId}`);
    expect(seen.body).toMatchObject({ state: 'ended', epoch: 0, holder: null });
  });

  test('only the holder takes steps, by a signature over exactly this', async () => {
    const [worker, clone] = [new Worker(), new Worker()];
    expect((await lease('nonces')).body.state).toBe('ended');
    await worker.acquire();
    expect((await lease('nonces')).body.state).toBe('held');
    const genesis = genesisOf(contractId);
    expect(codeIn(await clone.acquire())).toBe('ERR_LEASE_HELD');
    expect(codeIn(await clone.step(genesis, hash('01')))).toBe('ERR_LEASE_LOST');
    const other = { contract: hash('dd') };
    expect(codeIn(await worker.step(genesis, hash('01'), other))).toBe('ERR_LEASE_INVALID');
    expect(codeIn(await worker.step(genesis, hash('01'), { v: 2 }))).toBe('ERR_LEASE_INVALID');
    const typ = 'strongroom-aggregate+jws';
    expect(codeIn(await worker.step(genesis, hash('01'), {}, typ))).toBe('ERR_LEASE_INVALID');
    expect(codeIn(await worker.step(hash('02'), hash('01')))).toBe('ERR_LEASE_FORKED');
    expect(codeIn(await worker.step(genesis, hash('01')))).toBe('accepted');
    expect(codeIn(await lease('end', { holder: clone.holder }))).toBe('ERR_LEASE_LOST');
  });

  test('who slept past the end is refused, and the next one goes on from there', async () => {
    const [worker, next] = [new Worker(), new Worker()];
    await worker.acquire();
    const genesis = genesisOf(contractId);
    await worker.step(genesis, hash('01'));
    ahead += LEASE_MS;
    expect(codeIn(await worker.step(hash('01'), hash('02')))).toBe('ERR_LEASE_LOST');
    expect(codeIn(await lease('renewals', { holder: worker.holder }))).toBe('ERR_LEASE_LOST');
    const granted = await statementIn(await next.acquire());
    expect(granted).toMatchObject({ epoch: 2, from: genesis, to: hash('01') });
  });

  test('an owner ends a contract for good, and every answer carries its signature', async () => {
    const worker = new Worker();
    await worker.acquire();
    const genesis = genesisOf(contractId);
    const revoked = await statementIn(await lease('revocation', {}, 'administer'));
    expect(revoked).toMatchObject({ state: 'revoked', owner: 'west' });
    const { holder } = worker;
    for (const answer of [
      await worker.step(genesis, hash('01')),
      await lease('renewals', { holder }),
      await new Worker().acquire(),
    ]) {
      expect([answer.status, codeIn(answer)]).toEqual([403, 'ERR_CONTRACT_REVOKED']);
      const { statement } = answer.body.error.innererror;
      expect(await statementIn({ body: { statement } })).toMatchObject({ state: 'revoked' });
    }
  });

  test('keys go to the holder of the lease only, and to nobody of a revoked contract', async () => {
    const admin = vault.client('administer');
    const releasePolicy = encoded(policyForContract());
    const key = `kek-${contractId.slice(0, 8)}`;
    await admin.createKey(key, 'RSA', { keySize: 3072, exportable: true, releasePolicy });
    const [worker, clone] = [new Worker(), new Worker()];
    const release = async (from: Worker) => {
      const body = { target: await from.token(), enc: 'RSA_AES_KEY_WRAP_256' };
      return ask('release', 'POST', `/keys/${key}/release?api-version=7.4`, body);
    };
    expect(codeIn(await release(worker))).toBe('ERR_LEASE_LOST');
    await worker.acquire();
    expect(codeIn(await release(worker))).toBe('accepted');
    expect(codeIn(await release(clone))).toBe('ERR_LEASE_LOST');
    expect(codeIn(await lease('end', { holder: worker.holder }))).toBe('accepted');
    expect(codeIn(await release(worker))).toBe('ERR_LEASE_LOST');
    await lease('revocation', {}, 'administer');
    expect(codeIn(await release(worker))).toBe('ERR_CONTRACT_REVOKED');
  });

  test('rights: a worker ends no contract, an administrator takes no lease', async () => {
    const genesis = genesisOf(contractId);
    const wrong: [Right, string, object][] = [
      ['release', 'revocation', {}],
      ['audit', 'revocation', {}],
      ['administer', 'nonces', {}],
      ['administer', 'end', { holder: new Worker().holder }],
      ['audit', 'steps', { step: 'a.b.c' }],
      ['administer', '', { target: 'a.b.c' }],
    ];
    for (const [right, path, body] of wrong) {
      expect(codeIn(await lease(path, body, right))).toBe('ERR_RIGHT_MISSING');
    }
    const seen = await ask('audit', 'GET', `/leases/${contractId}`);
    expect(seen.body).toMatchObject({ state: 'ended', to: genesis });
    expect(codeIn(await ask('release', 'GET', `/leases/${contractId}`))).toBe('ERR_RIGHT_MISSING');
  });

  test('a contract that nobody stored has no lease', async () => {
    const { nonce } = (await lease('nonces')).body;
    const target = await new Worker().token(nonce);
    const unknown = await ask('release', 'POST', `/leases/${hash('ee')}/`, { target });
    expect(codeIn(unknown)).toBe('ERR_CONTRACT_UNKNOWN');
  });
});

function policyForContract(): object {
  const [entry] = policyFor('simulated').anyOf;
  const allOf = entry?.allOf.map((condition) =>
    condition.claim === 'x-ms-runtime.contract' || condition.claim === 'x-ms-sevsnpvm-hostdata'
      ? { ...condition, equals: contractId }
      : condition,
  );
  return { version: '1.0.0', anyOf: [{ authority: entry?.authority, allOf }] };
}

import { generateKeyPairSync } from 'node:crypto';
import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { ContractId } from '@strongroom/protocol/fields';
import { LEASE_STEP_JWS_TYPE } from '@strongroom/protocol/lease';
import { createSigner } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agreeWith, genesisOf } from '../../test/agreement.ts';
import { get } from '../../test/get.ts';
import { encoded, reportDataOf, runtimeClaims, workerClaims } from '../../test/token.ts';
import { createTransportKey, startVault, type Vault } from '../../test/vault.ts';
import type { Right } from '../access/access.ts';

/** Keys in a vault that keeps no lease, as Azure's does, and the lease in a ledger beside it. */

const KEY = 'kek';
const transport = createTransportKey();
let vault: Vault;
let ledger: Vault;
let contractId: ContractId;

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
  ledger = await startVault({ platform: 'simulated', arguments: ['--without-keys'] });
  const known = await get(`${ledger.url}/.well-known/strongroom`, ledger.ca);
  const lease = { url: ledger.url, statementKey: JSON.parse(known.body).releaseKey };
  const agreement = await agreeWith(vault, { lease });
  contractId = agreement.contractId;
  const { contract } = await verifyContract(agreement.signed);
  // A vault of ours may know the contract, for own verification; Azure's cannot.
  for (const service of [vault, ledger]) {
    const path = `/contracts/${contractId}`;
    expect((await ask(service, 'administer', 'PUT', path, agreement.signed)).status).toBe(200);
  }
  const releasePolicy = encoded(releasePolicyFor(contract, contractId));
  const rsa = { keySize: 3072, exportable: true, releasePolicy };
  await vault.client('administer').createKey(KEY, 'RSA', rsa);
}, 60_000);
afterAll(() => Promise.all([vault.stop(), ledger.stop()]));

async function ask(service: Vault, right: Right, method: string, path: string, body?: object) {
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  const question = { method, token: service.tokens[right], ...text };
  const answer = await get(`${service.url}${path}`, service.ca, question);
  return { status: answer.status, body: JSON.parse(answer.body) };
}

async function outcome(answer: ReturnType<typeof ask>) {
  const { status, body } = await answer;
  return status === 200 ? 'accepted' : body.error.innererror.code;
}

/** An attested worker, and what it gets at either service. */
function worker() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const signer = createSigner(privateKey);
  const holder = publicKey.export({ format: 'jwk' }).x ?? '';
  const claims = runtimeClaims(transport.publicKey, contractId);
  const keys = [claims.keys[0], { ...claims.keys[1], x: holder }];
  const token = (service: Vault, more: object = {}) => {
    const runtime = { ...claims, keys, ...more };
    const facts = {
      'x-ms-runtime': runtime,
      'x-ms-sevsnpvm-reportdata': reportDataOf(runtime),
      'x-ms-sevsnpvm-hostdata': contractId,
    };
    return service.authority.token(workerClaims(transport.publicKey, facts));
  };
  const lease = (path: string, body: object) =>
    ask(ledger, 'release', 'POST', `/leases/${contractId}/${path}`, body);
  return {
    release: async (at: Vault) => {
      const body = { target: await token(at), enc: 'RSA_AES_KEY_WRAP_256' };
      const path = `/keys/${KEY}/release?api-version=7.4`;
      return (await ask(at, 'release', 'POST', path, body)).status;
    },
    acquire: async () => {
      const { nonce } = (await lease('nonces', {})).body;
      return outcome(lease('', { target: await token(ledger, { challenges: { west: nonce } }) }));
    },
    step: async (from: string, to: string) => {
      const payload = canonicalBytes({ v: 1, contract: contractId, epoch: 1, from, to });
      const header = { typ: LEASE_STEP_JWS_TYPE, kid: 'aggregates' };
      return outcome(lease('steps', { step: await signer.sign(payload, header) }));
    },
  };
}

test('a worker needs both: keys of the vault, the ledger’s word for what leaves', async () => {
  const [holder, clone] = [worker(), worker()];
  const [genesis, next] = [genesisOf(contractId), '01'.repeat(32)];
  // What is weaker: the vault asks nobody whether there is a lease.
  expect([await holder.release(vault), await clone.release(vault)]).toEqual([200, 200]);
  expect(await holder.step(genesis, next)).toBe('ERR_LEASE_LOST');
  expect(await holder.acquire()).toBe('accepted');
  expect(await clone.acquire()).toBe('ERR_LEASE_HELD');
  expect(await holder.step(genesis, next)).toBe('accepted');
  expect(await clone.step(genesis, '02'.repeat(32))).toBe('ERR_LEASE_LOST');
});

test('the ledger has no key and no route to one', async () => {
  expect(await worker().release(ledger)).toBe(404);
  const listed = await ask(ledger, 'administer', 'GET', '/keys?api-version=7.4');
  expect(listed.status).toBe(404);
});

test('the ledger ends the contract: no step is confirmed; the keys stay', async () => {
  const path = `/leases/${contractId}/revocation`;
  expect((await ask(ledger, 'administer', 'POST', path, {})).status).toBe(200);
  expect(await worker().acquire()).toBe('ERR_CONTRACT_REVOKED');
  expect(await worker().step(genesisOf(contractId), '03'.repeat(32))).toBe('ERR_CONTRACT_REVOKED');
  expect(await worker().release(vault)).toBe(200);
});

import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import { verifyContract } from '@strongroom/sealing/verify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Version } from '../../test/amend.ts';
import { encoded } from '../../test/token.ts';
import { startVault, type Vault } from '../../test/vault.ts';
import { createClientOf, createContract, createWorker } from '../../test/worker.ts';

/** What an owner's service gives under a version of a contract, before and after the next one. */

let vault: Vault;
beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
}, 60_000);
afterAll(() => vault.stop());

const put = ({ contractId, signed }: Version) => createClientOf(vault, contractId).contract(signed);
const rho = (amount: string) => ({ flights: { rho: amount } });

/** A key under the contract's own policy, and a worker that is attested under it. */
async function released({ contractId, signed }: Version) {
  const { contract } = await verifyContract(signed);
  const name = `key-${contractId.slice(0, 12)}`;
  const releasePolicy = encoded(releasePolicyFor(contract, contractId));
  const keys = vault.client('administer');
  await keys.createOctKey(name, { exportable: true, releasePolicy }).catch(() => undefined);
  const { target } = await createWorker(vault.authority, contractId);
  const { ask } = createClientOf(vault, contractId);
  const body = { target, enc: 'RSA_AES_KEY_WRAP_256' };
  const { status, code } = await ask(
    'POST',
    `/keys/${name}/release?api-version=7.4`,
    'release',
    body,
  );
  return status === 200 ? 'released' : code;
}

describe('once an owner has approved an amendment', () => {
  test('nothing is given under the version before, also after a restart', async () => {
    const first = await createContract();
    await put(first);
    const second = await first.amend(first, { title: 'Second' });
    const old = createClientOf(vault, first.contractId);
    await old.budgets(rho('1'));
    expect(await released(first)).toBe('released');
    expect(await put(second)).toMatchObject({ status: 200 });
    for (const restart of [false, true]) {
      if (restart) await vault.restart();
      const client = createClientOf(vault, first.contractId);
      expect(await released(first)).toBe('ERR_CONTRACT_SUPERSEDED');
      expect(await released(second)).toBe('released');
      const worker = await createWorker(vault.authority, first.contractId);
      expect((await client.budgets(rho('2'))).code).toBe('ERR_CONTRACT_SUPERSEDED');
      expect((await client.debit(worker, worker.debitOf(1, rho('0.1')))).code).toBe(
        'ERR_CONTRACT_SUPERSEDED',
      );
      // What was put before is known, and changes nothing.
      expect((await put(first)).status).toBe(200);
    }
    const entries = await vault.entries();
    expect(entries.filter(({ event }) => event === 'contract-superseded')).toEqual([
      expect.objectContaining({
        ...{ contract: first.contractId, successor: second.contractId },
        caller: expect.any(String),
      }),
    ]);
    expect(entries).toContainEqual(
      expect.objectContaining({ event: 'release-refused', code: 'ERR_CONTRACT_SUPERSEDED' }),
    );
  });

  test('what was spent is spent: a dataset has one account under all versions', async () => {
    const first = await createContract();
    await put(first);
    const old = createClientOf(vault, first.contractId);
    await old.budgets(rho('1'));
    const worker = await createWorker(vault.authority, first.contractId);
    expect((await old.debit(worker, worker.debitOf(1, rho('0.75')))).status).toBe(200);
    let newest: Version = first;
    for (const title of ['Second', 'Third']) {
      newest = await first.amend(newest, { title });
      await put(newest);
    }
    for (const restart of [false, true]) {
      if (restart) await vault.restart();
      const client = createClientOf(vault, newest.contractId);
      expect(await client.accounts()).toEqual([
        { dataset: 'flights', limit: { rho: '1' }, spent: { rho: '0.75' }, debits: 1 },
      ]);
      const next = await createWorker(vault.authority, newest.contractId);
      // The same window again is another result, with other noise.
      expect((await client.debit(next, next.debitOf(1, rho('0.5')))).code).toBe(
        'ERR_BUDGET_EXHAUSTED',
      );
    }
    const client = createClientOf(vault, newest.contractId);
    const next = await createWorker(vault.authority, newest.contractId);
    expect((await client.debit(next, next.debitOf(1, rho('0.25')))).status).toBe(200);
    const measure = { flights: { epsilon: '9', delta: '0.1' } };
    expect((await client.budgets(measure)).code).toBe('ERR_REQUEST_INVALID');
    await vault.restart();
    expect(await createClientOf(vault, first.contractId).accounts()).toMatchObject([
      { spent: { rho: '1' }, debits: 2 },
    ]);
  });
});

describe('an amendment is approved', () => {
  test('behind the version before, which has no other one', async () => {
    const first = await createContract();
    const second = await first.amend(first, { title: 'Second' });
    const third = await first.amend(second, { title: 'Third' });
    expect(await put(second)).toMatchObject({ status: 409, code: 'ERR_CONTRACT_PREDECESSOR' });
    await put(first);
    expect((await put(third)).code).toBe('ERR_CONTRACT_PREDECESSOR');
    await put(second);
    const fork = await first.amend(first, { title: 'Other' });
    expect(await put(fork)).toMatchObject({ status: 409, code: 'ERR_CONTRACT_FORKED' });
    await vault.restart();
    expect((await put(fork)).code).toBe('ERR_CONTRACT_FORKED');
    expect((await put(third)).status).toBe(200);
  });

  test('as it is signed: not by some, and not when it renames a column', async () => {
    const first = await createContract();
    await put(first);
    const second = await first.amend(first, { title: 'Second' });
    const [west] = second.signed.signatures;
    const half = { ...second, signed: { ...second.signed, signatures: west ? [west] : [] } };
    expect(await put(half)).toMatchObject({ status: 400, code: 'ERR_CONTRACT_UNSIGNED' });
    expect(await released(first)).toBe('released');
    const { contract } = await verifyContract(first.signed);
    const datasets = contract.datasets.map((dataset) => ({
      ...dataset,
      columns: [...dataset.columns, { name: 'more', type: 'utf8', nullable: false }],
    }));
    const other = await first.amend(first, { datasets });
    expect(await put(other)).toMatchObject({ status: 400, code: 'ERR_AMENDMENT_REFUSED' });
    expect(await released(first)).toBe('released');
  });
});

import { Agent } from 'node:https';
import { RsaKeySchema } from '@strongroom/protocol/public-key';
import { verifyReceipt } from '@strongroom/sealing/audit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { get } from '../../test/get.ts';
import { startVault, type Vault } from '../../test/vault.ts';
import {
  createClientOf,
  createContract,
  createWorker,
  type TestWorker,
} from '../../test/worker.ts';

/** Debits over HTTPS, by workers that are attested and some that are not. */

let vault: Vault;
let worker: TestWorker;
let client: ReturnType<typeof createClientOf>;
let contractId: string;

beforeAll(async () => {
  vault = await startVault({ platform: 'simulated' });
  const made = await createContract();
  contractId = made.contractId;
  worker = await createWorker(vault.authority, contractId);
  client = createClientOf(vault, contractId);
  expect((await client.contract(made.signed)).status).toBe(200);
}, 60_000);
afterAll(() => vault.stop());

const rho = (amount: string) => ({ flights: { rho: amount } });
let hour = 0;
const debitNow = (amount: string) => worker.debitOf(hour++, rho(amount));

describe('a debit', () => {
  test('needs a budget, and is proven by a receipt', async () => {
    const debit = debitNow('0.25');
    expect((await client.debit(worker, debit)).code).toBe('ERR_BUDGET_UNSET');
    expect((await client.budgets(rho('1'))).json.accounts).toEqual([
      { dataset: 'flights', limit: { rho: '1' }, spent: {}, debits: 0 },
    ]);
    const { status, json } = await client.debit(worker, debit);
    expect(status).toBe(200);
    const known = await get(`${vault.url}/.well-known/strongroom`, vault.ca);
    const releaseKey = RsaKeySchema.parse(JSON.parse(known.body).releaseKey);
    const { entry } = await verifyReceipt(json.receipt, { owner: 'west', releaseKey });
    expect(entry).toMatchObject({ event: 'budget-debited', sequence: json.entry, debit });
    // The same again, also after a restart, is the same entry.
    await vault.restart();
    client = createClientOf(vault, contractId);
    const again = await client.debit(worker, debit);
    expect([again.json.entry, again.json.receipt.entry]).toEqual([json.entry, json.receipt.entry]);
    expect(await client.accounts()).toMatchObject([{ spent: { rho: '0.25' }, debits: 1 }]);
    const changed = { ...debit, charges: [{ dataset: 'flights', loss: { rho: '0.1' } }] };
    expect(await client.debit(worker, changed)).toMatchObject({
      status: 409,
      code: 'ERR_DEBIT_CHANGED',
    });
  });

  test('is the worker’s own, for the datasets and windows of its query', async () => {
    const good = debitNow('0.1');
    const other = await createWorker(vault.authority, contractId);
    const foreign = await createWorker(vault.authority, 'ab'.repeat(32));
    const outcomes: Record<string, unknown> = {};
    const tried = async (name: string, by: TestWorker, debit: object, header = {}) => {
      outcomes[name] = (await client.debit(by, debit, header)).code;
    };
    await tried('another key', { ...worker, sign: other.sign }, good);
    await tried('a seal of a result', worker, good, { typ: 'strongroom-aggregate+jws' });
    await tried('another contract', worker, { ...good, contract: 'ab'.repeat(32) });
    await tried('an unknown query', worker, { ...good, query: 'daily' });
    await tried('no window', worker, { ...good, window: null });
    await tried('half a window', worker, { ...good, window: { start: 0, end: 1_800_000 } });
    await tried('a moved window', worker, { ...good, window: { start: 1, end: 3_600_001 } });
    await tried('a dataset too few', worker, worker.debitOf(null, rho('0.1')));
    await tried('a dataset too many', worker, { ...good, charges: [] });
    await tried('an unknown member', worker, { ...good, more: 1 });
    await tried('a worker of another contract', foreign, good);
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['ERR_DEBIT_INVALID']));
    expect(Object.keys(outcomes)).toHaveLength(11);
    await tried('no token', { ...worker, target: 'x.y.z' }, good);
    expect(outcomes['no token']).toBe('ERR_TOKEN_INVALID');
    expect(await client.accounts()).toMatchObject([{ spent: { rho: '0.25' }, debits: 1 }]);
  });

  test('of code that the contract does not name is refused', async () => {
    const measured = { 'x-ms-sevsnpvm-launchmeasurement': 'b2'.repeat(48) };
    const authority = {
      ...vault.authority,
      token: (claims: object) => vault.authority.token({ ...claims, ...measured }),
    };
    const wrong = await createWorker(authority, contractId);
    const { status, code } = await client.debit(wrong, debitNow('0.1'));
    expect([status, code]).toEqual([403, 'ERR_MEASUREMENT_MISMATCH']);
  });

  test('needs the right, and so do budgets', async () => {
    const path = `/ledger/${contractId}`;
    for (const [method, route, right] of [
      ['POST', '/debits', 'administer'],
      ['PUT', '/budgets', 'release'],
      ['PUT', '/budgets', 'audit'],
      ['GET', '', 'release'],
    ] as const) {
      const body = method === 'GET' ? undefined : {};
      expect((await client.ask(method, path + route, right, body)).code).toBe('ERR_RIGHT_MISSING');
    }
  });
});

test.each([
  ['where the contract has none, before there is one', false, undefined],
  ['where the contract has one, and nobody took it', true, 'ERR_LEASE_LOST'],
])(
  'a lease: who has none debits %s; then its holder, until a revocation',
  async (_name, leased, first) => {
    const { signed, contractId: id } = await createContract({ leased });
    const own = createClientOf(vault, id);
    await own.contract(signed);
    await own.budgets(rho('9'));
    const clone = await createWorker(vault.authority, id);
    expect((await own.debit(clone, clone.debitOf(0, rho('1')))).code).toBe(first);
    expect(await own.accounts()).toMatchObject([{ debits: first === undefined ? 1 : 0 }]);
    const { nonce } = (await own.ask('POST', `/leases/${id}/nonces`, 'release', {})).json;
    const holder = await createWorker(vault.authority, id, nonce);
    const taken = await own.ask('POST', `/leases/${id}/`, 'release', { target: holder.target });
    expect(taken.status).toBe(200);
    expect((await own.debit(clone, clone.debitOf(1, rho('1')))).code).toBe('ERR_LEASE_LOST');
    expect((await own.debit(holder, holder.debitOf(1, rho('1')))).status).toBe(200);
    if (leased) {
      await own.ask('POST', `/leases/${id}/end`, 'release', { holder: holder.holder });
      const late = await own.debit(holder, holder.debitOf(2, rho('1')));
      expect(late.code).toBe('ERR_LEASE_LOST');
    }
    await own.ask('POST', `/leases/${id}/revocation`, 'administer', {});
    const after = await own.debit(holder, holder.debitOf(2, rho('1')));
    expect(after.code).toBe('ERR_CONTRACT_REVOKED');
  },
);

test.each<[string, object, string]>([
  ['of a stranger', { nobody: { rho: '1' } }, 'ERR_DATASET_UNKNOWN'],
  ['of a number', { flights: { rho: 1 } }, 'ERR_REQUEST_INVALID'],
  ['of two measures', { flights: { rho: '1', epsilon: '1', delta: '0' } }, 'ERR_REQUEST_INVALID'],
  ['below nothing', { flights: { rho: '-1' } }, 'ERR_REQUEST_INVALID'],
])('a budget %s is refused', async (_name, limits, code) => {
  expect((await client.budgets(limits as never)).code).toBe(code);
});

test('a thousand at once never overdraw, and what was answered is in the log', {
  timeout: 180_000,
}, async () => {
  expect((await client.budgets(rho('50.25'))).status).toBe(200);
  // Each of 500 results is asked for twice; half of them fit.
  const hours = Array.from({ length: 1_000 }, (_, index) => 1_000 + (index % 500));
  const agent = new Agent({ keepAlive: true, maxSockets: 250 });
  const many = createClientOf(vault, contractId, agent);
  const answers = await Promise.all(
    hours.map((each) => many.debit(worker, worker.debitOf(each, rho('0.2')))),
  );
  agent.destroy();
  const codes = answers.map(({ code }) => code ?? 'debited');
  expect(new Set(codes)).toEqual(new Set(['debited', 'ERR_BUDGET_EXHAUSTED']));
  const entries = new Map<number, number>();
  for (const [index, { code, json }] of answers.entries()) {
    if (code === undefined) entries.set(hours[index] ?? 0, json.entry);
  }
  expect(entries.size).toBe(250);
  expect(new Set(entries.values()).size).toBe(250);
  expect(await client.accounts()).toMatchObject([{ spent: { rho: '50.25' }, debits: 251 }]);
  const written = (await vault.entries()).filter(
    ({ event, debit }) => event === 'budget-debited' && JSON.stringify(debit).includes(contractId),
  );
  expect(written).toHaveLength(251);
});

test('without keys it is a ledger and an audit log, and nothing else', async () => {
  const alone = await startVault({ platform: 'simulated', arguments: ['--without-keys'] });
  try {
    const made = await createContract();
    const own = createClientOf(alone, made.contractId);
    expect((await own.contract(made.signed)).status).toBe(200);
    expect((await own.budgets(rho('1'))).status).toBe(200);
    const by = await createWorker(alone.authority, made.contractId);
    expect((await own.debit(by, by.debitOf(0, rho('1')))).status).toBe(200);
    const created = await own.ask('POST', '/keys/share/create', 'administer', { kty: 'oct' });
    expect(created.status).toBe(404);
    expect((await own.ask('POST', '/keys/share/release', 'release', {})).status).toBe(404);
  } finally {
    await alone.stop();
  }
});

import { createHash, randomBytes } from 'node:crypto';
import type { Agent } from 'node:https';
import { releasePolicyFor } from '@strongroom/attestation/release-policy';
import { parseContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { LEASE_STEP_JWS_TYPE } from '@strongroom/protocol/lease';
import { expect } from 'vitest';
import { type Authority, encoded } from './token.ts';
import { type Asked, createClientOf, createContract, createWorker } from './worker.ts';

/** Everything that the service answered, of a load that goes on over its deaths. */
interface Answered {
  /** Entries that were said to be in the log, by their number. */
  readonly entries: Map<number, string>;
  /** The entry of the debit of an hour. */
  readonly debits: Map<number, number>;
}

/** What is known of the lease, and what it is if the request that was not answered came through. */
interface LeaseLine {
  known: LeaseState;
  pending: LeaseState | undefined;
}

interface LeaseState {
  readonly state: string;
  readonly holder: string | null;
  readonly to: string;
}

export interface Load {
  readonly contractId: ContractId;
  readonly answered: Answered;
  readonly lease: LeaseLine;
  /** Once, on a service that lives. */
  setUp(asked: Asked): Promise<void>;
  /** Releases, changes of the policy, debits and steps at the same time, until nobody answers. */
  run(asked: Asked, agent: Agent): Promise<void>;
}

export const COST = '0.7';
const RELEASERS = 3;
const STEPS_A_HOLDER = 4;

type Ask = ReturnType<typeof createClientOf>['ask'];
type Worker = Awaited<ReturnType<typeof createWorker>>;

export async function createLoad(authority: Authority): Promise<Load> {
  const { signed, contractId } = await createContract();
  const genesis = createHash('sha256').update(contractId).digest('hex');
  const workers = await Promise.all([0, 1].map(() => createWorker(authority, contractId)));
  const answered: Answered = { entries: new Map(), debits: new Map() };
  const known = { state: 'ended', holder: null, to: genesis };
  const lease: LeaseLine = { known, pending: undefined };
  const [worker] = workers;
  if (!worker) throw new Error('a worker');
  const holderOf = ({ known }: LeaseLine) => workers.find((each) => each.holder === known.holder);
  const policyOf = policies(signed, contractId);
  let hour = 0;
  return {
    ...{ contractId, answered, lease },
    setUp: async (asked) => {
      const { ask, contract, budgets } = createClientOf(asked, contractId);
      expect((await contract(signed)).status).toBe(200);
      expect((await budgets({ flights: { rho: '100000' } })).status).toBe(200);
      const made = { kty: 'oct', key_size: 256, attributes: { exportable: true } };
      const body = { ...made, release_policy: policyOf(0) };
      expect((await ask('POST', '/keys/kek/create', 'administer', body)).status).toBe(200);
    },
    run: async (asked, agent) => {
      const { ask } = createClientOf(asked, contractId, agent);
      const releasing = Array.from({ length: RELEASERS }, () =>
        untilDead(() => release(ask, worker, answered)),
      );
      await Promise.all([
        ...releasing,
        untilDead((turn) =>
          ask('PATCH', '/keys/kek', 'administer', { release_policy: policyOf(turn) }),
        ),
        untilDead(() => debit(ask, holderOf(lease) ?? worker, contractId, answered, hour++)),
        untilDead(() => stepOn(ask, workers, contractId, lease)),
      ]);
    },
  };
}

/** Repeats until the service is dead; what it refuses is a failure of the test. */
async function untilDead(act: (turn: number) => Promise<unknown>): Promise<void> {
  for (let turn = 1; ; turn += 1) {
    try {
      await act(turn);
    } catch (error) {
      if (error instanceof Error && 'code' in error && DEAD.has(String(error.code))) return;
      throw error;
    }
  }
}

const DEAD: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** Policies of one meaning and different bytes. */
function policies(signed: { readonly payload: string }, contractId: ContractId) {
  const contract = parseContract(JSON.parse(Buffer.from(signed.payload, 'base64url').toString()));
  const policy = releasePolicyFor(contract, contractId);
  return (turn: number) => {
    const { encodedPolicy } = encoded({ ...policy, version: '1.0.0' });
    const data = Buffer.concat([encodedPolicy, Buffer.alloc(turn % 3, ' ')]);
    return { contentType: 'application/json; charset=utf-8', data: data.toString('base64url') };
  };
}

async function release(ask: Ask, { target }: Worker, { entries }: Answered): Promise<void> {
  const body = { target, enc: 'RSA_AES_KEY_WRAP_256' };
  const { status, json } = await ask('POST', '/keys/kek/release?api-version=7.4', 'release', body);
  expect([status, typeof json.value]).toEqual([200, 'string']);
  entries.set(json.receipt.index, json.receipt.entry);
}

/**
 * By the holder of the lease, or by one who was: that one is refused, and nothing else is. Now and
 * then one again, whether it was answered or not.
 */
async function debit(
  ask: Ask,
  worker: Worker,
  contractId: string,
  { debits, entries }: Answered,
  hour: number,
): Promise<void> {
  const wanted = hour % 3 === 2 ? hour - 2 : hour;
  const debit = await worker.sign(worker.debitOf(wanted, { flights: { rho: COST } }));
  const body = { target: worker.target, debit };
  const { code, json } = await ask('POST', `/ledger/${contractId}/debits`, 'release', body);
  if (code === 'ERR_LEASE_LOST') return;
  expect(code).toBeUndefined();
  expect(debits.get(wanted) ?? json.entry).toBe(json.entry);
  debits.set(wanted, json.entry);
  entries.set(json.receipt.index, json.receipt.entry);
}

/** The holder takes a step and then another one, and after some of them gives the lease back. */
async function stepOn(
  ask: Ask,
  workers: readonly Worker[],
  contractId: string,
  lease: LeaseLine,
): Promise<void> {
  const { state, holder, to } = lease.known;
  const own = workers.find((each) => each.holder === holder);
  const other = workers.find((each) => each.holder !== holder);
  if (!other) throw new Error('two workers');
  const path = `/leases/${contractId}`;
  const ask200 = async (route: string, body: object, next: LeaseState) => {
    lease.pending = next;
    const { status, json } = await ask('POST', `${path}/${route}`, 'release', body);
    expect([status, json]).toEqual([200, { statement: expect.any(String) }]);
    lease.known = next;
    lease.pending = undefined;
  };
  const nonceFor = async () => (await ask('POST', `${path}/nonces`, 'release', {})).json.nonce;
  if (state !== 'held' || !own) {
    const target = await other.targetWith({ west: await nonceFor() });
    return ask200('', { target }, { state: 'held', holder: other.holder, to });
  }
  const rival = await other.targetWith({ west: await nonceFor() });
  const refused = await ask('POST', `${path}/`, 'release', { target: rival });
  expect(refused.code).toBe('ERR_LEASE_HELD');
  for (let step = 0; step < STEPS_A_HOLDER; step += 1) {
    const next = randomBytes(32).toString('hex');
    const payload = { v: 1, contract: contractId, epoch: 0, from: lease.known.to, to: next };
    const signed = await own.sign(payload, { typ: LEASE_STEP_JWS_TYPE, kid: 'aggregates' });
    await ask200('steps', { step: signed }, { state, holder, to: next });
  }
  await ask200('end', { holder }, { ...lease.known, state: 'ended' });
}
